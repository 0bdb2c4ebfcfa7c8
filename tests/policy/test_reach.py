"""The proof without traffic: what a request could reach, never less than what it does reach."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.core.decide import decide
from pointsman.core.model import Model
from pointsman.core.request import Caller, Request
from pointsman.core.rule import Policy, PolicyScope, Requirement
from pointsman.core.signals import Signals
from pointsman.core.snapshot import Route, Snapshot
from pointsman.policy.cel import compile_condition
from pointsman.policy.gates import GATES
from pointsman.policy.reach import broken_by, counts, holes, reach, reach_by_name
from tests.worlds import LABELS, cases, snapshot

INSIDE, OUTSIDE = Model("inside", perimeter="on_prem"), Model("outside")
OWN = frozenset(f"project-{number}" for number in range(8))  # beyond so many not every set of labels is tried


def policy(when: str | None, **more: object) -> Policy:
    return Policy("p", when and compile_condition(when), Requirement(perimeter=("on_prem",)), **more)


def world_of(*policies: Policy, **more: object) -> Snapshot:
    return snapshot([INSIDE, OUTSIDE], policies=policies, **more)


def order(world: Snapshot, labels: tuple[str, ...] = (), route: str = "auto", caller: Caller = Caller()) -> set[str]:
    """What a request does reach."""
    found = world.route(route)
    assert found is not None
    return set(decide(Request("r", route, labels=labels, caller=caller), Signals(), world, found, 0).order)


@pytest.mark.parametrize(
    ("when", "labels", "kept_inside"),
    [
        (None, (), True),
        ("'pii' in labels", ("pii",), True),
        ("'pii' in labels", (), False),
        ("'pii' in labels", ("made-up",), True),
        ("'confidential' in labels", ("restricted",), True),
        ("'restricted' in labels", ("confidential",), False),
        ("labels.exists(l, l in ['pii', 'phi'])", ("phi",), True),
        ("'pii' in labels || !('pii' in labels)", (), True),
        ("'pii' in labels && ('internal' in labels || !('internal' in labels))", ("pii",), True),
        ("task == 'code'", ("pii",), False),
        ("'pii' in labels && task == 'general'", ("pii",), False),
        # Not monotone: one more label, and the policy is off.
        ("!('internal' in labels)", (), False),
        ("labels == ['pii']", ("pii",), False),
        ("labels in [['pii']]", ("pii",), False),
        ("('phi' in labels) == false && 'pii' in labels", ("pii",), False),
        ("labels.exists_one(l, l == 'pii')", ("pii",), False),
        ("labels.all(l, l != 'phi')", ("pii",), False),
        ("size(labels) < 5 && 'pii' in labels", ("pii",), False),
        ("labels[0] == 'pii'", ("pii",), False),
        # A client may declare any word: what looks into words, or counts them, is turned off by one that nobody thought of.
        ("!('nobody-defined-this' in labels) && 'pii' in labels", ("pii",), False),
        ("!labels.exists(l, l.startsWith('x')) && 'pii' in labels", ("pii",), False),
        ("!labels.exists(l, l > 'zz') && 'pii' in labels", ("pii",), False),
        ("labels.all(l, !l.matches('^x')) && 'pii' in labels", ("pii",), False),
        ("size(labels) < 20 && 'pii' in labels", ("pii",), False),
        ("'pii' in labels && labels.all(a, labels.all(b, a == b || a in ['pii'] || b in ['pii']))", ("pii",), False),
    ],
)
def test_only_what_certainly_applies_removes_a_model(when, labels, kept_inside):
    world = world_of(policy(when))
    assert reach(world, world.routes["auto"], labels) == (("inside",) if kept_inside else ("inside", "outside"))


@pytest.mark.parametrize(
    ("when", "word"),
    [
        ("!('nobody-defined-this' in labels) && 'pii' in labels", "nobody-defined-this"),
        ("!labels.exists(l, l.startsWith('x')) && 'pii' in labels", "x-1"),
        ("!labels.exists(l, l > 'zz') && 'pii' in labels", "zzz"),
    ],
)
def test_a_word_of_the_clients_does_turn_such_a_policy_off(when, word):
    world = world_of(policy(when))
    assert order(world, ("pii",)) == {"inside"}
    assert order(world, ("pii", word)) == {"inside", "outside"}


SOUND_FORMS = [
    ("'pii' in labels", True),
    ("'pii' in labels && 'internal' in labels", True),
    ("'pii' in labels || 'phi' in labels", True),
    ("labels.exists(l, l in ['pii', 'phi'])", True),
    ('labels.exists(l, l == "pii" || l == "phi")', True),
    ("labels.exists(l,l=='pii')", True),
    ("true", True),
    ("!('pii' in labels)", False),
    ("labels in [['internal', 'pii', 'public']]", False),
    ("('phi' in labels) == false", False),
    ("labels.exists(l, l == 'pii') ? true : false", False),
    ("labels.exists(l, l != 'pii')", False),
    ("size(labels) > 1", False),
]


@pytest.mark.parametrize(("when", "kept_inside"), SOUND_FORMS)
def test_with_many_labels_of_ones_own_conditions_are_judged_by_their_form(when, kept_inside):
    world = world_of(policy(when), labels=OWN)
    found = reach(world, world.routes["auto"], ("pii", "internal"))
    assert found == (("inside",) if kept_inside else ("inside", "outside"))


words = st.lists(st.sampled_from((*LABELS, "project-1", "zzz", "x-1", "?", "a")), max_size=6).map(tuple)
conditions = st.sampled_from(
    [when for when, _ in SOUND_FORMS]
    + [
        "labels.all(l, l in ['public', 'pii', 'internal'])",
        "labels.exists(a, labels.exists(b, a != b && !(a in ['pii', 'public']) && !(b in ['pii', 'public'])))",
        "labels.exists_one(l, l == 'pii')",
        "labels[1] == 'pii'",
        "!labels.exists(l, l.startsWith('x'))",
        "!labels.exists(l, !(l in ['credential', 'financial', 'phi', 'pii', 'secret', 'public', 'internal', 'confidential', 'restricted']))",
        "size(labels) != 11",
        "labels.filter(l, l != 'pii').size() < 11",
    ]
)


@given(conditions, words, words, st.sampled_from([frozenset(), OWN]), st.sampled_from(["closed", "open"]))
def test_no_word_at_all_leads_beyond_the_proof(when, labels, more, own, fail):
    world = world_of(policy(when, fail=fail), labels=own)
    assert order(world, labels + more) <= set(reach(world, world.routes["auto"], labels))


def test_a_model_that_is_only_a_fallback_is_within_reach_and_a_disabled_one_is_not():
    route = Route("auto", ("inside", "off"), fallback_on=(("content_filter", ("far",)),), fallback=("outside",))
    world = snapshot([INSIDE, OUTSIDE, Model("far"), Model("off", disabled="x")], route)
    assert reach(world, route) == ("far", "inside", "outside")


def test_a_model_out_of_service_is_within_reach():
    world = world_of(health={"outside": "breaker open"})
    assert reach(world, world.routes["auto"]) == ("inside", "outside")


@pytest.mark.parametrize(
    ("scope", "caller", "kept_inside"),
    [
        (PolicyScope(), None, True),
        (PolicyScope(routes=("auto",)), None, True),
        (PolicyScope(routes=("other",)), None, False),
        (PolicyScope(orgs=("acme",)), None, False),
        (PolicyScope(orgs=("acme",)), Caller("", org="acme"), True),
        (PolicyScope(orgs=("acme",)), Caller("", org="rival"), False),
        (PolicyScope(teams=("ml",)), Caller("", org="acme"), False),
        (PolicyScope(teams=("ml",)), Caller("", team="ml"), True),
        (PolicyScope(orgs=("acme",), teams=("ml",)), Caller("", team="ml"), False),
        (PolicyScope(orgs=("acme",), teams=("ml",)), Caller("", team="ml", org="acme"), True),
        (PolicyScope(keys=("k1", "k2")), Caller("k1"), True),
        (PolicyScope(keys=("k1", "k2")), Caller(""), False),
        (PolicyScope(routes=("auto",), keys=("k1",)), Caller("k1"), True),
        # What is not known of a caller may be anything: a key of team `ml` may have an org, whatever the policy says of those without.
        (PolicyScope(orgs=("",)), Caller("", team="ml"), False),
        (PolicyScope(orgs=("",)), None, False),
        (PolicyScope(teams=("", "ml")), Caller("k1"), False),
        (PolicyScope(keys=("",)), None, False),
    ],
)
def test_a_scope_counts_where_it_is_sure_to_cover(scope, caller, kept_inside):
    world = world_of(policy(None, scope=scope))
    assert reach(world, world.routes["auto"], (), caller) == (("inside",) if kept_inside else ("inside", "outside"))


@pytest.mark.parametrize(
    ("scope", "route", "caller", "expected"),
    [
        (PolicyScope(routes=("auto",)), "auto", Caller(), True),
        (PolicyScope(routes=("auto",)), "outside", Caller(), False),
        (PolicyScope(routes=("outside",)), "outside", Caller(), True),
        (PolicyScope(routes=("outside",)), "auto", Caller(), False),
        (PolicyScope(orgs=("acme",)), "auto", Caller(org="acme"), True),
        (PolicyScope(orgs=("acme",)), "auto", Caller(org="ACME"), False),
        (PolicyScope(orgs=("acme",)), "auto", Caller(), False),
        (PolicyScope(teams=("ml",)), "auto", Caller(team="ml", org="rival"), True),
        (PolicyScope(orgs=("acme",), teams=("ml",)), "auto", Caller(team="ml", org="rival"), False),
        (PolicyScope(keys=("k1",)), "auto", Caller("k1"), True),
        (PolicyScope(keys=("k1",)), "auto", Caller("k2"), False),
        (PolicyScope(teams=("",)), "auto", Caller(), True),
        (PolicyScope(teams=()), "auto", Caller(), False),
    ],
)
def test_a_policy_with_a_scope_applies_to_whom_it_names(scope, route, caller, expected):
    world = world_of(policy(None, scope=scope))
    assert ("outside" not in order(world, (), route, caller)) is expected


@pytest.mark.parametrize(("fail", "kept_inside", "told"), [("closed", True, 1), ("open", False, 1)])
def test_a_condition_that_cannot_be_evaluated_counts_as_its_policy_says(fail, kept_inside, told):
    world = world_of(policy("metadata.department == 'ward'", fail=fail))
    decision = decide(Request("r", "auto"), Signals(), world, world.routes["auto"], 0)
    assert ("outside" in decision.order) is not kept_inside
    assert len(decision.ruling.errors) == told
    assert "metadata.department" in decision.ruling.errors[0]
    assert decision.ruling.policies == (("p",) if kept_inside else ())


@pytest.mark.parametrize(("fail", "expected"), [("closed", ("inside",)), ("open", ("inside", "outside"))])
def test_a_policy_that_fails_open_is_no_proof_where_it_may_fail(fail, expected):
    world = world_of(policy("labels.all(l, {'pii': true}[l])", fail=fail))  # fails where there is any other label
    assert order(world, ("pii",)) == {"inside"}
    assert order(world, ("phi",)) == set(expected)
    assert reach(world, world.routes["auto"]) == expected


def test_a_scope_takes_nothing_from_other_policies():
    never = policy(None, scope=PolicyScope(teams=("nobody",)))
    always = replace(policy("'pii' in labels"), name="always")
    world = world_of(never, always)
    assert reach(world, world.routes["auto"], ("pii",)) == ("inside",)
    assert reach(world, world.routes["auto"]) == ("inside", "outside")


def test_the_gates_that_the_proof_counts_read_the_ruling_and_the_key_and_nothing_that_changes_between_requests():
    """A policy gate that reads signals, health or what was spent would be counted as a refusal of every request: leave it out of the proof."""
    counted = {gate.name for gate in GATES.request if gate.kind == "policy"}
    assert counted == {"approval", "provider", "model", "perimeter", "region", "tags", "key", "labels", "excluded", "price"}
    assert [gate.name for gate in GATES.standing] == ["enabled"]


def test_by_name_leaves_out_what_a_route_covers():
    world = snapshot([INSIDE, OUTSIDE], Route("outside", ("inside",)))
    assert reach_by_name(world) == ("inside",)


@pytest.mark.parametrize(
    ("when", "found"),
    [
        ("'pii' in labels", None),
        ("labels.exists(l, l in ['pii', 'phi'])", None),
        ("task == 'x' && !('pii' in labels)", None),  # not of the labels alone: the proof counts it for nothing
        ("!('internal' in labels)", ((), ("internal", "public"))),
        ("labels == ['pii']", (("pii",), ("internal", "pii", "public"))),
        ("size(labels) < 2", ((), ("internal", "public"))),
    ],
)
@pytest.mark.parametrize("own", [frozenset(), OWN], ids=["few labels", "many labels"])
def test_a_policy_that_more_labels_turn_off_is_a_hole(when, found, own):
    holes_found = list(holes(world_of(policy(when), labels=own)))
    assert [(hole.policy, set(hole.holds) < set(hole.off)) for hole in holes_found] == ([] if found is None else [("p", True)])
    if found is not None:
        assert {holes_found[0].added} <= set(holes_found[0].off) - set(holes_found[0].holds)
    if found is not None and not own:
        assert holes_found[0].holds == found[0]


@pytest.mark.parametrize(
    ("when", "rests"),
    [
        ("'pii' in labels", True),
        (None, True),
        ("task == 'x'", False),
        ("size(labels) > 1", False),
        ("'pii' in labels && !('restricted' in labels)", False),
    ],
)
def test_whether_a_proof_can_rest_on_a_policy(when, rests):
    world = world_of(policy(when))
    assert counts(world, world.policies[0]) is rests


@pytest.mark.parametrize(
    ("only", "never", "said"),
    [
        (Requirement(perimeter=("external",)), None, None),
        (None, None, None),
        (Requirement(perimeter=("on_prem", "vpc")), None, "perimeter is `external`, p requires `on_prem` or `vpc`"),
        (Requirement(region=("eu",)), None, "region is not stated, p requires `eu`"),
        (Requirement(approved=True), None, "not approved, which p requires"),
        (Requirement(tags=("soc2", "eu")), None, "lacks eu and soc2, which p requires"),
        (None, Requirement(model=("outside",)), "model is `outside`, which p forbids"),
        (None, Requirement(provider=("local",)), "provider is `local`, which p forbids"),
    ],
)
def test_what_breaks_a_promise_is_said_as_a_gate_says_it(only, never, said):
    assert broken_by(world_of(), "outside", "p", only, never) == said


@given(cases(odd=True))
def test_nothing_is_reached_that_the_proof_does_not_name(case):
    request, signals, world, route = case
    decision = decide(request, signals, world, route, 0)
    for labels in ((), request.labels, decision.ruling.labels):
        for caller in (None, request.caller):
            assert set(decision.order) <= set(reach(world, route, labels, caller))
