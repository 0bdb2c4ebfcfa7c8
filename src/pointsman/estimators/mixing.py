"""Fitting a blend: every part says of each training query what it would have said without it; that decides what it is worth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from pointsman.catalogue.embedder import Embedder
from pointsman.estimators import forest, heads, stack
from pointsman.estimators.bounds import Doubt
from pointsman.estimators.features import Reading, Scale, read
from pointsman.estimators.mixture import Mixture, Weights, apart
from pointsman.estimators.outcomes import Outcomes
from pointsman.estimators.quantities import folded, smeared
from pointsman.estimators.table import Sums
from pointsman.estimators.tabular import centred, fold_of, groups_of, whole

if TYPE_CHECKING:
    from pointsman.estimators.outcomes import Matrix
    from pointsman.estimators.tabular import Rows


@dataclass(frozen=True, slots=True)
class Settings:
    """What a blend is made of."""

    views: heads.Views = field(default_factory=heads.Views)
    growth: forest.Growth = field(default_factory=forest.Growth)
    topics: int = 24  #: leading directions of the embeddings that the trees look at
    tasks: bool = True  #: whether the caller's task tag is read
    guarded: bool = True  #: whether choosing by query must first show that it is worth it


class Fit(NamedTuple):
    """A mixture; what it would have said of each query without it; and the places of the queries that it keeps."""

    mixture: Mixture
    unseen: Matrix
    kept: Rows


def fit(outcomes: Outcomes, embedder: Embedder | None, settings: Settings, seed: int) -> Fit:
    """Fit on a table with few gaps. Needs some dozens of queries and one model at least."""
    readings = [read(query, embedder) for query in outcomes.queries]
    groups = groups_of(outcomes.queries)
    scale = Scale.of(readings, settings.topics, with_tasks=settings.tasks)
    quality = whole(outcomes.quality, 0.5)
    models = quality.shape[1]
    given = np.concatenate((outcomes.cost_usd, outcomes.output_tokens, outcomes.latency_s), axis=1)
    directions, scores = folded(given)
    targets = np.concatenate((quality, scores), axis=1).astype(np.float32)
    headed = heads.fit(readings, scale, targets, models, groups, settings.views, seed)
    by_heads, rest = np.split(headed.unseen.astype(np.float64), [models], axis=1)
    table, by_table = _tabled(readings, outcomes.quality, groups, tagged=settings.tasks)
    dense = np.stack([scale.dense(one) for one in readings])
    looked_at = np.concatenate((dense, apart(by_heads), apart(by_table)), axis=1).astype(np.float32)
    trees, by_trees = forest.grow(looked_at, quality.astype(np.float32), groups, settings.growth, seed)
    parts = [by_heads, by_trees.astype(np.float64), by_table]
    tasks = np.array([one.task for one in readings])[headed.rows]
    weights = _weights(parts, quality, stack.carried(headed.strange[:, :models].astype(np.float64), quality[headed.rows], tasks))
    quantities = smeared(given, directions, rest)
    cost = np.nan_to_num(quantities.back(rest)[:, :models])
    verdict = stack.guard(quality, whole(outcomes.cost_usd, 0.0), _combined(weights, parts), cost)
    if settings.guarded and not verdict.routes:
        weights = replace(weights, differ=(0.0,) * len(parts))
    unseen = _combined(weights, parts)
    return Fit(
        Mixture(scale, headed.heads, trees, table, weights, quantities, Doubt.of(outcomes.quality, unseen), verdict), unseen, headed.rows
    )


def _tabled(readings: Sequence[Reading], quality: Matrix, groups: Rows, *, tagged: bool) -> tuple[Sums, Matrix]:
    """The table, and what it says of each query when fitted on other groups only.

    Not by leaving one out: a mean without a query's own label gives that label away to whoever sees the means of its task side by side.
    """
    tasks = np.array([one.task if tagged else "" for one in readings])
    whole_table, folds, unseen = Sums.of(tasks.tolist(), quality, 0.5), fold_of(groups), np.empty_like(quality)
    for fold in np.unique(folds):
        here = folds == fold
        table = Sums.of(tasks[~here].tolist(), quality[~here], 0.5)
        rows = np.stack([table.shrunk(task)[0] for task in tasks[here]])
        unseen[here] = rows - rows.mean(axis=0) + whole_table.overall()
    return whole_table, unseen


def _weights(parts: Sequence[Matrix], quality: Matrix, carried: float) -> Weights:
    centre, mean = np.stack([part.mean(axis=0) for part in parts]), quality.mean(axis=0)
    around = [part - part.mean(axis=0) for part in parts]
    truth = quality - mean
    level = stack.stacked([part.mean(axis=1, keepdims=True) for part in around], truth.mean(axis=1, keepdims=True))
    differ = stack.stacked([centred(part) for part in around], centred(truth))
    sober = stack.sobriety(quality.shape[1])
    return Weights(tuple(sober * weight for weight in differ), level, carried, centre, mean)


def _combined(weights: Weights, parts: Sequence[Matrix]) -> Matrix:
    return np.stack([weights.combine(np.stack(rows)) for rows in zip(*parts, strict=True)])
