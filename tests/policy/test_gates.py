"""Each gate: what it refuses, in which words, and what it lets pass."""

from __future__ import annotations

import pytest
from hypothesis import given

from pointsman.core.gate import Ask, Least
from pointsman.core.latency import Measured, Sla, Slas
from pointsman.core.model import Capabilities, Model
from pointsman.core.premium import PremiumShare
from pointsman.core.prices import Price
from pointsman.core.request import Caller, Request
from pointsman.core.rule import Requirement, Ruling
from pointsman.core.ruling import rule
from pointsman.core.score import Estimate
from pointsman.core.signals import Needs, Signals, TokenCount, Tokens
from pointsman.estimators.prior import wilson_low
from pointsman.policy.gates import GATES
from tests.worlds import cases

BY_NAME = {gate.name: gate for gate in (*GATES.standing, *GATES.request, *GATES.estimate)}


def ask(
    request: Request = Request("r", "auto"),
    signals: Signals = Signals(),
    require: Requirement | None = None,
    forbid: Requirement | None = None,
    exclude: tuple[tuple[str, str], ...] = (),
    **more: object,
) -> Ask:
    ruling = Ruling(
        "general",
        (),
        requirements=(("policy `p`", require),) if require else (),
        prohibitions=(("policy `p`", forbid),) if forbid else (),
        exclude=exclude,
    )
    return Ask(request, signals, ruling, "auto", **{"least": Least(512, frozenset({"chat"})), **more})


def tokens(inputs: int, output: int = 100, exact: bool = True) -> Signals:
    return Signals(tokens=Tokens((TokenCount("chars", inputs, exact),), output))


def limited(**fields: object) -> Request:
    return Request("r", "auto", caller=Caller(key="team-a", **fields))


def said(api: str, *features: str) -> Ask:
    return ask(Request("r", "auto", api=api, features=features))


def shared(*used: int) -> Ask:
    """Under caps of which so much is used."""
    return ask(signals=Signals(premium=tuple(PremiumShare("dear", "key `k`", ("m", "n"), number, 80, 200) for number in used)))


def speaks(*apis: str) -> Model:
    return Model("m", apis=apis)


TOOLS = ask(Request("r", "auto", tools=("search", "buy")), Signals(needs=Needs(tools=True)))
PARALLEL = ask(Request("r", "auto", tools=("search",)), Signals(needs=Needs(tools=True, parallel_tools=True)))
STRICT = ask(Request("r", "auto", tools=("search",)), Signals(needs=Needs(tools=True, strict_tools=True)))
SEES = ask(Request("r", "auto", images=2), Signals(needs=Needs(vision=True)))
SCHEMA = ask(Request("r", "auto", response_format="json_schema"), Signals(needs=Needs(json_schema=True)))
OBJECT = ask(Request("r", "auto", response_format="json_object"), Signals(needs=Needs(json_mode=True)))
PLAIN = Capabilities(tools=False, json_mode=False, json_schema=False, vision=False)


