"""How far an expected quality may be off: by few labels, and by what the text does not tell of a query.

The second shows in what models have in common. Two models' answers to one query are independent given the query, so where both do
better or worse than predicted more often than chance would have it, the prediction missed something of the query.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from pointsman.native import core

if TYPE_CHECKING:
    from pointsman.estimators.outcomes import Matrix
    from pointsman.estimators.tabular import Vector

_Z90 = 1.6448536269514722  # standard normal quantile, 5 % on each side
_EDGE = 0.02
_STEADIER = 0.8  # variance of a blend by that of its heads, whose freedom is in `evidence`: chosen on made-up worlds; 1 is too wide there
_SIDES = np.array([[1.0], [-1.0]])
_FLATTENS = 0.42  # variance of a logistic function of s times a standard normal: (slope * s)**2 / (1 + this * s**2), within 3 % for s < 2


@dataclass(frozen=True, eq=False)  # without slots: what is the same for all queries is worked out once
class Doubt:
    """Standard deviation, in logits, of a query's true quality around what is predicted; by model."""

    logits: Vector

    @classmethod
    def of(cls, quality: Matrix, unseen: Matrix) -> Doubt:
        """From predictions of queries not seen in the fit. Gaps in `quality` are NaN."""
        residual = quality - unseen
        there = np.isfinite(residual)
        filled = np.where(there, residual, 0.0)
        together = there.T.astype(np.float64) @ there
        shared = (filled.T @ filled) / np.maximum(together, 1)
        np.fill_diagonal(shared, 0.0)
        others = max(len(shared) - 1, 1)
        variance = np.maximum(shared.sum(axis=1) / others, 0.0)
        expected = np.clip(unseen, _EDGE, 1 - _EDGE)
        slope = (expected * (1 - expected)).mean(axis=0) if len(expected) else np.full(len(variance), 0.25)
        steep = np.minimum(variance / slope**2, 0.9 / _FLATTENS)
        return cls(np.asarray(np.sqrt(steep / (1 - _FLATTENS * steep))))

    def bounds(self, expected: Vector, evidence: Vector) -> tuple[Vector, Vector]:
        """Lower and upper bound of the expected quality with 90 % confidence. No evidence: from 0 to 1."""
        square, out = self._fixed
        if core is None:
            return _bounds(expected, evidence, square, out)
        low, high = np.empty(len(expected)), np.empty(len(expected))
        core.bounded(np.asarray(expected, np.float64), np.asarray(evidence, np.float64), square, out, _EDGE, _STEADIER, _Z90, low, high)
        return low, high

    @cached_property
    def _fixed(self) -> tuple[Vector, Vector]:
        square = self.logits**2
        return square, np.sqrt(1 + np.pi / 8 * square)


def _bounds(expected: Vector, evidence: Vector, square: Vector, out: Vector) -> tuple[Vector, Vector]:
    inside = np.minimum(np.maximum(expected, _EDGE), 1 - _EDGE)
    outside = 1 - inside
    # What is predicted is the mean over such queries; the middle one lies further out (MacKay, Neural Computation 4, 1992).
    centre = np.log(outside / inside) * out
    wide = _Z90 * np.sqrt(square + _STEADIER / (np.maximum(evidence, 1e-9) * (inside * outside)))
    low, high = 1 / (1 + np.exp(np.minimum(centre + _SIDES * wide, 50)))
    known, mean = evidence > 0, np.minimum(np.maximum(expected, 0), 1)
    return np.where(known, np.minimum(low, mean), 0.0), np.where(known, np.maximum(high, mean), 1.0)
