"""Costs, tokens and times: positive numbers, learned as logarithms and given back without bias.

What is long for one model is long for the others: of all models' logarithms only some leading directions are learned.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pointsman.estimators.tabular import whole

if TYPE_CHECKING:
    from pointsman.estimators.outcomes import Matrix
    from pointsman.estimators.tabular import Vector

DIRECTIONS = 12
_LEAST = 1e-12


@dataclass(frozen=True, slots=True, eq=False)
class Directions:
    """Logarithms of several quantities of several models, quantity after quantity, as a few numbers."""

    mean: Vector
    leading: Matrix  #: one direction a row

    def unfold(self, scores: Matrix | Vector) -> Matrix:
        """Logarithms from scores."""
        return np.asarray(scores @ self.leading + self.mean)


@dataclass(frozen=True, slots=True, eq=False)
class Quantities:
    """How scores become quantities again. NaN factors: nothing is known of that model's quantity."""

    directions: Directions
    low: Vector  #: smallest and largest logarithm that was recorded
    high: Vector
    factor: Vector  #: mean of the quantity by mean of the exponentials: Duan's smearing estimate, JASA 78, 1983

    def back(self, scores: Matrix | Vector) -> Matrix:
        """The quantities side by side, never beyond what was recorded but for the factor."""
        return np.asarray(np.exp(np.minimum(np.maximum(self.directions.unfold(scores), self.low), self.high)) * self.factor)


def folded(values: Matrix) -> tuple[Directions, Matrix]:
    """Directions, and the scores of each query (row). Gaps are filled; a column without a value is 0."""
    logarithms = whole(_logs(values), 0.0)
    mean = logarithms.mean(axis=0)
    around = logarithms - mean
    leading = np.linalg.eigh(around.T @ around)[1][:, ::-1][:, :DIRECTIONS].T
    return Directions(mean, np.ascontiguousarray(leading)), around @ leading.T


def smeared(values: Matrix, directions: Directions, scores: Matrix) -> Quantities:
    """Factors from the scores of queries that were not seen in the fit."""
    logarithms, there = _logs(values), np.isfinite(values)
    known = there.any(axis=0)
    low = np.where(known, np.where(there, logarithms, np.inf).min(axis=0, initial=np.inf), 0.0)
    high = np.where(known, np.where(there, logarithms, -np.inf).max(axis=0, initial=-np.inf), 0.0)
    guessed = np.where(there, np.exp(np.clip(directions.unfold(scores), low, high)), 0.0).sum(axis=0)
    factor = np.where(there, np.nan_to_num(values), 0.0).sum(axis=0) / np.maximum(guessed, _LEAST)
    return Quantities(directions, low, high, np.where(known, factor, np.nan))


def _logs(values: Matrix) -> Matrix:
    return np.asarray(np.log(np.where(np.isfinite(values), np.maximum(values, _LEAST), np.nan)))
