"""The shrunk table: mean outcomes by task tag, each drawn to the mean of all by as much as tasks do not differ.

The prior's strength is that of empirical Bayes, by moments: variance within tasks by variance between them
(Efron and Morris, JASA 70, 1975).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pointsman.estimators.learned import Predicted
from pointsman.estimators.outcomes import Outcomes, Query
from pointsman.estimators.tabular import means

if TYPE_CHECKING:
    from pointsman.estimators.outcomes import Matrix
    from pointsman.estimators.tabular import Vector

_PRIOR = (1.0, 200.0)  #: labels that the mean of all counts as: bounds
_Z90 = 1.6448536269514722  # standard normal quantile, 5 % on each side


@dataclass(frozen=True, slots=True, eq=False)
class Sums:
    """Sums and counts by task and model; the last row is all tasks together."""

    tasks: tuple[str, ...]
    total: Matrix
    count: Matrix
    prior: Vector  #: labels that the mean of all counts as, by model
    otherwise: float

    def __post_init__(self) -> None:
        shape = len(self.tasks) + 1, len(self.prior)
        if not self.total.shape == self.count.shape == shape:
            raise ValueError("parts of the table differ in size")
        if not (np.isfinite(self.total).all() and np.isfinite(self.count).all() and (self.count >= 0).all()) or (self.prior <= 0).any():
            raise ValueError("the table holds what is no sum or count")

    @classmethod
    def of(cls, tasks: Sequence[str], values: Matrix, otherwise: float) -> Sums:
        """Add up. Queries without a tag count in the last row only."""
        names = tuple(sorted({task for task in tasks if task}))
        member = np.array([*([name == task for task in tasks] for name in names), [True] * len(tasks)], np.float64)
        there = np.isfinite(values)
        total, count = member @ np.where(there, values, 0.0), member @ there
        return cls(names, total, count, _strength(total, count, means(values**2, otherwise)), otherwise)

    def row(self, task: str) -> int:
        """Where a task stands; the last row for an unknown one."""
        return self.tasks.index(task) if task in self.tasks else len(self.tasks)

    def overall(self) -> Vector:
        """Mean of all tasks together."""
        return np.asarray(np.where(self.count[-1] > 0, self.total[-1] / np.maximum(self.count[-1], 1), self.otherwise))

    def shrunk(self, task: str) -> tuple[Vector, Vector]:
        """Mean by model, and the labels of that task behind it."""
        total, count, overall = self.total[self.row(task)], self.count[self.row(task)], self.overall()
        if task not in self.tasks:
            return overall, np.zeros_like(count)
        return (total + self.prior * overall) / (count + self.prior), count


def _strength(total: Matrix, count: Matrix, square: Vector) -> Vector:
    overall = total[-1] / np.maximum(count[-1], 1)
    n, mean = count[:-1], total[:-1] / np.maximum(count[:-1], 1)
    within = np.maximum(square - overall**2, 1e-6)
    spread = (n * (mean - overall) ** 2).sum(axis=0) - max(len(n) - 1, 0) * within
    weight = np.maximum(n.sum(axis=0) - (n**2).sum(axis=0) / np.maximum(n.sum(axis=0), 1), 1e-9)
    between = np.maximum(spread / weight, 1e-9)
    return np.asarray(np.clip(within / between, *_PRIOR))


@dataclass(frozen=True, slots=True)
class Table:
    """Means by task tag."""

    name: str = "table"

    def fit(self, outcomes: Outcomes, *, seed: int) -> Tabled:
        """Add up; the seed changes nothing."""
        tasks = [query.task for query in outcomes.queries]
        quality = Sums.of(tasks, outcomes.quality, 0.5)
        return Tabled(quality, *(Sums.of(tasks, v, np.nan) for v in (outcomes.cost_usd, outcomes.output_tokens, outcomes.latency_s)))


@dataclass(frozen=True, slots=True, eq=False)
class Tabled:
    """A fitted table."""

    quality: Sums
    cost_usd: Sums
    output_tokens: Sums
    latency_s: Sums

    def predict(self, queries: Sequence[Query]) -> Predicted:
        """Look up. An unknown task has the mean of all; its evidence is 0 and its bounds are wide."""
        rows = [self.one(query.task) for query in queries]
        width = len(self.quality.prior)
        return Predicted(*(np.array([row[part] for row in rows]).reshape(len(rows), width) for part in range(7)))

    def one(self, task: str) -> tuple[Vector, ...]:
        """Figures for one task, in the order of `Predicted`."""
        mean, evidence = self.quality.shrunk(task)
        # An unseen task is one more draw from all tasks: it weighs as much as the prior.
        error = np.sqrt(np.maximum(mean * (1 - mean), 0.01) / (evidence + self.quality.prior))
        error = np.where(self.quality.count[-1] > 0, error, 1.0)
        low, high = np.clip(mean - _Z90 * error, 0, 1), np.clip(mean + _Z90 * error, 0, 1)
        rest = (self.cost_usd, self.output_tokens, self.latency_s)
        return (mean, low, high, evidence, *(one.shrunk(task)[0] for one in rest))
