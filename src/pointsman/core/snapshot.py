"""A snapshot: everything a decision depends on besides the request, immutable and named by a hash.

Configuration, prices, priors, health and measured latencies enter decisions only through the next snapshot. What does not depend on the
request is worked out here, once.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, NamedTuple, Protocol

from pointsman.core.apis import Api
from pointsman.core.gate import Ask, Gate, Gates, Least, Verdict
from pointsman.core.latency import Latencies, Sla, Slas
from pointsman.core.model import Model
from pointsman.core.plan import LOOKING, Chains, Execution, Kind, Retry
from pointsman.core.request import Request
from pointsman.core.rule import PlanKind, Policy, Requirement, Rule, Ruling
from pointsman.core.score import Bounds, Estimates, Form, Weights, millionths
from pointsman.core.signals import Signals
from pointsman.core.unmet import OnNone


class Estimator(Protocol):
    """Predicts quality, cost, latency and energy of candidates."""

    def __call__(self, ask: Ask, models: Sequence[Model]) -> Estimates:
        """One estimate a model, in order. `Estimates.of` takes a list of them."""


@dataclass(frozen=True, slots=True)
class Learned:
    """What signals were worked out with besides the program: names that tell each from every other. Empty: nothing of the kind."""

    embedder: str = ""
    intents: str = ""  #: SHA-256 of the examples
    classifiers: Mapping[str, str] = field(default_factory=dict)  #: SHA-256 of each one's file, by what it tells
    bundle: str = ""  #: SHA-256 of the file of estimates
    confidence: str = ""  #: SHA-256 of the file that says how likely answers are right


@dataclass(frozen=True, slots=True)
class Reads:
    """The model that reads what is asked, by a call of its own before a request is decided."""

    model: str
    timeout_s: float


Match = Literal["first", "all"]
"""`all`: every matching rule takes effect, earlier ones win where they collide; `first`: only the first."""

Owned = tuple[tuple[str, Requirement], ...]
"""Requirements, each with the policy or rule that it is of."""
Refused = dict[str, tuple[Verdict, ...]]

_MOST_JUDGED = 256  # combinations of policies, and of refused models, that a pool remembers
_NO_REQUEST, _NO_SIGNALS = Request("", ""), Signals()
_DEFAULT_WEIGHTS = Weights()
_DEFAULT_EXECUTION = Execution()
NOTHING_LEARNED = Learned()


@dataclass(frozen=True, slots=True)
class TaskPolicy:
    """What good enough and fast enough mean for a task class."""

    quality_floor: float = 0.0
    latency_budget_ms: float | None = None
    weights: Weights | None = None
    sla: Sla | None = None
    on_none: OnNone | None = None  #: where every candidate misses floor or SLA; `None`: as the route says


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
    fallback_on: Chains = ()  #: chains for single classes of failure
    human: bool = False  #: a person is asked when no model answers
    sla: Sla | None = None
    on_none: OnNone | None = None  #: where every candidate misses floor or SLA; `None`: as the task class says, else `refuse`
    execution: Execution = _DEFAULT_EXECUTION
    candidates: tuple[str, ...] = field(init=False, compare=False, repr=False)  #: derived: every model that may be asked, `models` first
    helpers: frozenset[str] = field(init=False, compare=False, repr=False)  #: derived: those that only look at others' answers

    def __post_init__(self) -> None:
        cascade, ensemble = self.execution.cascade, self.execution.ensemble
        chained = (name for _, chain in self.fallback_on for name in chain)
        answering = dict.fromkeys((*self.models, *self.fallback, *chained, *cascade.tiers, *ensemble.members))
        helping = [name for name in (cascade.accept.verifier, ensemble.judge) if name is not None]
        object.__setattr__(self, "candidates", tuple(dict.fromkeys((*answering, *helping))))
        object.__setattr__(self, "helpers", frozenset(helping).difference(answering))

    def reading(self, reads: Reads) -> Route:
        """The same with that one model, asked once: for requests that take another's words to it. What is wanted of answers is left out."""
        return Route(
            self.name,
            (reads.model,),
            rules=self.rules,
            match=self.match,
            labels=self.labels,
            unknown_price=self.unknown_price,
            plan="single",
            execution=Execution(retry=Retry(attempts=1), most_calls=1, deadline_s=reads.timeout_s, checks=()),
        )


class Field(NamedTuple):
    """Models side by side, with what ranking needs of each."""

    models: Sequence[Model]
    names: Sequence[str]
    security: Sequence[float]  #: the score's term, in millionths

    @classmethod
    def of(cls, models: Sequence[Model]) -> Field:
        """These models."""
        return cls(models, [model.id for model in models], [millionths(model.security) for model in models])


class Judged(NamedTuple):
    """Survivors of gates, and why the others are none."""

    field: Field
    refused: Mapping[str, tuple[Verdict, ...]]


def add_refused(gates: Sequence[Gate], ask: Ask, models: Sequence[Model], refused: Refused) -> Refused:
    """Ask every gate about every model: all reasons are kept, not the first. Adds to `refused`."""
    for gate in gates:
        if (applies := gate.applies) is None or applies(ask):
            refuse = gate.refuse
            for model in models:
                if (reason := refuse(ask, model)) is not None:
                    refused[model.id] = (*refused.get(model.id, ()), Verdict(gate.name, gate.kind, reason))
    return refused


