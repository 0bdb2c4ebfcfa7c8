"""What budgets ask of a decision, and what it makes of that."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.core.budget import Pressure, frugal
from pointsman.core.decide import decide
from pointsman.core.model import Model, Prior
from pointsman.core.prices import Price
from pointsman.core.request import Request
from pointsman.core.signals import Signals
from pointsman.core.snapshot import Route
from pointsman.gateway.refusal import no_eligible_model
from tests.worlds import cases, snapshot

POOL = [
    Model(name, price=Price(cost, cost), quality={"general": Prior(good)})
    for name, cost, good in (("a", 1, 0.3), ("b", 50, 0.6), ("c", 900, 0.9))
]
BEST = Route("auto", ("a", "b", "c"))


def decided(pressure: Pressure | None):
    world = snapshot(POOL, BEST)
    return decide(Request("r", "auto"), Signals(budget=pressure), world, world.routes["auto"], 0)


@pytest.mark.parametrize(
    ("pressure", "left"),
    [
        (None, {"a", "b", "c"}),
        (Pressure("warn", "budget `b`"), {"a", "b", "c"}),
        (Pressure("downgrade", "budget `b`"), {"a", "b"}),
        (Pressure("cheapest", "budget `b`"), {"a"}),
        (Pressure("refuse", "budget `b`"), set()),
        (Pressure("warn", "budget `b`", left_picousd=50_000), {"a", "b"}),
        (Pressure("nothing", "", left_tokens=10), set()),
    ],
    ids=["no budget", "warn", "downgrade", "cheapest", "refuse", "little money is left", "few tokens are left"],
)
def test_who_is_left(pressure, left):
    assert set(decided(pressure).order) == left


def test_thrift_is_in_the_weights_and_in_the_reasons():
    decision = decided(Pressure("cheapest", "budget `b`"))
    assert decision.weights == frugal(BEST.weights)
    reasons = {c.model: [v.reason for v in c.verdicts] for c in decision.candidates if c.verdicts}
    assert reasons == {name: ["too dear for now: budget `b` asks for `cheapest`"] for name in ("b", "c")}


def test_a_budget_that_is_used_up_is_an_error_of_quota():
    error = no_eligible_model(decided(Pressure("refuse", "budget `b`", left_picousd=0)))
    assert (error.status, error.code, error.headers()) == (429, "insufficient_quota", {"x-should-retry": "false"})
    assert "budget `b` is used up" in error.message


PRESSURES = st.builds(
    Pressure,
    does=st.sampled_from(("nothing", "warn", "downgrade", "cheapest", "refuse")),
    budget=st.just("budget `b`"),
    left_picousd=st.none() | st.integers(0, 10**12),
    left_tokens=st.none() | st.integers(0, 10**5),
)


@given(cases(), PRESSURES)
def test_a_budget_never_opens_what_was_closed(case, pressure):
    request, signals, world, route = case
    free = decide(request, replace(signals, budget=None), world, route, 0)
    pressed = decide(request, replace(signals, budget=pressure), world, route, 0)
    # Out of service is no bar where everybody else is too dear: such a model is the last resort.
    unwell = {c.model for c in free.candidates if c.verdicts and all(verdict.kind == "health" for verdict in c.verdicts)}
    assert set(pressed.order) <= set(free.order) | unwell
