"""Cascades on recorded answers, every call paid: asking on while it is worth it, or while confidence is below a threshold, or voting."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pointsman.core import worth
from pointsman.estimators.accord import Given, Unasked
from pointsman.estimators.outlook import prospect

if TYPE_CHECKING:
    from pointsman.estimators.outcomes import Matrix, Outcomes
    from pointsman.estimators.tabular import Vector
    from pointsman.evals.sight import Sight

SETTINGS = 96  #: of a knob
FINE = 2 * SETTINGS  #: where no course is walked step by step, which takes long


@dataclass(frozen=True, slots=True)
class Course:
    """How one query went."""

    delivered: int
    asked: tuple[int, ...]


Policy = Callable[[int], Course]
"""From the number of a query to how it goes."""


def paid(outcomes: Outcomes, courses: Sequence[Course]) -> tuple[Vector, Vector]:
    """Quality of what was delivered, and the recorded cost of every call, query by query."""
    quality = np.array([outcomes.quality[i, course.delivered] for i, course in enumerate(courses)])
    return quality, np.array([outcomes.cost_usd[i, list(course.asked)].sum() for i, course in enumerate(courses)])


def worths(cost_usd: Matrix, settings: int = SETTINGS) -> Vector:
    """What a right answer may be worth, in dollars: from where the cheapest call is hardly worth it to where every gain is."""
    mean = cost_usd.mean(axis=0)
    return np.geomspace(float(mean[mean > 0].min()) / 2, float(mean.max()) * 200, settings)


def routed(sight: Sight, at: int, worths: Sequence[float], most: int = 3) -> list[Course]:
    """Cascade routing on one query, for each worth of a right answer: at most so many calls, each where it gains more than it costs."""
    known: dict[tuple[int, ...], _State] = {}

    def state(asked: tuple[int, ...]) -> _State:
        if asked not in known:
            known[asked] = _state(sight, at, asked)
        return known[asked]

    def walk(place: int) -> Course:
        return _walk(state, float(worths[place]), most)

    found = {place: walk(place) for place in {0, len(worths) - 1}}
    _between(found, walk, 0, len(worths) - 1)
    return [found[place] for place in range(len(worths))]


def _between(found: dict[int, Course], walk: Callable[[int], Course], low: int, high: int) -> None:
    """Between two worths at which a query goes the same way it goes that way: few of them need a look."""
    if found[low] == found[high]:
        found |= dict.fromkeys(range(low + 1, high), found[low])
    elif high - low > 1:
        middle = (low + high) // 2
        found[middle] = walk(middle)
        _between(found, walk, low, middle)
        _between(found, walk, middle, high)


def _walk(state: Callable[[tuple[int, ...]], _State], value: float, most: int) -> Course:
    asked: tuple[int, ...] = ()
    while len(asked) < most:
        here = state(asked)
        chosen = worth.next_call(here.confidence, here.further, value) if asked else worth.first_call(here.further, value)
        if chosen is None:
            break
        asked = (*asked, here.places[chosen])
    return Course(state(asked).delivered, asked)


@dataclass(frozen=True, slots=True)
class _State:
    """What is known once some models were asked."""

    delivered: int
    confidence: float
    further: tuple[worth.Further, ...]
    places: tuple[int, ...]


def _state(sight: Sight, at: int, asked: tuple[int, ...]) -> _State:
    rest = [m for m in range(len(sight.models)) if m not in asked]
    cost = [max(float(sight.cost_usd[at, k]), 0.0) for k in rest]
    if not asked:
        quality = [min(max(float(sight.prior[at, m]), 0.0), 1.0) for m in rest]
        offers = [worth.Further(sight.models[m], quality[m], cost[m]) for m in rest]
        choices = worth.openers(offers, sight.discern.tolist())
        return _State(-1, 0.0, tuple(one for _, one in choices), tuple(m for m, _ in choices))
    given = _given(sight, at, asked)
    best, sure = sight.accord.best(given)
    after = sight.after[at, list(asked)]
    quality = [sight.accord.quality(Unasked(given, float(sight.prior[at, k]), tuple(after[:, k].tolist())), sure) for k in rest]
    kept = worth.undominated(cost, quality)
    further = [_beside(sight, given, best, sure, rest[i], quality[i], cost[i]) for i in kept]
    return _State(asked[best], sure, tuple(further), tuple(rest[i] for i in kept))


def _beside(sight: Sight, given: Sequence[Given], best: int, sure: float, k: int, quality: float, cost_usd: float) -> worth.Further:
    found = prospect(sight.accord, given, best, sure, sight.models[k], quality)
    return worth.Further(sight.models[k], found.quality, cost_usd, found.settles, found.sure, found.unsure)


def chained(sight: Sight, at: int, chain: Sequence[int], thresholds: Sequence[float]) -> list[Course]:
    """A plain cascade on one query, for each threshold: on along the chain while the best answer's confidence is below it."""
    states = [_best(sight, at, chain[: n + 1]) for n in range(len(chain))]
    found = []
    for threshold in thresholds:
        n = next((n for n, (_, sure) in enumerate(states) if sure >= threshold), len(chain) - 1)
        found.append(Course(states[n][0], tuple(chain[: n + 1])))
    return found


def _given(sight: Sight, at: int, asked: Sequence[int]) -> tuple[Given, ...]:
    return tuple(Given(sight.models[m], float(sight.confidence[at, m]), sight.comes_to[at][m]) for m in asked)


def _best(sight: Sight, at: int, asked: Sequence[int]) -> tuple[int, float]:
    best, sure = sight.accord.best(_given(sight, at, asked))
    return asked[best], sure


def voted(sight: Sight, at: int, members: Sequence[int]) -> Course:
    """A vote on one query: the answer that most come to, of equal ones the one of the model expected to be best."""
    votes = Counter(told for m in members if (told := sight.comes_to[at][m]))
    ranked = sorted(members, key=lambda m: (-votes.get(sight.comes_to[at][m], 0), -float(sight.prior[at, m])))
    return Course(ranked[0], tuple(members))
