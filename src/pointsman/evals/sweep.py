"""A knob for any learner: take the model of highest predicted quality minus rate times predicted cost, at many rates."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pointsman.estimators.learned import Predicted
from pointsman.evals.ranking import Matrix, Vector

SETTINGS = 96
_TRIED = 5  # rates looked at for each that is kept


def rates(predicted: Predicted, settings: int = SETTINGS) -> Vector:
    """Rates, in quality per dollar, from 0 to infinity, at most `settings` between, spread so that predicted cost falls by like steps.

    They are taken from the rates at which single queries would leave their best model, for the first cheaper one or for any. Looks at
    predictions only.
    """
    leaving = _leaving(predicted)
    if not np.isfinite(leaving).any():
        return np.array([0.0, np.inf])
    shares = np.linspace(0, 1, settings * _TRIED // 2)
    first = leaving.min(axis=1)
    tried = np.concatenate([np.quantile(some[np.isfinite(some)], shares) for some in (first, leaving)]) * (1 + 1e-9)
    tried = np.unique(np.concatenate(([0.0], tried)))
    spent = np.array([taken(predicted.cost_usd, choose(predicted, float(rate))[:, None]).mean() for rate in tried])
    wanted = np.linspace(spent[0], spent[-1], settings)
    kept = np.unique(np.abs(spent - wanted[:, None]).argmin(axis=1))
    return np.concatenate((np.unique(np.append(tried[kept], 0.0)), [np.inf]))


def _leaving(predicted: Predicted) -> Matrix:
    """The rate at which a query would leave its best model for another; infinity for one that is not cheaper."""
    rows = np.arange(len(predicted.quality))
    best = np.argmax(predicted.quality, axis=1)
    lost = predicted.quality[rows, best][:, None] - predicted.quality
    saved = predicted.cost_usd[rows, best][:, None] - predicted.cost_usd
    return np.asarray(np.where(saved > 0, lost / np.where(saved > 0, saved, 1.0), np.inf))


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
