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
from pointsman.core.signals import Prediction, Signals
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


KNOWN = (Prediction("small", 0.97, 0.9, 50), Prediction("large", 0.6, 0.5, 50))
HELD = [
    Model(name, quality={"general": Prior(mean)}) for name, mean in (("small", 0.2), ("large", 0.2), ("newer", 0.944), ("newest", 0.99))
]
ASK_NEWER = Rule("try it", compile_condition("true"), Effects(prefer=("newer",)))


@pytest.mark.parametrize(
    ("names", "explore", "lot", "said"),
    [
        (
            ("small", "newer"),
            0.2,
            0.0,
            "`newer` was drawn by lot (`learned.explore`: 20 %), since nothing was learned of it; otherwise `small` at 0.970 (0",
        ),
        (
            ("small", "large", "newer", "newest"),
            0.2,
            0.15,
            "`newest` was drawn by lot (`learned.explore`: 20 %), since nothing was learned of it; otherwise `small` at 0.970 (0",
        ),
        (("small", "newer"), 1.0, 0.5, "`newer` was drawn by lot (`learned.explore`: 100 %)"),
        (("small", "newer"), 0.2, 0.9, "`small` scores 0.970; `newer` at 0.944 is asked last: nothing was learned of it (0"),
        (
            ("large", "newer", "newest"),
            0.0,
            0.0,
            "`large` scores 0.600; `newest` at 0.990 and `newer` at 0.944 are asked last: nothing was learned of them (0",
        ),
        (
            ("small", "large", "newer", "newest"),
            0.0,
            0.0,
            "ahead of `large` at 0.600: quality +0.370; `newest` at 0.990 is asked last: nothing was learned of it (0",
        ),
        (("small", "large", "newer"), 0.0, 0.0, "`small` scores 0.970, ahead of `large` at 0.600: quality +0.370 (0"),
        (("newest", "newer"), 0.2, 0.0, "`newest` scores 0.990, ahead of `newer` at 0.944"),
    ],
)
def test_lots_and_models_of_which_nothing_was_learned_are_told_as_such(names, explore, lot, said):
    route = Route("auto", names, weights=dial(1))
    world = snapshot(HELD, route, explore=explore)
    decision = decide(Request("r", "auto"), Signals(predicted=KNOWN), world, route, int(lot * 2**53))
    assert said in explanation(decision, world)["reason"]


def test_a_preferred_model_is_not_called_drawn():
    route = Route("auto", ("small", "newer"), weights=dial(1), rules=(ASK_NEWER,))
    world = snapshot(HELD, route, explore=1.0)
    decision = decide(Request("r", "auto"), Signals(predicted=KNOWN), world, route, 0)
    assert explanation(decision, world)["reason"].startswith("`newer` is preferred by a rule")
