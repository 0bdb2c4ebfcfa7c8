"""Queries of a task that a learner has never seen: does it still not lose to the best single model?"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from pointsman.estimators.learned import Learner
from pointsman.estimators.outcomes import Outcomes
from pointsman.evals.crossfit import best_single, fold_predictions
from pointsman.evals.folds import budget, leave_one_task_out
from pointsman.evals.resample import DRAWS, Interval, draws, interval
from pointsman.evals.sweep import choose


@dataclass(frozen=True, slots=True)
class Unseen:
    """One task left out: what choosing the highest predicted quality gave above the model that was best on the other tasks."""

    task: str
    queries: int
    over_best: Interval


def unseen_tasks(
    learner: Learner,
    outcomes: Outcomes,
    seed: int,
    tell: Callable[[str], None],
    count: int = DRAWS,
    *,
    labels: int | None = None,
    least: int = 1,
) -> tuple[Unseen, ...]:
    """Leave out each task of `least` queries or more in turn, with at most `labels` queries of the others; the worst comes first."""
    found = []
    for task, whole in leave_one_task_out(outcomes.queries):
        if len(whole.judged) < least:
            continue
        fold = budget(whole, labels, seed)
        tell(f"{learner.name}: without task {task}")
        chosen = choose(fold_predictions(learner, outcomes, fold, seed), 0.0)
        judged, rows = outcomes.rows(fold.judged), np.arange(len(fold.judged))
        gain = judged.quality[rows, chosen] - judged.quality[:, best_single(outcomes, fold)]
        shared = draws([query.group for query in judged.queries], seed, count)
        drawn = np.concatenate([weights @ gain / weights.sum(axis=1) for weights in shared.chunks()])
        found.append(Unseen(task, len(rows), interval(float(gain.mean()), drawn)))
    return tuple(sorted(found, key=lambda one: one.over_best.value))
