"""A new model, of which little is known: what the others are expected to give, weighed by how its few probes agree with them.

Before its first probe it is as good as they are on average. Their recorded answers to its probes tell whether those were easy ones (control
variates: Owen, Monte Carlo theory, chapter 8), so that what counts is by how much it did better. That is regressed on what was expected
of the others, as if the new model were one more of their kind: it may be expected to differ from their mean by as much as they do.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pointsman.estimators.outcomes import Outcomes
from pointsman.estimators.stack import sobriety
from pointsman.estimators.tabular import whole

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pointsman.estimators.outcomes import Matrix
    from pointsman.estimators.tabular import Vector

PROBES = 50  #: labels below which a model is expected to give no more than its lower bound
_SLOPE, _BEYOND = 0.3, 0.2  # standard deviations over models: of how they follow the mean of all, and of what one other model does not show
_NOISE = 0.1  # variance of an answer around what other models gave, at least: a single other one does not tell
_LONG = 1.0  # penalty of quantities
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
        unsure = 1.6448536269514722 * np.sqrt(0.25 / (self.labels + 1))  # of a few that all went well nobody knows how good it is
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
    """Weights of what the others are expected to give, what is added, and the labels (Rasmussen and Williams, 2006, section 2.1)."""
    asked, models = np.isfinite(quality), recorded.shape[1]
    even, n = _even(np.full(models, True)), int(asked.sum())
    if not n:
        return even, 0.0, 0
    level, usual = expected.mean(axis=1, keepdims=True), _usual(models)
    middle = float(level.mean())
    seen = (np.concatenate((expected - level, level - middle, np.ones_like(level)), axis=1) * usual)[asked]
    noise = max(float(recorded.var(axis=1).mean()) * (models + 1) / max(models - 1, 1), _NOISE)
    better = quality[asked] - recorded[asked].mean(axis=1)
    *own, slope, beyond = usual * np.linalg.solve(seen.T @ seen + noise * np.eye(models + 2), seen.T @ better)
    return even * (1 + slope) + own, float(beyond - slope * middle), n


def _usual(models: int) -> Vector:
    """How far apart models lie, as standard deviations: in the weights of single others, in the slope over the mean of all, in the rest.

    What is expected of the others was sobered: it differs less than they do.
    """
    return np.append(np.full(models, 1 / (sobriety(models) * np.sqrt(max(models - 1, 1)))), (_SLOPE, _BEYOND / np.sqrt(models)))


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
