"""A candidate: a model considered for one request, with what the gates, the estimators and the score said of it."""

from __future__ import annotations

from typing import NamedTuple

from pointsman.core.gate import Verdict
from pointsman.core.score import Estimate, Score


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
