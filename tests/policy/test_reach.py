"""The proof without traffic: what a request could reach, never less than what it does reach."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given

from pointsman.core.decide import decide
from pointsman.core.model import Model
from pointsman.core.rule import Policy, Requirement
from pointsman.core.snapshot import Route
from pointsman.policy.cel import compile_condition
from pointsman.policy.reach import reach
from tests.worlds import cases, snapshot

INSIDE, OUTSIDE = Model("inside", perimeter="on_prem"), Model("outside")


def policy(when: str | None) -> Policy:
    return Policy("p", when and compile_condition(when), Requirement(perimeter=("on_prem",)))


def test_only_what_certainly_applies_removes_a_model():
    for when, labels, expected in [
        (None, (), ("inside",)),
        ("'pii' in labels", ("pii",), ("inside",)),
        ("'pii' in labels", (), ("inside", "outside")),
        ("'confidential' in labels", ("restricted",), ("inside",)),
        ("task == 'code'", ("pii",), ("inside", "outside")),
        # Not monotone: one more label, and the policy is off.
        ("!('internal' in labels)", (), ("inside", "outside")),
        ("labels == ['pii']", ("pii",), ("inside", "outside")),
        ("size(labels) < 5 && 'pii' in labels", ("pii",), ("inside", "outside")),
        ("!('nobody-defined-this' in labels) && 'pii' in labels", ("pii",), ("inside",)),
    ]:
        world = snapshot([INSIDE, OUTSIDE], policies=(policy(when),))
        assert reach(world, world.routes["auto"], labels) == expected, when


def test_a_model_that_is_only_a_fallback_is_within_reach_and_a_disabled_one_is_not():
    world = snapshot([INSIDE, OUTSIDE, Model("off", disabled="x")], route := Route("auto", ("inside", "off"), fallback=("outside",)))
    assert reach(world, route) == ("inside", "outside")


@given(cases())
def test_nothing_is_reached_that_the_proof_does_not_name(case):
    request, signals, world, route = case
    request = replace(request, caller=replace(request.caller, models=None))
    decision = decide(request, signals, world, route, 0)
    for labels in ((), request.labels, decision.ruling.labels):
        assert set(decision.order) <= set(reach(world, route, labels))
