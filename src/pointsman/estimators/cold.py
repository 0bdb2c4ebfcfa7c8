"""A new model, of which little is known: what the others are expected to give, weighed by how its few probes agree with them.

How it goes with the others is read off their recorded answers to the same queries: those also tell whether the probes were easy ones, so
that its mean is known better than from its own labels (control variates: Owen, Monte Carlo theory, chapter 8). What is left
over is then regressed on what the others were expected to give, drawn more strongly to nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pointsman.estimators.outcomes import Outcomes
from pointsman.estimators.tabular import whole

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pointsman.estimators.outcomes import Matrix
    from pointsman.estimators.tabular import Vector

PROBES = 50  #: labels below which a model is expected to give no more than its lower bound
_LIKE, _OWN, _LONG = 5.0, 10.0, 1.0  # penalties: of going with the others, of going its own way, of quantities
_FEW = 4  # labels that the others' mean counts as
_LEAST = 1e-12


@dataclass(frozen=True, slots=True, eq=False)
class Borrowed:
    """A model's quality as a linear function of the others'; its cost, output tokens and latency as products of powers of theirs."""

    weights: Vector
    offset: float
    labels: int
    powers: Matrix  #: one row a quantity
    factors: Vector  #: NaN: that quantity was never recorded

    def quality(self, others: Vector) -> float:
        """What is expected; never outside [0, 1]. Below `PROBES` labels the lower bound of its mean takes off as much as it is unsure."""
        expected = float(np.clip(others @ self.weights + self.offset, 0, 1))
        if self.labels >= PROBES:
            return expected
        unsure = 1.6448536269514722 * np.sqrt(max(expected * (1 - expected), 0.05) / (self.labels + 1))
        return max(0.0, expected - float(unsure))

    def quantity(self, row: int, others: Vector) -> float:
        """Cost, output tokens or latency (row 0, 1, 2) where the others take so much; NaN where it was never recorded."""
        return float(np.exp(np.nansum(self.powers[row] * np.log(others))) * self.factors[row])


def borrow(new: Outcomes, others: Outcomes, expected: Matrix) -> Borrowed:
    """From the outcomes of one new model and of the others on the same queries, and what was expected of the others not having seen them.

    A model without any label is expected to be the others' mean, less all doubt.
    """
    weights, offset, labels = _quality(new.quality[:, 0], whole(others.quality, 0.5), expected.astype(np.float64))
    pairs = ((new.cost_usd, others.cost_usd), (new.output_tokens, others.output_tokens), (new.latency_s, others.latency_s))
    quantities = [_quantity(own[:, 0], theirs) for own, theirs in pairs]
    return Borrowed(weights, offset, labels, np.stack([powers for powers, _ in quantities]), np.array([factor for _, factor in quantities]))


def _quality(quality: Vector, recorded: Matrix, expected: Matrix) -> tuple[Vector, float, int]:
    asked = np.isfinite(quality)
    even, n = _even(np.full(recorded.shape[1], True)), int(asked.sum())
    if not n:
        return even, 0.0, 0
    given, answers, said = quality[asked], recorded[asked], expected[asked]
    like = even + _ridge(answers, given - answers @ even, _LIKE)
    left = given - answers @ like
    own = _ridge(said, left, _OWN)
    offset = float(left.mean()) * n / (n + _FEW) - float(said.mean(axis=0) @ own)
    return like + own, offset, n


def _quantity(own: Vector, others: Matrix) -> tuple[Vector, float]:
    there, known = np.isfinite(own), np.asarray(np.isfinite(others).any(axis=0))
    powers = _even(known)
    if not there.any():
        return powers, float("nan")
    theirs = whole(np.where(np.isfinite(others), np.log(np.maximum(others, _LEAST)), np.nan)[:, known], 0.0)[there]
    powers[known] += _ridge(theirs, np.log(np.maximum(own[there], _LEAST)) - theirs @ powers[known], _LONG)
    return powers, float(own[there].mean() / np.exp(theirs @ powers[known]).mean())


def _even(known: NDArray[np.bool_]) -> Vector:
    return np.asarray(known / max(float(known.sum()), 1.0))


def _ridge(known: Matrix, given: Vector, penalty: float) -> Vector:
    """Slopes drawn to nothing, as if by so many rows of mean length."""
    around = known - known.mean(axis=0)
    firm = penalty * max(float((around**2).sum()) / len(known), 1e-9)
    return np.asarray(np.linalg.solve(around.T @ around + firm * np.eye(known.shape[1]), around.T @ given))
