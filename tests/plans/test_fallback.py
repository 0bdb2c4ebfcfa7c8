"""Plans say what to do next; a list of answers is enough to drive one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.core.decide import decide
from pointsman.core.decision import Decision
from pointsman.core.model import Model
from pointsman.core.request import Request
from pointsman.core.signals import Signals
from pointsman.core.snapshot import Route
from pointsman.errors import ClearanceError
from pointsman.plans.start import start
from pointsman.plans.steps import Deliver, Fail, Reached
from tests.worlds import snapshot

OK, RETRY, HOPELESS = (True, False), (False, True), (False, False)


def decision(models: int = 3, **route: object) -> Decision:
    pool = [Model(f"m{at}", security=1 - at / 10) for at in range(models)]
    names = tuple(model.id for model in pool)
    made = Route("auto", names, fallback=names[1:], **route)
    return decide(Request("r1", "auto"), Signals(), snapshot(pool, made), made, seed=0)


def drive(made: Decision, answers: list[tuple[bool, bool]]) -> tuple[list[str], Deliver | Fail]:
    """Run a plan against prepared answers: the models it asked, and what it came to."""
    steps, asked = start(made), []
    call = next(steps)
    for ok, try_another in answers:
        asked.append(call.model)
        assert call.clearance.covers(made.request.id)
        try:
            call = steps.send(Reached(call.model, ok, try_another))
        except StopIteration as stop:
            return asked, stop.value
    raise AssertionError("the plan asked for more than there was")


@pytest.mark.parametrize(
    ("answers", "asked", "delivered"),
    [
        ([OK], ["m0"], "m0"),
        ([RETRY, OK], ["m0", "m1"], "m1"),
        ([RETRY, RETRY, OK], ["m0", "m1", "m2"], "m2"),
        ([RETRY, RETRY, RETRY], ["m0", "m1", "m2"], None),
        ([HOPELESS], ["m0"], None),
        ([RETRY, HOPELESS], ["m0", "m1"], None),
    ],
)
def test_each_model_is_asked_in_turn_until_one_answers_or_none_can(answers, asked, delivered):
    made, ended = drive(decision(), answers)
    assert made == asked
    if delivered:
        assert ended == Deliver(Reached(delivered, True, False))
    else:
        assert [failure.model for failure in ended.failures] == asked


def test_a_single_plan_asks_once():
    assert drive(decision(plan="single"), [RETRY]) == (["m0"], Fail((Reached("m0", False, True),)))


@given(st.integers(1, 6), st.lists(st.sampled_from([OK, RETRY, HOPELESS]), min_size=6, max_size=6))
def test_no_model_is_asked_twice_and_none_after_an_answer(models, answers):
    asked, ended = drive(decision(models), answers)
    assert len(asked) == len(set(asked)) <= models
    assert all(answer == RETRY for answer in answers[: len(asked) - 1])
    assert isinstance(ended, Deliver) is (answers[len(asked) - 1] == OK)


def test_a_decision_without_a_survivor_starts_nothing():
    refused = decide(Request("r1", "m"), Signals(), (world := snapshot([Model("m", disabled="off")])), world.route("m"), seed=0)
    with pytest.raises(ValueError, match="nothing to start"):
        start(refused)


def test_a_decision_read_back_from_the_log_starts_no_call():
    made = decision()
    object.__setattr__(made, "clearances", None)
    with pytest.raises(ClearanceError):
        next(start(made))
