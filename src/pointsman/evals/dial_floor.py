"""The boldest dial that loses little quality beside the best single model: a promise with a stated risk, for any number of queries.

Dials are tried from 1 downwards, each at the whole risk, and the last before the first that fails is taken: see `estimators.floors`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from pointsman.estimators.floors import boldest
from pointsman.estimators.learned import Predicted
from pointsman.estimators.outcomes import Outcomes
from pointsman.evals.dial import DIALS, Dialled, dialled, tried
from pointsman.evals.ranking import Matrix
from pointsman.evals.resample import Interval, interval


class Lost(NamedTuple):
    """What one dial gave, beside the best single model."""

    dial: float
    lost: Interval  #: of mean quality
    kept: Interval  #: quality, as a share
    saved: Interval  #: of the cost, as a share
    over_mix: Interval  #: quality above the best mix of single models at the same cost
    elsewhere: float  #: share of queries that went to another model


@dataclass(frozen=True, slots=True)
class Floored:
    """The dial that was found, if any, and what it rests on."""

    limit: float
    risk: float
    found: Lost | None  #: `None`: the data cannot support one
    nearest: Lost  #: the dial that lost least, where none is found
    best: str  #: the single model of highest mean quality
    best_quality: float
    best_cost_usd: float
    queries: int
    groups: int  #: of near-duplicates, each of which counts once; a query without a group is one


def floor(outcomes: Outcomes, predicted: Predicted, limit: float, risk: float, seed: int) -> Floored:
    """Find the dial on a whole table; `predicted` comes from fits that saw neither a query nor its group.

    Raises `ConfigError` where the best single model has no quality or no cost.
    """
    chosen = dialled(predicted)
    all_of_them = tried(outcomes, chosen, seed)
    drawn, best = all_of_them.drawn, all_of_them.best
    losses = outcomes.quality[:, [best]] - np.take_along_axis(outcomes.quality, chosen, axis=1)
    by_group = _by_group(losses, [query.group for query in outcomes.queries])
    setting = boldest(by_group[:, ::-1], limit, risk, seed).setting

    def lost(at: int) -> Lost:
        elsewhere = float((chosen[:, at] != best).mean())
        return Lost(float(DIALS[at]), _lost(all_of_them, at), *all_of_them.intervals(at), elsewhere)

    found = None if setting is None else len(DIALS) - 1 - setting
    return Floored(
        limit=limit,
        risk=risk,
        found=None if found is None else lost(found),
        nearest=lost(int(np.argmax(drawn.quality[0])) if found is None else found),
        best=outcomes.models[best],
        best_quality=float(drawn.quality_of[0, best]),
        best_cost_usd=float(drawn.cost_of[0, best]),
        queries=len(outcomes.queries),
        groups=len(by_group),
    )


def _by_group(losses: Matrix, groups: list[str]) -> Matrix:
    """The mean loss of each group: near-duplicates lose together, and only what is independent may be counted."""
    _, member = np.unique([group or f"\0{at}" for at, group in enumerate(groups)], return_inverse=True)
    sums = np.zeros((int(member.max()) + 1, losses.shape[1]))
    np.add.at(sums, member, losses)
    return sums / np.bincount(member)[:, None]


def _lost(each: Dialled, at: int) -> Interval:
    rows = each.drawn.quality_of[:, each.best] - each.drawn.quality[:, at]
    return interval(float(rows[0]), rows[1:])
