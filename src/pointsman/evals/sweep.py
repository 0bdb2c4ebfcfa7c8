"""A knob for any learner: take the model of highest predicted quality minus rate times predicted cost, at many rates."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pointsman.estimators.learned import Predicted
from pointsman.evals.ranking import Matrix, Vector

SETTINGS = 48


def rates(predicted: Predicted, settings: int = SETTINGS) -> Vector:
    """Rates, in quality per dollar, from 0 to infinity, spread so that choices change by like steps between them.

    They are quantiles of the rates at which single queries would leave their best model for a cheaper one. Looks at predictions only.
    """
    rows = np.arange(len(predicted.quality))
    best = np.argmax(predicted.quality, axis=1)
    lost = predicted.quality[rows, best][:, None] - predicted.quality
    saved = predicted.cost_usd[rows, best][:, None] - predicted.cost_usd
    leaving = (lost / np.where(saved > 0, saved, 1.0))[saved > 0]
    inner = np.quantile(leaving, np.linspace(0, 1, settings)) if len(leaving) else np.empty(0)
    return np.concatenate(([0.0], inner * (1 + 1e-9), [np.inf]))


def choose(predicted: Predicted, rate: float) -> NDArray[np.intp]:
    """The model for each query at a rate. Equal ones: the cheaper; at rate infinity: the cheapest, whatever its quality."""
    worth = -predicted.cost_usd if np.isinf(rate) else predicted.quality - rate * predicted.cost_usd
    ties = worth >= worth.max(axis=1, keepdims=True) - 1e-12
    return np.asarray(np.argmin(np.where(ties, predicted.cost_usd, np.inf), axis=1))


def sweep(predicted: Predicted, at: Vector) -> NDArray[np.intp]:
    """The model for each query (row) at each rate (column)."""
    return np.stack([choose(predicted, float(rate)) for rate in at], axis=1)


def taken(values: Matrix, chosen: NDArray[np.intp]) -> Matrix:
    """What the chosen models had: `values` is query by model, `chosen` query by setting."""
    return np.take_along_axis(values, chosen, axis=1)
