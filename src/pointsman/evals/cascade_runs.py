"""Cascade routing beside predictive routing, on the same folds, predictions, seeds and draws."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pointsman.errors import ConfigError
from pointsman.estimators.learned import Predicted
from pointsman.evals import cascades, duos, figures, parity
from pointsman.evals.crossfit import Judged, best_single
from pointsman.evals.duos import FEW, Pair, bare
from pointsman.evals.folds import Fold
from pointsman.evals.ranking import best_first
from pointsman.evals.resample import Draws, Interval, interval
from pointsman.evals.sight import Look, Priors, Sight, glimpse, see

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from pointsman.estimators.outcomes import Matrix, Outcomes
    from pointsman.estimators.tabular import Vector
    from pointsman.evals.figures import Sample

MOST_CALLS = 4  #: of one query
_CAPPED = ("cp0", "cp1", "qnc")  # the best single model by itself is a setting of every router


@dataclass(frozen=True, slots=True, eq=False)
class Gone:
    """One seed: how every query went at each worth of a right answer, each judged by what was learned from other groups of queries."""

    quality: Matrix
    cost_usd: Matrix
    calls: Matrix
    cheap: Vector  #: quality of what is at hand before the best model is asked: the weak one's answer, or that of a pair
    lead: Vector  #: by how much the best model is expected to do better, once that is seen


Way = Callable[["Outcomes", Fold, Priors, int, Look, "Vector", Gone], None]
"""How the queries of a part of a fold go."""


@dataclass(frozen=True, slots=True, eq=False)
class Run:
    """One seed: what each router gave on every query at each setting of its knob."""

    predictive: Sample
    cascade: Sample
    calls: tuple[float, ...]  #: mean number of calls of the cascade at each worth


def go(outcomes: Outcomes, folds: Sequence[Fold], known: Sequence[Priors], seed: int, look: Look, tell: Callable[[str], None]) -> Gone:
    """Learn and judge. `outcomes` must be whole, with answers. Raises `ConfigError` where answers were not kept."""
    if not outcomes.answers:
        raise ConfigError("no answers were kept: record `response` with the outcomes")
    parts = [list(_parts(outcomes, fold, one)) for fold, one in zip(folds, known, strict=True)]
    walked = any(way is _routed for found in parts for _, _, way in found)
    worths = cascades.worths(outcomes.cost_usd, cascades.SETTINGS if walked else cascades.FINE)
    shape = (len(outcomes.queries), len(worths))
    gone = Gone(np.empty(shape), np.empty(shape), np.empty(shape), np.empty(shape[0]), np.empty(shape[0]))
    for number, found in enumerate(parts, 1):
        for part, told, way in found:
            way(outcomes, part, told, seed, look, worths, gone)
            tell(f"seed {seed}, fold {number} of {len(folds)}: {len(part.judged)} queries: {way.__doc__}")
    return gone


def run(outcomes: Outcomes, folds: Sequence[Fold], known: Sequence[Priors], gone: Gone, seed: int) -> Run:
    """What that gave, beside routing by the same predictions."""
    judged, cheapest = _judged(outcomes, folds, known), int(np.argmin(outcomes.cost_usd.mean(axis=0)))
    quality = np.column_stack((gone.quality, outcomes.quality[:, cheapest]))
    cost = np.column_stack((gone.cost_usd, outcomes.cost_usd[:, cheapest]))
    predictive, _ = figures.sample(outcomes, judged, seed)
    lead = gone.lead if len(outcomes.models) == 2 else None
    return Run(predictive, _cascade(outcomes, judged, quality, cost, lead, seed), tuple(gone.calls.mean(axis=0)))


def ends(outcomes: Outcomes) -> tuple[int, int]:
    """The best model on the whole, and before it the best of those at less than half its price."""
    quality, cost = outcomes.quality.mean(axis=0), outcomes.cost_usd.mean(axis=0)
    strong = int(np.argmax(quality))
    others = np.where(np.arange(len(cost)) == strong, -2.0, -1.0)
    return int(np.argmax(np.where(cost < cost[strong] / 2, quality, others))), strong


def _parts(outcomes: Outcomes, fold: Fold, known: Priors) -> Iterator[tuple[Fold, Priors, Way]]:
    """Tasks with answers in which nothing can be seen, and the others."""
    unseeable = bare(outcomes, fold.train)
    for wanted in (True, False):
        there, here = ([(outcomes.queries[i].task in unseeable) == wanted for i in rows] for rows in (fold.train, fold.judged))
        if any(here):
            part = Fold(fold.train[there], fold.judged[here])
            way = _paired if wanted else _looked if len(part.train) < FEW else _routed
            yield part, Priors(known.unseen[there], known.quality[here], known.cost_usd[here]), way


def _paired(outcomes: Outcomes, fold: Fold, known: Priors, seed: int, look: Look, worths: Vector, gone: Gone) -> None:
    """a pair is asked at once"""
    past, sight = glimpse(outcomes, fold, known, look)
    pair = duos.best(outcomes.rows(fold.train), past, worths[:: duos.COARSE])
    _settle(outcomes, fold, sight, pair, worths, gone)


def _looked(outcomes: Outcomes, fold: Fold, known: Priors, seed: int, look: Look, worths: Vector, gone: Gone) -> None:
    """one answer is looked at, once"""
    past, sight = glimpse(outcomes, fold, known, look, seed)
    _settle(outcomes, fold, sight, duos.looked(outcomes.rows(fold.train), past), worths, gone)


def _settle(outcomes: Outcomes, fold: Fold, sight: Sight, pair: Pair | None, worths: Vector, gone: Gone) -> None:
    if pair is None:
        raise ConfigError("no model is much cheaper than the best one: a cascade cannot save anything")
    judged = outcomes.rows(fold.judged)
    went, given = duos.went(judged, sight, pair, worths), duos.after(judged, sight, pair)
    gone.quality[fold.judged], gone.cost_usd[fold.judged], gone.calls[fold.judged] = went.quality, went.cost_usd, went.calls
    gone.cheap[fold.judged], gone.lead[fold.judged] = given.quality, given.lead


def _routed(outcomes: Outcomes, fold: Fold, known: Priors, seed: int, look: Look, worths: Vector, gone: Gone) -> None:
    """answers are looked at one by one"""
    sight, (weak, strong) = see(outcomes, fold, known, seed, look=look), ends(outcomes)
    for at, row in enumerate(fold.judged):
        courses = cascades.routed(sight, at, worths.tolist(), MOST_CALLS)
        gone.quality[row] = [outcomes.quality[row, course.delivered] for course in courses]
        gone.cost_usd[row] = [outcomes.cost_usd[row, list(course.asked)].sum() for course in courses]
        gone.calls[row] = [len(course.asked) for course in courses]
    gone.cheap[fold.judged] = outcomes.quality[fold.judged, weak]
    gone.lead[fold.judged] = sight.after[:, weak, strong] - sight.confidence[:, weak]


def _judged(outcomes: Outcomes, folds: Sequence[Fold], known: Sequence[Priors]) -> Judged:
    shape = outcomes.quality.shape
    quality, cost, unknown = np.empty(shape), np.empty(shape), np.full(shape, np.nan)
    member, best = np.empty(shape[0], np.intp), np.empty(shape[0], np.intp)
    for number, (fold, one) in enumerate(zip(folds, known, strict=True)):
        quality[fold.judged], cost[fold.judged] = one.quality, one.cost_usd
        member[fold.judged], best[fold.judged] = number, best_single(outcomes, fold)
    return Judged(np.arange(shape[0]), member, best, Predicted(quality, unknown, unknown, unknown, cost, unknown, unknown))


def _cascade(outcomes: Outcomes, judged: Judged, quality: Matrix, cost: Matrix, lead: Matrix | None, seed: int) -> Sample:
    rows = np.arange(len(quality))
    best = outcomes.quality[rows, judged.best], outcomes.cost_usd[rows, judged.best]
    parity = {points: figures._set_elsewhere(quality, cost, outcomes, judged, points) for points in figures.PARITY_POINTS}
    gain, order = None, np.arange(0)
    if lead is not None:
        weak, strong = figures.weak_and_strong(outcomes)
        order = best_first(lead, seed)
        gain = (outcomes.quality[:, strong] - outcomes.quality[:, weak])[order]
    oracle = outcomes.quality.max(axis=1)
    return figures.Sample(quality, cost, outcomes.quality, outcomes.cost_usd, *best, oracle, parity, gain, order)


@dataclass(frozen=True, slots=True)
class Compared:
    """A figure of both routers, means over seeds, and by how much the cascade's is above the other's."""

    predictive: Interval
    cascade: Interval
    difference: Interval


def compare(runs: Sequence[Run], drawn: Draws) -> Mapping[str, Compared]:
    """Every figure of both, with paired intervals."""
    values = [[{**figures.figures(one), "cp98": parity.cost(one, 0.98)} for one in (run.predictive, run.cascade)] for run in runs]
    tried = [
        [{**figures.drawn(one, drawn), "cp98": parity.drawn(one, 0.98, drawn)} for one in (run.predictive, run.cascade)] for run in runs
    ]
    found = {}
    for name in [name for name in values[0][0] if name in values[0][1]]:
        mean = [float(np.mean([_capped(name, one[side][name]) for one in values])) for side in (0, 1)]
        draws = [np.mean([_capped(name, one[side][name]) for one in tried], axis=0) for side in (0, 1)]
        predictive, cascade = (interval(mean[side], draws[side]) for side in (0, 1))
        found[name] = Compared(predictive, cascade, interval(mean[1] - mean[0], draws[1] - draws[0]))
    return found


def _capped(name: str, value: ArrayLike) -> Vector:
    return np.asarray(np.minimum(value, 1.0) if name in _CAPPED else value, np.float64)
