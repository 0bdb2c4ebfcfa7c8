"""Two cheap models asked together, a strong one where that does not do: how likely the two agree, and what each would be worth then.

Or one cheap model, whose answer is believed little, more or much: what is seen is one of a few states in either case.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from pointsman.estimators.outcomes import Matrix
    from pointsman.estimators.tabular import Vector

    Rows = NDArray[np.intp]
    Flags = NDArray[np.bool_]

DIFFER, AGREE, UNKNOWN = 0, 1, 2
STATES = 3
_FIRM = 10.0  # answers' worth of belief that tasks are alike, and that states tell nothing


@dataclass(frozen=True, slots=True, eq=False)
class Expected:
    """Of each query (row), for each state (column)."""

    chance: Matrix  #: how likely the state is
    right: Matrix  #: quality of the answer of the two that is delivered
    strong: Matrix  #: quality of the strong model's


@dataclass(frozen=True, slots=True, eq=False)
class Duo:
    """Means by task and state. `prior` has three columns: what is expected of the first, the second and the strong model.

    Where one cheap model is asked alone it is the first and the second. Rows are tasks, the last all together; columns are states.
    """

    tasks: tuple[str, ...]
    chance: Matrix  #: how often the state was seen
    right: Matrix  #: by how much more the delivered answer was right in it than was expected
    strong: Matrix  #: the same of the strong model's

    @classmethod
    def of(cls, tasks: Sequence[str], prior: Matrix, states: Rows, right: Vector, strong: Vector, firm: float = _FIRM) -> Duo:
        """Learn from queries that all answered. `prior` must come from fits that had not seen them.

        A task is drawn to all tasks together, and these to states that tell nothing, as if by `firm` answers.
        """
        seen = states[:, None] == np.arange(STATES)
        more = right - prior[:, :2].max(axis=1), strong - prior[:, 2]
        whole = _means(seen, more, (np.full(STATES, 1 / STATES), np.zeros(STATES), np.zeros(STATES)), firm)
        known = tuple(sorted({task for task in tasks if task}))
        here = [np.array([task == one for task in tasks]) for one in known]
        rows = [*(_means(seen[at], (more[0][at], more[1][at]), whole, firm) for at in here), whole]
        return cls(known, *(np.stack(part) for part in zip(*rows, strict=True)))

    def expect(self, tasks: Sequence[str], prior: Matrix) -> Expected:
        """What to expect of queries before any of the three is asked.

        Over the states it comes to what was expected without them: else a pair looks better than a model alone because two fits differ.
        """
        rows = [self.tasks.index(task) if task in self.tasks else len(self.tasks) for task in tasks]
        chance, right, strong = self.chance[rows], self.right[rows], self.strong[rows]
        return Expected(chance, _around(right, chance, prior[:, :2].max(axis=1)), _around(strong, chance, prior[:, 2]))


def pays(told: Expected, alone: Vector, spent: Vector, last: Vector, worth: float) -> Flags:
    """Of which queries asking the two promises more than `alone`: the best model's expected worth, less its price.

    `spent`: the price of the two; `last`: of the strong model, which is asked after them where it is `onward`. `worth`: of a right answer.
    """
    hoped = (told.chance * np.maximum(told.right * worth, told.strong * worth - last[:, None])).sum(axis=1)
    return np.asarray(hoped - spent > alone)


def onward(right: Vector, strong: Vector, last: Vector, worth: float) -> Flags:
    """Where the strong model is worth its price, `last`, once the state is seen."""
    return np.asarray(strong * worth - last > right * worth)


def leads(first: ArrayLike, second: ArrayLike) -> Flags:
    """Whether the answer of the first is the one to deliver, by what was expected of the two."""
    return np.asarray(np.asarray(first) >= np.asarray(second))


def believed(cuts: Vector, confidence: ArrayLike) -> Rows:
    """How far answers are believed, as a state: where their confidence lies among the cuts."""
    return np.asarray(np.searchsorted(cuts, np.asarray(confidence), "right"), np.intp)


def states_of(first: Sequence[str], second: Sequence[str]) -> Rows:
    """Whether two answers come to the same. Empty: what an answer comes to is not known.

    >>> states_of(["7", "7", ""], ["7", "8", ""]).tolist() == [AGREE, DIFFER, UNKNOWN]
    True
    """
    pairs = zip(first, second, strict=True)
    return np.array([UNKNOWN if not a or not b else AGREE if a == b else DIFFER for a, b in pairs], np.intp)


def _around(more: Matrix, chance: Matrix, expected: Vector) -> Matrix:
    return np.asarray(more + (expected - (chance * more).sum(axis=1))[:, None])


def _means(seen: Flags, more: tuple[Vector, Vector], drawn_to: tuple[Vector, Vector, Vector], firm: float) -> tuple[Vector, Vector, Vector]:
    """Of some queries: how often each state is seen, and the mean of each of the two in it."""
    count = seen.sum(axis=0)
    right, strong = ((one @ seen + firm * start) / (count + firm) for one, start in zip(more, drawn_to[1:], strict=True))
    return (count + firm * drawn_to[0]) / (count.sum() + firm), right, strong
