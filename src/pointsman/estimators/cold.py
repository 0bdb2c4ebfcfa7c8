"""A new model, of which little is known: what the others are expected to give, weighed by how its few probes agree with them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from pointsman.estimators.outcomes import Matrix
    from pointsman.estimators.tabular import Vector

PROBES = 50  #: labels below which a model is expected to give no more than its lower bound


@dataclass(frozen=True, slots=True, eq=False)
class Borrowed:
    """A model's quality as a linear function of the others'."""

    weights: Vector
    offset: float
    labels: int

    def quality(self, others: Vector) -> float:
        """What is expected; never outside [0, 1]. Below `PROBES` labels the lower bound of its mean takes off as much as it is unsure."""
        expected = float(np.clip(others @ self.weights + self.offset, 0, 1))
        if self.labels >= PROBES:
            return expected
        unsure = 1.6448536269514722 * np.sqrt(max(expected * (1 - expected), 0.05) / (self.labels + 1))
        return max(0.0, expected - float(unsure))


def borrow(quality: Vector, others: Matrix, penalty: float = 5.0) -> Borrowed:
    """Ridge regression on the others' predicted qualities, drawn to their plain mean rather than to nothing.

    `quality` is NaN where the model was not asked. A model without any label is expected to be the others' mean, less all doubt.
    """
    asked = np.isfinite(quality)
    even = np.full(others.shape[1], 1 / max(others.shape[1], 1))
    if not asked.any():
        return Borrowed(even, 0.0, 0)
    given, known = quality[asked], others[asked].astype(np.float64)
    centre, left = known.mean(axis=0), given - given.mean() - (known - known.mean(axis=0)) @ even
    around = known - centre
    variance = max(float((around**2).sum()) / max(len(known), 1), 1e-9)
    change = np.linalg.solve(around.T @ around + penalty * variance * np.eye(len(even)), around.T @ left)
    weights = even + change
    # The mean of a few labels is drawn to what the others' would have been.
    n = len(given)
    mean = (n * float(given.mean()) + 4 * float(centre @ even)) / (n + 4)
    return Borrowed(weights, mean - float(centre @ weights), n)
