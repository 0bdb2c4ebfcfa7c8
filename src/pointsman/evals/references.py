"""What bounds a router from both sides: fixed choices below, hindsight above."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pointsman.estimators.learned import Predicted
from pointsman.estimators.outcomes import Outcomes
from pointsman.evals.folds import Places
from pointsman.evals.frontier import Hull, hull
from pointsman.evals.sweep import rates, sweep, taken


@dataclass(frozen=True, slots=True)
class Point:
    """A reference without a knob: its mean quality, and its mean cost in dollars a request."""

    name: str
    quality: float
    cost_usd: float


def reference_points(seen: Outcomes, best: Places) -> tuple[Point, ...]:
    """Best single model (`best`: chosen in training, for each query), every model, a model by lot, and the oracle at its cheapest."""
    rows, quality, cost = np.arange(len(seen.queries)), seen.quality.mean(axis=0), seen.cost_usd.mean(axis=0)
    trained = Point("best single (chosen in training)", *_taken(seen, rows, best))
    fixed = [Point(f"always {seen.models[m]}", float(quality[m]), float(cost[m])) for m in np.argsort(cost, kind="stable")]
    lot = Point("random", float(quality.mean()), float(cost.mean()))
    right = seen.quality >= seen.quality.max(axis=1, keepdims=True)
    oracle = Point("oracle", *_taken(seen, rows, np.argmin(np.where(right, seen.cost_usd, np.inf), axis=1)))
    return (trained, *fixed, lot, oracle)


def _taken(seen: Outcomes, rows: Places, chosen: Places) -> tuple[float, float]:
    return float(seen.quality[rows, chosen].mean()), float(seen.cost_usd[rows, chosen].mean())


def zero_router(seen: Outcomes) -> Hull:
    """The best coin-mix of single models, known in hindsight."""
    return hull(seen.cost_usd.mean(axis=0), seen.quality.mean(axis=0))


def oracle_router(seen: Outcomes) -> Hull:
    """The hull of knowing every outcome beforehand."""
    known = Predicted(seen.quality, seen.quality, seen.quality, seen.quality, seen.cost_usd, seen.output_tokens, seen.latency_s)
    chosen = sweep(known, rates(known))
    return hull(taken(seen.cost_usd, chosen).mean(axis=0), taken(seen.quality, chosen).mean(axis=0))
