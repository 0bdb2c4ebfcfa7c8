"""What people are told of a decision is what was decided."""

from __future__ import annotations

import pytest
from hypothesis import given

from pointsman.core.decide import decide
from pointsman.core.model import Model, Prior
from pointsman.core.plan import Cascade, Execution
from pointsman.core.prices import Price
from pointsman.core.request import Request
from pointsman.core.rule import Effects, Rule
from pointsman.core.score import dial
from pointsman.core.signals import Signals
from pointsman.core.snapshot import Route
from pointsman.policy.cel import compile_condition
from pointsman.wire.explanation import explanation
from tests.worlds import cases, snapshot


@given(cases())
def test_the_weighted_terms_add_up_to_the_total(case):
    shown = explanation(decide(*case, seed=0), case[2])
    for candidate in shown["candidates"]:
        if candidate["total"] is not None:
            assert sum(candidate["weighted"].values()) == pytest.approx(candidate["total"], abs=5e-6)


GOOD = Model("good", price=Price(input=9, output=9), quality={"general": Prior(0.9)})
POOR = Model("poor", price=Price(input=1, output=1), quality={"general": Prior(0.2)})
PREFER = Rule("house", compile_condition("true"), Effects(prefer=("poor",)))


@pytest.mark.parametrize(
    ("route", "said"),
    [
        (
            Route("auto", ("good", "poor"), weights=dial(1)),
            "`good` scores 0.900, ahead of `poor` at 0.200: quality +0.700 (0 of 2 candidates refused",
        ),
        (Route("auto", ("good", "poor"), weights=dial(1), rules=(PREFER,)), "`poor` is preferred by a rule"),
        (
            Route("auto", ("poor",), weights=dial(1), fallback=("good",)),
            "`poor` is the best of the route's models; `good` is there as a fallback only",
        ),
        (
            Route("auto", ("good", "poor"), weights=dial(1), plan="cascade", execution=Execution(cascade=Cascade(tiers=("poor", "good")))),
            "`poor` is the first of the plan's tiers, whatever ranks first: that is `good`",
        ),
        (Route("auto", ("good",)), "`good` is the only candidate left"),
        (Route("auto", ("good",), quality_floor=0.95), "every candidate was refused: 1 of 1"),
    ],
)
def test_the_reason_is_a_sentence_about_the_first_two(route, said):
    world = snapshot([GOOD, POOR], route)
    assert said in explanation(decide(Request("r", "auto"), Signals(), world, route, 0), world)["reason"]


def test_a_tie_is_called_one():
    twins = [Model("a"), Model("b")]
    world = snapshot(twins)
    shown = explanation(decide(Request("r", "auto"), Signals(), world, world.routes["auto"], 0), world)
    assert (shown["model"], "on the tie-break" in shown["reason"]) == ("a", True)
