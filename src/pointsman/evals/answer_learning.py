"""Learning how likely an answer is right, from answers that were judged: to each query all, some, or only the one that was delivered."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from pointsman.errors import ConfigError
from pointsman.estimators import confidence, mixing
from pointsman.estimators.accord import Accord
from pointsman.estimators.confidence import LEAST, Confidence, Example, Fit
from pointsman.estimators.opening import Openings
from pointsman.evals import calibration, openings
from pointsman.evals.cascade_dial import LEAST_QUERIES
from pointsman.evals.sight import accord_of, examples
from pointsman.signals.embedding import shipped

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pointsman.estimators.outcomes import Matrix, Outcomes
    from pointsman.estimators.tabular import Vector

    Cells = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Signal:
    """How well answers are told right from wrong once they are seen: means over models."""

    auc: float  #: chance that a right answer is given more confidence than a wrong one
    auc_of_prompt: float  #: the same of what the prompt alone says
    ece: float


@dataclass(frozen=True, slots=True)
class Learned:
    """What was learned, and how well answers are told right from wrong by what had not seen them."""

    confidence: Confidence
    signal: Signal
    models: tuple[str, ...]  #: of whom an answer was learned from
    queries: int  #: of which an answer was learned from
    left_out: int  #: answers with a quality whose text is not known


def learn(outcomes: Outcomes, seed: int, tell: Callable[[str], None]) -> Learned:
    """Learn from the answers that have a quality and a text; how they speak for each other, from queries where every model's has.

    Raises `ConfigError` where there are too few, or all are alike.
    """
    there = _judged(outcomes)
    rows, columns = np.flatnonzero(there.any(axis=1)), np.flatnonzero(there.any(axis=0))
    left_out = int(np.isfinite(outcomes.quality).sum() - there.sum())
    _check(outcomes, there)
    kept, there = outcomes.rows(rows).pool([outcomes.models[m] for m in columns]), there[np.ix_(rows, columns)]
    answers = int(there.sum())
    tell(f"learning what the prompts of {len(rows):,} queries say of {len(columns)} models")
    prior = mixing.fit(kept, shipped(), mixing.Settings(), seed).unseen
    tell(f"reading {answers:,} answers")
    shown = _examples(kept, prior, there)
    tell("learning which of them are right")
    fitted = confidence.fit(shown, seed)
    told = Signal(*(_by_model(of, said, kept.quality, there) for of, said in _figures(fitted.unseen, prior, there)))
    accord, first = _together(kept, prior, fitted, shown, there, seed, tell)
    return Learned(replace(fitted.confidence, accord=accord, openings=first), told, kept.models, len(rows), left_out)


def _judged(outcomes: Outcomes) -> Cells:
    """Which answers have a quality and a text."""
    texts = outcomes.answers or ((None,) * len(outcomes.models),) * len(outcomes.queries)
    return np.isfinite(outcomes.quality) & np.array([[text is not None for text in row] for row in texts], np.bool_)


def _check(outcomes: Outcomes, there: Cells) -> None:
    cure = "have people judge more (a route's `review.sample`, `pointsman review`), or record `response` with the outcomes"
    if there.sum() < LEAST:
        raise ConfigError(f"{int(there.sum())} answers have a quality and a text that is kept, at least {LEAST} are needed: {cure}")
    if np.ptp(outcomes.quality[there]) == 0:
        alike = f"the {int(there.sum())} answers that were judged are all of quality {outcomes.quality[there][0]:g}"
        raise ConfigError(f"{alike}, which tells nothing right from wrong: {cure}")


def _examples(outcomes: Outcomes, prior: Matrix, there: Cells) -> list[Example]:
    """The judged answers, each with the judged ones beside it."""
    judged = (one for one, known in zip(examples(outcomes, prior), there.ravel(), strict=True) if known)
    return [replace(one, further=tuple(other for other in one.further if np.isfinite(other.right))) for one in judged]


def _together(
    outcomes: Outcomes, prior: Matrix, fitted: Fit, shown: Sequence[Example], there: Cells, seed: int, tell: Callable[[str], None]
) -> tuple[Accord, Openings]:
    """How answers speak for each other, and whom to ask first: both from queries where every model's answer was judged."""
    whole = there.all(axis=1)
    if whole.sum() < LEAST_QUERIES or len(outcomes.models) < 2:
        few = f"{int(whole.sum()):,} queries have judged answers of all {len(outcomes.models)} models, fewer than {LEAST_QUERIES}"
        tell(f"how answers speak for each other is not learned: {few}")
        return Accord.unlearned(), Openings()
    tell(f"learning how answers to {int(whole.sum()):,} queries speak for each other")
    of_whole, rows = np.repeat(whole, there.sum(axis=1)), np.flatnonzero(whole)
    some = [one for one, known in zip(shown, of_whole, strict=True) if known]
    table, unseen = outcomes.rows(rows), fitted.unseen[of_whole]
    accord = accord_of(table, prior[rows], Fit(fitted.confidence, unseen), some, seed)
    return accord, openings.learn(table, prior[rows], unseen.reshape(len(rows), -1))


def _figures(unseen: Vector, prior: Matrix, there: Cells) -> tuple[tuple[Callable[[Vector, Vector], float], Matrix], ...]:
    sure = np.full(there.shape, np.nan)
    sure[there] = unseen
    return (calibration.auc, sure), (calibration.auc, prior), (calibration.ece, sure)


def _by_model(of: Callable[[Vector, Vector], float], said: Matrix, truth: Matrix, there: Cells) -> float:
    """Mean over the models of whom it can be said; NaN where it can of none."""
    found = [of(said[rows, m], truth[rows, m]) for m, rows in enumerate(there.T)]
    known = [one for one in found if not np.isnan(one)]
    return float(np.mean(known)) if known else float("nan")
