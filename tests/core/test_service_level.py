"""Quality floors and SLAs: whom they refuse, with what evidence, and what happens where every candidate misses them."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.core.codec import from_json, to_json
from pointsman.core.decide import decide
from pointsman.core.decision import Decision
from pointsman.core.latency import SIZES, Measured, Reading, Sized, Sla, missed, reading
from pointsman.core.model import Capabilities, Model, Prior, Speed
from pointsman.core.plan import Plan
from pointsman.core.prices import Price
from pointsman.core.record import DecisionRecord, record, remake
from pointsman.core.request import Request
from pointsman.core.rule import Effects, Policy, Requirement, Rule
from pointsman.core.score import Estimate, Weights
from pointsman.core.signals import Needs, Signals
from pointsman.core.snapshot import Route, Snapshot, TaskPolicy
from pointsman.errors import ClearanceError
from pointsman.policy.cel import compile_condition
from pointsman.policy.gates import GATES
from tests.worlds import NAMES, cases, shares, snapshot

WAIVED = {gate.name for gate in GATES.estimate if gate.shortfall is not None}
EXPECTED = Estimate(0.9, 0.9, 0, None, 200.0, 800.0, 1600.0, None, 10, "chars")
MEASURED = {
    ("m", "whole", "code"): Measured(29, 100.0),
    ("m", "whole", None): Measured(40, 700.0),
    ("m", "first_token", "code"): Measured(30, 90.0),
}


@pytest.mark.parametrize(
    ("sla", "task", "found"),
    [
        (Sla(500), "code", Reading(700.0, 40, None)),  # the task class has too few: the model's over all of them
        (Sla(500, min_samples=29), "code", Reading(100.0, 29, "code")),
        (Sla(500, min_samples=41), "code", Reading(1600.0, 0)),  # the prior of the whole call
        (Sla(500), "never measured", Reading(700.0, 40, None)),
        (Sla(500, of="first_token"), "code", Reading(90.0, 30, "code")),
        (Sla(500, of="first_token"), "general", Reading(600.0, 0)),  # three times the median, as the model's spread is stated
    ],
)
def test_measurements_are_believed_where_there_are_enough_of_them(sla, task, found):
    assert reading(sla, MEASURED, Model("m", speed=Speed(p95_over_p50=3.0)), task, EXPECTED) == found


@pytest.mark.parametrize(
    ("sla", "sentence"),
    [
        (Sla(700), None),
        (Sla(699), "p95 over all task classes is 700 ms (40 calls measured), SLA is 699 ms"),
        (Sla(699.9999), "p95 over all task classes is 700.0000 ms (40 calls measured), SLA is 699.9999 ms"),
        (Sla(99, min_samples=1), "p95 for `code` is 100 ms (29 calls measured), SLA is 99 ms"),
        (Sla(80, of="first_token"), "p95 of the first token for `code` is 90 ms (30 streams measured), SLA is 80 ms"),
        (Sla(1500, min_samples=50), "p95 is expected to be 1,600 ms (a prior: fewer than 50 calls are measured), SLA is 1,500 ms"),
        (
            Sla(80, of="first_token", min_samples=50),
            "p95 of the first token is expected to be 400 ms (a prior: fewer than 50 streams are measured), SLA is 80 ms",
        ),
    ],
)
def test_an_sla_says_by_what_it_is_missed(sla, sentence):
    assert missed(sla, MEASURED, Model("m", speed=Speed(source="stated")), "code", EXPECTED) == sentence


FAST = Model("fast", speed=Speed(ttft_ms=10, ms_per_output_token=0.1), quality={"general": Prior(0.6, 50)}, price=Price(input=5, output=5))
GOOD = Model("good", speed=Speed(ttft_ms=900, ms_per_output_token=9), quality={"general": Prior(0.9, 50)}, price=Price(input=1, output=1))
POOL = [FAST, GOOD]


def decided(
    models: list[Model] = POOL,
    request: Request = Request("r", "auto"),
    signals: Signals = Signals(),
    world: dict[str, object] | None = None,
    **route: object,
) -> Decision:
    made = snapshot(models, Route("auto", tuple(model.id for model in models), **route), **(world or {}))
    return decide(request, signals, made, made.routes["auto"], 0)


def gates_of(decision: Decision) -> dict[str, set[str]]:
    return {candidate.model: {verdict.gate for verdict in candidate.verdicts} for candidate in decision.candidates}


@pytest.mark.parametrize(
    ("floor", "route", "task", "rules", "refused"),
    [
        (0.5, 0.0, 0.0, (), {"fast"}),  # 0.48 at its lower bound
        (0.0, 0.5, 0.0, (), {"fast"}),
        (0.0, 0.0, 0.5, (), {"fast"}),
        (0.0, 0.0, 0.0, (0.2, 0.5), {"fast"}),  # the highest of all rules that match
        (0.0, 0.4, 0.0, (0.45,), set()),
        (0.9, 0.4, 0.45, (), {"fast", "good"}),  # 0.81
    ],
)
def test_a_floor_may_be_a_routes_a_task_classes_or_a_rules_and_the_highest_holds(floor, route, task, rules, refused):
    made = decided(
        quality_floor=max(floor, route),
        rules=tuple(Rule("r", compile_condition("true"), Effects(quality_floor=each)) for each in rules),
        world={"tasks": {"general": TaskPolicy(quality_floor=task)}},
    )
    assert {name for name, gates in gates_of(made).items() if "quality_floor" in gates} == refused


def test_a_rule_whose_condition_fails_still_raises_the_floor():
    failing = Rule("r", compile_condition("metadata.team == 'a'"), Effects(quality_floor=0.5))
    assert decided(rules=(failing,)).order == ("good",)


def test_an_sla_of_the_route_and_one_of_the_task_class_both_hold():
    def survivors(route_ms: float, task_ms: float) -> set[str]:
        task = TaskPolicy(sla=Sla(task_ms))
        return set(decided(sla=Sla(route_ms), world={"tasks": {"general": task}}).order)

    assert survivors(10_000, 10_000) == {"fast", "good"}
    assert survivors(1_000, 10_000) == survivors(10_000, 1_000) == {"fast"}


def test_a_measurement_outweighs_the_prior_in_either_direction():
    latencies = {("fast", "whole", None): Measured(30, 5_000.0), ("good", "whole", None): Measured(30, 100.0)}
    made = decided(sla=Sla(1_000), world={"latencies": latencies})
    assert made.order == ("good",)
    assert made.candidates[1].verdicts[0].reason == "p95 over all task classes is 5,000 ms (30 calls measured), SLA is 1,000 ms"


def test_penalising_takes_the_latency_term_and_no_model():
    made = decided(sla=Sla(1_000, "penalise"), weights=Weights(0, 0, 1, 0))
    fast, good = made.candidates
    assert (fast.model, fast.score.latency, fast.late) == ("fast", 1.0, None)
    assert (good.model, good.score.latency) == ("good", 0.0)
    assert good.late.startswith("p95 is expected to be ")
    latencies = {("fast", "whole", None): Measured(30, 5_000.0), ("good", "whole", None): Measured(30, 100.0)}
    fast = decided(sla=Sla(1_000, "penalise"), world={"latencies": latencies}).candidates[-1]
    assert (fast.model, fast.score.latency, fast.verdicts) == ("fast", 0.0, ())


# Where nothing keeps what is asked

INSIDE = Policy("inside", require=Requirement(perimeter=("on_prem",)))


@pytest.mark.parametrize(
    ("settings", "plan"),
    [
        ({"quality_floor": 0.95}, None),
        ({"quality_floor": 0.95, "on_none": "refuse"}, None),
        ({"quality_floor": 0.95, "on_none": "human"}, Plan("review", (), human=True, flags=("quality_floor_missed",))),
        ({"quality_floor": 0.95, "on_none": "least_bad"}, Plan("single", ("good",), flags=("quality_floor_missed",))),
        ({"sla": Sla(1), "on_none": "least_bad"}, Plan("single", ("fast",), flags=("sla_missed",))),
        # Of the floor `good` lacks a seventh, `fast` half; of its time the one is over by nearly all, the other by little, or by nearly all
        (
            {"quality_floor": 0.94, "sla": Sla(100), "on_none": "least_bad"},
            Plan("single", ("fast",), flags=("quality_floor_missed", "sla_missed")),
        ),
        (
            {"quality_floor": 0.94, "sla": Sla(1), "on_none": "least_bad"},
            Plan("single", ("good",), flags=("quality_floor_missed", "sla_missed")),
        ),
        (
            {"quality_floor": 0.95, "on_none": "least_bad", "fallback": ("fast",)},
            Plan("fallback", ("good", "fast"), flags=("quality_floor_missed",)),
        ),
        ({"quality_floor": 0.7, "on_none": "least_bad"}, Plan("single", ("good",))),  # one keeps it: nothing is set aside
    ],
)
def test_what_happens_where_every_candidate_misses_is_as_configured(settings, plan):
    assert decided(**settings).plan == plan


@pytest.mark.parametrize(
    ("route", "task", "model"),
    [
        (None, None, None),
        ("least_bad", None, "good"),
        (None, "least_bad", "good"),
        ("least_bad", "refuse", None),
        ("refuse", "least_bad", None),
        ("least_bad", "human", None),
        ("least_bad", "least_bad", "good"),
    ],
)
def test_of_what_route_and_task_class_say_the_stricter_holds(route, task, model):
    made = decided(quality_floor=0.95, on_none=route, world={"tasks": {"general": TaskPolicy(on_none=task)}})
    assert made.chosen == model
    assert (made.plan is not None and made.plan.kind == "review") == ("human" in (route, task))


@pytest.mark.parametrize("on_none", ["least_bad", "human"])
def test_what_policy_or_capability_forbids_is_nobodys_to_set_aside(on_none):
    assert decided(quality_floor=0.95, on_none=on_none, world={"policies": (INSIDE,)}).plan is None
    unable = [replace(model, capabilities=Capabilities(tools=False)) for model in POOL]
    needs = Request("r", "auto", tools=("search",))
    assert decided(unable, needs, Signals(needs=Needs(tools=True)), quality_floor=0.95, on_none=on_none).plan is None
    inside = decided([FAST, replace(GOOD, perimeter="on_prem")], quality_floor=0.95, on_none="least_bad", world={"policies": (INSIDE,)})
    assert inside.order == ("good",)
    with pytest.raises(ClearanceError):
        inside.clear("fast")


def test_what_is_in_service_goes_before_what_misses_less():
    made = decided(quality_floor=0.95, on_none="least_bad", world={"health": {"good": "5 calls in a row failed"}})
    assert made.order == ("fast", "good")


def test_the_answer_is_marked_with_what_its_own_model_misses():
    late = replace(GOOD, id="late", quality={"general": Prior(0.99, 5_000)})
    made = decided([FAST, late], quality_floor=0.9, sla=Sla(600), on_none="least_bad", fallback=("fast", "late"))
    assert made.plan.flags == ("quality_floor_missed", "sla_missed")
    assert (made.flags("fast"), made.flags("late"), made.flags("nobody")) == (("quality_floor_missed",), ("sla_missed",), ())


def test_a_person_is_asked_without_any_model_being_cleared():
    made = decided(quality_floor=0.95, on_none="human")
    assert (made.chosen, made.order, made.plan.models) == (None, (), ())
    for model in POOL:
        with pytest.raises(ClearanceError):
            made.clear(model.id)


# What holds whatever is asked

slas = st.builds(
    Sla, st.floats(1, 3_000), st.sampled_from(("exclude", "penalise")), st.integers(1, 60), st.sampled_from(("whole", "first_token"))
)
latencies = st.dictionaries(
    st.tuples(st.sampled_from(NAMES), st.sampled_from(("whole", "first_token")), st.sampled_from((None, "general", "code"))),
    st.builds(
        Measured,
        st.integers(1, 200),
        st.floats(1, 3_000),
        st.just(()) | st.tuples(*(st.builds(Sized, st.just(size), st.integers(0, 200), st.floats(1, 3_000)) for size in SIZES)),
    ),
    max_size=8,
)
answers = st.sampled_from((None, "refuse", "human", "least_bad"))


@st.composite
def measured_cases(draw: st.DrawFn) -> tuple[Request, Signals, Snapshot, Route]:
    """`cases` with floors, SLAs, measurements, and something to do where nobody keeps them."""
    request, signals, world, route = draw(cases())
    route = replace(route, quality_floor=draw(shares), sla=draw(st.none() | slas), on_none=draw(answers))
    tasks = {name: replace(task, sla=draw(st.none() | slas), on_none=draw(answers)) for name, task in world.tasks.items()}
    return request, signals, replace(world, routes={"auto": route}, tasks=tasks, latencies=draw(latencies)), route


def survivors(case: tuple[Request, Signals, Snapshot, Route], route: Route) -> set[str]:
    request, signals, world, _ = case
    return set(decide(request, signals, replace(world, routes={"auto": route}, health={}), route, 0).order)


@given(measured_cases(), shares)
def test_raising_the_floor_never_adds_a_survivor(case, higher):
    route = replace(case[3], on_none="refuse")
    raised = replace(route, quality_floor=max(route.quality_floor, higher))
    assert survivors(case, raised) <= survivors(case, route)


@given(measured_cases(), slas, st.floats(0.01, 1))
def test_tightening_an_sla_never_adds_a_survivor(case, sla, share):
    route = replace(case[3], sla=sla, on_none="refuse")
    tighter = replace(route, sla=replace(sla, p95_ms=sla.p95_ms * share))
    assert survivors(case, tighter) <= survivors(case, route)
    assert survivors(case, replace(route, sla=replace(sla, breach="penalise"))) == survivors(case, replace(route, sla=None))


@given(measured_cases())
def test_only_floors_and_slas_are_ever_set_aside_and_whoever_answers_so_is_marked(case):
    request, signals, world, route = case
    made = decide(*case, 0)
    aside = {candidate.model: candidate.set_aside for candidate in made.candidates if candidate.set_aside}
    assert all(verdict.gate in WAIVED for verdicts in aside.values() for verdict in verdicts)
    assert bool(made.plan and made.plan.flags) == bool(aside or (made.plan and made.plan.kind == "review"))
    assert all(made.flags(name) for name in aside)
    # Without any of it they would pass, or be out of service and nothing else.
    free = replace(world, tasks={}, gates=replace(world.gates, estimate=()))
    without = decide(request, signals, free, replace(route, sla=None, quality_floor=0.0), 0)
    unwell = {c.model for c in without.candidates if c.verdicts and all(verdict.gate == "health" for verdict in c.verdicts)}
    assert set(made.order) <= set(without.order) | unwell
    if aside:
        assert set(made.order) == set(aside)


@given(measured_cases(), st.integers(0, 2**53))
def test_a_decision_over_measured_latencies_is_made_again_from_its_record(case, seed):
    made = decide(*case, seed=seed)
    assert from_json(Decision, to_json(made)) == made
    assert remake(from_json(DecisionRecord, to_json(record(made))), case[2]) == made


@given(measured_cases())
def test_nothing_is_planned_that_was_not_cleared(case):
    made = decide(*case, 0)
    for name in made.plan.names if made.plan else ():
        assert made.clear(name).model == name
    if not made.order:
        assert made.plan is None or (made.plan.kind, made.plan.models, made.plan.human) == ("review", (), True)
