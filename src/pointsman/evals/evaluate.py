"""The protocol: several learners on the same folds, labels, seeds and draws, beside the references that need no learner."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from pointsman.errors import ConfigError
from pointsman.estimators.learned import Learner
from pointsman.estimators.outcomes import Outcomes
from pointsman.evals import calibration, frontier
from pointsman.evals.crossfit import Judged, cross_fit
from pointsman.evals.figures import by_share, drawn, figures, plain_figures, sample
from pointsman.evals.folds import Fold, budget, frozen_test, k_fold
from pointsman.evals.ranking import Vector
from pointsman.evals.references import Point, oracle_router, reference_points, zero_router
from pointsman.evals.resample import DRAWS, Draws, Interval, draws, interval
from pointsman.evals.rows import is_unpriced_pair

SEEDS = (42, 999, 2024, 2025, 3407)
LONG_S = 5.0
"""A fit that takes longer tells of its folds."""


@dataclass(frozen=True, slots=True)
class Protocol:
    """How learners are judged."""

    seeds: tuple[int, ...] = SEEDS
    folds: int = 5
    labels: int | None = None  #: queries to learn from in each fold; `None`: all
    draws: int = DRAWS  #: of the bootstrap
    test: bool = False  #: learn from everything but the test split and read that, once

    def folds_of(self, outcomes: Outcomes, seed: int) -> list[Fold]:
        """The folds of one seed."""
        folds: Iterable[Fold] = frozen_test(outcomes.queries) if self.test else k_fold(outcomes.queries, self.folds, seed)
        return [budget(fold, self.labels, seed) for fold in folds]


@dataclass(frozen=True, slots=True)
class Calibration:
    """How far one model's predicted quality can be believed; means over seeds."""

    model: str
    ece: float
    brier: float
    auc: float
    auc_within_task: float


@dataclass(frozen=True, slots=True, eq=False)
class Result:
    """What one learner reached: figures with intervals, means over the seeds."""

    name: str
    settings: str
    figures: Mapping[str, Interval]
    by_seed: Mapping[str, tuple[float, ...]]
    plain: Mapping[str, float]
    calibration: tuple[Calibration, ...]
    curve: tuple[tuple[float, float], ...]  #: cost and quality at each setting of the knob, of the first seed
    drawn: Mapping[str, Vector]  #: each figure on each draw of the bootstrap

    def against(self, other: Result, figure: str) -> Interval:
        """By how much a figure is above another learner's, on the same draws."""
        return interval(_minus(self.figures[figure].value, other.figures[figure].value), self.drawn[figure] - other.drawn[figure])


@dataclass(frozen=True, slots=True, eq=False)
class Evaluation:
    """All of it."""

    protocol: Protocol
    data: str  #: digest of the outcomes
    queries: int
    models: tuple[str, ...]
    points: tuple[Point, ...]
    zero_router: tuple[tuple[float, float], ...]  #: vertices of the best coin-mix of single models, known in hindsight
    oracle: tuple[tuple[float, float], ...]  #: the same of knowing every outcome beforehand
    zero_aiq: float
    oracle_aiq: float
    results: tuple[Result, ...]
    share_of: str = ""  #: the stronger of two models without costs: the share of queries on it stands for the cost; empty: dollars