@dataclass(frozen=True, slots=True)
class Pool:
    """A route's candidates, and what holds of them whatever is asked."""

    route: Route
    models: tuple[Model, ...]
    refused: Mapping[str, tuple[Verdict, ...]]  #: those with standing verdicts
    sound: Field  #: those without
    fallbacks: frozenset[str]  #: those that only chains name
    least: Least
    ruled: tuple[Gate, ...]  #: gates that judge by what is required and forbidden alone
    asked: tuple[Gate, ...]  #: the others, asked for each request
    _judged: dict[tuple[Owned, Owned], Judged] = field(default_factory=dict, compare=False, repr=False)
    _fields: dict[frozenset[str], Field] = field(default_factory=dict, compare=False, repr=False)

    def without(self, refused: Iterable[str]) -> Field:
        """Those who are left: the same object for the same names, so that what is worked out of it need not be worked out again."""
        names = frozenset(refused)
        if (known := self._fields.get(names)) is None:
            known = Field.of(tuple(model for model in self.models if model.id not in names))
            if len(self._fields) < _MOST_JUDGED:
                self._fields[names] = known
        return known

    def judged(self, requirements: Owned, prohibitions: Owned) -> Judged:
        """Who is left where this is required and forbidden, whatever else is asked. Worked out once: policies are few."""
        if not requirements and not prohibitions:
            return Judged(self.sound, self.refused)
        if (known := self._judged.get((requirements, prohibitions))) is not None:
            return known
        # Of the request they see nothing, so that what they say holds for every other as well.
        ask = Ask(_NO_REQUEST, _NO_SIGNALS, Ruling("", (), requirements=requirements, prohibitions=prohibitions), self.route.name)
        refused = add_refused(self.ruled, ask, self.models, dict(self.refused))
        found = Judged(self.without(refused), refused)
        if len(self._judged) < _MOST_JUDGED:
            self._judged[requirements, prohibitions] = found
        return found


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What `decide` knows of the world. Derived: `standing`, the verdicts that hold for any request, and `pools`, by route."""

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
    latencies: Latencies = field(default_factory=dict)  #: as measured, where there is an SLA to compare them with
    learned: Learned = NOTHING_LEARNED
    explore: float = 0.0  #: share of requests for which a model goes first of which nothing was learned
    reads: Reads | None = None  #: `None`: no model is asked to read
    standing: Mapping[str, tuple[Verdict, ...]] = field(init=False, compare=False, repr=False)
    pools: Mapping[str, Pool] = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "standing", {name: self._standing(model) for name, model in self.models.items()})
        object.__setattr__(self, "pools", {name: self._pool(route) for name, route in self.routes.items()})

    def _standing(self, model: Model) -> tuple[Verdict, ...]:
        verdicts = [Verdict(gate.name, gate.kind, reason) for gate in self.gates.standing if (reason := gate.refuse(model)) is not None]
        if (reason := self.health.get(model.id)) is not None:
            verdicts.append(Verdict("health", "health", f"out of service: {reason}"))
        return tuple(verdicts)

    def pool(self, route: Route) -> Pool:
        """The candidates of a route."""
        known = self.pools.get(route.name)
        return known if known is not None and known.route is route else self._pool(route)

    def _pool(self, route: Route) -> Pool:
        models = tuple(self.models[name] for name in route.candidates)
        return Pool(
            route=route,
            models=models,
            refused={model.id: self.standing[model.id] for model in models if self.standing[model.id]},
            sound=Field.of(tuple(model for model in models if not self.standing[model.id])),
            fallbacks=frozenset(route.candidates).difference(route.models),
            least=Least(
                context_tokens=min((model.context_tokens for model in models), default=0),
                apis=frozenset[Api]().union(*(model.apis for model in models)).intersection(*(model.apis for model in models)),
            ),
            ruled=tuple(gate for gate in self.gates.request if gate.ruled),
            asked=tuple(gate for gate in self.gates.request if not gate.ruled),
        )

    def slas(self, route: Route, task: TaskPolicy, kind: Kind | None = None) -> Slas:
        """What must be kept at the 95th percentile: the route's and the task class's, both.

        Under a plan of this `kind` that looks at whole answers first, the first token comes when the whole answer does, but of a last tier
        that `stream_first` lets go out unlooked at.
        """
        wanted = tuple(sla for sla in (route.sla, task.sla) if sla is not None)
        if kind in LOOKING and (kind == "ensemble" or not route.execution.cascade.stream_first):
            wanted = tuple(replace(sla, of="whole") for sla in wanted)
        return Slas(wanted, self.latencies)

    def route(self, name: str) -> Route | None:
        """The route of that name; a model's own name is a route with that one candidate, and passes the same gates."""
        if (route := self.routes.get(name)) is not None:
            return route
        return Route(name=name, models=(name,)) if name in self.models else None

    def route_of(self, request: Request, name: str) -> Route | None:
        """The route that a request is decided under; one that is made to read another has that one's, with the model that reads."""
        route = self.route(name)
        if route is None or not request.reads_for:
            return route
        return None if self.reads is None else route.reading(self.reads)
