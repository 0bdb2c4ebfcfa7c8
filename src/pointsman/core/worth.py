"""Whether a further call is worth its price, once an answer is there and may be wrong.

Cascade routing: Dekoninck, Baader, Vechev 2024, "A Unified Approach to Routing and Cascading for LLMs" (arXiv 2410.10347), section 4.
There the best set of models is chosen anew after each answer; here its first model is, looking two calls ahead.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

MOST_FURTHER = 4
"""Models that are thought of at one step."""

TIE = 0.5  #: how far others' qualities move, in log-odds, with what an answer tells of the question


@dataclass(frozen=True, slots=True)
class Further:
    """A model that could be asked next, and the two things that may come of it. Without those the better of both answers is expected."""

    model: str
    quality: float  #: expected, 0 to 1, given what the answers so far tell: see `moved`
    cost_usd: float
    settles: float = 1.0  #: how likely its answer settles the matter: agrees with the one that is there, or looks right
    sure: float | None = None  #: confidence in the best answer then; `None`: the greater of both
    unsure: float = 0.0  #: and otherwise


def next_call(confidence: float, further: Sequence[Further], worth_usd: float) -> int | None:
    """Index of the model to ask next where the better of the answers is worth its price; `None`: the answer that is there will do.

    `confidence`: of the best answer so far, 0 where there is none. `worth_usd`: what quality 1 is worth over quality 0.
    Models in between are passed over where they gain less. The same gain at the same price goes to the first named.

    >>> tiers = [Further("middle", 0.7, 0.001), Further("large", 0.9, 0.010)]
    >>> [next_call(0.6, tiers, worth_usd=worth) for worth in (0.001, 0.02, 1.0)]
    [None, 0, 1]
    """
    best, index = confidence * worth_usd, None
    for at, model in enumerate(further):
        value = _asked(confidence, model, (*further[:at], *further[at + 1 :]), worth_usd)
        if value > best:
            best, index = value, at
    return index


def first_call(further: Sequence[Further], worth_usd: float) -> int:
    """Index of the model to ask where there is no answer: as `next_call`, but somebody must be asked. There must be a model.

    >>> tiers = [Further("middle", 0.7, 0.001), Further("large", 0.9, 0.010)]
    >>> [first_call(tiers, worth_usd=worth) for worth in (0.0, 0.02, 1.0)]
    [0, 0, 1]
    """
    chosen = next_call(0.0, further, worth_usd)
    return max(range(len(further)), key=lambda at: further[at].quality * worth_usd - further[at].cost_usd) if chosen is None else chosen


def openers(offers: Sequence[Further], discern: Sequence[float]) -> list[tuple[int, Further]]:
    """The models to think of where there is no answer yet, each with its index: its answer will look right or not.

    `discern`: how well answers of each are told right from wrong, 0 to 1.

    >>> [(at, one.model, one.unsure) for at, one in openers([Further("small", 0.5, 0.001), Further("dear", 0.4, 0.002)], [0.5, 0.5])]
    [(0, 'small', 0.25)]
    """
    found = []
    for at in undominated([one.cost_usd for one in offers], [one.quality for one in offers]):
        model, quality, cost_usd, told = offers[at].model, offers[at].quality, offers[at].cost_usd, discern[at]
        found.append((at, Further(model, quality, cost_usd, quality, quality + told * (1 - quality), quality - told * quality)))
    return found


def undominated(cost_usd: Sequence[float], quality: Sequence[float]) -> list[int]:
    """Indices of the models that are better than all cheaper ones; of many some, the cheapest and the best among them.

    >>> undominated([3.0, 1.0, 2.0], [0.9, 0.5, 0.4])
    [1, 0]
    """
    kept: list[int] = []
    for at in sorted(range(len(cost_usd)), key=lambda at: (cost_usd[at], -quality[at])):
        if not kept or quality[at] > quality[kept[-1]]:
            kept.append(at)
    if len(kept) <= MOST_FURTHER:
        return kept
    return [kept[round(step * (len(kept) - 1) / (MOST_FURTHER - 1))] for step in range(MOST_FURTHER)]


def moved(quality: float, expected: float, confidence: float, tie: float = TIE) -> float:
    """Expected quality of a model once another's answer, `expected` to be right so often, is thought right with `confidence`.

    Where a question turns out hard for one model it is harder for the next: log-odds move together, `tie` times as far.

    >>> round(moved(0.9, expected=0.6, confidence=0.2, tie=0.5), 3)
    0.786
    """
    return _share(_odds(quality) + tie * (_odds(confidence) - _odds(expected)))


def _asked(confidence: float, model: Further, others: Sequence[Further], worth_usd: float) -> float:
    """Expected worth of asking the model and of the best that can be done afterwards, less the price."""
    if model.sure is None:
        return _then(max(confidence, model.quality), 0.0, others, worth_usd) - model.cost_usd
    expected = _odds(model.settles * model.sure + (1 - model.settles) * model.unsure)
    good, bad = (_then(then, TIE * (_odds(then) - expected), others, worth_usd) for then in (model.sure, model.unsure))
    return model.settles * good + (1 - model.settles) * bad - model.cost_usd


def _then(confidence: float, shift: float, others: Sequence[Further], worth_usd: float) -> float:
    """Expected worth of staying, or of the one more call that gains most, the others' log-odds being moved."""
    best = confidence * worth_usd
    for one in others:
        quality = _share(_odds(one.quality) + shift) if shift else one.quality
        best = max(best, max(confidence, quality) * worth_usd - one.cost_usd)
    return best


def _odds(share: float) -> float:
    within = min(max(share, 1e-4), 1 - 1e-4)
    return math.log(within / (1 - within))


def _share(odds: float) -> float:
    return 1 / (1 + math.exp(-odds))
