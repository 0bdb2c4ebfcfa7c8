"""What choices look like: whether a router still routes, or has collapsed to one model."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def entropy_bits(chosen: NDArray[np.intp], models: int) -> float:
    """Entropy of the choices, in bits: 0 where one model takes all, log2(models) where all are taken alike.

    >>> entropy_bits(np.array([0, 1, 0, 1]), 3)
    1.0
    """
    share = np.bincount(chosen, minlength=models) / len(chosen)
    taken = share[share > 0]
    return float(-(taken * np.log2(taken)).sum()) + 0.0
