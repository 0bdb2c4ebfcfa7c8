"""The blend: ridge heads, trees and the shrunk table, weighed by what each said of queries that it had not seen.

Quality is learned in two parts: how good all models are on a query, and how each differs from that. Only the second can choose, and it is
kept only where it beats the best mix of single models on unseen queries; else every query gets each model's mean.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from pointsman.catalogue.embedder import Embedder
from pointsman.estimators import mixing
from pointsman.estimators.bounds import Doubt
from pointsman.estimators.cold import Borrowed, borrow
from pointsman.estimators.features import read
from pointsman.estimators.learned import Predicted
from pointsman.estimators.mixture import Expected, Mixture
from pointsman.estimators.neighbours import Neighbour
from pointsman.estimators.outcomes import Outcomes, Query
from pointsman.estimators.stack import LEAST, Verdict
from pointsman.estimators.steady import ending
from pointsman.estimators.table import Table, Tabled

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pointsman.estimators.tabular import Rows, Vector

    Floats = NDArray[np.float32]

_WARM = 0.4  # of the most labels that a model has: those with fewer borrow from the others


class Quality(NamedTuple):
    """What quality is expected of one query, by model."""

    quality: Vector
    low: Vector
    high: Vector
    evidence: Vector


class Row(NamedTuple):
    """A row of `Predicted`: what is expected of one query, by model."""

    quality: Vector
    low: Vector
    high: Vector
    evidence: Vector
    cost_usd: Vector
    output_tokens: Vector
    latency_s: Vector


@dataclass(frozen=True, slots=True)
class Blend:
    """Learns the blend. Without an embedder it reads words and surface only."""

    embedder: Embedder | None = None
    settings: mixing.Settings = field(default_factory=mixing.Settings)
    name: str = "blend"

    def fit(self, outcomes: Outcomes, *, seed: int) -> Blended:
        """Fit. With few queries, or none, what is left is a table of means."""
        read_as = outcomes if self.settings.tasks else _untagged(outcomes)
        table = Table().fit(read_as, seed=seed)
        labels = np.isfinite(outcomes.quality).sum(axis=0)
        warm = np.flatnonzero((labels >= LEAST) & (labels >= _WARM * labels.max(initial=0)))
        cold = np.setdiff1d(np.arange(len(labels)), warm)
        if not len(warm):
            return Blended(self.embedder, outcomes.models, table, None, warm, cold, (), np.zeros((0, 1), np.float32), ())
        known = read_as.pool([outcomes.models[m] for m in warm])
        asked = np.flatnonzero(np.isfinite(known.quality).any(axis=1))
        known = known.rows(asked)
        fitted = mixing.fit(known, self.embedder, self.settings, seed)
        rows = asked[fitted.kept]
        recorded = _alike(_recorded(outcomes, rows, cold))
        borrowed = self._borrowed(outcomes, read_as, fitted, asked, cold)
        ids = tuple(outcomes.queries[i].id for i in rows)
        return Blended(self.embedder, outcomes.models, table, fitted.mixture, warm, cold, borrowed, recorded, ids)

    def _borrowed(self, outcomes: Outcomes, read_as: Outcomes, fitted: mixing.Fit, asked: Rows, cold: Rows) -> tuple[Borrowed, ...]:
        """What the cold models borrow. Where no other model answered, what is expected of those stands for what they gave."""
        judged = np.flatnonzero(np.isfinite(outcomes.quality[:, cold]).any(axis=1))
        rows = np.concatenate((asked, np.setdiff1d(judged, asked)))
        said = [fitted.mixture.expect(read(read_as.queries[row], self.embedder)).quality for row in rows[len(asked) :]]
        expected = np.concatenate((fitted.unseen, np.array(said).reshape(-1, fitted.unseen.shape[1])))
        others = read_as.pool([model for m, model in enumerate(outcomes.models) if m not in cold]).rows(rows)
        unanswered = np.arange(len(rows))[:, None] >= len(asked)
        others = replace(others, quality=np.where(unanswered, expected, others.quality))
        return tuple(borrow(outcomes.pool([outcomes.models[m]]).rows(rows), others, expected) for m in cold)


@dataclass(frozen=True, eq=False)  # without slots: what is the same for all queries is worked out once
class Blended:
    """A fitted blend. `one` and `explained` are for a request, `predict` for many queries."""

    embedder: Embedder | None
    models: tuple[str, ...]
    table: Tabled
    mixture: Mixture | None
    warm: Rows  #: models with labels enough of their own
    cold: Rows  #: the others
    borrowed: tuple[Borrowed, ...]  #: what those are expected to give, in order
    recorded: Floats  #: kept query by model: whether there was a label; one column where that is the same for all models
    ids: tuple[str, ...]  #: of the kept queries

    def __post_init__(self) -> None:
        if sorted([*self.warm.tolist(), *self.cold.tolist()]) != list(range(len(self.models))) or len(self.table.quality.prior) != len(
            self.models
        ):
            raise ValueError("its parts differ in the number of models")
        if self.mixture is None:
            return
        if len(self.borrowed) != len(self.cold) or len(self.mixture.weights.mean) != len(self.warm):
            raise ValueError("its parts differ in the number of models")
        if not len(self.ids) == len(self.recorded) == len(self.mixture.heads.kept) or self.recorded.shape[1:] not in (
            (1,),
            (len(self.models),),
        ):
            raise ValueError("its parts differ in the number of queries")
        if (self.recorded < 0).any():
            raise ValueError("it holds fewer outcomes than none")

    @property
    def borrowing(self) -> Mapping[str, int]:
        """Models that borrow, and their labels: the verdict is of the others. None where all there is are means."""
        return {self.models[m]: borrowed.labels for m, borrowed in zip(self.cold, self.borrowed, strict=False)}

    @property
    def verdict(self) -> Verdict:
        """Whether choosing by query was found worth it."""
        return Verdict(False, 0.0, 0.0, 0) if self.mixture is None else self.mixture.verdict

    def predict(self, queries: Sequence[Query]) -> Predicted:
        """Figures for many queries, each as if it were asked alone."""
        rows = [self.one(query) for query in queries]
        return Predicted(*(np.array([row[part] for row in rows]).reshape(len(rows), len(self.models)) for part in range(len(Row._fields))))

    def one(self, query: Query) -> Row:
        """Figures for one query."""
        return self._table_row(query) if self.mixture is None else self._row(self.mixture, self._expected(self.mixture, query))

    def why(self, query: Query, most: int = 5) -> tuple[Neighbour, ...]:
        """The nearest of the queries that it was fitted on, nearest first."""
        return self.explained(query, most)[1]

    def explained(self, query: Query, most: int = 5) -> tuple[Row, tuple[Neighbour, ...]]:
        """`one` and `why` together, for the price of one."""
        if self.mixture is None:
            return self._table_row(query), ()
        expected = self._expected(self.mixture, query)
        return self._row(self.mixture, expected), self._nearest(expected.cosine, most)

    def _table_row(self, query: Query) -> Row:
        return Row(*self.table.one(query.task))

    def _expected(self, mixture: Mixture, query: Query) -> Expected:
        return mixture.expect(read(query, self.embedder, ending(query.text) if mixture.holds else None))

    def _nearest(self, cosine: Floats, most: int) -> tuple[Neighbour, ...]:
        left = cosine.copy()
        found = []
        for _ in range(min(most, len(left))):  # a few: to sort all would take longer
            at = int(left.argmax())
            found.append(Neighbour(self.ids[at], float(left[at])))
            left[at] = -np.inf
        return tuple(found)

    def _row(self, mixture: Mixture, expected: Expected) -> Row:
        known = mixture.quantities.back(expected.scores).reshape(-1, len(self.warm))
        rest = [self._spread(row, of_warm) for row, of_warm in enumerate(known)] if self.borrowed else known
        return Row(*self._quality(mixture, expected), *rest)

    def _quality(self, mixture: Mixture, expected: Expected) -> Quality:
        quality = expected.quality
        if self.borrowed:
            quality = np.empty(len(self.models))
            quality[self.warm] = expected.quality
            quality[self.cold] = [model.quality(expected.quality) for model in self.borrowed]
        evidence = np.empty(len(quality))
        evidence[:] = _evidence(expected.likeness, self.recorded) / mixture.heads.complexity
        return Quality(quality, *self._doubt.bounds(quality, evidence), evidence)

    @cached_property
    def _doubt(self) -> Doubt:
        """Of all models: one that borrows is doubted as much as any."""
        logits = np.zeros(0) if self.mixture is None else self.mixture.doubt.logits
        doubt = np.full(len(self.models), logits.max(initial=0.0))
        doubt[self.warm] = logits
        return Doubt(doubt)

    def _spread(self, row: int, known: Vector) -> Vector:
        """A quantity of all models, from that of the warm ones."""
        found = np.empty(len(self.models))
        found[self.warm] = known
        found[self.cold] = [model.quantity(row, known) for model in self.borrowed]
        return found


def _evidence(likeness: Floats, recorded: Floats) -> Vector:
    """Labels by model, each as heavy as its query is like the one asked (Kish's effective sample size)."""
    mass, square = (likeness @ recorded).astype(np.float64), (likeness * likeness) @ recorded
    return np.asarray(mass * mass / np.maximum(square, 1e-12))


def _recorded(outcomes: Outcomes, rows: Rows, cold: Rows) -> Floats:
    """Kept query by model: whether there was a label; labels of cold models on other queries count for each kept one by a share."""
    there = np.isfinite(outcomes.quality)
    kept = there[rows].astype(np.float32)
    kept[:, cold] += (there[:, cold].sum(axis=0) - there[rows][:, cold].sum(axis=0)) / max(len(rows), 1)
    return kept


def _alike(columns: Floats) -> Floats:
    return columns[:, :1] if columns.shape[1] and (columns == columns[:, :1]).all() else columns


def _untagged(outcomes: Outcomes) -> Outcomes:
    return replace(outcomes, queries=tuple(replace(query, task="") for query in outcomes.queries))
