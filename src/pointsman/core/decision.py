"""The decision: what was chosen, and everything it rests on."""

from __future__ import annotations

from dataclasses import dataclass, field

from pointsman.core.candidate import Candidate
from pointsman.core.clearance import Clearance, Clearances
from pointsman.core.plan import Plan
from pointsman.core.request import Request
from pointsman.core.rule import Ruling
from pointsman.core.score import Form, Weights
from pointsman.core.signals import Signals
from pointsman.errors import ClearanceError


@dataclass(frozen=True, slots=True)
class Decision:
    """The result of `decide`, complete: request, signals, snapshot, route and seed are enough to make it again."""

    request: Request
    signals: Signals
    snapshot: str  #: id of the snapshot it was made under
    route: str
    seed: int
    ruling: Ruling
    weights: Weights
    form: Form
    candidates: tuple[Candidate, ...]  #: survivors, best first, then the refused by name
    plan: Plan | None  #: `None`: no candidate survived
    propensity: float = 1.0  #: probability with which this policy picks the chosen model
    clearances: Clearances | None = field(default=None, compare=False, repr=False)

    @property
    def chosen(self) -> str | None:
        """The model to ask first, `None` when every candidate was refused."""
        return self.plan.models[0] if self.plan else None

    @property
    def order(self) -> tuple[str, ...]:
        """Survivors, best first."""
        return tuple(c.model for c in self.candidates if not c.verdicts)

    def clear(self, model: str) -> Clearance:
        """The clearance to call `model` for this request. Raises `ClearanceError` for a model that did not pass."""
        if self.clearances is None:
            raise ClearanceError("this decision was read from a record: decide again before calling")
        return self.clearances(model)
