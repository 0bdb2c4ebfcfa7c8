"""Whatever the configuration and whatever is asked: no decision goes beyond what was proved without traffic."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace

from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from pointsman.build.promises import broken_promises
from pointsman.build.snapshot import requirement, scope_of
from pointsman.config.policies import ForbidConfig, PromiseConfig, RequireConfig, ScopeConfig
from pointsman.config.schema import Config
from pointsman.core.decide import decide
from pointsman.core.decision import Decision
from pointsman.core.labels import KNOWN, close
from pointsman.core.model import Capabilities
from pointsman.core.request import Caller, Request
from pointsman.core.rule import PolicyScope
from pointsman.core.signals import Signals
from pointsman.core.snapshot import Route, Snapshot
from pointsman.policy.matrix import BY_NAME, Cell, Who, classes, matrix
from pointsman.policy.reach import broken_by, reach
from tests.worlds import KEYS, LABELS, ORGS, ROUTES, TEAMS, cases, subset

CASES = int(os.environ.get("POINTSMAN_CLOSURE_CASES", "60"))
"""Random configurations, each with one request on each of its routes and to each of its models by name."""

ABLE = Capabilities(vision=True)

thorough = settings(max_examples=CASES, deadline=None, suppress_health_check=list(HealthCheck))


service = st.fixed_dictionaries(
    {"quality_floor": st.sampled_from([0.0, 0.0, 0.9]), "on_none": st.sampled_from([None, "least_bad", "human", "refuse"])}
)


@st.composite
def worlds(draw: st.DrawFn) -> tuple[Request, Signals, Snapshot]:
    """Cases in which little but policy stands in the way: a request that is refused anyhow shows nothing."""
    request, signals, world, _ = draw(cases(odd=True))
    able = {name: replace(model, capabilities=ABLE, context_tokens=128_000, disabled=None) for name, model in world.models.items()}
    routes = {name: replace(route, **draw(service), unknown_price="worst") for name, route in world.routes.items()}
    caller = replace(request.caller, models=draw(st.none() | st.just(request.caller.models)), allowed_labels=None)
    policies = world.policies[: draw(st.integers(0, 2))]
    return replace(request, caller=caller), signals, replace(world, models=able, routes=routes, tasks={}, policies=policies)


def called(decision: Decision) -> set[str]:
    """Every model that carrying this decision out could call."""
    plan = decision.plan
    return set(decision.order) | (set() if plan is None else plan.names)


def routes_of(world: Snapshot) -> Iterator[Route]:
    yield from world.routes.values()
    yield from (route for name in world.models if name not in world.routes and (route := world.route(name)))


def belongs(caller: Caller, who: Who) -> bool:
    known = who.caller
    return known is None or all(said in ("", getattr(caller, name)) for name in ("org", "team", "key") for said in [getattr(known, name)])


@thorough
@given(worlds())
def test_what_a_request_may_call_is_what_was_proved(case):
    request, signals, world = case
    for route in routes_of(world):
        decision = decide(request, signals, world, route, 0)
        beyond = called(decision)
        event("refused" if decision.plan is None else "answered")
        for caller in (None, request.caller, *(who.caller for who in classes(world) if belongs(request.caller, who))):
            for labels in ((), request.labels, decision.ruling.labels):
                proved = set(reach(world, route, labels, caller))
                assert beyond <= proved, (route.name, labels, caller)
                if len(proved) < len(route.candidates):
                    event("the proof removes something")


@settings(thorough, max_examples=max(10, CASES // 5))
@given(worlds())
def test_the_matrix_has_a_cell_for_it(case):
    request, signals, world = case
    cells = list(matrix(world, classes(world)))
    for route in routes_of(world):
        decision = decide(request, signals, world, route, 0)
        for cell in cells:
            if cell.route == (route.name if route.name in world.routes else BY_NAME) and applies(cell, decision, world):
                assert called(decision) <= set(cell.models), cell


def applies(cell: Cell, decision: Decision, world: Snapshot) -> bool:
    who = next(who for who in classes(world) if who.name == cell.who)
    return belongs(decision.request.caller, who) and (cell.label == "(none)" or cell.label in decision.ruling.labels)


named = st.none() | subset(("ada", "bea"))
promises = st.builds(
    PromiseConfig,
    name=st.just("p"),
    labels=subset(LABELS),
    scope=st.none()
    | st.builds(
        ScopeConfig,
        routes=st.none() | st.just(ROUTES[:1]) | st.just(("ada",)),
        orgs=st.none() | st.sampled_from([(name,) for name in ORGS]),
        teams=st.none() | st.sampled_from([(name,) for name in TEAMS]),
        keys=st.none() | st.sampled_from([(name,) for name in KEYS]),
    ),
    only=st.builds(
        RequireConfig, perimeter=st.sampled_from([("on_prem",), ("on_prem", "vpc"), None]), approved=st.sampled_from([None, True])
    ),
    never=st.none() | st.builds(ForbidConfig, model=named, tags=st.none() | st.just(("soc2",))),
)


@thorough
@given(worlds(), st.lists(promises, min_size=1, max_size=5))
def test_a_promise_that_is_proved_is_kept(case, given_promises):
    request, signals, world = case
    for promise in given_promises:
        if broken_promises(config(promise), world):
            event("broken")
            continue
        event("kept")
        for route in routes_of(world):
            decision = decide(request, signals, world, route, 0)
            if is_about(promise, request, route, decision):
                event("kept, and about this request")
                only, never = requirement(promise.only), requirement(promise.never)
                assert not [model for model in called(decision) if broken_by(world, model, "p", only, never)]


def config(promise: PromiseConfig) -> Config:
    return Config(version=1, models=(), routes={}, promises=(promise,))


def is_about(promise: PromiseConfig, request: Request, route: Route, decision: Decision) -> bool:
    scope = scope_of(promise.scope) or PolicyScope()
    return scope.covers(route.name, request.caller) and set(close(promise.labels, KNOWN)) <= set(decision.ruling.labels)
