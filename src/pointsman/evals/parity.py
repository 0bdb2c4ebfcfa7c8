"""What it costs to keep a share of the best single model's quality: at parity (all of it), and where two per cent of it may be lost."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from pointsman.estimators.learned import Predicted
from pointsman.evals import frontier
from pointsman.evals.resample import Draws, Interval, interval
from pointsman.evals.sweep import rates, sweep, taken

if TYPE_CHECKING:
    from pointsman.estimators.outcomes import Matrix, Outcomes
    from pointsman.estimators.tabular import Vector
    from pointsman.evals.figures import Sample

SHARES = (1.0, 0.98)


def cost(of: Sample, share: float) -> float:
    """Least cost of that share of its quality, as a share of its cost; the model itself is one more setting of every router."""
    return next(_costs(of, share, np.ones((1, len(of.quality)))))


def drawn(of: Sample, share: float, draws: Draws) -> Vector:
    """The same on every draw."""
    return np.array([one for weights in draws.chunks() for one in _costs(of, share, weights)])


def _costs(of: Sample, share: float, weights: Matrix) -> Iterator[float]:
    total = weights.sum(axis=1, keepdims=True)
    quality = weights @ np.column_stack((of.quality, of.best_quality)) / total
    cost = weights @ np.column_stack((of.cost_usd, of.best_cost_usd)) / total
    for reached, spent in zip(quality, cost, strict=True):
        yield frontier.hull(spent, reached).cost_of(share * float(reached[-1])) / float(spent[-1])


def bounds(of: Sample, outcomes: Outcomes, draws: Draws) -> dict[str, dict[str, Interval]]:
    """Those costs of the best coin-mix of single models, in hindsight, and of knowing every outcome beforehand."""
    known = Predicted(*(outcomes.quality,) * 4, outcomes.cost_usd, outcomes.output_tokens, outcomes.latency_s)
    chosen = sweep(known, rates(known))
    routers = {
        "zero router": replace(of, quality=outcomes.quality, cost_usd=outcomes.cost_usd),
        "oracle": replace(of, quality=taken(outcomes.quality, chosen), cost_usd=taken(outcomes.cost_usd, chosen)),
    }
    return {name: every(one, draws) for name, one in routers.items()}


def every(of: Sample, draws: Draws) -> dict[str, Interval]:
    """The costs of all shares, by name."""
    return {f"cp{share:.0%}"[:-1]: interval(cost(of, share), drawn(of, share, draws)) for share in SHARES}
