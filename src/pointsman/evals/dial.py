"""Which dial keeps a share of quality, or saves a share of cost: read off recorded outcomes, on queries that were not learned from.

A dial promises something where the one-sided 95 % bound of what it gave keeps it, and so do all dials that promise less: dials are tried in
one order, and the first that fails ends the search (fixed-sequence testing, as in Angelopoulos et al., Learn then Test, arXiv 2110.01052).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pointsman.core.score import dial as weights_of
from pointsman.errors import ConfigError
from pointsman.estimators.learned import Learner, Predicted
from pointsman.estimators.outcomes import Outcomes
from pointsman.evals.crossfit import fold_predictions
from pointsman.evals.folds import k_fold
from pointsman.evals.ranking import Matrix, Vector
from pointsman.evals.resample import DRAWS, Interval, draws, interval

DIALS = np.round(np.linspace(0, 1, 101), 2)
FOLDS = 5
_RISK = 0.05
Goal = Literal["keep_quality", "save_cost"]


class Given(NamedTuple):
    """What one dial gave, beside the best single model."""

    dial: float
    quality: float
    cost_usd: float
    kept: Interval  #: quality, as a share of the best single model's
    saved: Interval  #: of its cost
    over_mix: Interval  #: quality above the best mix of single models at the same cost
    sure: float  #: share of quality kept, or of cost saved, as was asked: at least so much with 95 % confidence, one-sided


@dataclass(frozen=True, slots=True)
class Calibrated:
    """The dial that was found, if any, and what it rests on."""

    goal: Goal
    wanted: float
    found: Given | None  #: `None`: the data cannot support it
    between: tuple[float, float] | None  #: 95 % interval, two-sided, of the dial that reaches it on average
    nearest: Given  #: the dial that comes nearest, where none is found the best there is
    best: str  #: the single model of highest mean quality
    best_quality: float
    best_cost_usd: float
    cheapest: str
    queries: int

    @property
    def one_model(self) -> bool:
        """Whether the best model is the cheapest, too."""
        return self.best == self.cheapest

    @property
    def worth_it(self) -> bool:
        """Whether choosing by query beats the best mix of single models at its cost."""
        return self.found is not None and self.found.over_mix.low > 0


class _Drawn(NamedTuple):
    """Quality and cost of each dial, a row a draw; the first row is the data themselves. Then of each single model."""

    quality: Matrix
    cost: Matrix
    quality_of: Matrix
    cost_of: Matrix


@dataclass(frozen=True, slots=True, eq=False)
class Dialled:
    """What every dial gave, on the data and on draws of them, beside the best single model."""

    drawn: _Drawn
    best: int  #: column of that model: the one of highest mean quality, of several the cheapest
    kept: Matrix  #: of its quality, a row a draw
    saved: Matrix  #: of its cost

    def intervals(self, at: int) -> tuple[Interval, Interval, Interval]:
        """Share of quality kept, share of cost saved, and quality above the best mix of single models at the same cost."""
        drawn = self.drawn
        over = drawn.quality[:, at] - np.array([_mix(q, c, spent) for q, c, spent in zip(*drawn[2:], drawn.cost[:, at], strict=True)])
        kept, saved, more = (interval(float(row[0]), row[1:]) for row in (self.kept[:, at], self.saved[:, at], over))
        return kept, saved, more


def tried(outcomes: Outcomes, chosen: NDArray[np.intp], seed: int) -> Dialled:
    """Every dial on a whole table; `chosen` is `dialled` of it. Raises `ConfigError` where there is nothing to keep a share of."""
    drawn = _drawn(outcomes, chosen, seed)
    best = int(np.lexsort((drawn.cost_of[0], -drawn.quality_of[0]))[0])
    if not drawn.quality_of[0, best] or not drawn.cost_of[0, best]:
        raise ConfigError(f"the best single model `{outcomes.models[best]}` has no quality or no cost: there is nothing to keep a share of")
    return Dialled(drawn, best, drawn.quality / drawn.quality_of[:, [best]], 1 - drawn.cost / drawn.cost_of[:, [best]])


def calibrate(outcomes: Outcomes, predicted: Predicted, goal: Goal, wanted: float, seed: int) -> Calibrated:
    """Find the dial on a whole table; `predicted` is `unseen` of it. Raises `ConfigError` where there is nothing to keep a share of."""
    all_of_them = tried(outcomes, dialled(predicted), seed)
    drawn, best = all_of_them.drawn, all_of_them.best
    reached = all_of_them.kept if goal == "keep_quality" else all_of_them.saved
    order = np.arange(len(DIALS))[::-1] if goal == "keep_quality" else np.arange(len(DIALS))
    sure = np.quantile(reached[1:], _RISK, axis=0)
    places = order[: _run(sure[order] >= wanted)]

    def given(at: int) -> Given:
        quality, cost = float(drawn.quality[0, at]), float(drawn.cost[0, at])
        return Given(float(DIALS[at]), quality, cost, *all_of_them.intervals(at), float(sure[at]))

    found = None if not len(places) else _cheapest_or_best(places, drawn, goal)
    return Calibrated(
        goal=goal,
        wanted=wanted,
        found=None if found is None else given(found),
        between=_between(reached[1:] >= wanted, order),
        nearest=given(int(np.argmax(reached[0])) if found is None else found),
        best=outcomes.models[best],
        best_quality=float(drawn.quality_of[0, best]),
        best_cost_usd=float(drawn.cost_of[0, best]),
        cheapest=outcomes.models[int(np.argmin(drawn.cost_of[0]))],
        queries=len(outcomes.queries),
    )


def dialled(predicted: Predicted) -> NDArray[np.intp]:
    """The model that each dial (column) takes for each query (row), as the score does: cost is normalised over the pool."""
    quality, cost = predicted.quality.clip(0, 1), predicted.cost_usd
    low, spread = cost.min(axis=1, keepdims=True), np.ptp(cost, axis=1, keepdims=True)
    cheap = np.where(spread > 0, 1 - (cost - low) / np.where(spread > 0, spread, 1.0), 1.0)
    weights = [weights_of(float(dial)) for dial in DIALS]
    # Equal totals go to quality, then to the lower cost: a hair of each does not decide anything else.
    hair = 1e-9 * quality - 1e-12 * (cost - low) / np.where(spread > 0, spread, 1.0)
    return np.stack([np.argmax(each.quality * quality + each.cost * cheap + hair, axis=1) for each in weights], axis=1)


def unseen(outcomes: Outcomes, learner: Learner, seed: int, tell: Callable[[str], None], held: Vector | None = None) -> Predicted:
    """What is predicted of each query by a fit on other groups. A blend predicts means where choosing by query is not worth it to that fit.

    `held`: quality by model in place of what the fits say of it, as of a bundle that gives every query the same.
    """
    quality, cost = np.empty_like(outcomes.quality), np.empty_like(outcomes.cost_usd)
    for number, fold in enumerate(k_fold(outcomes.queries, FOLDS, seed), 1):
        found = fold_predictions(learner, outcomes, fold, seed)
        quality[fold.judged] = found.quality if held is None else held
        cost[fold.judged] = found.cost_usd
        tell(f"fold {number} of {FOLDS}: fitted on {len(fold.train):,}, judged on {len(fold.judged):,}")
    unknown = np.full_like(quality, np.nan)
    return Predicted(quality, unknown, unknown, unknown, cost, unknown, unknown)


def _drawn(outcomes: Outcomes, chosen: NDArray[np.intp], seed: int) -> _Drawn:
    sets = [np.take_along_axis(values, chosen, axis=1) for values in (outcomes.quality, outcomes.cost_usd)]
    values = np.concatenate((*sets, outcomes.quality, outcomes.cost_usd), axis=1)
    found = draws([query.group for query in outcomes.queries], seed, DRAWS)
    rows = [values.mean(axis=0, keepdims=True)]
    rows += [counts @ values / counts.sum(axis=1, keepdims=True) for counts in found.chunks()]
    cuts = np.cumsum([chosen.shape[1], chosen.shape[1], len(outcomes.models)])
    return _Drawn(*np.split(np.concatenate(rows), cuts, axis=1))


def _run(holds: NDArray[np.bool_]) -> int:
    """How many hold before the first that does not."""
    return len(holds) if holds.all() else int(np.argmin(holds))


def _cheapest_or_best(places: NDArray[np.intp], drawn: _Drawn, goal: Goal) -> int:
    """Of the dials that keep the promise: the cheapest, or the one of highest quality."""
    worth = drawn.cost[0, places] if goal == "keep_quality" else -drawn.quality[0, places]
    return int(places[int(np.argmin(worth))])


def _between(reached: NDArray[np.bool_], order: NDArray[np.intp]) -> tuple[float, float] | None:
    """Where the search would have ended in the middle 95 % of the draws; `None` where it would not have begun in some of them."""
    ends = [_run(row[order]) - 1 for row in reached]
    low, high = np.quantile(ends, (0.025, 0.975), method="nearest")
    if low < 0:
        return None
    found = sorted(float(DIALS[order[int(at)]]) for at in (low, high))
    return found[0], found[1]


def _mix(quality: Vector, cost: Vector, spent: float) -> float:
    """What the best mix of two single models gives for a mean cost."""
    from pointsman.evals.frontier import hull

    return hull(cost, quality).at(max(spent, float(cost.min())))