@pytest.mark.parametrize(
    ("gate", "asked", "model", "reason"),
    [
        ("approval", ask(require=Requirement(approved=True)), Model("m"), "not approved, which policy `p` requires"),
        ("approval", ask(require=Requirement(approved=True)), Model("m", approved=True), None),
        ("provider", ask(require=Requirement(provider=("a", "b"))), Model("m", "c"), "provider is `c`, policy `p` requires `a` or `b`"),
        ("provider", ask(require=Requirement(provider=("a",))), Model("m", "a"), None),
        ("provider", ask(forbid=Requirement(provider=("c",))), Model("m", "c"), "provider is `c`, which policy `p` forbids"),
        ("provider", ask(forbid=Requirement(provider=("c",))), Model("m", "a"), None),
        ("model", ask(require=Requirement(model=("x",))), Model("m"), "model is `m`, policy `p` requires `x`"),
        (
            "perimeter",
            ask(require=Requirement(perimeter=("on_prem",))),
            Model("m"),
            "perimeter is `external`, policy `p` requires `on_prem`",
        ),
        ("perimeter", ask(require=Requirement(perimeter=("on_prem",))), Model("m", perimeter="on_prem"), None),
        ("region", ask(require=Requirement(region=("eu",))), Model("m"), "region is not stated, policy `p` requires `eu`"),
        ("region", ask(require=Requirement(region=("eu",))), Model("m", region="eu"), None),
        ("region", ask(forbid=Requirement(region=("us",))), Model("m", region="us"), "region is `us`, which policy `p` forbids"),
        ("tags", ask(require=Requirement(tags=("a", "b"))), Model("m", tags=("a",)), "lacks b, which policy `p` requires"),
        ("tags", ask(require=Requirement(tags=("a", "b"))), Model("m", tags=("b", "a", "c")), None),
        ("tags", ask(forbid=Requirement(tags=("x",))), Model("m", tags=("x",)), "has x, which policy `p` forbids"),
        ("key", ask(limited(models=("x",))), Model("m"), "key `team-a` may not use `m`"),
        ("key", ask(limited(routes=("x",))), Model("m"), "key `team-a` may not use `auto`"),
        ("key", ask(limited(routes=("auto",), models=("m",))), Model("m"), None),
        ("excluded", ask(exclude=(("m", "night"),)), Model("m"), "excluded by rule `night`"),
        ("excluded", ask(exclude=(("x", "night"),)), Model("m"), None),
        ("api", said("messages"), speaks("messages"), None),
        ("api", said("messages", "native:documents"), speaks("chat", "messages"), None),  # its own API says everything
        ("api", said("messages"), speaks("chat"), None),
        ("api", said("responses"), speaks("messages"), None),
        ("api", said("completions"), speaks("messages"), None),
        ("api", said("messages", "native:documents"), speaks("chat"), "speaks chat, which cannot say documents"),
        ("api", said("responses", "n", "stop"), speaks("messages", "responses"), None),
        ("api", said("completions", "n", "logprobs"), speaks("messages"), "speaks messages, which cannot say logprobs and n"),
        ("api", said("completions", "n", "logprobs"), speaks("messages", "chat"), None),  # one that can say it all is enough
        (
            "api",
            said("completions", "n", "logprobs"),
            speaks("messages", "responses"),
            "speaks messages and responses, which cannot say logprobs and n",
        ),
        ("api", said("embeddings"), speaks("embeddings"), None),
        ("api", said("embeddings"), speaks("chat", "responses"), "speaks chat and responses, request is in embeddings"),
        ("api", said("responses"), speaks("embeddings"), "speaks embeddings, request is in responses"),
        ("api", said("responses", "n"), speaks("completions"), "speaks completions, request is in responses"),
        (
            "context",
            ask(signals=tokens(9_000, 1_000)),
            Model("m", context_tokens=8_192),
            "needs 10,000 tokens (9,000 in, 1,000 out), context is 8,192",
        ),
        (
            "context",
            ask(signals=tokens(9_000, 1_000, exact=False)),
            Model("m", context_tokens=8_192),
            "needs about 10,000 tokens (9,000 in, 1,000 out), context is 8,192",
        ),
        ("context", ask(signals=tokens(7_000, 1_192)), Model("m", context_tokens=8_192), None),
        (
            "parallel_tools",
            PARALLEL,
            Model("m", capabilities=Capabilities(parallel_tools=False)),
            "cannot call several tools at once, request asks for it",
        ),
        ("parallel_tools", PARALLEL, Model("m"), None),
        (
            "strict_tools",
            STRICT,
            Model("m", capabilities=Capabilities(strict_tools=False)),
            "does not keep to the schemas of tools, request offers a strict one",
        ),
        ("strict_tools", STRICT, Model("m"), None),
        ("tools", TOOLS, Model("m", capabilities=PLAIN), "cannot call tools, request offers 2"),
        ("tools", TOOLS, Model("m"), None),
        ("json", SCHEMA, Model("m", capabilities=Capabilities(json_schema=False)), "cannot keep to response_format `json_schema`"),
        ("json", OBJECT, Model("m", capabilities=Capabilities(json_mode=False)), "cannot keep to response_format `json_object`"),
        ("json", OBJECT, Model("m", capabilities=Capabilities(json_schema=False)), None),
        ("vision", SEES, Model("m"), "cannot read images, request has 2"),
        ("vision", SEES, Model("m", capabilities=Capabilities(vision=True)), None),
        ("price", ask(refuse_unknown_price=True), Model("m"), "price is unknown, route says `unknown_price: refuse`"),
        ("price", ask(refuse_unknown_price=True), Model("m", price=Price(input=0, output=0)), None),
        ("premium_share", shared(79), Model("m"), None),
        ("premium_share", shared(80), Model("other"), None),
        (
            "premium_share",
            shared(80),
            Model("m"),
            "cap `dear` lets 80 of 200 requests of key `k` go to premium models, and 80 of the 199 before did or still may",
        ),
        (
            "premium_share",
            shared(0, 99),
            Model("m"),
            "cap `dear` lets 80 of 200 requests of key `k` go to premium models, and 99 of the 199 before did or still may",
        ),
    ],
)
def test_a_gate_says_why(gate, asked, model, reason):
    found = BY_NAME[gate]
    assert found.applies is None or found.applies(asked), "a gate that has something to say applies"
    assert found.refuse(asked, model) == reason


