"""From a ranking to a plan."""

from __future__ import annotations

from collections.abc import Callable, Sequence, Set

from pointsman.core.gate import Ask
from pointsman.core.latency import Sla, Slas, reading
from pointsman.core.model import Model
from pointsman.core.plan import LOOKING, Chains, Plan
from pointsman.core.rule import PlanKind
from pointsman.core.score import Estimate
from pointsman.core.snapshot import Route, Snapshot

Expected = Callable[[str], Estimate | None]
"""What is expected of a candidate that passed."""


def kind_of(asked: PlanKind | None, route: Route) -> PlanKind:
    """How the choice is carried out: as a rule asks, else as the route says."""
    return asked or route.plan or ("fallback" if route.fallback or route.fallback_on or route.human else "single")


def plan_of(order: Sequence[str], passed: Set[str], ask: Ask, route: Route, snapshot: Snapshot, expected: Expected) -> Plan | None:
    """The plan for survivors, best first; `passed`: these, and the models that may look at their answers. `None` without a survivor."""
    if not order:
        return None
    kind = kind_of(ask.ruling.plan, route)
    if kind in LOOKING and ask.request.api == "embeddings":
        kind = "fallback"  # there is nothing to look at
    if kind == "single":
        return Plan("single", (order[0],), human=route.human)
    if kind in LOOKING:
        return _looking(kind, order, passed, ask, route, snapshot, expected)
    first = order[0]
    said = ask.ruling.plan or route.plan
    rest = route.fallback or (order if said else ())
    models = (first, *(name for name in rest if name in passed and name != first))
    return Plan(kind, models, _chains(models, passed, route, snapshot), route.human)


def _looking(
    kind: PlanKind, order: Sequence[str], passed: Set[str], ask: Ask, route: Route, snapshot: Snapshot, expected: Expected
) -> Plan:
    own = [name for name in order if name in route.models] or list(order)
    helper: str | None
    if kind == "ensemble":
        ensemble = route.execution.ensemble
        models = tuple(name for name in ensemble.members if name in passed) or tuple(own[: ensemble.size])
        helper = ensemble.judge
    else:
        cascade = route.execution.cascade
        named = tuple(name for name in cascade.tiers if name in passed)
        models = _in_time(named or _rising(own, expected), ask, snapshot, expected)
        if kind == "escalate":
            models = models[:2] if named else tuple(dict.fromkeys((models[0], models[-1])))
        helper = cascade.accept.verifier
    spares = tuple(name for name in route.fallback if name in passed and name not in models)
    helpers = (helper,) if helper is not None and helper in passed else ()
    return Plan(kind, models, _chains((*models, *spares), passed, route, snapshot), route.human, spares=spares, helpers=helpers)


def _rising(names: Sequence[str], expected: Expected) -> tuple[str, ...]:
    """Those that no cheaper one is expected to match, the cheapest first. What costs nobody knows how much comes last."""
    known = [(name, estimate) for name in names if (estimate := expected(name)) is not None]
    cheapest = sorted(known, key=lambda one: (_cost(one[1]), -one[1].quality, one[0]))
    tiers: list[tuple[str, Estimate]] = []
    for name, estimate in cheapest:
        if not tiers or estimate.quality > tiers[-1][1].quality:
            tiers.append((name, estimate))
    return tuple(name for name, _ in tiers)


def _cost(estimate: Estimate) -> float:
    return float("inf") if estimate.cost_picousd is None else estimate.cost_picousd


def _in_time(tiers: tuple[str, ...], ask: Ask, snapshot: Snapshot, expected: Expected) -> tuple[str, ...]:
    """The tiers that may be asked one after the other within every SLA that excludes: cheap ones go first, for the last is the best."""
    slas = ask.slas
    if slas is None:
        return tiers
    for sla in slas.of("exclude"):
        took_ms = [_p95_ms(sla, slas, snapshot.models[name], ask, expected(name)) for name in tiers]
        while len(tiers) > 1 and sum(took_ms[-len(tiers) :]) > sla.p95_ms:
            tiers = tiers[1:]
    return tiers


def _p95_ms(sla: Sla, slas: Slas, model: Model, ask: Ask, estimate: Estimate | None) -> float:
    return 0.0 if estimate is None else reading(sla, slas.latencies, model, ask.ruling.task, estimate).p95_ms


def _chains(models: tuple[str, ...], passed: Set[str], route: Route, snapshot: Snapshot) -> Chains:
    chains = tuple((fault, tuple(name for name in chain if name in passed)) for fault, chain in route.fallback_on)
    return chains + _larger(models, chains, snapshot)


def _larger(models: tuple[str, ...], chains: Chains, snapshot: Snapshot) -> Chains:
    """Where nothing else is said, a request that is too long for the first model goes on to those with a larger context."""
    if any(fault == "context_length" for fault, _ in chains):
        return ()
    context = snapshot.models[models[0]].context_tokens
    larger = tuple(name for name in models if snapshot.models[name].context_tokens > context)
    return (("context_length", larger),) if larger else ()
