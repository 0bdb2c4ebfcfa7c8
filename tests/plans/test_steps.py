"""The words of plans hold what a driver needs, and a plan of one's own can be written in them."""

from __future__ import annotations

import pytest

from pointsman.plans.steps import All, Call, Deliver, Fail, First, Reached, Steps, Wait, Waited
from tests.plans.driving import Run, decision


def vote(calls: tuple[Call, ...]) -> Steps:
    """Ask all, and take the last that answered."""
    reached = yield All(calls)
    assert isinstance(reached, tuple)
    good = [found for found in reached if found.ok]
    return Deliver(good[-1]) if good else Fail(reached)


def race(calls: tuple[Call, ...]) -> Steps:
    """Ask at intervals, wait, and ask the first once more."""
    reached = yield First(calls, 0.1)
    assert isinstance(reached, tuple)
    if reached[-1].ok:
        return Deliver(reached[-1])
    waited = yield Wait(calls[0].model, 0.2)
    assert isinstance(waited, Waited)
    again = yield calls[0]
    assert isinstance(again, Reached)
    return Deliver(again) if again.ok else Fail((*reached, again))


def calls(count: int = 3) -> tuple[Call, ...]:
    made = decision(count)
    return tuple(Call(made.clear(f"m{at}")) for at in range(count))


def test_all_is_sent_every_call_in_order():
    run = Run({"m2": ["timeout"]})
    assert run.drive(vote(calls())).reached.model == "m1"
    assert run.asked == ["m0", "m1", "m2"]
    assert isinstance(Run({f"m{at}": ["timeout"] for at in range(3)}).drive(vote(calls())), Fail)


def test_first_then_wait_then_call():
    run = Run({"m0": ["timeout", None], "m1": ["timeout"], "m2": ["timeout"]})
    assert run.drive(race(calls())).reached.model == "m0"
    assert [type(step) for step in run.steps] == [First, Wait, Call]
    assert run.at_s == 0.2


@pytest.mark.parametrize(
    ("reached", "ok"),
    [
        (Reached("m"), True),
        (Reached("m", "timeout"), False),
        (Reached("m", abandoned=True), False),
        (Reached("m", "timeout", abandoned=True), False),
    ],
)
def test_only_what_reached_something_and_was_not_given_up_can_be_delivered(reached, ok):
    assert reached.ok is ok


def test_a_call_names_the_model_of_its_clearance():
    call = calls(1)[0]
    assert (call.model, call.clearance.model) == ("m0", "m0")
