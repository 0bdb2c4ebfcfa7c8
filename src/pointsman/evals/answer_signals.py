"""How well answers are told right from wrong once they are seen, on answers that were not learned from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pointsman.estimators import confidence, mixing
from pointsman.evals import calibration
from pointsman.evals.sight import examples
from pointsman.signals.embedding import shipped

if TYPE_CHECKING:
    from pointsman.estimators.outcomes import Matrix, Outcomes


@dataclass(frozen=True, slots=True)
class Signal:
    """Means over models."""

    auc: float  #: chance that a right answer is given more confidence than a wrong one
    auc_of_prompt: float  #: the same of what the prompt alone says
    ece: float


def told(outcomes: Outcomes, seed: int) -> Signal:
    """Fit on whole outcomes with answers; each is judged by trees that saw nothing of its group of queries."""
    prior = mixing.fit(outcomes, shipped(), mixing.Settings(), seed).unseen
    settings = confidence.Settings(gains=False)
    sure = confidence.fit(examples(outcomes, prior, further=False), seed, settings).unseen.reshape(outcomes.quality.shape)
    return Signal(_auc(sure, outcomes.quality), _auc(prior, outcomes.quality), _ece(sure, outcomes.quality))


def _auc(said: Matrix, truth: Matrix) -> float:
    return float(np.nanmean([calibration.auc(said[:, m], truth[:, m]) for m in range(truth.shape[1])]))


def _ece(said: Matrix, truth: Matrix) -> float:
    return float(np.nanmean([calibration.ece(said[:, m], truth[:, m]) for m in range(truth.shape[1])]))
