"""Whether predicted qualities can be believed, and whether they tell right from wrong. For one model: vectors over queries."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pointsman.evals.ranking import Vector


def ece(predicted: Vector, quality: Vector, bins: int = 15) -> float:
    """Expected calibration error: mean distance of predicted and recorded quality over bins of equally many queries."""
    order = np.argsort(predicted, kind="stable")
    parts = [part for part in np.array_split(order, bins) if len(part)]
    return float(sum(abs(predicted[part].mean() - quality[part].mean()) * len(part) for part in parts) / len(order))


def brier(predicted: Vector, quality: Vector) -> float:
    """Mean squared error of the prediction.

    >>> brier(np.array([1.0, 0.5]), np.array([1.0, 0.0]))
    0.125
    """
    return float(np.mean((predicted - quality) ** 2))


def auc(predicted: Vector, quality: Vector) -> float:
    """How often a right answer was predicted better than a wrong one; right: quality above 0.5. NaN where all are right, or all wrong."""
    right = quality > 0.5
    n = int(right.sum())
    if n in (0, len(right)):
        return float("nan")
    _, place, count = np.unique(predicted, return_inverse=True, return_counts=True)
    rank = (np.cumsum(count) - (count - 1) / 2)[place]  # ties share their mean rank
    return float((rank[right].sum() - n * (n + 1) / 2) / (n * (len(right) - n)))


def auc_within(predicted: Vector, quality: Vector, tasks: Sequence[str]) -> float:
    """AUC inside each task, averaged by pairs compared: what is left when knowing the task is no help. NaN where nothing compares."""
    names = np.array(tasks)
    total = weight = 0.0
    for task in dict.fromkeys(tasks):
        at = names == task
        right = int((quality[at] > 0.5).sum())
        pairs = right * (int(at.sum()) - right)
        if pairs:
            total, weight = total + pairs * auc(predicted[at], quality[at]), weight + pairs
    return total / weight if weight else float("nan")


def coverage(low: Vector, high: Vector, expected: Vector) -> float:
    """Share of expected qualities inside their interval. The expected quality is known for synthetic outcomes only; NaN bounds: NaN."""
    return float("nan") if np.isnan(low).any() or np.isnan(high).any() else float(np.mean((low <= expected) & (expected <= high)))
