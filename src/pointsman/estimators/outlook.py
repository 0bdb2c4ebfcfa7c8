"""What a learned confidence makes of several answers, and of the models that could still be asked."""

from __future__ import annotations

from collections.abc import Sequence

from pointsman.core.outlook import Heard, Prospect, Prospects
from pointsman.estimators.accord import Accord, Given, Unasked
from pointsman.estimators.confidence import Confidence

_LEAST = 1e-3  # between agreeing and differing: where it is less, nothing follows from either


def outlook(learned: Confidence, heard: Sequence[Heard], further: Sequence[tuple[str, float]], question: str) -> Prospects:
    """Which answer to deliver, how likely it is right, and what each further model promises. There must be an answer."""
    given = tuple(Given(one.model, one.confidence, one.comes_to) for one in heard)
    best, sure = learned.accord.best(given)
    after = [_after(learned, one, further, question) for one in heard]
    expected = zip(further, zip(*after, strict=True), strict=True)
    quality = [learned.accord.quality(Unasked(given, prior, then), sure) for (_, prior), then in expected]
    names = (model for model, _ in further)
    return Prospects(
        best, sure, tuple(prospect(learned.accord, given, best, sure, model, each) for model, each in zip(names, quality, strict=True))
    )


def _after(learned: Confidence, one: Heard, further: Sequence[tuple[str, float]], question: str) -> list[float]:
    """Expected quality of each further model once this answer is seen: learned of those that are better on the whole."""
    if learned.gains is None or not further:
        return [prior for _, prior in further]
    leads = learned.gain(one.model, one.prior, one.grades, one.text, further, question)
    known = learned.mean(one.model)
    return [
        min(max(one.confidence + lead, 0.0), 1.0) if learned.mean(model) > known else prior
        for (model, prior), lead in zip(further, leads, strict=True)
    ]


def prospect(accord: Accord, given: Sequence[Given], best: int, sure: float, model: str, quality: float) -> Prospect:
    """A further answer will agree with the best one or not: how likely, follows from what either would make of the confidence in it."""
    own = given[best].comes_to
    if not own:
        return Prospect(quality)
    agree = accord.stand([*given, Given(model, quality, own)], best)
    differ = accord.stand([*given, Given(model, quality, f"not {own}")], best)
    if agree - differ < _LEAST:
        return Prospect(quality)
    chance = min(max((sure - differ) / (agree - differ), 0.0), 1.0)
    other = min(max((quality - chance * agree) / max(1 - chance, 1e-6), 0.0), 1.0)
    return Prospect(quality, chance, agree, max(differ, other))
