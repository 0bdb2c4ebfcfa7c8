"""Plans that look at answers: who answers, in which order, who looks, and what an SLA leaves of it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pointsman.core.decide import decide
from pointsman.core.decision import Decision
from pointsman.core.latency import Sla
from pointsman.core.model import Model, Prior, Speed
from pointsman.core.plan import Accept, Cascade, Ensemble, Execution
from pointsman.core.prices import Price
from pointsman.core.request import Request
from pointsman.core.rule import Policy, Requirement
from pointsman.core.signals import Signals
from pointsman.core.snapshot import Route
from pointsman.errors import ClearanceError
from tests.worlds import snapshot


def model(name: str, cost: int | None, quality: float, **more: object) -> Model:
    price = None if cost is None else Price(input=cost * 10**6, output=cost * 10**6)
    return Model(name, price=price, quality={"general": Prior(quality)}, context_tokens=10_000, **more)


POOL = [
    model("small", 1, 0.5, perimeter="on_prem"),
    model("worse", 2, 0.4),  # dearer than `small`, and not as good
    model("middle", 5, 0.7),
    model("large", 50, 0.9),
    model("unpriced", None, 0.95),
]
NAMES = tuple(each.id for each in POOL)


def decided(route: Route, *, api: str = "chat", **world: object) -> Decision:
    return decide(Request("r", "auto", api=api), Signals(), snapshot(POOL, route, **world), route, 0)


def auto(
    plan: str, models: tuple[str, ...] = NAMES, *, cascade: Cascade = Cascade(), ensemble: Ensemble = Ensemble(), **more: object
) -> Route:
    return Route("auto", models, plan=plan, execution=Execution(cascade=cascade, ensemble=ensemble), **more)


@pytest.mark.parametrize(
    ("route", "models"),
    [
        (auto("cascade", ("large", "small", "worse", "middle")), ("small", "middle", "large")),  # none that a cheaper one matches
        (auto("cascade"), ("small", "middle", "large", "unpriced")),  # what costs nobody knows how much comes last
        (auto("cascade", cascade=Cascade(("middle", "small", "large"))), ("middle", "small", "large")),
        (auto("cascade", ("large",), cascade=Cascade(("small", "large"))), ("small", "large")),  # tiers need not be among `models`
        (auto("escalate", ("large", "small", "middle")), ("small", "large")),
        (auto("escalate", cascade=Cascade(("small", "middle", "large"))), ("small", "middle")),
        (auto("escalate", ("large",)), ("large",)),
        (auto("ensemble", ensemble=Ensemble(("small", "large"))), ("small", "large")),
        (auto("ensemble", ("large", "middle", "small"), ensemble=Ensemble(size=2)), ("middle", "small")),  # the best
    ],
)
def test_who_answers(route: Route, models: tuple[str, ...]):
    plan = decided(route).plan
    assert plan is not None
    assert (plan.kind, plan.models) == (route.plan, models)


@pytest.mark.parametrize(
    "route",
    [
        auto("cascade", ("small", "large"), cascade=Cascade(accept=Accept(verifier="middle"))),
        auto("ensemble", ("small", "large"), ensemble=Ensemble(vote="judge", judge="middle")),
    ],
)
def test_who_only_looks_is_cleared_but_never_answers(route: Route):
    made = decided(route)
    assert made.plan is not None
    assert made.plan.helpers == ("middle",)
    assert "middle" not in made.plan.models + made.order
    assert made.clear("middle").model == "middle"


def test_who_looks_passes_the_same_gates():
    route = auto("cascade", ("small", "small"), cascade=Cascade(("small",), Accept(verifier="large")))
    made = decided(route, policies=(Policy("inside", require=Requirement(perimeter=("on_prem",))),))
    assert made.plan is not None
    assert (made.plan.models, made.plan.helpers) == (("small",), ())
    assert [candidate.model for candidate in made.candidates if candidate.verdicts] == ["large"]
    with pytest.raises(ClearanceError):
        made.clear("large")


def test_who_only_looks_is_no_last_resort():
    route = auto("cascade", ("small",), cascade=Cascade(accept=Accept(verifier="large")))
    made = decided(route, health={"small": "breaker open"})
    assert made.plan is not None
    assert made.plan.models == ("small",)  # out of service, and still the only one that may answer


def test_a_tier_that_is_refused_is_left_out():
    route = auto("cascade", cascade=Cascade(("small", "middle", "large")))
    made = decided(route, policies=(Policy("no", forbid=Requirement(model=("middle",))),))
    assert made.plan is not None
    assert made.plan.models == ("small", "large")


def test_spares_are_asked_after_all_others():
    made = decided(auto("cascade", cascade=Cascade(("small", "middle")), fallback=("middle", "large"), human=True))
    assert made.plan is not None
    assert (made.plan.models, made.plan.spares, made.plan.human) == (("small", "middle"), ("large",), True)


@pytest.mark.parametrize(("p95_ms", "models"), [(100_000.0, ("small", "large")), (3_000.0, ("large",)), (1_900.0, ())])
@pytest.mark.parametrize("of", ["whole", "first_token"])
def test_an_sla_counts_every_tier_and_the_first_token_comes_with_the_whole_answer(p95_ms: float, models: tuple[str, ...], of: str):
    took = Speed(ttft_ms=100.0, ms_per_output_token=3.55, round_trip_ms=0.0, p95_over_p50=2.0)  # about 2 s for 256 tokens
    pool = [replace(each, speed=took) for each in POOL]
    route = auto("cascade", ("small", "large"), sla=Sla(p95_ms, of=of))
    plan = decide(Request("r", "auto", stream=True), Signals(), snapshot(pool, route), route, 0).plan
    assert (() if plan is None else plan.models) == models


def test_what_has_no_answer_to_look_at_is_a_plain_chain():
    made = decided(auto("cascade", cascade=Cascade(("small", "large"))), api="embeddings")
    assert made.plan is None or made.plan.kind == "fallback"
