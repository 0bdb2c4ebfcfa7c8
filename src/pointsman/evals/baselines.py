"""What every router is compared with: one line each. References without a knob (best single, oracle, ...) are in `references.py`."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.util import find_spec

import numpy as np

from pointsman.errors import ConfigError
from pointsman.estimators.learned import Fitted, Learner, Predicted
from pointsman.estimators.outcomes import Outcomes, Query
from pointsman.evals import learners
from pointsman.evals.plain import means, plain
from pointsman.evals.ranking import Vector
from pointsman.evals.text_baselines import Clusters, Factors, Neighbours, Ridge


@dataclass(frozen=True, slots=True, eq=False)
class Constant:
    """The same for every query."""

    quality: Vector
    cost_usd: Vector
    evidence: float

    def predict(self, queries: Sequence[Query]) -> Predicted:
        """The training means."""
        return plain(np.tile(self.quality, (len(queries), 1)), self.cost_usd, self.evidence)


@dataclass(frozen=True, slots=True)
class Means:
    """Each model's mean: sweeping its knob walks the single models, whose hull is the zero router, chosen on training labels."""

    name: str = "means"

    def fit(self, outcomes: Outcomes, *, seed: int) -> Constant:
        """Average."""
        return Constant(means(outcomes.quality, 0.5), means(outcomes.cost_usd, np.nan), len(outcomes.queries))


@dataclass(frozen=True, slots=True)
class Random:
    """A quality by lot for every model and text: at rate 0 each model is as likely."""

    name: str = "random"

    def fit(self, outcomes: Outcomes, *, seed: int) -> Fitted:
        """Learn the costs only."""
        return _Lots(len(outcomes.models), means(outcomes.cost_usd, np.nan), seed)


@dataclass(frozen=True, slots=True, eq=False)
class _Lots:
    models: int
    cost_usd: Vector
    seed: int

    def predict(self, queries: Sequence[Query]) -> Predicted:
        return plain(np.stack([self._lot(query.text) for query in queries]), self.cost_usd, 0.0)

    def _lot(self, text: str) -> Vector:
        digest = hashlib.blake2b(text.encode(), digest_size=8, salt=self.seed.to_bytes(8, "little")).digest()
        return np.random.default_rng(int.from_bytes(digest, "little")).random(self.models)


@dataclass(frozen=True, slots=True)
class Coin:
    """The single models, mixed by lot: what it gains over the zero router is what a knob chosen in hindsight gives to chance."""

    name: str = "coin"

    def fit(self, outcomes: Outcomes, *, seed: int) -> Fitted:
        """Average, and keep what tells lots apart."""
        return _Mixed(Means().fit(outcomes, seed=seed), _Lots(1, np.zeros(1), seed))


@dataclass(frozen=True, slots=True, eq=False)
class _Mixed:
    """Each text leaves a model for a cheaper one at a rate of its own, on the same way as all others."""

    mean: Constant
    lots: _Lots

    def predict(self, queries: Sequence[Query]) -> Predicted:
        same, lot = self.mean.predict(queries), self.lots.predict(queries).quality
        return replace(same, quality=same.quality * (0.5 + lot))


@dataclass(frozen=True, slots=True)
class TaskTable:
    """Mean quality by the caller's task tag, drawn to the overall mean as if `prior` further queries had it."""

    prior: float = 5.0
    name: str = "task-table"

    def fit(self, outcomes: Outcomes, *, seed: int) -> Fitted:
        """Average by task."""
        overall = means(outcomes.quality, 0.5)
        tasks = np.array([query.task for query in outcomes.queries])
        rows: dict[str, Vector] = {}
        for task in dict.fromkeys(tasks.tolist()):
            seen = outcomes.quality[tasks == task]
            there = np.isfinite(seen)
            rows[task] = (np.where(there, seen, 0.0).sum(axis=0) + self.prior * overall) / (there.sum(axis=0) + self.prior)
        return _Table(overall, rows, means(outcomes.cost_usd, np.nan), len(outcomes.queries))


@dataclass(frozen=True, slots=True, eq=False)
class _Table:
    overall: Vector
    rows: Mapping[str, Vector]
    cost_usd: Vector
    evidence: float

    def predict(self, queries: Sequence[Query]) -> Predicted:
        return plain(np.stack([self.rows.get(query.task, self.overall) for query in queries]), self.cost_usd, self.evidence)


@dataclass(frozen=True, slots=True)
class Shuffled:
    """A control: another learner on labels dealt to the wrong queries. Whatever it gains over `means` is luck or a leak."""

    of: Learner
    name: str = "shuffled-control"

    def fit(self, outcomes: Outcomes, *, seed: int) -> Fitted:
        """Deal whole rows of outcomes anew, so that each model keeps its means, then fit."""
        dealt = np.random.default_rng(seed).permutation(len(outcomes.queries))
        return self.of.fit(replace(outcomes.rows(dealt), queries=outcomes.queries), seed=seed)


BASELINES: Mapping[str, Callable[[], Learner]] = {
    "random": Random,
    "means": Means,
    "coin": Coin,
    "task-table": TaskTable,
    "knn-20": lambda: Neighbours(20),
    "knn-50": lambda: Neighbours(50),
    "knn-100": lambda: Neighbours(100),
    "k-means": Clusters,
    "static-knn-20": lambda: Neighbours(20, embedded=True),
    "static-knn-50": lambda: Neighbours(50, embedded=True),
    "static-knn-100": lambda: Neighbours(100, embedded=True),
    "static-k-means": lambda: Clusters(embedded=True, name="static-k-means"),
    "tfidf-ridge": Ridge,
    "mf": Factors,
    "shuffled-control": lambda: Shuffled(Ridge()),
}

CONTROLS: Mapping[str, Callable[[], Learner]] = {
    "blend-shuffled": lambda: Shuffled(learners.learner("blend-untagged"), "blend-shuffled"),
}
"""Learners of ours on labels dealt to the wrong queries: to be named, and too slow to be in every table."""

NEED_SKLEARN = ("knn-20", "knn-50", "knn-100", "k-means", "static-k-means", "tfidf-ridge", "mf", "shuffled-control")


def available() -> tuple[str, ...]:
    """The baselines for which everything is installed."""
    there = find_spec("sklearn") is not None
    return tuple(name for name in BASELINES if there or name not in NEED_SKLEARN)


def named(name: str) -> Learner:
    """The baseline or registered learner of that name, or of that `module:attribute`. Raises `ConfigError` for any other."""
    if name in BASELINES or name in CONTROLS:
        return {**BASELINES, **CONTROLS}[name]()
    if ":" not in name and name not in learners.LEARNERS:
        raise ConfigError(
            f"`{name}` is no learner: name one of {', '.join((*BASELINES, *CONTROLS, *learners.LEARNERS))}, or write module:attribute"
        )
    return learners.learner(name)
