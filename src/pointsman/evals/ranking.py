"""Putting queries in order, with ties broken by seeded chance: tables and trees give many equal scores."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]
Matrix = NDArray[np.float64]


def best_first(score: Vector, seed: int) -> NDArray[np.intp]:
    """Places from the highest score to the lowest; equal scores in an order that depends on the seed only.

    >>> best_first(np.array([1.0, 3.0, 2.0]), 0).tolist()
    [1, 2, 0]
    """
    return np.lexsort((np.random.default_rng(seed).random(len(score)), -score))
