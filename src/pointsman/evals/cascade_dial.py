"""Which threshold of confidence keeps a share of quality, or saves a share of cost, in a cascade: read off answers not learned from.

A threshold promises something where the one-sided 95 % bound of what it gave keeps it, and so do all that are safer: they are tried in one
order, and the first that fails ends the search (fixed-sequence testing, as in Angelopoulos et al., Learn then Test, arXiv 2110.01052).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from pointsman.errors import ConfigError
from pointsman.evals import cascades
from pointsman.evals.folds import k_fold
from pointsman.evals.resample import Interval, draws, interval
from pointsman.evals.sight import priors, see

if TYPE_CHECKING:
    from pointsman.estimators.outcomes import Matrix, Outcomes

Goal = Literal["keep_quality", "save_cost"]
THRESHOLDS = tuple(round(float(one), 3) for one in np.linspace(0.0, 1.0, 41))
FOLDS = 5
LEAST_QUERIES = 40
_RISK = 0.05
_DRAWS = 1_000


@dataclass(frozen=True, slots=True)
class Reached:
    """What one threshold gave, with 95 % intervals; shares of the best single model's."""

    threshold: float
    quality: float
    cost_usd: float
    calls: float  #: mean number, of a query
    kept: Interval
    saved: Interval
    sure: float  #: share of quality kept, or of cost saved, as was asked: at least so much with 95 % confidence, one-sided


@dataclass(frozen=True, slots=True)
class Calibrated:
    """What was found."""

    goal: Goal
    wanted: float
    tiers: tuple[str, ...]
    found: Reached | None  #: `None`: no threshold is sure to keep the promise, or none of those saves anything
    nearest: Reached
    best: str  #: best single model
    best_quality: float
    best_cost_usd: float
    queries: int
    saves: bool = True  #: whether any threshold that keeps the promise costs less than the best single model


def _check(outcomes: Outcomes) -> None:
    if not outcomes.answers or not any(text for row in outcomes.answers for text in row):
        raise ConfigError("no answers were kept: record `response` with the outcomes")
    if len(outcomes.queries) < LEAST_QUERIES or len(outcomes.models) < 2:
        raise ConfigError(f"{len(outcomes.queries)} queries, {len(outcomes.models)} models: at least {LEAST_QUERIES} and 2 are needed")


def tiers_of(outcomes: Outcomes) -> tuple[str, ...]:
    """The models that are better than every cheaper one, the cheapest first; of more than three, the ends and the middle."""
    cost, quality = outcomes.cost_usd.mean(axis=0), outcomes.quality.mean(axis=0)
    kept: list[int] = []
    for m in np.argsort(cost, kind="stable"):
        if not kept or quality[m] > quality[kept[-1]]:
            kept.append(int(m))
    some = kept if len(kept) <= 3 else [kept[0], kept[len(kept) // 2], kept[-1]]
    return tuple(outcomes.models[m] for m in some)


def calibrate(outcomes: Outcomes, tiers: Sequence[str], goal: Goal, wanted: float, seed: int, tell: Callable[[str], None]) -> Calibrated:
    """Find the threshold on whole outcomes with answers, each query judged by what was learned from other groups of queries."""
    _check(outcomes)
    chain = [outcomes.models.index(name) for name in tiers]
    shape = (len(outcomes.queries), len(THRESHOLDS))
    quality, cost, calls = np.empty(shape), np.empty(shape), np.empty(shape)
    for number, fold in enumerate(k_fold(outcomes.queries, FOLDS, seed), 1):
        sight = see(outcomes, fold, priors(outcomes, fold, seed), seed)
        tell(f"fold {number} of {FOLDS}: learned from {len(fold.train):,}, judged {len(fold.judged):,}")
        for row, i in enumerate(fold.judged):
            courses = cascades.chained(sight, row, chain, THRESHOLDS)
            quality[i] = [outcomes.quality[i, course.delivered] for course in courses]
            cost[i] = [outcomes.cost_usd[i, list(course.asked)].sum() for course in courses]
            calls[i] = [len(course.asked) for course in courses]
    return _found(outcomes, tuple(tiers), quality, cost, calls, goal, wanted, seed)


def _found(
    outcomes: Outcomes, tiers: tuple[str, ...], quality: Matrix, cost: Matrix, calls: Matrix, goal: Goal, wanted: float, seed: int
) -> Calibrated:
    mean_quality, mean_cost = outcomes.quality.mean(axis=0), outcomes.cost_usd.mean(axis=0)
    best = int(np.lexsort((mean_cost, -mean_quality))[0])
    if not mean_quality[best] or not mean_cost[best]:
        raise ConfigError(f"the best single model `{outcomes.models[best]}` has no quality or no cost: there is nothing to keep a share of")
    values = np.concatenate((quality, cost, outcomes.quality[:, [best]], outcomes.cost_usd[:, [best]]), axis=1)
    drawn = draws([query.group for query in outcomes.queries], seed, _DRAWS)
    rows = [values.mean(axis=0, keepdims=True)]
    rows += [counts @ values / counts.sum(axis=1, keepdims=True) for counts in drawn.chunks()]
    table, n = np.concatenate(rows), len(THRESHOLDS)
    kept, saved = table[:, :n] / table[:, [2 * n]], 1 - table[:, n : 2 * n] / table[:, [2 * n + 1]]
    reached = kept if goal == "keep_quality" else saved
    order = np.arange(n)[::-1] if goal == "keep_quality" else np.arange(n)
    sure = np.quantile(reached[1:], _RISK, axis=0)
    holds = (sure >= wanted)[order]
    last = len(holds) if holds.all() else int(np.argmin(holds))

    def given(at: int) -> Reached:
        k, s = (interval(float(part[0, at]), part[1:, at]) for part in (kept, saved))
        means = float(table[0, at]), float(table[0, n + at]), float(calls[:, at].mean())
        return Reached(THRESHOLDS[at], *means, k, s, float(sure[at]))

    kept_by = order[:last]
    at = int(kept_by[np.argmax(saved[0, kept_by])]) if last and goal == "keep_quality" else int(order[last - 1])
    nearest = given(at if last else int(np.argmax(reached[0])))
    saves = not last or nearest.saved.value > 0
    single = (outcomes.models[best], float(mean_quality[best]), float(mean_cost[best]))
    return Calibrated(goal, wanted, tiers, nearest if last and saves else None, nearest, *single, len(outcomes.queries), saves)
