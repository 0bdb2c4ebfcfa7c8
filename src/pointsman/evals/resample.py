"""Paired bootstrap over queries, or over groups of near-duplicates: how much a figure owes to the queries at hand."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pointsman.evals.ranking import Matrix, Vector

DRAWS = 2000
_CHUNK = 100  # draws at a time: keeps the weights of ten thousand queries within the processor's cache


@dataclass(frozen=True, slots=True)
class Interval:
    """A figure and its 95 % interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True, eq=False)
class Draws:
    """Which queries each draw holds, and how often. Used for two routers, the same draws make a paired comparison."""

    counts: NDArray[np.uint8]  #: of each group, a row a draw
    member: NDArray[np.intp]  #: the group of each query

    def chunks(self) -> Iterator[Matrix]:
        """How often each query occurs, a row a draw, some draws at a time."""
        for start in range(0, len(self.counts), _CHUNK):
            yield self.counts[start : start + _CHUNK, self.member].astype(np.float64)


def draws(groups: Sequence[str], seed: int, count: int = DRAWS) -> Draws:
    """Draw groups with replacement, as many as there are. Queries of one group come together; a query without one stands alone."""
    _, member = np.unique([group or f"\0{at}" for at, group in enumerate(groups)], return_inverse=True)
    size = int(member.max()) + 1
    counts = np.random.default_rng(seed).multinomial(size, np.full(size, 1 / size), size=count)
    return Draws(counts.astype(np.uint8), member)


def interval(value: float, drawn: Vector) -> Interval:
    """The percentile interval, 2.5 % to 97.5 %, of what the draws gave; NaN bounds where a draw gave no figure."""
    if np.isnan(drawn).any() or np.isnan(value):
        return Interval(value, float("nan"), float("nan"))
    # `lower` and `higher` also rank infinities, which a mean of two neighbours does not.
    low, high = np.quantile(drawn, 0.025, method="lower"), np.quantile(drawn, 0.975, method="higher")
    return Interval(value, float(low), float(high))
