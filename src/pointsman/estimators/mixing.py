"""Fitting a blend: every part says of each training query what it would have said without it; that decides what it is worth."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from pointsman.catalogue.embedder import Embedder
from pointsman.estimators import forest, heads, stack
from pointsman.estimators.bounds import Doubt
from pointsman.estimators.features import Reading, Scale, read
from pointsman.estimators.mixture import Mixture, Weights, apart
from pointsman.estimators.outcomes import Outcomes, Query
from pointsman.estimators.quantities import folded, smeared
from pointsman.estimators.stack import Verdict
from pointsman.estimators.steady import Steady, ending
from pointsman.estimators.table import Sums
from pointsman.estimators.tabular import centred, fold_of, groups_of, whole

if TYPE_CHECKING:
    from pointsman.estimators.outcomes import Matrix
    from pointsman.estimators.tabular import Rows

_ENDS = 1_000  # of queries that are read by themselves


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
    seen = [scale.see(one) for one in readings]
    tasks = np.array([one.task for one in readings])
    quality = whole(outcomes.quality, 0.5)
    models = quality.shape[1]
    given = np.concatenate((outcomes.cost_usd, outcomes.output_tokens, outcomes.latency_s), axis=1)
    directions, scores = folded(given)
    targets = np.concatenate((quality, scores), axis=1).astype(np.float32)
    headed = heads.fit(seen, scale, targets, models, groups, tasks, settings.views, seed)
    by_heads, rest = np.split(headed.unseen.astype(np.float64), [models], axis=1)
    table, by_table = _tabled(readings, outcomes.quality, groups, tagged=settings.tasks)
    looked_at = np.concatenate((np.stack([one.dense for one in seen]), apart(by_heads), apart(by_table)), axis=1).astype(np.float32)
    trees, by_trees = forest.grow(looked_at, quality.astype(np.float32), groups, settings.growth, seed)
    parts = [by_heads, by_trees.astype(np.float64), by_table]
    strange = headed.strange[:, :models].astype(np.float64)
    weights = _weights(parts, quality, stack.carried(strange, quality[headed.rows], tasks[headed.rows]))
    quantities = smeared(given, directions, rest)
    cost = np.nan_to_num(quantities.back(rest)[:, :models])
    guard = partial(stack.guard, quality, whole(outcomes.cost_usd, 0.0), expected_cost=cost)
    verdict = guard(_combined(weights, parts))
    if settings.guarded and not verdict.routes:
        weights, verdict = _by_tag(weights, parts, quality, guard) if table.tasks else (_without(weights), verdict)
    unseen = _combined(weights, parts)
    doubt, free = Doubt.of(outcomes.quality, unseen), Steady(np.zeros(models))
    mixture = Mixture(scale, headed.heads, trees, table, weights, quantities, doubt, verdict, free)
    if any(weights.differ[:-1]):  # else no text can lift a model above another
        mixture = replace(mixture, steady=_steady(mixture, unseen, outcomes.queries, embedder))
    return Fit(mixture, unseen, headed.rows)


def _steady(mixture: Mixture, unseen: Matrix, queries: Sequence[Query], embedder: Embedder | None) -> Steady:
    """From what is said of the ends of some queries, and of the whole by what had not seen it."""
    ends = {at: end for at, query in enumerate(queries) if (end := ending(query.text))}
    some = list(ends)[:: 1 + len(ends) // _ENDS]
    said = [mixture.expect(read(replace(queries[at], text=ends[at]), embedder)).quality for at in some]
    return Steady.of(mixture.weights.mean, unseen[some], np.array(said).reshape(unseen[some].shape))


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


def _by_tag(weights: Weights, parts: Sequence[Matrix], quality: Matrix, guard: Callable[[Matrix], Verdict]) -> tuple[Weights, Verdict]:
    """Weights that let models differ as the table says, the last of the parts; where that is not worth it either, not at all."""
    weight = stack.stacked([centred(parts[-1] - parts[-1].mean(axis=0))], centred(quality - quality.mean(axis=0)))
    by_tag = replace(_without(weights), differ=(0.0,) * (len(parts) - 1) + (stack.sobriety(quality.shape[1]) * weight[0],))
    verdict = guard(_combined(by_tag, parts))
    return (by_tag, verdict) if verdict.routes else (_without(weights), verdict)


def _without(weights: Weights) -> Weights:
    return replace(weights, differ=(0.0,) * len(weights.differ))


def _combined(weights: Weights, parts: Sequence[Matrix]) -> Matrix:
    return np.stack([weights.combine(np.stack(rows)) for rows in zip(*parts, strict=True)])
