"""How a decision is to be carried out: chains, the person at their end, larger contexts, and the last resort."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given

from pointsman.core.budget import Pressure
from pointsman.core.decide import decide
from pointsman.core.decision import Decision
from pointsman.core.model import Model, Prior
from pointsman.core.plan import Plan
from pointsman.core.prices import Price
from pointsman.core.request import Caller, Request
from pointsman.core.rule import Effects, Policy, Requirement, Rule
from pointsman.core.signals import Signals
from pointsman.core.snapshot import Route
from pointsman.errors import ClearanceError
from pointsman.policy.cel import compile_condition
from tests.worlds import cases, snapshot

ALWAYS = compile_condition("true")


def pool(*names: str, **more: object) -> list[Model]:
    """Ranked as they are named, with contexts that grow."""
    return [Model(name, security=1 - at / 10, context_tokens=10_000, **more) for at, name in enumerate(names)]


def planned(route: Route, *, models: list[Model] | None = None, request: Request = Request("r", "auto"), **world: object) -> Plan | None:
    return decided(route, models=models, request=request, **world).plan


def decided(
    route: Route,
    *,
    models: list[Model] | None = None,
    request: Request = Request("r", "auto"),
    signals: Signals = Signals(),
    **world: object,
) -> Decision:
    return decide(request, signals, snapshot(models or pool("a", "b", "c"), route, **world), route, 0)


def rule(**effects: object) -> tuple[Rule, ...]:
    return (Rule("r", ALWAYS, Effects(**effects)),)


@pytest.mark.parametrize(
    ("route", "plan"),
    [
        (Route("auto", ("a", "b", "c")), Plan("single", ("a",))),
        (Route("auto", ("a",), fallback=("c", "b")), Plan("fallback", ("a", "c", "b"))),  # in the order of the route, not of the ranking
        (Route("auto", ("b",), fallback=("b", "c")), Plan("fallback", ("b", "c"))),
        (Route("auto", ("a", "b", "c"), fallback=("c",)), Plan("fallback", ("a", "c"))),
        (Route("auto", ("a", "b", "c"), plan="fallback"), Plan("fallback", ("a", "b", "c"))),  # no chain given: in the order of the ranking
        (Route("auto", ("a", "b", "c"), plan="hedge"), Plan("hedge", ("a", "b", "c"))),
        (Route("auto", ("a", "b"), plan="hedge", fallback=("c",)), Plan("hedge", ("a", "c"))),
        (Route("auto", ("a", "b"), plan="single", fallback=("c",)), Plan("single", ("a",))),
        (Route("auto", ("a", "b"), rules=rule(plan="hedge")), Plan("hedge", ("a", "b"))),
        (Route("auto", ("a", "b"), plan="hedge", rules=rule(plan="single")), Plan("single", ("a",))),
        (Route("auto", ("a",), human=True), Plan("fallback", ("a",), human=True)),
        (Route("auto", ("a",), fallback=("b",), human=True), Plan("fallback", ("a", "b"), human=True)),
        (Route("auto", ("a",), plan="hedge", fallback=("b",), human=True), Plan("hedge", ("a", "b"), human=True)),
        (Route("auto", ("a",), fallback_on=(("timeout", ("b",)),)), Plan("fallback", ("a",), (("timeout", ("b",)),))),
        (
            Route("auto", ("a",), fallback=("b",), fallback_on=(("timeout", ("c",)), ("content_filter", ()))),
            Plan("fallback", ("a", "b"), (("timeout", ("c",)), ("content_filter", ()))),
        ),
    ],
)
def test_a_plan_is_what_its_route_says(route, plan):
    assert planned(route) == plan


def test_a_chain_that_is_given_stands_in_place_of_the_rest():
    plan = Plan("fallback", ("a", "b"), (("timeout", ("c",)), ("content_filter", ())))
    assert (plan.chain("timeout"), plan.chain("content_filter"), plan.chain("overloaded")) == (("c",), (), None)


def test_models_of_chains_alone_are_never_the_first_choice():
    """However good they are, and though a rule prefers nothing else."""
    best = [Model("best", security=1.0), Model("plain", security=0.1)]
    for route in (Route("auto", ("plain",), fallback=("best",)), Route("auto", ("plain",), fallback_on=(("timeout", ("best",)),))):
        assert planned(route, models=best).models[0] == "plain"
        assert planned(route, models=best, health={"plain": "x"}).models == ("best",), "but where nothing else is left, they are"


FORBIDDEN = (Policy("not b", None, forbid=Requirement(model=("b",))),)


@pytest.mark.parametrize(
    ("route", "plan"),
    [
        (Route("auto", ("a",), fallback=("b", "c")), Plan("fallback", ("a", "c"))),
        (Route("auto", ("a", "b", "c"), plan="hedge"), Plan("hedge", ("a", "c"))),
        (Route("auto", ("a",), fallback_on=(("timeout", ("b", "c")),)), Plan("fallback", ("a",), (("timeout", ("c",)),))),
        # Nobody of this chain may be asked: which is no reason to ask others.
        (Route("auto", ("a",), fallback=("c",), fallback_on=(("timeout", ("b",)),)), Plan("fallback", ("a", "c"), (("timeout", ()),))),
        (Route("auto", ("b",), fallback=("b",), human=True), None),
    ],
)
def test_no_chain_leads_to_a_model_that_may_not_be_used(route, plan):
    made = decided(route, policies=FORBIDDEN)
    assert made.plan == plan
    with pytest.raises(ClearanceError):
        made.clear("b")


@given(cases())
def test_every_model_of_a_plan_passed_the_gates(case):
    request, signals, world, route = case
    names = route.candidates
    route = replace(route, fallback_on=(("timeout", names), ("context_length", names[::-1])))
    made = decide(request, signals, world, route, 0)
    if made.plan is not None:
        asked = made.plan.names
        assert asked <= {*made.order, *made.plan.helpers, *made.plan.resort}
        assert set(made.plan.helpers) <= {name for name in names if not any(c.model == name and c.verdicts for c in made.candidates)}
        assert len(set(made.plan.models)) == len(made.plan.models)
        for name in asked:
            assert made.clear(name).covers(request.id)


CONTEXTS = {"a": 8_000, "b": 4_000, "c": 128_000, "d": 8_000}


@pytest.mark.parametrize(
    ("route", "larger"),
    [
        (Route("auto", ("a",), fallback=("b", "c", "d")), (("context_length", ("c",)),)),
        (Route("auto", ("b",), fallback=("d", "c")), (("context_length", ("d", "c")),)),
        (Route("auto", ("c",), fallback=("a", "b")), ()),  # nobody can read more
        (Route("auto", ("a",), fallback=("c",), fallback_on=(("timeout", ("d",)),)), (("timeout", ("d",)), ("context_length", ("c",)))),
        (Route("auto", ("a",), fallback=("c",), fallback_on=(("context_length", ("d",)),)), (("context_length", ("d",)),)),
        (Route("auto", ("a",), fallback=("c",), fallback_on=(("context_length", ()),)), (("context_length", ()),)),
        (Route("auto", ("a", "c"), plan="single"), ()),
    ],
)
def test_a_request_too_long_goes_on_to_those_that_can_read_more_unless_the_route_says_otherwise(route, larger):
    models = [Model(name, security=1 - at / 10, context_tokens=CONTEXTS[name]) for at, name in enumerate(CONTEXTS)]
    assert planned(route, models=models).chains == larger


# The last resort

INSIDE = (Policy("inside", None, require=Requirement(perimeter=("on_prem",))),)
MIXED = [Model("in", perimeter="on_prem"), Model("in-too", perimeter="on_prem", security=0.1), Model("out")]
AUTO = Route("auto", ("in", "in-too", "out"), plan="fallback")


@pytest.mark.parametrize(
    ("sick", "policies", "tried"),
    [
        ((), (), {"in", "in-too", "out"}),
        (("in",), (), {"in-too", "out"}),  # one of several: without it
        (("in", "in-too"), (), {"out"}),
        (("in", "in-too", "out"), (), {"in", "in-too", "out"}),  # all: as if none were
        (("in",), INSIDE, {"in-too"}),
        (("in", "in-too"), INSIDE, {"in", "in-too"}),  # all that are legal; the third is well, and stays forbidden
        (("in", "in-too", "out"), INSIDE, {"in", "in-too"}),
    ],
)
def test_only_where_every_legal_model_is_out_of_service_it_is_tried_all_the_same(sick, policies, tried):
    made = decided(AUTO, models=MIXED, policies=policies, health=dict.fromkeys(sick, "5 calls in a row failed"))
    assert set(made.plan.models) == tried
    assert {candidate.model for candidate in made.candidates if candidate.eligible} == tried


@pytest.mark.parametrize(
    ("sick", "policies", "resort"),
    [
        ((), (), ()),
        (("in",), (), ("in",)),
        (("in", "out"), (), ("in", "out")),
        (("in", "in-too", "out"), (), ()),  # they are the plan
        (("in", "out"), INSIDE, ("in",)),
        (("out",), INSIDE, ()),
    ],
)
def test_what_is_legal_and_out_of_service_stays_the_plans_last_resort(sick, policies, resort):
    made = decided(AUTO, models=MIXED, policies=policies, health=dict.fromkeys(sick, "5 calls in a row failed"))
    assert made.plan.resort == resort
    assert not set(resort) & set(made.plan.models)
    for name in resort:
        assert made.clear(name).model == name
        assert made.estimate(name) is not None


def test_no_resort_is_what_a_floor_or_a_budget_would_refuse():
    poor, dear = (
        Model("poor", quality={"general": Prior(0.1)}),
        Model("dear", price=Price(input=9, output=9), quality={"general": Prior(0.9)}),
    )
    cheap = Model("cheap", price=Price(input=1, output=1), quality={"general": Prior(0.9)})
    route = Route("auto", ("poor", "dear", "cheap"), quality_floor=0.5)
    sick = {"models": [poor, dear, cheap], "health": dict.fromkeys(("poor", "dear"), "x")}
    assert planned(route, **sick).resort == ("dear",)
    short = Signals(budget=Pressure(does="cheapest", budget="budget `b`"))
    assert decided(route, **sick, signals=short).plan.resort == ()


@pytest.mark.parametrize(
    ("more", "request_"),
    [
        ({"policies": (Policy("none", None, require=Requirement(tags=("x",))),)}, Request("r", "auto")),
        ({"models": [replace(model, disabled="contract ended") for model in MIXED]}, Request("r", "auto")),
        ({}, Request("r", "auto", caller=Caller(key="k", models=("another",)))),
        ({}, Request("r", "auto", api="embeddings")),
    ],
    ids=["policy", "switched off", "key", "api"],
)
def test_being_out_of_service_excuses_nothing_else(more, request_):
    made = decided(AUTO, **{"models": MIXED, "health": dict.fromkeys(("in", "in-too", "out"), "x"), **more}, request=request_)
    assert made.plan is None
    assert all(len(candidate.verdicts) > 1 for candidate in made.candidates), "and every reason is told"


@given(cases())
def test_the_last_resort_is_what_would_be_chosen_if_all_were_well(case):
    request, signals, world, route = case
    route = replace(route, quality_floor=0.0)
    world = replace(world, tasks={})
    well = replace(world, health={})
    sick = replace(world, health=dict.fromkeys(world.models, "x"))
    assert decide(request, signals, sick, route, 0).order == decide(request, signals, well, route, 0).order


def test_a_model_of_the_last_resort_must_reach_the_floor_as_any_other():
    route = replace(AUTO, quality_floor=0.99)
    assert planned(route, models=MIXED, health=dict.fromkeys(("in", "in-too", "out"), "x")) is None


def test_a_model_under_the_floor_is_no_reason_to_refuse_a_good_one_that_is_out_of_service():
    """The one that is well is not legal: what is left of the legal ones is tried all the same."""
    good, poor = Model("good", quality={"general": Prior(0.9)}), Model("poor", quality={"general": Prior(0.1)})
    route = Route("auto", ("good", "poor"), quality_floor=0.5)
    assert planned(route, models=[good, poor]).models == ("good",)
    assert planned(route, models=[good, poor], health={"good": "x"}) == Plan("single", ("good",))
