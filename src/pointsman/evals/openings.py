"""Whom a cascade asks first, learned from whole outcomes with answers: task by task as evaluations do it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from pointsman.estimators.opening import Openings, Pair
from pointsman.evals import duos
from pointsman.evals.cascades import FINE, SETTINGS, worths
from pointsman.evals.sight import discernment, looked_back

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from pointsman.estimators.outcomes import Matrix, Outcomes

_LEAST = 40  # queries


def learn(outcomes: Outcomes, prior: Matrix, unseen: Matrix) -> Openings:
    """`prior`, `unseen`: what was expected of each answer, and thought of it, by what had not seen it. Pairs need every cost."""
    tasks = np.array([query.task for query in outcomes.queries], dtype=object)
    bare = duos.bare(outcomes, range(len(tasks)))
    hidden = np.array([task in bare for task in tasks])
    rest = np.flatnonzero(~hidden)
    found, priced = [], np.isfinite(outcomes.cost_usd).all() and outcomes.cost_usd.any()
    for rows in (np.flatnonzero(hidden), rest):
        if len(rows) < _LEAST or not priced:
            continue
        tried = worths(outcomes.cost_usd, SETTINGS if len(rest) >= duos.FEW else FINE)[:: duos.COARSE]
        train = outcomes.rows(rows)
        past = replace(looked_back(train, prior[rows]), confidence=unseen[rows])
        one = duos.best(train, past, tried) if rows is not rest else duos.looked(train, past) if len(rows) < duos.FEW else None
        if one is not None:
            found.append(_named(one, outcomes.models, tasks, rows))
    return Openings(outcomes.models, discernment(unseen if hidden.all() else unseen[rest]), tuple(found))


def _named(pair: duos.Pair, models: Sequence[str], tasks: NDArray[np.object_], rows: NDArray[np.intp]) -> Pair:
    # Where no outcome names a task, all are of one kind.
    kinds = tuple(sorted(set(tasks[rows]))) if any(tasks) else ()
    return Pair(kinds, models[pair.first], models[pair.second], models[pair.strong], pair.duo, pair.cuts)
