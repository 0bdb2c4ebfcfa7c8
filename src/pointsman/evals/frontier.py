"""Metrics of a router as a set of points (cost, quality), one for each setting of its knob.

Costs are mean dollars a request, qualities means in [0, 1]. A coin between two settings reaches every point between them: the hull.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pointsman.evals.ranking import Vector


@dataclass(frozen=True, slots=True, eq=False)
class Hull:
    """Vertices of an upper convex hull that never falls: both vectors rise."""

    cost: Vector
    quality: Vector

    @property
    def vertices(self) -> tuple[tuple[float, float], ...]:
        """Cost and quality of each vertex."""
        return tuple(zip(self.cost.tolist(), self.quality.tolist(), strict=True))

    def at(self, cost: float) -> float:
        """Quality for that cost; flat beyond the dearest vertex, NaN below the cheapest.

        >>> Hull(np.array([1.0, 3.0]), np.array([0.5, 0.9])).at(2.0)
        0.7
        """
        return float(np.interp(cost, self.cost, self.quality)) if cost >= self.cost[0] else float("nan")

    def cost_of(self, quality: float) -> float:
        """Least cost at that quality; infinity where it is not reached."""
        if quality > self.quality[-1]:
            return float("inf")
        return float(np.interp(quality, self.quality, self.cost)) if quality > self.quality[0] else float(self.cost[0])

    def area(self, low: float, high: float) -> float:
        """The integral of quality over cost from `low`, which must not lie below the cheapest vertex, to `high`."""
        inside = (self.cost > low) & (self.cost < high)
        cost = np.concatenate(([low], self.cost[inside], [high]))
        return float(np.trapezoid(np.interp(cost, self.cost, self.quality), cost))


def hull(cost: Vector, quality: Vector) -> Hull:
    """The non-decreasing upper convex hull of points: RouterBench's (arXiv 2403.12031, section 3), the best coin-mix of settings."""
    kept: list[tuple[float, float]] = []
    for point in sorted(zip(cost.tolist(), quality.tolist(), strict=True), key=lambda p: (p[0], -p[1])):
        if kept and point[1] <= kept[-1][1]:
            continue
        while len(kept) > 1 and _below(kept[-2], kept[-1], point):
            kept.pop()
        kept.append(point)
    return Hull(np.array([c for c, _ in kept]), np.array([q for _, q in kept]))


def _below(a: tuple[float, float], b: tuple[float, float], c: tuple[float, float]) -> bool:
    """Whether b lies on or below the line from a to c."""
    return (b[1] - a[1]) * (c[0] - a[0]) <= (c[1] - a[1]) * (b[0] - a[0])


def aiq_range(of: Hull, low: float, high: float) -> float:
    """AIQ as RouterBench's paper has it: mean quality of the hull over a range of costs common to all compared routers.

    Ours runs from the cheapest single model to the dearest; a router's points include always taking the cheapest.
    """
    return of.area(low, high) / (high - low)


def aiq_routerbench(of: Hull, highest: float) -> float:
    """AIQ as RouterBench's code has it: from the hull's own cheapest point to the largest cost of all compared, divided by that cost."""
    return of.area(float(of.cost[0]), highest) / highest


def cost_quality_auc(cost: Vector, quality: Vector, low: float, high: float) -> float:
    """Area under quality as a function of cost between two costs, divided by their distance; points joined in order of cost, no hull.

    A knob that is not monotone shows here and not in AIQ. Flat where a side of the range has no points.
    """
    order = np.lexsort((quality, cost))
    cost, quality = cost[order], quality[order]
    inside = (cost > low) & (cost < high)
    x = np.concatenate(([low], cost[inside], [high]))
    y = np.concatenate(([np.interp(low, cost, quality)], quality[inside], [np.interp(high, cost, quality)]))
    return float(np.trapezoid(y, x) / (high - low))


def cost_at_parity(of: Hull, best_cost: float, best_quality: float, points: float = 0.0) -> float:
    """CP(x): least cost as a share of the best single model's, at a quality at most x percentage points below its; infinity: never."""
    return of.cost_of(best_quality - points / 100) / best_cost


def qnc(of: Hull, qualities: Vector, costs: Vector) -> float:
    """Quality-neutral cost: least cost at the quality of the most accurate model, as a share of its cost (UniRoute, arXiv 2502.08773)."""
    best = int(np.argmax(qualities))
    return cost_at_parity(of, float(costs[best]), float(qualities[best]))