def evaluate(outcomes: Outcomes, learners: Sequence[Learner], protocol: Protocol, tell: Callable[[str], None]) -> Evaluation:
    """Judge learners. `outcomes` must be whole; `tell` gets a line for each step. Raises `ConfigError` where something is missing.

    Two models may be without costs: then only the figures of a pair are worked out, which need none.
    """
    data, share_of = outcomes.digest(), ""
    if is_unpriced_pair(outcomes):
        outcomes, share_of = by_share(outcomes)
    if np.isnan(outcomes.quality).any() or np.isnan(outcomes.cost_usd).any():
        raise ConfigError("some outcomes are missing: drop those queries first")
    if len({learner.name for learner in learners}) < len(learners):
        raise ConfigError("two learners have one name: name each once")
    judged = _judged(outcomes, learners, protocol, tell)
    places = judged[learners[0].name][0].places
    seen = outcomes.rows(places)
    shared = draws([query.group for query in seen.queries], protocol.seeds[0], protocol.draws)
    results = []
    for learner in learners:
        tell(f"{learner.name}: {protocol.draws:,} draws for its intervals")
        results.append(_result(learner, seen, judged[learner.name], protocol, shared, priced=not share_of))
    zero, oracle = zero_router(seen), oracle_router(seen)
    low, high = float(seen.cost_usd.mean(axis=0).min()), float(seen.cost_usd.mean(axis=0).max())
    return Evaluation(
        protocol,
        data,
        len(seen.queries),
        seen.models,
        reference_points(seen, judged[learners[0].name][0].best),
        zero.vertices,
        oracle.vertices,
        frontier.aiq_range(zero, low, high),
        frontier.aiq_range(oracle, low, high),
        tuple(results),
        share_of,
    )


def _judged(
    outcomes: Outcomes, learners: Sequence[Learner], protocol: Protocol, tell: Callable[[str], None]
) -> Mapping[str, tuple[Judged, ...]]:
    found: dict[str, tuple[Judged, ...]] = {learner.name: () for learner in learners}
    for turn, seed in enumerate(protocol.seeds, 1):
        folds = protocol.folds_of(outcomes, seed)
        for learner in learners:
            where = f"seed {seed} ({turn} of {len(protocol.seeds)}): fitting {learner.name}"
            tell(where)
            found[learner.name] += (cross_fit(learner, outcomes, told_of(folds, where, tell), seed),)
    return found


def told_of(folds: Sequence[Fold], where: str, tell: Callable[[str], None], long_s: float = LONG_S) -> Iterator[Fold]:
    """The folds; from the second on it is told where the fit has come to, once those before took long."""
    start = time.monotonic()
    for number, fold in enumerate(folds, 1):
        if number > 1 and time.monotonic() - start > long_s:
            tell(f"{where}, fold {number} of {len(folds)}")
        yield fold


def _result(learner: Learner, seen: Outcomes, judged: Sequence[Judged], protocol: Protocol, shared: Draws, *, priced: bool) -> Result:
    by_seed: list[dict[str, float]] = []
    by_draw: list[dict[str, Vector]] = []
    plain: list[dict[str, float]] = []
    curve: tuple[tuple[float, float], ...] = ()
    for seed, one in zip(protocol.seeds, judged, strict=True):
        taken, chosen = sample(seen, one, seed, priced=priced)
        by_seed.append(figures(taken))
        by_draw.append(drawn(taken, shared))
        plain.append(plain_figures(seen, one, chosen))
        curve = curve or tuple(zip(taken.cost_usd.mean(axis=0).tolist(), taken.quality.mean(axis=0).tolist(), strict=True))
    values = {name: tuple(one[name] for one in by_seed) for name in by_seed[0]}
    averaged = {name: np.mean([one[name] for one in by_draw], axis=0) for name in by_draw[0]}
    intervals = {name: interval(_mean(values[name]), averaged[name]) for name in values}
    plains = {name: _mean([one[name] for one in plain]) for name in plain[0]}
    return Result(learner.name, repr(learner), intervals, values, plains, _calibrations(seen, judged), curve, averaged)


def _calibrations(seen: Outcomes, judged: Sequence[Judged]) -> tuple[Calibration, ...]:
    tasks = [query.task for query in seen.queries]
    found = []
    for m, model in enumerate(seen.models):
        pairs = [(np.clip(one.predicted.quality[:, m], 0, 1), seen.quality[:, m]) for one in judged]
        ece, brier, auc = (_mean([of(*pair) for pair in pairs]) for of in (calibration.ece, calibration.brier, calibration.auc))
        found.append(Calibration(model, ece, brier, auc, _mean([calibration.auc_within(*pair, tasks) for pair in pairs])))
    return tuple(found)


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values))


def _minus(a: float, b: float) -> float:
    return math.nan if math.isinf(a) and math.isinf(b) else a - b
