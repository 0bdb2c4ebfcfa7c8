"""What all baselines predict in the same way: means, and nothing on bounds, tokens and latency."""

from __future__ import annotations

import numpy as np

from pointsman.estimators.learned import Predicted
from pointsman.evals.ranking import Matrix, Vector


def plain(quality: Matrix, cost_usd: Vector, evidence: float) -> Predicted:
    """Predictions of a baseline: no bounds, costs by model only, nothing on tokens and latency."""
    unknown = np.full_like(quality, np.nan)
    return Predicted(quality, unknown, unknown, np.full_like(quality, evidence), np.tile(cost_usd, (len(quality), 1)), unknown, unknown)


def means(values: Matrix, otherwise: float) -> Vector:
    """Mean of each column over what was recorded; `otherwise` where nothing was."""
    there = np.isfinite(values)
    count = there.sum(axis=0)
    return np.where(count > 0, np.where(there, values, 0.0).sum(axis=0) / np.maximum(count, 1), otherwise)
