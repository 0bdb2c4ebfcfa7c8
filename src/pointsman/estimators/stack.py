"""How much to believe several predictions of the same thing, told from what they said of queries that they had not seen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

from pointsman.estimators.tabular import centred

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pointsman.estimators.outcomes import Matrix
    from pointsman.estimators.tabular import Vector


LEAST = 40  #: judged answers of a model below which nothing but the table is fitted to it
_TASKS = 10  # over fewer, the bound failed: one of BFCL's six, left out, lost five points


def stacked(parts: Sequence[Matrix], truth: Matrix, leaning: float = 0.25) -> tuple[float, ...]:
    """The weights, none negative, of the sum of parts nearest to the truth in squares. Every subset of the parts is tried.

    They lean to equal weights, as if those were known with this standard deviation: a few hundred labels tell weights badly.
    (Wolpert, Neural Networks 5, 1992; weights kept from the negative: Breiman, Machine Learning 24, 1996.)

    >>> weights = stacked([np.array([[1.0], [2.0]]), np.array([[0.0], [-1.0]])], np.array([[0.5], [1.0]]), leaning=100)
    >>> [round(weight, 3) for weight in weights]
    [0.5, 0.0]
    """
    columns = np.stack([part.ravel() for part in parts], axis=1).astype(np.float64)
    square, cross = columns.T @ columns, columns.T @ truth.ravel()
    firm = max(float(truth.var()), 1e-9) / leaning**2
    square[np.diag_indices(len(square))] += firm
    cross += firm / len(parts)
    best, least = np.zeros(len(parts)), 0.0
    for size in range(1, len(parts) + 1):
        for chosen in map(list, combinations(range(len(parts)), size)):
            weights = np.linalg.solve(square[np.ix_(chosen, chosen)], cross[chosen])
            left = float(-(weights @ cross[chosen]))  # the squares left, less those there were
            if (weights >= 0).all() and left < least - 1e-12:
                best, least = np.zeros(len(parts)), left
                best[chosen] = weights
    return tuple(float(weight) for weight in best)


def sobriety(models: int) -> float:
    """What to multiply predicted differences by where the best of several models is taken: the more there are, the more it owes to luck.

    The form is chosen, not derived: on development data of five pools of 9 to 12 models, 0.6 to 0.8 chose best. Two models: 1.

    >>> sobriety(2), round(sobriety(12), 2)
    (1.0, 0.72)
    """
    return (2 + 2 / max(models, 2)) / 3


def carried(strange: Matrix, quality: Matrix, tasks: NDArray[np.str_], z: float = 1.2815515655446004) -> float:
    """How much of what is predicted of models' differences holds for a new task, 0 to 1: a lower bound, one-sided 90 %, over tasks.

    `strange` are predictions by fits that saw nothing of the query's task. Fewer than ten tasks say nothing: 0. The error is that of
    the jackknife for a ratio (Efron, The Jackknife, 1982).
    """
    names = np.unique(tasks)
    if len(names) < _TASKS:
        return 0.0
    said, truth = centred(strange - quality.mean(axis=0)), centred(quality - quality.mean(axis=0))
    sums = np.array([[(said[tasks == name] * truth[tasks == name]).sum(), (said[tasks == name] ** 2).sum()] for name in names])
    total = sums.sum(axis=0)
    left = (total[0] - sums[:, 0]) / np.maximum(total[1] - sums[:, 1], 1e-12)
    error = np.sqrt((len(names) - 1) / len(names) * ((left - left.mean()) ** 2).sum())
    return float(np.clip(total[0] / max(total[1], 1e-12) - z * error, 0, 1))


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether choosing by query is worth it: the mean advantage over the best coin-mix of single models at the same cost, or over
    choosing by means and costs, if that is less."""

    routes: bool
    advantage: float  #: quality per query, on queries that were not seen in the fit
    low: float  #: its lower bound, one-sided 90 %
    queries: int

    @property
    def said(self) -> str:
        """In a sentence."""
        if not self.queries:
            return f"too few queries to tell whether choosing by query is worth it: {LEAST} judged answers of a model are the least"
        gain = f"{self.advantage:+.4f} (at least {self.low:+.4f} with 90 % confidence, one-sided)"
        figures = f"{gain} over a mix of single models on {self.queries:,} queries"
        return (
            f"choosing by query gains {figures}" if self.routes else f"one model, or a mix, is as good: choosing by query gains {figures}"
        )


def guard(quality: Matrix, cost: Matrix, expected: Matrix, expected_cost: Matrix, z: float = 1.2815515655446004) -> Verdict:
    """Compare choosing by expectation, at twelve exchange rates, query by query: with the mix of single models that costs as much, and with
    choosing by each model's mean and the costs expected of the query. The lesser gain counts: costs are no reason to differ in quality.
    """
    n = len(quality)
    if n < 2 or quality.shape[1] < 2:
        return Verdict(False, 0.0, 0.0, n)
    mean, spread = quality.mean(axis=0), max(float(np.ptp(cost.mean(axis=0))), 1e-12)
    rates = np.concatenate(([0.0], np.geomspace(0.01, 10.0, 11))) * max(float(np.ptp(mean)), 0.01) / spread
    worths = expected, np.broadcast_to(mean, expected.shape)
    gained, by_cost = (np.mean([_over_mix(quality, cost, worth - r * expected_cost) for r in rates], axis=0) for worth in worths)
    return min((_verdict(gained, z), _verdict(gained - by_cost, z)), key=lambda one: one.low)


def _verdict(gained: Vector, z: float) -> Verdict:
    mean, error = float(gained.mean()), float(gained.std(ddof=1) / np.sqrt(len(gained)))
    return Verdict(mean - z * error > 0, mean, mean - z * error, len(gained))


def _over_mix(quality: Matrix, cost: Matrix, worth: Matrix) -> Vector:
    """What the model of highest worth gives above the best mix at the cost of these choices, query by query."""
    rows, chosen = np.arange(len(quality)), np.argmax(worth, axis=1)
    return np.asarray(quality[rows, chosen] - _mix(quality, cost, float(cost[rows, chosen].mean())))


def _mix(quality: Matrix, cost: Matrix, spent: float) -> Vector:
    """What the best mix of two single models at a mean cost gives, query by query."""
    q, c = quality.mean(axis=0), cost.mean(axis=0)
    best, share, top = (int(np.argmin(c)),) * 2, 0.0, -1.0
    for low in range(len(q)):
        for high in range(len(q)):
            if c[low] > spent or (low != high and c[high] <= spent):
                continue
            part = 0.0 if low == high else (spent - c[low]) / (c[high] - c[low])
            reached = (1 - part) * q[low] + part * q[high]
            if reached > top:
                best, share, top = (low, high), float(part), float(reached)
    return np.asarray((1 - share) * quality[:, best[0]] + share * quality[:, best[1]])
