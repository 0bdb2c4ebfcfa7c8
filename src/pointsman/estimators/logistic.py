"""Logistic regression that leans to weights given beforehand, as if those were known with some certainty."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from pointsman.estimators.outcomes import Matrix
    from pointsman.estimators.tabular import Vector

_ROUNDS = 25


def odds(share: ArrayLike, least: float = 0.01) -> Vector:
    """Log-odds of shares, those nearer to 0 or 1 than `least` taken as that near."""
    within = np.clip(np.asarray(share, np.float64), least, 1 - least)
    return np.asarray(np.log(within / (1 - within)))


def share(odds: ArrayLike) -> Vector:
    """The shares with these log-odds.

    >>> share(odds([0.25])).round(3).tolist()
    [0.25]
    """
    return np.asarray(1 / (1 + np.exp(-np.clip(np.asarray(odds, np.float64), -40, 40))))


def fit(features: Matrix, truth: Vector, leaning: Vector, firm: float, offset: Vector | None = None) -> Vector:
    """Weights of the features, by Newton's method, each drawn to `leaning` as by `firm` units of information. Truth is from 0 to 1."""
    weights, fixed = leaning.astype(np.float64), np.zeros(len(truth)) if offset is None else offset
    for _ in range(_ROUNDS):
        said = share(features @ weights + fixed)
        slope = features.T @ (truth - said) - firm * (weights - leaning)
        curve = (features * (said * (1 - said))[:, None]).T @ features + firm * np.eye(len(weights))
        step = np.linalg.solve(curve, slope)
        weights = weights + np.clip(step, -2, 2)
        if float(np.abs(step).max(initial=0.0)) < 1e-8:
            break
    return weights
