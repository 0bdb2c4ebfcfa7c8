"""Random and hand-made worlds for tests: models, requests, signals, snapshots."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from hypothesis import strategies as st

from pointsman.core.gate import Gates
from pointsman.core.model import Capabilities, Energy, Model, Prior, Speed
from pointsman.core.plan import Accept, Cascade, Chains, Ensemble, Execution
from pointsman.core.premium import PremiumShare
from pointsman.core.prices import Price
from pointsman.core.request import Caller, Request
from pointsman.core.rule import Effects, Policy, PolicyScope, Requirement, Rule
from pointsman.core.score import Bounds, Weights, dial
from pointsman.core.signals import Needs, Signals, TokenCount, Tokens
from pointsman.core.snapshot import Route, Snapshot, TaskPolicy
from pointsman.estimators.prior import PriorEstimator
from pointsman.policy.cel import compile_condition
from pointsman.policy.gates import GATES

NAMES = ("ada", "bea", "cleo", "dora", "edda", "fay")
PERIMETERS = ("on_prem", "vpc", "external")
LABELS = ("public", "internal", "confidential", "restricted", "pii", "phi", "made-up")
ROUTES = ("auto", "other", "ada")  # the last is a model asked for by name
ORGS, TEAMS, KEYS = ("", "acme", "rival"), ("", "ml", "ops"), ("k1", "k2")


def snapshot(models: Iterable[Model], *routes: Route, policies: tuple[Policy, ...] = (), gates: Gates = GATES, **more: object) -> Snapshot:
    """A snapshot of these models; without routes, `auto` over all of them."""
    pool = {model.id: model for model in models}
    known = {route.name: route for route in routes} or {"auto": Route("auto", tuple(pool))}
    return Snapshot("test", pool, known, gates, PriorEstimator(pool.values()), policies, **more)  # type: ignore[arg-type]


amounts = st.integers(0, 30_000_000)
shares = st.floats(0, 1, allow_nan=False)


def subset(values: tuple[str, ...]) -> st.SearchStrategy[tuple[str, ...]]:
    return st.lists(st.sampled_from(values), unique=True, max_size=3).map(tuple)


prices = st.none() | st.builds(Price, input=amounts, output=amounts) | st.builds(Price, per_second=amounts)
priors = st.builds(Prior, mean=shares, evidence=st.integers(0, 200))
models = st.builds(
    Model,
    id=st.just(""),
    perimeter=st.sampled_from(PERIMETERS),
    region=st.sampled_from(("", "eu", "us")),
    approved=st.booleans(),
    disabled=st.sampled_from((None, None, None, "broken")),
    tags=subset(("soc2", "no_training")),
    capabilities=st.builds(Capabilities, tools=st.booleans(), json_mode=st.booleans(), json_schema=st.booleans(), vision=st.booleans()),
    context_tokens=st.sampled_from((512, 4096, 128_000)),
    tokenizer=st.sampled_from(("chars", "o200k")),
    price=prices,
    speed=st.builds(Speed, ttft_ms=st.floats(1, 2000), ms_per_output_token=st.floats(0.1, 80)),
    energy=st.none() | st.builds(Energy, wh_per_output_ktok=st.floats(0, 10)),
    security=shares,
    quality=st.dictionaries(st.sampled_from(("general", "code")), priors),
)
pools = st.lists(models, min_size=1, max_size=len(NAMES)).map(
    lambda found: tuple(replace(model, id=name) for name, model in zip(NAMES, found, strict=False))
)
requests = st.builds(
    Request,
    id=st.just("dec_test"),
    model=st.just("auto"),
    caller=st.builds(
        Caller,
        key=st.sampled_from(KEYS),
        team=st.sampled_from(TEAMS),
        models=st.none() | subset(NAMES),
        labels=subset(LABELS),
        org=st.sampled_from(ORGS),
        allowed_labels=st.none() | st.none() | subset(LABELS),
    ),
    stream=st.booleans(),
    choices=st.integers(1, 3),
    images=st.integers(0, 1),
    tools=st.sampled_from(((), (), ("search",))),
    response_format=st.sampled_from(("text", "text", "json_object", "json_schema")),
    labels=subset(LABELS),
    metadata=st.dictionaries(st.sampled_from(("team", "run")), st.text(max_size=5), max_size=2),
)
conditions = st.sampled_from(
    (
        "labels.exists(l, l in ['pii', 'phi'])",
        "'restricted' in labels",
        "tokens.input > 300",
        "task == 'code'",
        "metadata.team == 'a'",  # fails to evaluate where there is no team
        "request.stream && 'big' in signals.keywords",
        "true",
        "key.team == 'ml' && key.org != ''",
    )
).map(compile_condition)
odd_conditions = st.sampled_from(
    (
        "labels[3] == 'pii'",  # fails to evaluate where there are fewer
        "!('internal' in labels)",
        "'pii' in labels && size(labels) < 6",
        "!labels.exists(l, l.startsWith('made')) && 'pii' in labels",
        "labels.all(l, l in ['public', 'pii'])",
        "labels == ['phi']",
        "labels.all(l, {'pii': true}[l])",  # fails to evaluate where there is any other
    )
).map(compile_condition)
"""Turned off by more labels, or by words that nobody thought of."""
requirements = st.none() | st.builds(
    Requirement,
    perimeter=st.none() | st.just(("on_prem",)) | st.just(("on_prem", "vpc")),
    region=st.none() | st.just(("eu",)),
    approved=st.sampled_from((None, True)),
    tags=st.none() | st.just(("soc2",)),
)
scopes = st.none() | st.builds(
    PolicyScope,
    routes=st.none() | subset(ROUTES),
    orgs=st.none() | st.none() | subset(ORGS),
    teams=st.none() | st.none() | subset(TEAMS),
    keys=st.none() | st.none() | subset(KEYS),
)
policies = st.builds(
    Policy,
    name=st.just("policy"),
    when=st.none() | conditions,
    require=requirements,
    forbid=requirements.map(lambda found: found and replace(found, approved=None)),
    scope=scopes,
    fail=st.sampled_from(("closed", "closed", "open")),
)
odd_policies = st.builds(replace, policies, when=odd_conditions)
weights = st.builds(Weights, *[st.floats(0.01, 10)] * 5).map(Weights.normalised) | shares.map(dial)
rules = st.builds(
    Rule,
    name=st.just("rule"),
    when=conditions,
    effects=st.builds(
        Effects,
        task=st.sampled_from((None, "code")),
        labels=subset(LABELS),
        require=requirements,
        exclude=subset(NAMES),
        prefer=subset(NAMES),
        plan=st.sampled_from((None, "single", "fallback", "escalate", "cascade", "ensemble")),
        weights=st.none() | weights,
    ),
)


def chains_of(names: tuple[str, ...]) -> st.SearchStrategy[Chains]:
    return st.dictionaries(st.sampled_from(("content_filter", "context_length", "timeout")), subset(names), max_size=2).map(
        lambda found: tuple(found.items())
    )


@st.composite
def executions_of(draw: st.DrawFn, names: tuple[str, ...]) -> Execution:
    """Plans that look at answers, and the models that help them to: often ones that are no candidates."""
    accept = Accept(verifier=draw(st.none() | st.sampled_from(names)))
    judge = draw(st.none() | st.sampled_from(names))
    return Execution(
        cascade=Cascade(draw(subset(names)), accept),
        ensemble=Ensemble(draw(subset(names)), draw(st.integers(1, 3)), vote="judge" if judge else "majority", judge=judge),
    )


PREMIUM = ((), (), (PremiumShare("few", "key `k1`", NAMES[:2], 1, 2, 9),), (PremiumShare("few", "key `k1`", NAMES[1:3], 2, 2, 9),))
"""Caps on premium models: none, one with room left, one that is reached."""


@st.composite
def signals_of(draw: st.DrawFn, request: Request) -> Signals:
    """Signals that fit a request."""
    return Signals(
        task=draw(st.sampled_from(("general", "code"))),
        tokens=Tokens(
            counts=(TokenCount("chars", draw(st.integers(0, 5000)), False), TokenCount("o200k", draw(st.integers(0, 5000)), True)),
            output=draw(st.integers(1, 2000)),
        ),
        needs=Needs(
            tools=bool(request.tools),
            json_mode=request.response_format == "json_object",
            json_schema=request.response_format == "json_schema",
            vision=request.images > 0,
        ),
        keywords=draw(subset(("big",))),
        premium=draw(st.sampled_from(PREMIUM)),
    )


@st.composite
def cases(draw: st.DrawFn, *, odd: bool = False) -> tuple[Request, Signals, Snapshot, Route]:
    """Everything `decide` takes but the seed. `odd`: with policies that more labels may turn off."""
    pool = draw(pools)
    names = tuple(model.id for model in pool)
    request = draw(requests)
    looking = draw(st.booleans())
    route = Route(
        "auto",
        names[: draw(st.integers(1, len(names)))] if looking else names,
        rules=tuple(draw(st.lists(rules, max_size=2))),
        match=draw(st.sampled_from(("first", "all"))),
        weights=draw(weights),
        form=draw(st.sampled_from(("additive", "subtractive"))),
        bounds=draw(st.none() | st.just(Bounds((0, 10**10), (0.0, 5_000.0)))),
        labels=draw(subset(LABELS)),
        quality_floor=draw(st.sampled_from((0.0, 0.0, 0.3))),
        latency_budget_ms=draw(st.sampled_from((None, 1_000.0))),
        unknown_price=draw(st.sampled_from(("worst", "refuse"))),
        fallback=draw(subset(names)),
        fallback_on=draw(chains_of(names)),
        plan=draw(st.sampled_from((None, "escalate", "cascade", "ensemble"))) if looking else None,
        execution=draw(executions_of(names)) if looking else Execution(),
    )
    other = Route("other", draw(subset(names)) or names[:1], labels=draw(subset(LABELS)))
    world = snapshot(
        pool,
        route,
        other,
        policies=tuple(draw(st.lists(policies | odd_policies if odd else policies, max_size=2))),
        rules=tuple(draw(st.lists(rules, max_size=1))),
        tasks={"code": TaskPolicy(quality_floor=0.1, weights=draw(st.none() | weights))},
        health=draw(st.dictionaries(st.sampled_from(names), st.just("breaker open"), max_size=2)),
    )
    return request, draw(signals_of(request)), world, route
