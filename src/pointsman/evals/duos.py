"""Pairs of cheap models on recorded answers, every call paid: which to ask, when one model alone, when to go on to the strong one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pointsman.estimators.duo import Duo, states_of
from pointsman.evals import frontier

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pointsman.estimators.outcomes import Matrix, Outcomes
    from pointsman.estimators.tabular import Vector
    from pointsman.evals.sight import Sight

_CHEAP = 0.5  # of the strong model's price, both together at most


@dataclass(frozen=True, slots=True, eq=False)
class Pair:
    """Two models, a strong one, and what was learned of them. The first is the better of the two."""

    first: int
    second: int
    strong: int
    duo: Duo


@dataclass(frozen=True, slots=True, eq=False)
class Went:
    """How queries went, a row each; a column for each worth of a right answer."""

    quality: Matrix
    cost_usd: Matrix
    calls: Matrix

    def rows(self, some: Sequence[int]) -> Went:
        """Of some of the queries."""
        return Went(*(values[list(some)] for values in (self.quality, self.cost_usd, self.calls)))


def best(train: Outcomes, sight: Sight, worths: Vector) -> Pair | None:
    """The pair that gives most over the range of costs on the queries it is learned from; `None`: none is cheap enough.

    `sight` is of these queries, by fits that had not seen them.
    """
    pairs = [learn(train, sight, *models) for models in _candidates(train)]
    return max(pairs, key=lambda pair: area(train, went(train, sight, pair, worths)), default=None)


def _candidates(train: Outcomes) -> Iterator[tuple[int, int, int]]:
    quality, cost = train.quality.mean(axis=0), train.cost_usd.mean(axis=0)
    order = np.argsort(-quality, kind="stable").tolist()
    strong = order[0]
    for at, first in enumerate(order[1:], 1):
        for second in order[at + 1 :]:
            if cost[first] + cost[second] < _CHEAP * cost[strong]:
                yield first, second, strong


def learn(train: Outcomes, sight: Sight, first: int, second: int, strong: int) -> Pair:
    """Learn what the two are good for."""
    prior = sight.prior[:, [first, second, strong]]
    right = train.quality[np.arange(len(prior)), _delivered(sight, first, second)]
    tasks = [query.task for query in train.queries]
    return Pair(first, second, strong, Duo.of(tasks, prior, _states(sight, first, second), right, train.quality[:, strong]))


def went(outcomes: Outcomes, sight: Sight, pair: Pair, worths: Vector) -> Went:
    """At each worth the pair is asked, at once, where that promises more than the best model alone; the strong one after it, likewise."""
    rows, shape = np.arange(len(outcomes.queries)), (len(outcomes.queries), len(worths))
    columns = [pair.first, pair.second, pair.strong]
    told = pair.duo.expect([query.task for query in outcomes.queries], sight.prior[:, columns])
    states, delivered = _states(sight, pair.first, pair.second), _delivered(sight, pair.first, pair.second)
    right, strong = told.right[rows, states], told.strong[rows, states]
    price, paid = np.maximum(sight.cost_usd, 0.0), outcomes.cost_usd
    both = paid[:, pair.first] + paid[:, pair.second]
    quality, cost, calls = np.empty(shape), np.empty(shape), np.empty(shape)
    for at, worth in enumerate(worths):
        alone = sight.prior * worth - price
        last, each = price[:, pair.strong], alone.argmax(axis=1)
        hoped = (told.chance * np.maximum(told.right * worth, told.strong * worth - last[:, None])).sum(axis=1)
        paired = hoped - price[:, pair.first] - price[:, pair.second] > alone[rows, each]
        onward = paired & (strong * worth - last > right * worth)
        taken = np.where(onward, pair.strong, np.where(paired, delivered, each))
        quality[:, at] = outcomes.quality[rows, taken]
        cost[:, at] = np.where(paired, both + onward * paid[:, pair.strong], paid[rows, each])
        calls[:, at] = 1 + paired + onward
    return Went(quality, cost, calls)


def area(outcomes: Outcomes, went: Went) -> float:
    """AIQ, always taking the cheapest model being one more setting."""
    single, cost = outcomes.quality.mean(axis=0), outcomes.cost_usd.mean(axis=0)
    least = int(np.argmin(cost))
    reached = np.append(went.quality.mean(axis=0), single[least])
    hull = frontier.hull(np.append(went.cost_usd.mean(axis=0), cost[least]), reached)
    return frontier.aiq_range(hull, float(cost.min()), float(cost.max()))


def _states(sight: Sight, first: int, second: int) -> NDArray[np.intp]:
    return states_of(*([row[m] for row in sight.comes_to] for m in (first, second)))


def _delivered(sight: Sight, first: int, second: int) -> NDArray[np.intp]:
    return np.where(sight.prior[:, first] >= sight.prior[:, second], first, second)
