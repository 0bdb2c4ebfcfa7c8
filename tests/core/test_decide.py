"""What holds for every decision."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.core.codec import from_json, to_json
from pointsman.core.decide import decide
from pointsman.core.decision import Decision
from pointsman.core.gate import Ask, Gate, Gates
from pointsman.core.model import Model, Prior
from pointsman.core.prices import Price
from pointsman.core.record import DecisionRecord, record, remake
from pointsman.core.request import Content, Message, Request, Text
from pointsman.core.rule import Effects, Policy, Requirement, Rule
from pointsman.core.score import dial
from pointsman.core.signals import Signals, TokenCount, Tokens
from pointsman.core.snapshot import Route
from pointsman.errors import ClearanceError, RecordError
from pointsman.policy.cel import compile_condition
from pointsman.policy.gates import GATES
from tests.worlds import cases, requests, shares, snapshot


@given(cases(), st.randoms())
def test_candidate_order_does_not_matter(case, random):
    request, signals, world, route = case
    shuffled = list(route.models)
    random.shuffle(shuffled)
    moved = replace(route, models=tuple(shuffled))
    assert decide(request, signals, world, moved, 0).candidates == decide(request, signals, world, route, 0).candidates


@given(cases(), st.data())
def test_one_more_gate_never_adds_a_candidate(case, data):
    request, signals, world, route = case
    hated = data.draw(st.sets(st.sampled_from(route.models)))
    whim = Gate("whim", "policy", lambda ask, model: "on a whim" if model.id in hated else None)
    stricter = replace(world, gates=Gates(GATES.standing, (*GATES.request, whim), GATES.estimate))
    before, after = decide(request, signals, world, route, 0), decide(request, signals, stricter, route, 0)
    left = set(before.order) - hated
    # With nobody left who is in service, those who are refused for that alone are tried.
    last_resort = {c.model for c in before.candidates if all(verdict.gate == "health" for verdict in c.verdicts)} - hated
    assert set(after.order) == left or (not left and set(after.order) <= last_resort)


@given(cases())
def test_a_refused_model_is_never_chosen_and_has_its_reasons(case):
    decision = decide(*case, seed=0)
    planned = set(decision.plan.names) if decision.plan else set()
    refused = {candidate.model for candidate in decision.candidates if not candidate.eligible}
    resort = set(decision.plan.resort) if decision.plan else set()
    assert planned & refused == resort
    assert all(
        [verdict.gate for verdict in candidate.verdicts] == ["health"] for candidate in decision.candidates if candidate.model in resort
    )
    only_looks = case[3].helpers - refused
    assert {candidate.model for candidate in decision.candidates} == set(case[3].candidates) - only_looks
    assert all(verdict.reason for candidate in decision.candidates for verdict in candidate.verdicts)
    assert (decision.plan is None) == (not decision.order)


@given(cases(), st.lists(requests, max_size=3))
def test_what_was_decided_before_under_a_snapshot_changes_nothing(case, earlier):
    request, said, world, route = case
    anew = decide(request, said, replace(world), route, 0)
    for other in earlier:
        decide(other, said, world, route, 0)
    assert decide(request, said, world, route, 0) == anew


@given(cases(), requests)
def test_a_ruled_gate_sees_nothing_of_the_request(case, other):
    request, said, world, route = case
    ruled, seen = [gate for gate in GATES.request if gate.ruled], decide(*case, seed=0).ruling
    answers = [
        [gate.refuse(ask, model) for gate in ruled if gate.applies(ask) for model in world.pool(route).models]
        for ask in (Ask(request, said, seen, route.name), Ask(other, Signals(), seen, "elsewhere"))
    ]
    assert answers[0] == answers[1]


@given(cases(), st.integers(0, 2**53))
def test_a_decision_made_again_from_its_own_record_is_equal(case, seed):
    decision = decide(*case, seed=seed)
    assert from_json(Decision, to_json(decision)) == decision
    kept = from_json(DecisionRecord, to_json(record(decision)))
    assert remake(kept, case[2]) == decision


@given(cases())
def test_candidates_are_told_when_asked_for_and_are_the_same_ever_after(case):
    decision = decide(*case, seed=0)
    expected = {name: decision.estimate(name) for name in case[3].candidates}
    told = decision.candidates
    assert decision.candidates is told
    assert {candidate.model: candidate.estimate for candidate in told}.items() <= expected.items()  # who only judges answers is not told
    assert replace(decision) == decision
    assert replace(decision, candidates=told[:1]).candidates == told[:1]
    with pytest.raises(AttributeError):
        _ = decision.unknown


@given(cases())
def test_a_route_that_the_snapshot_does_not_know_is_decided_alike(case):
    request, signals, world, route = case
    assert decide(request, signals, replace(world, routes={}), route, 0) == decide(request, signals, world, route, 0)


@given(cases())
def test_content_does_not_enter_a_decision(case):
    request, signals, world, route = case
    telling = replace(request, content=Content((Message("user", (Text("a secret"),)),)))
    assert decide(telling, signals, world, route, 0) == decide(request, signals, world, route, 0)
    assert "a secret" not in to_json(decide(telling, signals, world, route, 0))


@given(cases(), st.lists(shares, min_size=2, max_size=6))
def test_a_higher_dial_never_lowers_expected_quality(case, dials):
    request, signals, world, route = case
    bare = replace(route, rules=(), fallback=())
    world = replace(world, tasks={}, rules=())
    chosen = [
        next((c.estimate.quality for c in decide(request, signals, world, replace(bare, weights=dial(d)), 0).candidates if c.eligible), 0)
        for d in sorted(dials)
    ]
    assert chosen == sorted(chosen)


@given(cases())
def test_a_further_label_never_adds_a_candidate_under_monotone_policies(case):
    request, signals, world, route = case
    bare = replace(route, rules=())
    world = replace(world, rules=())
    labelled = replace(request, labels=(*request.labels, "pii", "restricted"))
    assert set(decide(labelled, signals, world, bare, 0).order) <= set(decide(request, signals, world, bare, 0).order)


@given(cases())
def test_clearances_are_for_survivors_only(case):
    decision = decide(*case, seed=0)
    for candidate in decision.candidates:
        if candidate.eligible:
            clearance = decision.clear(candidate.model)
            assert clearance.model == candidate.model
            assert clearance.covers("dec_test")
            assert not clearance.covers("another")
        elif decision.plan is not None and candidate.model in decision.plan.resort:
            assert {verdict.gate for verdict in candidate.verdicts} == {"health"}
        else:
            with pytest.raises(ClearanceError):
                decision.clear(candidate.model)


def test_a_decision_read_from_a_record_clears_nothing():
    decision = decide(Request("r", "auto"), Signals(), world := snapshot([Model("a")]), world.routes["auto"], 0)
    with pytest.raises(ClearanceError, match="decide again"):
        from_json(Decision, to_json(decision)).clear("a")


def test_a_record_that_was_altered_is_noticed():
    world = snapshot([Model("a"), Model("b", quality={"general": Prior(0.9)})])
    kept = record(decide(Request("r", "auto"), Signals(), world, world.routes["auto"], 0))
    altered = replace(kept, plan=replace(kept.plan, models=("a",)))
    with pytest.raises(RecordError, match="the log was altered"):
        remake(altered, world)
    with pytest.raises(RecordError, match="made under snapshot"):
        remake(replace(kept, snapshot="older"), world)


CHEAP = Model("cheap", price=Price(input=1, output=1), quality={"general": Prior(0.5), "code": Prior(0.2)}, perimeter="on_prem")
DEAR = Model("dear", price=Price(input=900, output=900), quality={"general": Prior(0.9), "code": Prior(0.9)})
HUGE = Model("huge", price=Price(input=9, output=9), context_tokens=1_000_000)
BIG = Signals(tokens=Tokens((TokenCount("chars", 50_000, False),), 500))


def chosen(signals: Signals = Signals(), request: Request = Request("r", "auto"), **route: object) -> tuple[str | None, Decision]:
    world = snapshot([CHEAP, DEAR, HUGE], Route("auto", ("cheap", "dear", "huge"), **route))
    decision = decide(request, signals, world, world.routes["auto"], 0)
    return decision.chosen, decision


def rule(when: str = "true", name: str = "r", **effects: object) -> Rule:
    return Rule(name, compile_condition(when), Effects(**effects))


@pytest.mark.parametrize(
    ("route", "expected"),
    [
        ({"weights": dial(0)}, "cheap"),
        ({"weights": dial(1)}, "dear"),
        ({"weights": dial(0), "rules": (rule(prefer=("huge",)),)}, "huge"),
        ({"weights": dial(0), "rules": (rule("false", prefer=("huge",)),)}, "cheap"),
        ({"weights": dial(0), "rules": (rule(exclude=("cheap",)),)}, "huge"),
        ({"weights": dial(0), "rules": (rule(weights=dial(1)),)}, "dear"),
        ({"weights": dial(1), "rules": (rule(require=Requirement(perimeter=("on_prem",))),)}, "cheap"),
        ({"weights": dial(0), "quality_floor": 0.6}, "dear"),
        ({"weights": dial(0), "rules": (rule(prefer=("dear",)), rule(prefer=("huge",)))}, "dear"),
        ({"weights": dial(0), "match": "first", "rules": (rule(task="code"), rule(exclude=("cheap",)))}, "cheap"),
        ({"weights": dial(0), "match": "all", "rules": (rule(task="code"), rule(exclude=("cheap",)))}, "huge"),
    ],
)
def test_a_route_setting_does_what_it_says(route, expected):
    assert chosen(**route)[0] == expected


def test_a_rule_can_set_the_task_that_quality_is_estimated_for():
    _, decision = chosen(rules=(rule(task="code"),))
    assert decision.ruling.task == "code"
    assert next(c for c in decision.candidates if c.model == "cheap").estimate.quality == 0.2


def test_preference_is_soft_a_preferred_model_that_is_refused_is_not_chosen():
    assert chosen(BIG, weights=dial(0), rules=(rule(prefer=("cheap",)),))[0] == "huge"


def test_a_model_that_is_only_a_fallback_is_chosen_last():
    world = snapshot([CHEAP, DEAR], Route("auto", ("dear",), weights=dial(0), fallback=("cheap",)))
    decision = decide(Request("r", "auto"), Signals(), world, world.routes["auto"], 0)
    assert decision.plan.models == ("dear", "cheap")


def test_a_failing_condition_applies_what_restricts_and_nothing_else():
    failing = rule("metadata.team == 'a'", exclude=("cheap",), prefer=("huge",), weights=dial(1), labels=("pii",), plan="fallback")
    name, decision = chosen(weights=dial(0), rules=(failing,))
    assert (name, decision.plan.kind) == ("huge", "single")
    assert decision.weights == dial(0)
    assert "pii" in decision.ruling.labels
    assert decision.ruling.prefer == ()
    assert "metadata.team == 'a'" in decision.ruling.errors[0]


def test_a_policy_whose_condition_fails_applies():
    policy = Policy("stay in", compile_condition("metadata.region == 'eu'"), Requirement(perimeter=("on_prem",)))
    world = snapshot([CHEAP, DEAR], policies=(policy,))
    decision = decide(Request("r", "auto"), Signals(), world, world.routes["auto"], 0)
    assert decision.order == ("cheap",)
    assert decision.ruling.policies == ("stay in",)


def test_labels_add_up_over_key_route_request_and_rules():
    world = snapshot(
        [CHEAP], Route("auto", ("cheap",), labels=("phi",), rules=(rule(labels=("financial",)),)), rules=(rule(labels=("mine",)),)
    )
    request = Request("r", "auto", labels=("pii",))
    request = replace(request, caller=replace(request.caller, labels=("internal",)))
    decision = decide(request, Signals(labels=("secret",)), world, world.routes["auto"], 0)
    assert {"phi", "financial", "mine", "pii", "internal", "secret"} <= set(decision.ruling.labels)
    assert "restricted" in decision.ruling.labels, "a label that nobody defined counts as the strictest"


def test_a_model_named_directly_passes_the_same_gates():
    policy = Policy("no", compile_condition("'pii' in labels"), Requirement(perimeter=("on_prem",)))
    world = snapshot([CHEAP, DEAR], policies=(policy,), rules=(rule(labels=("pii",)),))
    decision = decide(Request("r", "dear"), Signals(), world, world.route("dear"), 0)
    assert decision.chosen is None
    assert decision.candidates[0].verdicts[0].reason == "perimeter is `external`, policy `no` requires `on_prem`"
