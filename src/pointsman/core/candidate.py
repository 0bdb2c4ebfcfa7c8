"""A candidate: a model considered for one request, with what the gates, the estimators and the score said of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

from pointsman.core.gate import Verdict
from pointsman.core.score import Estimate, Estimates, Score, Scores


class Candidate(NamedTuple):
    """Refused candidates have verdicts; survivors have an estimate and a score."""

    model: str
    verdicts: tuple[Verdict, ...] = ()
    estimate: Estimate | None = None
    score: Score | None = None
    set_aside: tuple[Verdict, ...] = ()  #: what would refuse it, had not every candidate missed as much: `on_none: least_bad`
    late: str | None = None  #: why its latency term is 0 though it passes: an SLA with `breach: penalise`

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
    set_aside: Mapping[str, tuple[Verdict, ...]] = MappingProxyType({})
    late: Mapping[int, str] = MappingProxyType({})  #: by place: why an SLA penalises it

    def candidates(self) -> tuple[Candidate, ...]:
        """Survivors, best first, then the refused by name."""
        ranked = [
            Candidate(name, (), self.estimates.row(at), self.scores.row(at), self.set_aside.get(name, ()), self.late.get(at))
            for at, name in ((at, self.models[at]) for at in self.order)
        ]
        refused = [Candidate(name, self.refused[name], self.floored.get(name)) for name in sorted(self.refused)]
        return (*ranked, *refused)

    def cost_picousd(self, model: str) -> int | None:
        """What a call of one candidate is expected to cost; `None`: nobody knows."""
        if model in self.models:
            return self.estimates.cost_picousd[self.models.index(model)]
        return self.floored[model].cost_picousd if model in self.floored else None

    def estimate(self, model: str) -> Estimate | None:
        """What is expected of one candidate."""
        return self.estimates.row(self.models.index(model)) if model in self.models else self.floored.get(model)
