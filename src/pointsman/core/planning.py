"""From a ranking to a plan."""

from __future__ import annotations

from collections.abc import Sequence, Set
from dataclasses import replace

from pointsman.core.gate import Ask
from pointsman.core.latency import Of, Sla, reading
from pointsman.core.plan import LOOKING, Chains, Plan
from pointsman.core.plan_time import Expected, Took, plan_p95
from pointsman.core.rule import PlanKind
from pointsman.core.score import Estimate
from pointsman.core.snapshot import Route, Snapshot

_TIMED: tuple[Of, ...] = ("first_token", "whole")


def kind_of(asked: PlanKind | None, route: Route) -> PlanKind:
    """How the choice is carried out: as a rule asks, else as the route says."""
    return asked or route.plan or ("fallback" if route.fallback or route.fallback_on or route.human else "single")


def ranks(asked: PlanKind | None, route: Route) -> bool:
    """Whether the first of the ranking is the first to be asked: not where tiers rise from the cheapest, or members have names."""
    kind = kind_of(asked, route)
    return kind not in ("cascade", "escalate") and not (kind == "ensemble" and route.execution.ensemble.members)


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
    models = (first, *[name for name in rest if name in passed and name != first])
    return Plan(kind, models, _chains(models, passed, route, snapshot), route.human)


def _looking(
    kind: PlanKind, order: Sequence[str], passed: Set[str], ask: Ask, route: Route, snapshot: Snapshot, expected: Expected
) -> Plan:
    own = [name for name in order if name in route.models] or list(order)
    helper = route.execution.ensemble.judge if kind == "ensemble" else route.execution.cascade.accept.verifier
    helpers = (helper,) if helper is not None and helper in passed else ()

    def plan(kind: PlanKind, models: tuple[str, ...], helpers: tuple[str, ...]) -> Plan:
        spares = tuple(name for name in route.fallback if name in passed and name not in models)
        return Plan(kind, models, _chains((*models, *spares), passed, route, snapshot), route.human, spares=spares, helpers=helpers)

    models = _voters(own, passed, route) if kind == "ensemble" else _tiers(kind, own, passed, route, expected)
    made = plan(kind, models, helpers)
    while not (in_time := _in_time(made, ask, route, snapshot, expected)) and len(models) > 1:
        # The last tier is the best; of members it is the first in the ranking.
        least = max(models, key=order.index) if kind == "ensemble" else models[0]
        models = tuple(name for name in models if name != least)
        made = plan(kind, models, helpers)
    if in_time:
        return made
    # There is time for one call, which every candidate's own time allows: it is looked at, and nobody is asked about it.
    return plan("cascade" if kind == "ensemble" else kind, models, ())


def _voters(own: Sequence[str], passed: Set[str], route: Route) -> tuple[str, ...]:
    ensemble = route.execution.ensemble
    return tuple(name for name in ensemble.members if name in passed) or tuple(own[: ensemble.size])


def _tiers(kind: PlanKind, own: Sequence[str], passed: Set[str], route: Route, expected: Expected) -> tuple[str, ...]:
    named = tuple(name for name in route.execution.cascade.tiers if name in passed)
    rising = named or _rising(own, expected)
    if kind == "cascade":
        return rising
    return named[:2] or tuple(dict.fromkeys((rising[0], rising[-1])))


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


def _in_time(plan: Plan, ask: Ask, route: Route, snapshot: Snapshot, expected: Expected) -> bool:
    """Whether the whole plan keeps every SLA that excludes."""
    slas = () if ask.slas is None else ask.slas.of("exclude")
    times = ((sla, p95_of(plan, sla, ask, route, snapshot, expected)) for sla in slas)
    return all(time is None or (time.whole_ms if sla.of == "whole" else time.first_token_ms) <= sla.p95_ms for sla, time in times)


def p95_of(plan: Plan, sla: Sla, ask: Ask, route: Route, snapshot: Snapshot, expected: Expected) -> Took | None:
    """How long a plan takes, each call as measured where there are as many samples as the SLA wants, else as expected.

    A model that only looks at others' answers is reckoned as if it answered the request itself. `None` where no model is asked.
    """

    def took(name: str) -> Took:
        model = snapshot.models[name]
        estimate = expected(name) or snapshot.estimator(ask, [model]).row(0)
        first, whole = (reading(replace(sla, of=of), snapshot.latencies, model, ask.ruling.task, estimate) for of in _TIMED)
        return Took(first.p95_ms, whole.p95_ms)

    return plan_p95(plan, route.execution, took, expected)


def _chains(models: tuple[str, ...], passed: Set[str], route: Route, snapshot: Snapshot) -> Chains:
    chains = tuple([(fault, tuple([name for name in chain if name in passed])) for fault, chain in route.fallback_on])
    return chains + _larger(models, chains, snapshot)


def _larger(models: tuple[str, ...], chains: Chains, snapshot: Snapshot) -> Chains:
    """Where nothing else is said, a request that is too long for the first model goes on to those with a larger context."""
    if "context_length" in dict(chains):
        return ()
    known, context = snapshot.models, snapshot.models[models[0]].context_tokens
    larger = tuple([name for name in models if known[name].context_tokens > context])
    return (("context_length", larger),) if larger else ()
