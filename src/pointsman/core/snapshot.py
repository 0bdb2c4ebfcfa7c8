"""A snapshot: everything a decision depends on besides the request, immutable and named by a hash.

Configuration, prices, priors and health enter decisions only through the next snapshot. What does not depend on the request is worked
out here, once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

from pointsman.core.gate import Ask, Gates, Verdict
from pointsman.core.model import Model
from pointsman.core.rule import PlanKind, Policy, Rule
from pointsman.core.score import Bounds, Estimate, Form, Weights


class Estimator(Protocol):
    """Predicts quality, cost, latency and energy of candidates."""

    def __call__(self, ask: Ask, models: Sequence[Model]) -> list[Estimate]:
        """One estimate a model, in order."""


Match = Literal["first", "all"]
"""`all`: every matching rule takes effect, earlier ones win where they collide; `first`: only the first."""

_DEFAULT_WEIGHTS = Weights()


@dataclass(frozen=True, slots=True)
class TaskPolicy:
    """What good enough and fast enough mean for a task class."""

    quality_floor: float = 0.0
    latency_budget_ms: float | None = None
    weights: Weights | None = None


@dataclass(frozen=True, slots=True)
class Route:
    """A named policy that clients put into `model`."""

    name: str
    models: tuple[str, ...]
    rules: tuple[Rule, ...] = ()
    match: Match = "all"  #: which matching rules take effect
    weights: Weights = _DEFAULT_WEIGHTS
    form: Form = "additive"
    bounds: Bounds | None = None  #: `None`: normalise over the surviving pool
    labels: tuple[str, ...] = ()  #: every request of this route carries at least these
    quality_floor: float = 0.0
    latency_budget_ms: float | None = None
    unknown_price: Literal["worst", "refuse"] = "worst"
    plan: PlanKind | None = None  #: `None`: `fallback` when a chain is given, else `single`
    fallback: tuple[str, ...] = ()  #: models to try after the chosen one, as far as they pass the gates
    candidates: tuple[str, ...] = field(init=False, compare=False, repr=False)  #: derived: `models`, then what only `fallback` names

    def __post_init__(self) -> None:
        object.__setattr__(self, "candidates", tuple(dict.fromkeys((*self.models, *self.fallback))))


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What `decide` knows of the world. `standing` is derived: the verdicts that hold for any request."""

    id: str
    models: Mapping[str, Model]
    routes: Mapping[str, Route]
    gates: Gates
    estimator: Estimator
    policies: tuple[Policy, ...] = ()
    rules: tuple[Rule, ...] = ()  #: for every route, before its own; also where a client names a model instead of a route
    tasks: Mapping[str, TaskPolicy] = field(default_factory=dict)
    labels: frozenset[str] = frozenset()  #: labels defined beside the built-in ones
    health: Mapping[str, str] = field(default_factory=dict)  #: model id -> why it is out of service
    standing: Mapping[str, tuple[Verdict, ...]] = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "standing", {name: self._standing(model) for name, model in self.models.items()})

    def _standing(self, model: Model) -> tuple[Verdict, ...]:
        verdicts = [Verdict(gate.name, gate.kind, reason) for gate in self.gates.standing if (reason := gate.refuse(model)) is not None]
        if (reason := self.health.get(model.id)) is not None:
            verdicts.append(Verdict("health", "health", f"out of service: {reason}"))
        return tuple(verdicts)

    def route(self, name: str) -> Route | None:
        """The route of that name; a model's own name is a route with that one candidate, and passes the same gates."""
        if (route := self.routes.get(name)) is not None:
            return route
        return Route(name=name, models=(name,)) if name in self.models else None
