"""Predictions for queries that a learner has not seen: fitted on some folds, asked about the others."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from pointsman.errors import ConfigError
from pointsman.estimators.learned import Learner, Predicted
from pointsman.estimators.outcomes import Outcomes
from pointsman.evals.folds import Fold


@dataclass(frozen=True, slots=True, eq=False)
class Judged:
    """Predictions of one learner with one seed. Rows are the judged queries, in the order of `places`."""

    places: NDArray[np.intp]  #: of the judged queries in the table
    fold: NDArray[np.intp]  #: number of the fold in which each was judged
    best: NDArray[np.intp]  #: model that was best on the labels of that fold
    predicted: Predicted


def cross_fit(learner: Learner, outcomes: Outcomes, folds: Iterable[Fold], seed: int) -> Judged:
    """Fit on each fold's training queries, predict its judged ones. Costs that the learner does not know become the training mean."""
    parts = [(fold, fold_predictions(learner, outcomes, fold, seed)) for fold in folds]
    places = np.concatenate([fold.judged for fold, _ in parts])
    order = np.argsort(places, kind="stable")
    numbers = np.concatenate([np.full(len(fold.judged), number) for number, (fold, _) in enumerate(parts)])
    best = np.concatenate([np.full(len(fold.judged), best_single(outcomes, fold)) for fold, _ in parts])
    return Judged(places[order], numbers[order], best[order], _rows(_stacked([predicted for _, predicted in parts]), order))


def fold_predictions(learner: Learner, outcomes: Outcomes, fold: Fold, seed: int) -> Predicted:
    """One fit, and what it says of the fold's judged queries. Raises `ConfigError` where it says nothing of one."""
    train = outcomes.rows(fold.train)
    predicted = learner.fit(train, seed=seed).predict([outcomes.queries[i] for i in fold.judged])
    if predicted.quality.shape != (len(fold.judged), len(outcomes.models)) or not np.isfinite(predicted.quality).all():
        raise ConfigError(f"`{learner.name}` does not give every query and model a quality: it must, also where it knows nothing")
    cost = np.where(np.isnan(predicted.cost_usd), train.cost_usd.mean(axis=0), predicted.cost_usd)
    return Predicted(**{f.name: cost if f.name == "cost_usd" else getattr(predicted, f.name) for f in fields(Predicted)})


def best_single(outcomes: Outcomes, fold: Fold) -> int:
    """The model of highest mean quality on the training queries; equal ones: the cheaper."""
    quality, cost = outcomes.quality[fold.train].mean(axis=0), outcomes.cost_usd[fold.train].mean(axis=0)
    return int(np.lexsort((cost, -quality))[0])


def _stacked(parts: Sequence[Predicted]) -> Predicted:
    return Predicted(**{f.name: np.concatenate([getattr(part, f.name) for part in parts]) for f in fields(Predicted)})


def _rows(predicted: Predicted, at: NDArray[np.intp]) -> Predicted:
    return Predicted(**{f.name: getattr(predicted, f.name)[at] for f in fields(Predicted)})
