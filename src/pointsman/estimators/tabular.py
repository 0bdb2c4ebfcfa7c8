"""Tables of outcomes made whole, and sums over what was recorded."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from pointsman.estimators.outcomes import Query

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pointsman.estimators.outcomes import Matrix

    Vector = NDArray[np.float64]
    Rows = NDArray[np.intp]


FOLDS = 10


def means(values: Matrix, otherwise: float) -> Vector:
    """Mean of each column over what was recorded; `otherwise` where nothing was.

    >>> means(np.array([[1.0, np.nan], [0.0, np.nan]]), 0.5).tolist()
    [0.5, 0.5]
    """
    there = np.isfinite(values)
    count = there.sum(axis=0)
    return np.asarray(np.where(count > 0, np.where(there, values, 0.0).sum(axis=0) / np.maximum(count, 1), otherwise))


def whole(values: Matrix, otherwise: float) -> Matrix:
    """Gaps filled as the query and the model would have it: the column's mean plus how the row's other cells differ from theirs."""
    around = values - means(values, otherwise)
    there = np.isfinite(around)
    row = np.where(there, around, 0.0).sum(axis=1) / (there.sum(axis=1) + 1.0)
    return np.asarray(np.where(there, values, means(values, otherwise) + row[:, None]))


def groups_of(queries: Sequence[Query]) -> Rows:
    """A number for each group of near-duplicates. Queries without a group go together when their texts are the same."""
    names = [query.group or f"\0{' '.join(query.text.lower().split())}" for query in queries]
    return np.unique(np.array(names, dtype=object).astype(str), return_inverse=True)[1].reshape(-1) if names else np.zeros(0, np.intp)


def fold_of(groups: Rows) -> Rows:
    """One of ten folds for each query; groups stay together."""
    return np.asarray(np.unique(groups, return_inverse=True)[1].reshape(-1) % FOLDS)


def centred(values: Matrix) -> Matrix:
    """How each model differs from the mean of all on each query."""
    return np.asarray(values - values.mean(axis=1, keepdims=True))
