"""Cascade routing beside predictive routing, on the same folds, predictions, seeds and draws."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pointsman.errors import ConfigError
from pointsman.estimators.learned import Predicted
from pointsman.evals import cascades, duos, figures
from pointsman.evals.crossfit import Judged, best_single
from pointsman.evals.duos import Went
from pointsman.evals.ranking import best_first
from pointsman.evals.resample import Draws, Interval, interval
from pointsman.evals.sight import Look, Priors, Sight, both

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from pointsman.estimators.outcomes import Matrix, Outcomes
    from pointsman.estimators.tabular import Vector
    from pointsman.evals.figures import Sample
    from pointsman.evals.folds import Fold

MOST_CALLS = 4  #: of one query
_TRIED = 600  # training queries on which two ways of going on are compared
_CLEARLY = 0.005  # more, in AIQ: the best of many pairs looks better than it is on queries it is learned from
_COARSE = 4  # of so many worths one is tried there
_CAPPED = ("cp0", "cp1", "qnc")  # the best single model by itself is a setting of every router


@dataclass(frozen=True, slots=True, eq=False)
class Run:
    """One seed: what each router gave on every query at each setting of its knob."""

    predictive: Sample
    cascade: Sample
    calls: tuple[float, ...]  #: mean number of calls of the cascade at each worth


def run(
    outcomes: Outcomes,
    folds: Sequence[Fold],
    known: Sequence[Priors],
    seed: int,
    look: Look,
    tell: Callable[[str], None],
) -> tuple[Run, list[Sight]]:
    """Learn and judge. `outcomes` must be whole, with answers. Raises `ConfigError` where answers were not kept."""
    if not outcomes.answers:
        raise ConfigError("no answers were kept: record `response` with the outcomes")
    judged = _judged(outcomes, folds, known)
    worths = cascades.worths(outcomes.cost_usd)
    shape = (len(outcomes.queries), len(worths) + 1)
    quality, cost, calls, sights = np.empty(shape), np.empty(shape), np.zeros(len(worths)), []
    for number, (fold, one) in enumerate(zip(folds, known, strict=True), 1):
        past, sight = both(outcomes, fold, one, seed, look=look)
        went, way = _went(outcomes, fold, past, sight, worths, seed)
        tell(f"seed {seed}, fold {number} of {len(folds)}: learned; {way}")
        sights.append(sight)
        quality[fold.judged, :-1], cost[fold.judged, :-1] = went.quality, went.cost_usd
        calls += went.calls.sum(axis=0) / shape[0]
    cheapest = int(np.argmin(outcomes.cost_usd.mean(axis=0)))
    quality[:, -1], cost[:, -1] = outcomes.quality[:, cheapest], outcomes.cost_usd[:, cheapest]
    predictive, _ = figures.sample(outcomes, judged, seed)
    return Run(predictive, _cascade(outcomes, judged, quality, cost, _lead(outcomes, folds, sights), seed), tuple(calls)), sights


def _went(outcomes: Outcomes, fold: Fold, past: Sight, sight: Sight, worths: Vector, seed: int) -> tuple[Went, str]:
    """Look at each answer alone, or ask a pair at once: the latter where it does clearly more on training queries."""
    train, judged = outcomes.rows(fold.train), outcomes.rows(fold.judged)
    few = worths[::_COARSE]
    pair = duos.best(train, past, few)
    if pair is not None:
        some = np.random.default_rng(seed).permutation(len(train.queries))[:_TRIED].tolist()
        tried, paired = train.rows(some), duos.went(train, past, pair, few)
        if duos.area(tried, paired.rows(some)) > duos.area(tried, _routed(tried, past, some, few)) + _CLEARLY:
            first, second = outcomes.models[pair.first], outcomes.models[pair.second]
            return duos.went(judged, sight, pair, worths), f"`{first}` and `{second}` are asked at once"
    return _routed(judged, sight, range(len(judged.queries)), worths), "answers are looked at one by one"


def _routed(outcomes: Outcomes, sight: Sight, rows: Sequence[int], worths: Vector) -> Went:
    """Cascade routing on some rows of what is seen, which are all of the outcomes."""
    settings = worths.tolist()
    went = Went(*(np.empty((len(rows), len(settings))) for _ in range(3)))
    for at, row in enumerate(rows):
        for setting, course in enumerate(cascades.routed(sight, row, settings, MOST_CALLS)):
            went.quality[at, setting] = outcomes.quality[at, course.delivered]
            went.cost_usd[at, setting] = outcomes.cost_usd[at, list(course.asked)].sum()
            went.calls[at, setting] = len(course.asked)
    return went


def _judged(outcomes: Outcomes, folds: Sequence[Fold], known: Sequence[Priors]) -> Judged:
    shape = outcomes.quality.shape
    quality, cost, unknown = np.empty(shape), np.empty(shape), np.full(shape, np.nan)
    member, best = np.empty(shape[0], np.intp), np.empty(shape[0], np.intp)
    for number, (fold, one) in enumerate(zip(folds, known, strict=True)):
        quality[fold.judged], cost[fold.judged] = one.quality, one.cost_usd
        member[fold.judged], best[fold.judged] = number, best_single(outcomes, fold)
    return Judged(np.arange(shape[0]), member, best, Predicted(quality, unknown, unknown, unknown, cost, unknown, unknown))


def _lead(outcomes: Outcomes, folds: Sequence[Fold], sights: Sequence[Sight]) -> Matrix | None:
    """Of a pair: by how much the strong model is expected to do better once the weak one's answer is seen."""
    if len(outcomes.models) != 2:
        return None
    weak, strong = figures.weak_and_strong(outcomes)
    lead = np.empty(len(outcomes.queries))
    for fold, sight in zip(folds, sights, strict=True):
        lead[fold.judged] = sight.after[:, weak, strong] - sight.confidence[:, weak]
    return lead


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
    values = [[figures.figures(one) for one in (run.predictive, run.cascade)] for run in runs]
    tried = [[figures.drawn(one, drawn) for one in (run.predictive, run.cascade)] for run in runs]
    found = {}
    for name in values[0][0]:
        mean = [float(np.mean([_capped(name, one[side][name]) for one in values])) for side in (0, 1)]
        draws = [np.mean([_capped(name, one[side][name]) for one in tried], axis=0) for side in (0, 1)]
        predictive, cascade = (interval(mean[side], draws[side]) for side in (0, 1))
        found[name] = Compared(predictive, cascade, interval(mean[1] - mean[0], draws[1] - draws[0]))
    return found


def _capped(name: str, value: ArrayLike) -> Vector:
    return np.asarray(np.minimum(value, 1.0) if name in _CAPPED else value, np.float64)
