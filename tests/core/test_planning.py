"""Plans that look at answers: who answers, in which order, who looks, and what an SLA leaves of it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.core.decide import decide
from pointsman.core.decision import Decision
from pointsman.core.latency import Measured, Sla
from pointsman.core.model import Model, Prior, Speed
from pointsman.core.plan import Accept, Cascade, Ensemble, Execution, Plan
from pointsman.core.plan_time import Took, plan_p95
from pointsman.core.prices import Price
from pointsman.core.request import Request
from pointsman.core.rule import Policy, Requirement
from pointsman.core.score import Estimate, dial
from pointsman.core.signals import Signals
from pointsman.core.snapshot import Route
from pointsman.core.votes import Voice, needed
from pointsman.errors import ClearanceError
from pointsman.wire.explanation import explanation
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


# How long a plan takes: every model takes 2 s at the 95th percentile, and 200 ms until its first token

TIMED = [replace(each, speed=Speed(ttft_ms=104.0, ms_per_output_token=3.5, round_trip_ms=0.0, p95_over_p50=2.0)) for each in POOL]
VERIFIED = Accept(verifier="worse")
TWO = Cascade(("small", "large"))
THREE = ("small", "middle", "large")


def timed(route: Route) -> tuple[str, tuple[str, ...], tuple[str, ...], float, float] | None:
    """Kind, models and helpers of the plan, and its seconds until it is whole and until its first token."""
    world = snapshot(TIMED, route)
    made = decide(Request("r", "auto", stream=True), Signals(), world, route, 0)
    told = explanation(made, world)["plan"]
    if made.plan is None:
        return None
    return made.plan.kind, made.plan.models, made.plan.helpers, told["p95_ms"] / 1000, told["first_token_p95_ms"] / 1000


@pytest.mark.parametrize(
    ("route", "seconds"),
    [
        (Route("auto", NAMES), (2, 0.208)),
        (Route("auto", NAMES, fallback=("large",)), (2, 0.208)),  # what a chain has beyond is asked after failures
        (auto("hedge"), (2, 0.208)),
        (auto("escalate", THREE), (4, 4)),  # tokens come once an answer is accepted
        (auto("cascade", cascade=replace(TWO, stream_first=True)), (4, 2.208)),
        (auto("cascade", cascade=replace(TWO, accept=VERIFIED)), (6, 6)),  # nobody could answer after the last: it is not verified
        (auto("cascade", cascade=replace(TWO, accept=VERIFIED), human=True), (8, 8)),
        (auto("cascade", cascade=replace(TWO, accept=VERIFIED), fallback=("unpriced",)), (8, 8)),
        (auto("cascade", cascade=replace(TWO, accept=VERIFIED), fallback=("middle",)), (6, 6)),  # a weaker one is asked after failures only
        (auto("cascade", cascade=replace(TWO, accept=VERIFIED, stream_first=True), human=True), (6, 4.208)),
        (Route("auto", ("small",), plan="cascade", execution=Execution(most_calls=3, cascade=replace(TWO, accept=VERIFIED))), (4, 4)),
        (Route("auto", ("small",), plan="cascade", execution=Execution(most_calls=1, cascade=TWO)), (2, 2)),
        (auto("ensemble", ensemble=Ensemble(THREE)), (4, 4)),  # two, and where they differ the third
        (auto("ensemble", ensemble=Ensemble(("large", "small"))), (2, 2)),  # the better one alone decides
        (auto("ensemble", ensemble=Ensemble(("large", "small")), cascade=Cascade(accept=Accept(checks=("refusal",)))), (4, 4)),
        (auto("ensemble", ensemble=Ensemble(("large", "small"), agree=1.0)), (2, 2)),  # both at once
        (auto("ensemble", ensemble=Ensemble(("large",), samples=5)), (6, 6)),  # three, and then one after the other
        (auto("ensemble", ensemble=Ensemble(THREE, vote="judge", judge="worse")), (6, 6)),  # two comparisons where all differ
        (auto("ensemble", ensemble=Ensemble(("small", "large"), vote="judge", judge="worse")), (4, 4)),
        (
            Route("auto", NAMES, plan="ensemble", execution=Execution(most_calls=5, ensemble=Ensemble(THREE, vote="judge", judge="worse"))),
            (4, 4),
        ),
    ],
)
def test_a_plan_takes_what_is_asked_in_turn_and_the_slowest_of_what_is_asked_at_once(route: Route, seconds: tuple[float, float]):
    found = timed(route)
    assert found is not None
    assert found[3:] == pytest.approx(seconds)


@pytest.mark.parametrize(
    ("p95_ms", "route", "plan"),
    [
        (6_000, auto("cascade", cascade=replace(TWO, accept=VERIFIED)), ("cascade", ("small", "large"), ("worse",), 6)),
        (4_100, auto("cascade", cascade=replace(TWO, accept=VERIFIED)), ("cascade", ("large",), ("worse",), 2)),
        (4_100, auto("cascade", cascade=replace(TWO, accept=VERIFIED), human=True), ("cascade", ("large",), ("worse",), 4)),
        (2_100, auto("cascade", cascade=replace(TWO, accept=VERIFIED), human=True), ("cascade", ("large",), (), 2)),
        (4_100, auto("escalate", cascade=Cascade(THREE)), ("escalate", ("small", "middle"), (), 4)),
        (2_100, auto("escalate", cascade=Cascade(THREE)), ("escalate", ("middle",), (), 2)),
        (6_000, auto("ensemble", ensemble=Ensemble(THREE, vote="judge", judge="worse")), ("ensemble", THREE, ("worse",), 6)),
        (4_100, auto("ensemble", ensemble=Ensemble(THREE, vote="judge", judge="worse")), ("ensemble", ("middle", "large"), ("worse",), 4)),
        (2_100, auto("ensemble", ensemble=Ensemble(THREE, vote="judge", judge="worse")), ("ensemble", ("large",), ("worse",), 2)),
        (4_100, auto("ensemble", ensemble=Ensemble(THREE)), ("ensemble", THREE, (), 4)),
        (2_100, auto("ensemble", ensemble=Ensemble(THREE)), ("ensemble", ("middle", "large"), (), 2)),  # both at once
        # Best of five: there is no time for a second voice
        (6_000, auto("ensemble", ensemble=Ensemble(("large",), samples=5)), ("ensemble", ("large",), (), 6)),
        (4_100, auto("ensemble", ensemble=Ensemble(("large",), samples=5)), ("cascade", ("large",), (), 2)),
        (1_900, auto("ensemble", ensemble=Ensemble(THREE)), None),  # nor for one
        (1_900, auto("cascade", cascade=TWO), None),
    ],
)
@pytest.mark.parametrize("of", ["whole", "first_token"])
def test_a_plan_that_takes_too_long_asks_fewer_models(p95_ms: float, route: Route, plan: tuple[object, ...] | None, of: str):
    found = timed(replace(route, sla=Sla(p95_ms, of=of), weights=dial(1)))
    assert (found and found[:4]) == (plan and (*plan[:3], pytest.approx(plan[3])))


@pytest.mark.parametrize(("p95_ms", "models"), [(2_300, ("small", "large")), (2_100, ("large",)), (200, None)])
def test_with_stream_first_the_first_token_is_the_last_tiers(p95_ms: float, models: tuple[str, ...] | None):
    found = timed(auto("cascade", cascade=replace(TWO, stream_first=True), sla=Sla(p95_ms, of="first_token")))
    assert (found and found[1]) == models


def test_what_was_measured_is_what_a_plan_is_reckoned_with():
    route = auto("cascade", cascade=replace(TWO, accept=VERIFIED), sla=Sla(2_000))
    measured = {(name, "whole", None): Measured(30, p95_ms) for name, p95_ms in (("small", 300), ("large", 900), ("worse", 700))}
    world = snapshot(TIMED, route, latencies=measured)
    made = decide(Request("r", "auto"), Signals(), world, route, 0)
    assert explanation(made, world)["plan"]["p95_ms"] == 1_900


def test_the_least_bad_is_asked_alone():
    route = auto("ensemble", ensemble=Ensemble(THREE), sla=Sla(1_000), on_none="least_bad")
    slower = [replace(each, speed=replace(each.speed, ms_per_output_token=7.0)) if each.id == "large" else each for each in TIMED]
    plan = decide(Request("r", "auto"), Signals(), snapshot(slower, route), route, 0).plan
    assert plan is not None
    assert (plan.models, plan.flags) == (("middle",), ("sla_missed",))


QUALITIES = (0.0, 0.3, 0.5, 0.500001, 0.9, 1.0)


@given(
    st.lists(st.tuples(st.sampled_from(QUALITIES), st.integers(1, 9), st.sampled_from("abc")), min_size=1, max_size=7),
    st.sampled_from(("majority", "weighted")),
    st.sampled_from((0.0, 0.3, 0.5, 0.6, 2 / 3, 1.0)),
)
def test_no_vote_takes_longer_than_is_reckoned(members: list[tuple[float, int, str]], vote: str, agree: float):
    """Members of a quality and a time say something: asked as `core.votes` asks them."""
    names = tuple(map(str, range(len(members))))
    seconds = {name: took for name, (_, took, _) in zip(names, members, strict=True)}
    expected = {name: Estimate(quality, 0, 0, None, 0, 0, 0, None, 0, "") for name, (quality, _, _) in zip(names, members, strict=True)}
    weights = [max(1, round(quality * 10**6)) if vote == "weighted" else 1 for quality, _, _ in members]
    unasked = [Voice(at, weight=weight, quality=members[at][0]) for at, weight in enumerate(weights)]
    found: list[Voice] = []
    rounds: list[list[Voice]] = []
    while count := needed(found, unasked[len(found) :], agree):
        rounds.append(unasked[len(found) : len(found) + count])
        found += [replace(voice, says=members[voice.place][2]) for voice in rounds[-1]]
    execution = Execution(most_calls=99, ensemble=Ensemble(vote=vote, agree=agree))
    told = plan_p95(Plan("ensemble", names), execution, lambda name: Took(0, seconds[name]), expected.get)
    assert told is not None
    assert told.whole_ms >= sum(max(members[voice.place][1] for voice in asked) for asked in rounds)
    barring = replace(execution, cascade=Cascade(accept=Accept(checks=("refusal",))))
    one_by_one = plan_p95(Plan("ensemble", names), barring, lambda name: Took(0, 1), expected.get)
    assert one_by_one is not None
    assert one_by_one.whole_ms == 1 + len(names) - len(rounds[0])


names = st.lists(st.sampled_from(("small", "middle", "large")), unique=True, max_size=3).map(tuple)
helpers = st.none() | st.sampled_from(("worse", "large"))
executions = st.builds(
    Execution,
    most_calls=st.integers(1, 9),
    cascade=st.builds(
        Cascade, names, st.builds(Accept, checks=st.sampled_from(((), ("refusal",))), verifier=helpers), stream_first=st.booleans()
    ),
    ensemble=st.builds(Ensemble, names, samples=st.integers(1, 3), vote=st.sampled_from(("majority", "weighted", "judge")), judge=helpers),
)
looking = st.builds(
    Route,
    st.just("auto"),
    st.just(NAMES),
    plan=st.sampled_from(("escalate", "cascade", "ensemble")),
    fallback=names,
    human=st.booleans(),
    sla=st.builds(Sla, st.floats(500, 12_000), of=st.sampled_from(("whole", "first_token"))),
    execution=executions,
)


@given(looking, st.lists(st.floats(1, 15), min_size=len(POOL), max_size=len(POOL)))
def test_every_plan_keeps_its_sla_as_a_whole(route: Route, speeds: list[float]):
    """Tiers, votes, verifiers and judges together; and there is one wherever one model by itself is fast enough."""
    pool = [replace(each, speed=Speed(100.0, speed, p95_over_p50=1.0)) for each, speed in zip(POOL, speeds, strict=True)]
    world = snapshot(pool, route)
    made = decide(Request("r", "auto", stream=True), Signals(), world, route, 0)
    assert (made.plan is None) == (not made.order)
    if made.plan is not None:
        told = explanation(made, world)["plan"]
        first = route.sla.of == "first_token" and route.execution.cascade.stream_first and route.plan != "ensemble"
        assert told["first_token_p95_ms" if first else "p95_ms"] <= route.sla.p95_ms + 0.001  # it is told rounded
        assert set(made.plan.models) <= set(made.order)
