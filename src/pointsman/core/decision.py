"""The decision: what was chosen, and everything it rests on."""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING

from pointsman.core.candidate import Candidate, Findings
from pointsman.core.clearance import Clearance, Clearances
from pointsman.core.plan import Plan
from pointsman.core.request import Request
from pointsman.core.rule import Ruling
from pointsman.core.score import Estimate, Form, Weights
from pointsman.core.signals import Signals
from pointsman.core.unmet import flags
from pointsman.core.value import value
from pointsman.errors import ClearanceError


@value
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
    findings: Findings | None = field(default=None, compare=False, repr=False)  #: what `candidates` are told from

    def untold(self) -> Decision:
        """The same object, its candidates forgotten until somebody asks: telling them costs more than deciding."""
        object.__delattr__(self, "candidates")
        return self

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> object:
            # Called for what is not set: that is `candidates` once `untold`, and nothing else.
            if name != "candidates" or self.findings is None:
                raise AttributeError(name)
            object.__setattr__(self, name, self.findings.candidates())
            return self.candidates

    @property
    def chosen(self) -> str | None:
        """The model to ask first, `None` when every candidate was refused."""
        return self.plan.models[0] if self.plan and self.plan.models else None

    @property
    def order(self) -> tuple[str, ...]:
        """Survivors, best first."""
        return tuple(c.model for c in self.candidates if not c.verdicts)

    def estimate(self, model: str) -> Estimate | None:
        """What is expected of one candidate, without telling all of them; `None` where a gate refused it before it was estimated."""
        if self.findings is not None:
            return self.findings.estimate(model)
        return next((c.estimate for c in self.candidates if c.model == model), None)

    def cost_picousd(self, model: str) -> int | None:
        """What a call of this model is expected to cost; `None`: nobody knows."""
        if self.findings is not None:
            return self.findings.cost_picousd(model)
        expected = self.estimate(model)
        return None if expected is None else expected.cost_picousd

    def flags(self, model: str) -> tuple[str, ...]:
        """What this model misses though it may be asked: see `Plan.flags`."""
        if self.plan is None or not self.plan.flags:
            return ()
        return next((flags(c.set_aside) for c in self.candidates if c.model == model), ())

    def clear(self, model: str) -> Clearance:
        """The clearance to call `model` for this request. Raises `ClearanceError` for a model that did not pass."""
        if self.clearances is None:
            raise ClearanceError("this decision was read from a record: decide again before calling")
        return self.clearances(model)
