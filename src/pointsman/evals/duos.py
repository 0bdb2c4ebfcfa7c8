"""Pairs of cheap models, or one that is looked at, on recorded answers, every call paid: which to ask, when to go on to the strong one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pointsman.estimators.duo import Duo, believed, leads, onward, pays, states_of
from pointsman.evals import frontier

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pointsman.estimators.outcomes import Matrix, Outcomes
    from pointsman.estimators.tabular import Vector
    from pointsman.evals.sight import Sight

FEW = 300  #: training queries below which nothing is learned of several answers to one question
COARSE = 4  #: of so many worths one is tried where a pair is chosen
_BARE = 8  # characters of an answer in which nothing can be seen
_CHEAP = 0.5  # of the strong model's price, both together at most


@dataclass(frozen=True, slots=True, eq=False)
class Pair:
    """Two models, a strong one, and what was learned of them. The first is the better of the two; or they are the same, asked once."""

    first: int
    second: int
    strong: int
    duo: Duo
    cuts: Vector  #: of one model asked once: the confidences between which its answer is in another state

    @property
    def asked(self) -> list[int]:
        """Who is asked before the strong one."""
        return sorted({self.first, self.second})


@dataclass(frozen=True, slots=True, eq=False)
class Went:
    """How queries went, a row each; a column for each worth of a right answer."""

    quality: Matrix
    cost_usd: Matrix
    calls: Matrix
    delivered: NDArray[np.intp]  #: whose answer


def bare(outcomes: Outcomes, rows: Iterable[int]) -> set[str]:
    """The tasks in whose answers nothing can be seen: half of them are that short."""
    lengths: dict[str, list[float]] = {}
    for i in rows:
        lengths.setdefault(outcomes.queries[i].task, []).append(float(np.median([len(text or "") for text in outcomes.answers[i]])))
    return {task for task, found in lengths.items() if np.median(found) <= _BARE}


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
    states = states_of(*([row[m] for row in sight.comes_to] for m in (first, second)))
    return Pair(first, second, strong, Duo.of(tasks, prior, states, right, train.quality[:, strong]), np.zeros(0))


def looked(train: Outcomes, sight: Sight) -> Pair | None:
    """The best of the cheap models, asked alone, its answer looked at. `sight` is of these queries, by fits that had not seen them."""
    quality, cost = train.quality.mean(axis=0), train.cost_usd.mean(axis=0)
    strong = int(np.argmax(quality))
    weak = int(np.argmax(np.where(cost < _CHEAP * cost[strong], quality, -1.0)))
    if weak == strong or cost[weak] >= _CHEAP * cost[strong]:
        return None
    cuts = np.quantile(sight.confidence[:, weak], (1 / 3, 2 / 3))
    states, prior = believed(cuts, sight.confidence[:, weak]), sight.prior[:, [weak, weak, strong]]
    duo = Duo.of([query.task for query in train.queries], prior, states, train.quality[:, weak], train.quality[:, strong])
    return Pair(weak, weak, strong, duo, cuts)


def went(outcomes: Outcomes, sight: Sight, pair: Pair, worths: Vector) -> Went:
    """At each worth the pair is asked, at once, where that promises more than the best model alone; the strong one after it, likewise."""
    rows, shape = np.arange(len(outcomes.queries)), (len(outcomes.queries), len(worths))
    columns = [pair.first, pair.second, pair.strong]
    told = pair.duo.expect([query.task for query in outcomes.queries], sight.prior[:, columns])
    states, delivered = _states(sight, pair), _delivered(sight, pair.first, pair.second)
    right, strong = told.right[rows, states], told.strong[rows, states]
    price, paid = np.maximum(sight.cost_usd, 0.0), outcomes.cost_usd
    both, spent = paid[:, pair.asked].sum(axis=1), price[:, pair.asked].sum(axis=1)
    quality, cost, calls, taken = np.empty(shape), np.empty(shape), np.empty(shape), np.empty(shape, np.intp)
    for at, worth in enumerate(worths):
        alone = sight.prior * worth - price
        last, each = price[:, pair.strong], alone.argmax(axis=1)
        paired = pays(told, alone[rows, each], spent, last, worth)
        further = paired & onward(right, strong, last, worth)
        taken[:, at] = np.where(further, pair.strong, np.where(paired, delivered, each))
        quality[:, at] = outcomes.quality[rows, taken[:, at]]
        cost[:, at] = np.where(paired, both + further * paid[:, pair.strong], paid[rows, each])
        calls[:, at] = np.where(paired, len(pair.asked), 1) + further
    return Went(quality, cost, calls, taken)


@dataclass(frozen=True, slots=True, eq=False)
class Given:
    """What a pair gave, before the strong model is asked."""

    quality: Vector
    lead: Vector  #: by how much the strong one is expected to do better


def after(outcomes: Outcomes, sight: Sight, pair: Pair) -> Given:
    """Where the pair is asked of every query."""
    rows, states = np.arange(len(outcomes.queries)), _states(sight, pair)
    told = pair.duo.expect([query.task for query in outcomes.queries], sight.prior[:, [pair.first, pair.second, pair.strong]])
    quality = outcomes.quality[rows, _delivered(sight, pair.first, pair.second)]
    return Given(quality, told.strong[rows, states] - told.right[rows, states])


def area(outcomes: Outcomes, went: Went) -> float:
    """AIQ, always taking the cheapest model being one more setting."""
    single, cost = outcomes.quality.mean(axis=0), outcomes.cost_usd.mean(axis=0)
    least = int(np.argmin(cost))
    reached = np.append(went.quality.mean(axis=0), single[least])
    hull = frontier.hull(np.append(went.cost_usd.mean(axis=0), cost[least]), reached)
    return frontier.aiq_range(hull, float(cost.min()), float(cost.max()))


def _states(sight: Sight, pair: Pair) -> NDArray[np.intp]:
    if len(pair.asked) == 1:
        return believed(pair.cuts, sight.confidence[:, pair.first])
    return states_of(*([row[m] for row in sight.comes_to] for m in (pair.first, pair.second)))


def _delivered(sight: Sight, first: int, second: int) -> NDArray[np.intp]:
    return np.where(leads(sight.prior[:, first], sight.prior[:, second]), first, second)
