"""A candidate: a model considered for one request, with what the gates, the estimators and the score said of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from pointsman.core.gate import Verdict
from pointsman.core.score import Estimate, Estimates, Score, Scores


class Candidate(NamedTuple):
    """Refused candidates have verdicts; survivors have an estimate and a score."""

    model: str
    verdicts: tuple[Verdict, ...] = ()
    estimate: Estimate | None = None
    score: Score | None = None

    @property
    def eligible(self) -> bool:
        """Whether every gate let it pass."""
        return not self.verdicts


class Findings(NamedTuple):
    """What a decision found out, a column a quantity. `models`, `estimates` and `scores` are about the survivors."""

    models: Sequence[str]
    estimates: Estimates
    scores: Scores
    order: Sequence[int]  #: best first, as places in the columns
    refused: Mapping[str, tuple[Verdict, ...]]
    floored: Mapping[str, Estimate]  #: estimates of those that were refused for them

    def candidates(self) -> tuple[Candidate, ...]:
        """Survivors, best first, then the refused by name."""
        ranked = [Candidate(self.models[at], (), self.estimates.row(at), self.scores.row(at)) for at in self.order]
        refused = [Candidate(name, self.refused[name], self.floored.get(name)) for name in sorted(self.refused)]
        return (*ranked, *refused)

    def estimate(self, model: str) -> Estimate | None:
        """What is expected of one candidate."""
        return self.estimates.row(self.models.index(model)) if model in self.models else self.floored.get(model)
