"""Two cheap models asked together, a strong one where that does not do: how likely the two agree, and what each would be worth then.

Or one cheap model, whose answer is believed little, more or much: what is seen is one of a few states in either case.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pointsman.estimators.logistic import fit, odds, share

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from pointsman.estimators.outcomes import Matrix
    from pointsman.estimators.tabular import Vector

    Rows = NDArray[np.intp]
    Flags = NDArray[np.bool_]

DIFFER, AGREE, UNKNOWN = 0, 1, 2
STATES = 3
_OF_QUERY, _OF_TASK = 4, 3  # numbers: one and what is expected of each; of each task, as a whole and with two of these
_FIRM = 60.0  # answers' worth of belief that states and tasks are alike


@dataclass(frozen=True, slots=True, eq=False)
class Expected:
    """Of each query (row), for each state (column)."""

    chance: Matrix  #: how likely the state is
    right: Matrix  #: quality of the answer of the two that is delivered
    strong: Matrix  #: quality of the strong model's


@dataclass(frozen=True, slots=True, eq=False)
class Duo:
    """Fitted weights, a state a row. `prior` has three columns: what is expected of the first, the second and the strong model.

    Where one cheap model is asked alone it is the first and the second.
    """

    tasks: tuple[str, ...]
    chance: Matrix
    right: Matrix
    strong: Matrix

    @property
    def width(self) -> int:
        """How many numbers are looked at."""
        return _OF_QUERY + _OF_TASK * len(self.tasks)

    @classmethod
    def of(cls, tasks: Sequence[str], prior: Matrix, states: Rows, right: Vector, strong: Vector, firm: float = _FIRM) -> Duo:
        """Learn from queries that all answered. `prior` must come from fits that had not seen them."""
        known = tuple(sorted({task for task in tasks if task}))
        rows = _rows(known, tasks, prior)
        blank = np.zeros(rows.shape[1])
        chance = np.stack([fit(rows, (states == one).astype(np.float64), blank, firm) for one in range(STATES)])
        return cls(known, chance, _by_state(rows, states, right, 1, firm), _by_state(rows, states, strong, 3, firm))

    def expect(self, tasks: Sequence[str], prior: Matrix) -> Expected:
        """What to expect of queries before any of the three is asked.

        Over the states it comes to what was expected without them: else a pair looks better than a model alone because two fits differ.
        """
        rows = _rows(self.tasks, tasks, prior)
        chance, right, strong = (share(rows @ weights.T) for weights in (self.chance, self.right, self.strong))
        chance /= chance.sum(axis=1, keepdims=True)
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


def _around(quality: Matrix, chance: Matrix, expected: Vector) -> Matrix:
    return np.asarray(quality + (expected - (chance * quality).sum(axis=1))[:, None])


def _by_state(rows: Matrix, states: Rows, truth: Vector, leading: int, firm: float) -> Matrix:
    """Weights of each state, drawn to those of all states, and these to believing the number that leads."""
    start = np.zeros(rows.shape[1])
    start[leading] = 1.0
    common = fit(rows, truth, start, firm)
    return np.stack([fit(rows[states == one], truth[states == one], common, firm) for one in range(STATES)])


def _rows(known: tuple[str, ...], tasks: Sequence[str], prior: Matrix) -> Matrix:
    expected = odds(prior)
    there = np.array([[task == one for one in known] for task in tasks], np.float64).reshape(len(expected), len(known))
    by_task = (there, there * expected[:, [0]], there * expected[:, [2]])
    return np.concatenate((np.ones((len(expected), 1)), expected, *by_task), axis=1)
