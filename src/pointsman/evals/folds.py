"""Which queries a learner may see and which it is judged on: splits by group, label budgets, leaving one task out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pointsman.errors import ConfigError
from pointsman.estimators.outcomes import Query

Places = NDArray[np.intp]


@dataclass(frozen=True, slots=True, eq=False)
class Fold:
    """Places of the queries to learn from, and of those to be judged on."""

    train: Places
    judged: Places


def k_fold(queries: Sequence[Query], k: int, seed: int) -> Iterator[Fold]:
    """Grouped k-fold: every query is judged once, and none of its near-duplicates is learned from for it."""
    names = [query.group or f"\0{query.id}" for query in queries]
    _, member = np.unique(names, return_inverse=True)
    groups = int(member.max()) + 1
    if groups < k:
        raise ConfigError(f"{groups} groups of queries do not make {k} folds: give more queries, or fewer folds")
    order = np.random.default_rng(seed).permutation(groups)
    before = np.concatenate(([0], np.cumsum(np.bincount(member)[order])[:-1]))
    part = np.empty(groups, dtype=np.intp)
    part[order] = np.minimum(before * k // len(queries), k - 1)
    for fold in range(k):
        judged = part[member] == fold
        yield Fold(np.flatnonzero(~judged), np.flatnonzero(judged))


def frozen_test(queries: Sequence[Query]) -> Iterator[Fold]:
    """The one fold that reads the test split: learn from everything else."""
    test = np.array([query.split == "test" for query in queries])
    if not test.any() or test.all():
        raise ConfigError("the data have no test split beside others: leave out --test")
    yield Fold(np.flatnonzero(~test), np.flatnonzero(test))


def leave_one_task_out(queries: Sequence[Query]) -> Iterator[tuple[str, Fold]]:
    """For each task: learn from all others, be judged on it. Near-duplicates of its queries in other tasks are not learned from."""
    tasks, groups = np.array([query.task for query in queries]), np.array([query.group or f"\0{query.id}" for query in queries])
    if len(np.unique(tasks)) < 2:
        raise ConfigError("the data name fewer than two tasks: there is nothing to leave out")
    for task in np.unique(tasks):
        judged = tasks == task
        yield str(task), Fold(np.flatnonzero(~judged & ~np.isin(groups, groups[judged])), np.flatnonzero(judged))


def budget(fold: Fold, labels: int | None, seed: int) -> Fold:
    """The fold with at most so many queries to learn from, drawn by seeded chance; `None`: all."""
    if labels is None or labels >= len(fold.train):
        return fold
    return Fold(np.sort(np.random.default_rng(seed).choice(fold.train, labels, replace=False)), fold.judged)