@pytest.mark.parametrize("api", ["chat", "responses", "messages", "completions", "embeddings"])
def test_where_every_candidate_speaks_the_clients_api_nobody_is_asked_which(api):
    assert not BY_NAME["api"].applies(ask(Request("r", "auto", api=api, features=("n",)), least=Least(512, frozenset({api}))))
    assert BY_NAME["api"].applies(ask(Request("r", "auto", api=api), least=Least(512, frozenset())))


def test_a_model_that_is_switched_off_is_refused():
    assert BY_NAME["enabled"].refuse(Model("m", disabled="contract ended")) == "switched off: contract ended"
    assert BY_NAME["enabled"].refuse(Model("m")) is None


@pytest.mark.parametrize(
    ("mean", "evidence", "floor", "reason"),
    [
        (0.8, 50, 0.69, None),
        (0.8, 50, 0.70, "quality for `general` is 0.69 at its lower bound (50 graded answers), floor is 0.70"),
        (0.8, 500, 0.76, None),  # the more is graded, the nearer the bound comes to the mean
        (0.8, 500, 0.78, "quality for `general` is 0.77 at its lower bound (500 graded answers), floor is 0.78"),
        (0.8, 1, 0.5, "quality for `general` is 0.18 at its lower bound (1 graded answer), floor is 0.50"),
        (0.8, 0, 0.8, None),  # stated, not measured: taken at its word, and the reason says so
        (0.8, 0, 0.81, "quality for `general` is 0.80 at its lower bound (no graded answers), floor is 0.81"),
        (0.7999, 0, 0.8, "quality for `general` is 0.7999 at its lower bound (no graded answers), floor is 0.8000"),
        (1.0, 10_000, 1.0, "quality for `general` is 0.9997 at its lower bound (10,000 graded answers), floor is 1.0000"),
        (0.0, 0, 0.0, None),
    ],
)
def test_the_quality_floor_is_judged_at_the_lower_bound_with_its_evidence(mean, evidence, floor, reason):
    estimate = Estimate(mean, round(wilson_low(mean, evidence), 6), evidence, 0, 0.0, 0.0, 0.0, None, 1, "chars")
    asked = ask(quality_floor=floor)
    assert BY_NAME["quality_floor"].applies(asked) == (floor > 0)
    assert BY_NAME["quality_floor"].refuse(asked, Model("m"), estimate) == reason
    assert (BY_NAME["quality_floor"].shortfall(asked, Model("m"), estimate) > 0) == (reason is not None) if floor else True


@pytest.mark.parametrize(
    ("wanted", "reason"),
    [
        ((), None),
        ((Sla(500, "penalise"),), None),  # a matter of the score
        ((Sla(1_000),), None),
        ((Sla(500),), "p95 for `general` is 812 ms (143 calls measured), SLA is 500 ms"),
        ((Sla(900), Sla(500), Sla(400)), "p95 for `general` is 812 ms (143 calls measured), SLA is 500 ms"),
    ],
)
def test_an_sla_that_excludes_refuses_whom_it_names(wanted, reason):
    estimate = Estimate(0.9, 0.55, 12, 0, 0.0, 0.0, 0.0, None, 1, "chars")
    asked = ask(slas=Slas(wanted, {("m", "whole", "general"): Measured(143, 812.0)}))
    assert BY_NAME["sla"].applies(asked) == any(sla.breach == "exclude" for sla in wanted)
    assert BY_NAME["sla"].refuse(asked, Model("m"), estimate) == reason
    assert BY_NAME["sla"].shortfall(asked, Model("m"), estimate) == pytest.approx(
        max((1 - sla.p95_ms / 812 for sla in wanted if sla.breach == "exclude" and sla.p95_ms < 812), default=0)
    )


@pytest.mark.parametrize("gate", [g.name for g in (*GATES.request, *GATES.estimate) if g.applies])
def test_a_gate_with_nothing_to_say_is_not_asked(gate):
    assert not BY_NAME[gate].applies(ask())


@given(cases())
def test_what_every_candidate_has_spares_questions_and_no_refusal(case):
    request, signals, world, route = case
    pool, ruling = world.pool(route), rule(request, signals, world, route)

    def refusals(least: Least) -> list[tuple[str, str, str | None]]:
        asked = Ask(request, signals, ruling, "auto", 0.0, route.unknown_price == "refuse", least)
        active = [gate for gate in GATES.request if gate.applies is None or gate.applies(asked)]
        return [(gate.name, model.id, reason) for gate in active for model in pool.models if (reason := gate.refuse(asked, model))]

    assert refusals(pool.least) == refusals(Least())
