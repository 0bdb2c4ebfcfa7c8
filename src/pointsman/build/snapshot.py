"""Snapshots: from a configuration to a body of JSON, and from that body to the compiled thing.

Live snapshots and those that replay revives from the log take the same way through the body, so they cannot differ. It holds no secret
and no URL.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import date

import msgspec

from pointsman import __version__
from pointsman.build.models import model_of
from pointsman.catalogue.prices import Catalogue
from pointsman.config.kinds import HUMAN
from pointsman.config.plans import CascadeConfig, WebhookConfig
from pointsman.config.policies import ForbidConfig, PolicyConfig, RequireConfig, ScopeConfig
from pointsman.config.routes import BoundsConfig, RouteConfig, RuleConfig, SlaConfig, TaskConfig, WeightsConfig
from pointsman.config.schema import Config
from pointsman.config.sensitivity import own_labels
from pointsman.core.latency import Latencies, Measured, Of, Sized, Sla
from pointsman.core.model import Model
from pointsman.core.plan import Accept, Cascade, Ensemble, Execution, Retry
from pointsman.core.prices import picousd
from pointsman.core.review import ReviewTerms
from pointsman.core.rule import Effects, Policy, PolicyScope, Requirement, Rule
from pointsman.core.score import Bounds, Weights, dial
from pointsman.core.snapshot import NOTHING_LEARNED, Learned, Reads, Route, Snapshot, TaskPolicy
from pointsman.estimators.prior import PriorEstimator
from pointsman.policy.cel import compile_condition
from pointsman.policy.gates import GATES


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasuredLatency:
    """A row of `Snapshot.latencies`."""

    model: str
    of: Of
    task: str | None
    samples: int
    p95_ms: float
    shorter: tuple[Sized, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SnapshotBody:
    """All that a snapshot is made of."""

    format: int = 1
    program: str = ""  #: version of the program that decides; empty: written before it was kept
    models: tuple[Model, ...]
    routes: dict[str, RouteConfig]
    rules: tuple[RuleConfig, ...] = ()
    policies: tuple[PolicyConfig, ...] = ()
    tasks: dict[str, TaskConfig] = field(default_factory=dict)
    labels: tuple[str, ...] = ()
    health: dict[str, str] = field(default_factory=dict)  #: model id -> why it is out of service
    latencies: tuple[MeasuredLatency, ...] = ()
    learned: Learned = NOTHING_LEARNED
    explore: float = 0.0
    reads: Reads | None = None


_decode = msgspec.json.Decoder(SnapshotBody).decode


def snapshot_body(config: Config, catalogue: Catalogue, today: date, learned: Learned = NOTHING_LEARNED) -> bytes:
    """The body of the snapshot that a configuration gives on a day (prices change), with what was learned."""
    models = tuple(model_of(model, catalogue, today) for model in config.models)
    return msgspec.json.encode(
        SnapshotBody(
            program=__version__,
            models=models,
            routes={name: _public(route) for name, route in config.routes.items()},
            rules=config.rules,
            policies=config.policies,
            tasks=config.tasks,
            labels=own_labels(config),
            learned=learned,
            explore=0.0 if config.learned is None else config.learned.explore,
            reads=Reads(config.embedding.model, config.embedding.timeout_ms / 1000) if config.embedding.kind == "remote" else None,
        )
    )


def _public(route: RouteConfig) -> RouteConfig:
    """The route without what nobody may read in a log."""
    told = None if route.review.webhook is None else WebhookConfig(url="")
    return replace(route, review=replace(route.review, webhook=told))


def snapshot_of(body: bytes) -> Snapshot:
    """Compile a body. Its id is its SHA-256, so a record names exactly one."""
    known = _decode(body)
    models = {model.id: model for model in known.models}
    return Snapshot(
        id=_id(body),
        models=models,
        routes={name: _route(name, route, tuple(models)) for name, route in known.routes.items()},
        gates=GATES,
        estimator=PriorEstimator(known.models),
        policies=tuple(_policy(policy) for policy in known.policies),
        rules=_rules(known.rules),
        tasks={name: _task(task) for name, task in known.tasks.items()},
        labels=frozenset(known.labels),
        health=known.health,
        latencies={(row.model, row.of, row.task): Measured(row.samples, row.p95_ms, row.shorter) for row in known.latencies},
        learned=known.learned,
        explore=known.explore,
        reads=known.reads,
    )


def with_health(snapshot: Snapshot, body: bytes, health: Mapping[str, str], latencies: Latencies | None = None) -> tuple[Snapshot, bytes]:
    """The same with other models out of service, other latencies (`None`: as they are), and its body. Nothing is compiled anew."""
    measured = dict(snapshot.latencies if latencies is None else latencies)
    rows = (
        MeasuredLatency(model=model, of=of, task=task, samples=found.samples, p95_ms=found.p95_ms, shorter=found.shorter)
        for (model, of, task), found in measured.items()
    )
    ordered = tuple(sorted(rows, key=lambda row: (row.model, row.of, row.task or "")))
    changed = msgspec.json.encode(replace(_decode(body), health=dict(health), latencies=ordered))
    return replace(snapshot, id=_id(changed), health=dict(health), latencies=measured), changed


def _id(body: bytes) -> str:
    return f"sha256:{hashlib.sha256(body).hexdigest()}"


def _route(name: str, config: RouteConfig, pool: tuple[str, ...]) -> Route:
    return Route(
        name=name,
        models=config.models or pool,
        rules=_rules(config.rules),
        match=config.match,
        weights=_weights(config.weights, config.dial) or Weights(),
        form=config.form,
        bounds=_bounds(config.bounds),
        labels=config.labels,
        quality_floor=config.quality_floor,
        latency_budget_ms=config.latency_budget_ms,
        sla=_sla(config.sla),
        on_none=config.on_none,
        unknown_price=config.unknown_price,
        plan=config.plan,
        fallback=tuple(name for name in config.fallback if name != HUMAN),
        fallback_on=tuple((fault, chain) for fault, chain in config.fallback_on.items()),
        human=HUMAN in config.fallback,
        execution=Execution(
            retry=Retry(**asdict(config.retry)),
            most_calls=config.most_calls,
            max_output_tokens=config.max_output_tokens,
            deadline_s=config.deadline_s,
            first_token_s=config.first_token_s,
            hedge_after_s=config.hedge.after_s,
            hedge_models=config.hedge.models,
            checks=config.checks,
            cascade=_cascade(config.cascade),
            review=ReviewTerms(**{**asdict(config.review), "webhook": config.review.webhook is not None}),
            ensemble=Ensemble(**asdict(config.ensemble)),
        ),
    )


def _cascade(config: CascadeConfig) -> Cascade:
    return Cascade(config.tiers, Accept(**asdict(config.accept)), config.worth_usd, config.stream_first)


def _rules(configs: tuple[RuleConfig, ...]) -> tuple[Rule, ...]:
    return tuple(_rule(rule, f"rule {at}") for at, rule in enumerate(configs, 1))


def _rule(config: RuleConfig, name: str) -> Rule:
    effects = Effects(
        task=config.task,
        labels=config.labels,
        require=requirement(config.require),
        exclude=config.exclude,
        prefer=config.prefer,
        plan=config.plan,
        weights=_weights(config.weights, config.dial),
        quality_floor=config.quality_floor,
    )
    return Rule(config.name or name, compile_condition(config.when), effects)


def _policy(config: PolicyConfig) -> Policy:
    when = compile_condition(config.when) if config.when else None
    return Policy(config.name, when, requirement(config.require), requirement(config.forbid), scope_of(config.scope), config.fail)


def scope_of(config: ScopeConfig | None) -> PolicyScope | None:
    """Whose requests are meant, as a policy says it."""
    return None if config is None else PolicyScope(**asdict(config))


def requirement(config: RequireConfig | ForbidConfig | None) -> Requirement | None:
    """Attributes of models, as a policy asks for them."""
    return None if config is None else Requirement(**asdict(config))


def _weights(config: WeightsConfig | None, dialled: float | None) -> Weights | None:
    if dialled is not None:
        return dial(dialled)
    return None if config is None else Weights(**asdict(config)).normalised()


def _bounds(config: BoundsConfig | None) -> Bounds | None:
    if config is None:
        return None
    best, worst = config.cost_usd
    return Bounds((picousd(best), picousd(worst)), config.latency_ms, config.energy_wh)


def _task(config: TaskConfig) -> TaskPolicy:
    return TaskPolicy(config.quality_floor, config.latency_budget_ms, _weights(config.weights, None), _sla(config.sla), config.on_none)


def _sla(config: SlaConfig | None) -> Sla | None:
    return None if config is None else Sla(**asdict(config))
