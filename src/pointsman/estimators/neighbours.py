"""Neighbours: what models gave on the past queries of nearest meaning, the nearer the heavier, drawn to the mean of all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pointsman.catalogue.embedder import Embedder
from pointsman.estimators.features import unit
from pointsman.estimators.grams import ends
from pointsman.estimators.learned import Predicted
from pointsman.estimators.outcomes import Outcomes, Query
from pointsman.estimators.tabular import means

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pointsman.estimators.outcomes import Matrix
    from pointsman.estimators.tabular import Vector

    Floats = NDArray[np.float32]
_Z90 = 1.6448536269514722


@dataclass(frozen=True, slots=True)
class Neighbour:
    """A past query that speaks for an estimate."""

    query_id: str
    cosine: float


@dataclass(frozen=True, slots=True)
class Neighbours:
    """The `k` nearest; fewer than 50 are mostly noise."""

    embedder: Embedder
    k: int = 80
    sharpness: float = 4.0
    prior: float = 10.0  #: neighbours that the mean of all counts as
    rows: int = 20_000  #: queries kept, at most
    name: str = "neighbours"

    def fit(self, outcomes: Outcomes, *, seed: int) -> Near:
        """Keep the queries' directions and what the models gave."""
        rows = np.sort(np.random.default_rng(seed).permutation(len(outcomes.queries))[: self.rows])
        texts = [ends(outcomes.queries[i].text) for i in rows]
        vectors = self.embedder.embed(texts) if texts else np.zeros((0, self.embedder.dims), np.float32)
        centre = vectors.mean(axis=0) if texts else np.zeros(self.embedder.dims, np.float32)
        kept = np.array([unit(vector - centre) for vector in vectors], np.float32).reshape(len(rows), self.embedder.dims)
        parts = (outcomes.quality, outcomes.cost_usd, outcomes.output_tokens, outcomes.latency_s)
        overall = np.stack([means(outcomes.quality, 0.5), *(means(part, np.nan) for part in parts[1:])])
        values = np.stack([part[rows] for part in parts])
        ids = tuple(outcomes.queries[i].id for i in rows)
        return Near(self.embedder, centre, kept, values, overall, ids, self.k, self.sharpness, self.prior)


@dataclass(frozen=True, slots=True, eq=False)
class Near:
    """Kept queries."""

    embedder: Embedder
    centre: Floats
    kept: Floats
    values: NDArray[np.float64]  #: quality, cost, tokens, latency; each query by model
    overall: Matrix
    ids: tuple[str, ...]
    k: int
    sharpness: float
    prior: float

    def predict(self, queries: Sequence[Query]) -> Predicted:
        """Weighted means over the neighbours."""
        rows = [self._one(query.text) for query in queries]
        width = self.overall.shape[1]
        return Predicted(*(np.array([row[part] for row in rows]).reshape(len(rows), width) for part in range(7)))

    def why(self, query: Query, most: int = 5) -> tuple[Neighbour, ...]:
        """The nearest past queries, nearest first."""
        cosine = self._cosine(query.text)
        return tuple(Neighbour(self.ids[i], float(cosine[i])) for i in np.argsort(-cosine, kind="stable")[:most])

    def _cosine(self, text: str) -> Floats:
        return np.asarray(self.kept @ unit(self.embedder.embed((ends(text),))[0] - self.centre))

    def _one(self, text: str) -> tuple[Vector, ...]:
        cosine = self._cosine(text)
        k = min(self.k, len(cosine))
        near = np.argpartition(-cosine, k - 1)[:k] if k else np.zeros(0, np.intp)
        weight = np.exp(2 * self.sharpness * (cosine[near].astype(np.float64) - cosine[near].max(initial=-1)))[:, None]
        values = self.values[:, near]
        there = np.isfinite(values)
        mass = (weight * there).sum(axis=1)
        evidence = mass[0] ** 2 / np.maximum((weight**2 * there[0]).sum(axis=0), 1e-12)
        pull = np.array([self.prior * (mass[0] / np.maximum(evidence, 1e-9)), *(np.full((3, len(mass[0])), 1e-9))])
        known = np.where(np.isfinite(self.overall), self.overall, 0.0)
        shrunk = (np.where(there, values, 0.0) * weight).sum(axis=1) + pull * known
        mean = np.where(np.isfinite(self.overall), shrunk / np.maximum(mass + pull, 1e-12), np.nan)
        quality = np.where(evidence > 0, mean[0], self.overall[0])
        error = _Z90 * np.sqrt(np.maximum(quality * (1 - quality), 0.01) / (evidence + 1))
        return (quality, np.clip(quality - error, 0, 1), np.clip(quality + error, 0, 1), evidence, *mean[1:])
