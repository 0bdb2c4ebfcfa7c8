"""Baselines that read the text. They show what is to be had without much ado; none is meant for the gateway."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pointsman.estimators.learned import Predicted
from pointsman.estimators.outcomes import Outcomes, Query
from pointsman.evals.plain import means, plain
from pointsman.evals.ranking import Matrix, Vector
from pointsman.evals.text_vectors import Texts, nearest, sklearn, texts_of, topics, vectors, words


@dataclass(frozen=True, slots=True, eq=False)
class _Train:
    """What all of these keep of the training table: texts, qualities with gaps filled by the model's mean, means.

    Without any query there is one made up, of which the means are known.
    """

    texts: Texts
    quality: Matrix
    mean: Vector
    cost_usd: Vector
    evidence: int

    @classmethod
    def of(cls, outcomes: Outcomes) -> _Train:
        mean = means(outcomes.quality, 0.5)
        quality = np.where(np.isfinite(outcomes.quality), outcomes.quality, mean) if outcomes.queries else mean[None]
        return cls(texts_of(outcomes.queries) or ("some text",), quality, mean, means(outcomes.cost_usd, np.nan), len(outcomes.queries))

    def predicted(self, quality: Matrix, most: int | None = None) -> Predicted:
        return plain(quality, self.cost_usd, self.evidence if most is None else min(self.evidence, most))


@dataclass(frozen=True, slots=True)
class Ridge:
    """Linear regression of every model's quality on TF-IDF vectors."""

    penalty: float = 10.0
    name: str = "tfidf-ridge"

    def fit(self, outcomes: Outcomes, *, seed: int) -> _Linear:
        """Fit all models at once."""
        train = _Train.of(outcomes)
        model = sklearn("linear_model").Ridge(self.penalty, solver="sparse_cg", tol=1e-4)
        return _Linear(train, model.fit(words(train.texts)[1], train.quality - train.mean))


@dataclass(frozen=True, slots=True, eq=False)
class _Linear:
    train: _Train
    model: Any

    def predict(self, queries: Sequence[Query]) -> Predicted:
        gain = self.model.predict(vectors(self.train.texts, texts_of(queries))).reshape(len(queries), -1)
        return self.train.predicted(self.train.mean + gain)


@dataclass(frozen=True, slots=True)
class Neighbours:
    """Mean quality over the k training texts of highest cosine, by TF-IDF or by the shipped embedding."""

    k: int
    shared: int = 100  #: neighbours that are looked up, so that several k share one search
    embedded: bool = False

    @property
    def name(self) -> str:
        """`knn-` and k."""
        return f"{'static-' if self.embedded else ''}knn-{self.k}"

    def fit(self, outcomes: Outcomes, *, seed: int) -> _Near:
        """Keep the training texts."""
        return _Near(_Train.of(outcomes), self)


@dataclass(frozen=True, slots=True, eq=False)
class _Near:
    train: _Train
    by: Neighbours

    def predict(self, queries: Sequence[Query]) -> Predicted:
        most = min(max(self.by.k, self.by.shared), len(self.train.texts))
        near = nearest(self.train.texts, texts_of(queries), most, embedded=self.by.embedded)[:, : self.by.k]
        return self.train.predicted(self.train.quality[near].mean(axis=1), self.by.k)


@dataclass(frozen=True, slots=True)
class Clusters:
    """Mean quality by cluster of the training texts, drawn to the overall mean as if `prior` further queries had it."""

    clusters: int = 32
    prior: float = 20.0
    embedded: bool = False
    name: str = "k-means"

    def fit(self, outcomes: Outcomes, *, seed: int) -> _Clustered:
        """Cluster, then average."""
        train = _Train.of(outcomes)
        rows = topics(train.texts, train.texts, seed, embedded=self.embedded)
        k = min(self.clusters, len(rows))
        model = sklearn("cluster").KMeans(k, n_init=3, random_state=seed).fit(rows)
        inside = np.eye(k)[model.labels_]
        table = (inside.T @ train.quality + self.prior * train.mean) / (inside.sum(axis=0)[:, None] + self.prior)
        return _Clustered(train, seed, self.embedded, model, table)


@dataclass(frozen=True, slots=True, eq=False)
class _Clustered:
    train: _Train
    seed: int
    embedded: bool
    model: Any
    table: Matrix

    def predict(self, queries: Sequence[Query]) -> Predicted:
        rows = topics(self.train.texts, texts_of(queries), self.seed, embedded=self.embedded)
        return self.train.predicted(self.table[self.model.predict(rows)], self.train.evidence // len(self.table))


@dataclass(frozen=True, slots=True)
class Factors:
    """Matrix factorisation with a text side, after RouteLLM's: a vector for each model, and one for each text, linear in its topics.

    Solved in closed form, as reduced-rank regression with a ridge penalty, instead of by stochastic gradients on a hosted embedding.
    """

    rank: int = 4
    penalty: float = 2.0
    name: str = "mf"

    def fit(self, outcomes: Outcomes, *, seed: int) -> _Factored:
        """Regress, then keep the leading directions of what was fitted."""
        train = _Train.of(outcomes)
        rows = topics(train.texts, train.texts, seed)
        weights = np.linalg.solve(rows.T @ rows + self.penalty * np.eye(rows.shape[1]), rows.T @ (train.quality - train.mean))
        _, _, directions = np.linalg.svd(rows @ weights, full_matrices=False)
        models = directions[: self.rank]
        return _Factored(train, seed, weights @ models.T, models)


@dataclass(frozen=True, slots=True, eq=False)
class _Factored:
    train: _Train
    seed: int
    texts: Matrix  #: topics to factors
    models: Matrix  #: factors to models

    def predict(self, queries: Sequence[Query]) -> Predicted:
        rows = topics(self.train.texts, texts_of(queries), self.seed)
        return self.train.predicted(self.train.mean + rows @ self.texts @ self.models)
