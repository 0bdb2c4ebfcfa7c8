"""A second model is asked when the first is slow; whichever begins first is delivered, and the rest is a chain."""

from __future__ import annotations

import pytest

from pointsman.core.fault import FINAL
from pointsman.core.plan import Execution, Retry
from pointsman.plans.hedge import hedge
from pointsman.plans.start import start
from pointsman.plans.steps import Deliver, Fail, First, Reached, Steps
from tests.plans.driving import Run, decision

EXECUTION = Execution(retry=Retry(attempts=2, base_s=0.01), hedge_after_s=0.7, hedge_models=2)


def begun(models: int = 4, execution: Execution = EXECUTION) -> tuple[Steps, First]:
    steps = start(decision(models, plan="hedge"), execution)
    first = next(steps)
    assert isinstance(first, First)
    return steps, first


def test_the_first_models_are_asked_one_after_the_other():
    _, first = begun()
    assert [call.model for call in first.calls] == ["m0", "m1"]
    assert first.after_s == 0.7
    _, first = begun(2, Execution(hedge_models=4))
    assert [call.model for call in first.calls] == ["m0", "m1"]


def test_only_the_last_of_all_is_neither_judged_nor_hurried():
    _, first = begun(2, Execution(hedge_models=2, first_token_s=5.0))
    assert [call.first_token_s for call in first.calls] == [5.0, None]


@pytest.mark.parametrize("winner", ["m0", "m1"])
def test_whichever_reached_something_is_delivered(winner):
    steps, first = begun()
    found = tuple(Reached(call.model, abandoned=call.model != winner, number=at) for at, call in enumerate(first.calls, 1))
    with pytest.raises(StopIteration) as stopped:
        steps.send(found)
    assert stopped.value.value == Deliver(next(each for each in found if each.model == winner))


def test_a_failed_first_does_not_keep_the_second_from_being_delivered():
    steps, _ = begun()
    with pytest.raises(StopIteration) as stopped:
        steps.send((Reached("m0", "server_error", number=1), Reached("m1", number=2)))
    assert stopped.value.value.reached.model == "m1"


def test_when_none_answers_the_rest_is_asked_in_turn():
    run = Run({"m0": ["server_error"], "m1": ["timeout"], "m2": ["timeout"]})
    ended = run(decision(4, plan="hedge"), EXECUTION)
    assert run.asked == ["m0", "m1", "m2", "m3"]
    assert ended.reached.model == "m3"


def test_all_failures_are_told():
    run = Run({f"m{at}": ["timeout"] for at in range(4)})
    ended = run(decision(4, plan="hedge"), EXECUTION)
    assert isinstance(ended, Fail)
    assert [found.model for found in ended.failures] == ["m0", "m1", "m2", "m3"]


@pytest.mark.parametrize("fault", sorted(FINAL))
def test_what_is_wrong_with_the_request_goes_nowhere_else(fault):
    run = Run({"m0": [fault], "m1": ["timeout"]})
    assert isinstance(run(decision(4, plan="hedge"), EXECUTION), Fail)
    assert run.asked == ["m0", "m1"]


@pytest.mark.parametrize("fault", sorted(FINAL))
def test_a_chain_for_what_is_wrong_with_the_request_is_followed(fault):
    run = Run({"m0": [fault], "m1": ["timeout"]})
    ended = run(decision(4, plan="hedge", fallback_on=((fault, ("forbidden", "m3")),)), EXECUTION)
    assert isinstance(ended, Deliver)
    assert run.asked == ["m0", "m1", "m3"]


def test_a_person_is_asked_in_the_end():
    ended = Run({f"m{at}": ["content_filter"] for at in range(4)})(decision(4, plan="hedge", human=True), EXECUTION)
    assert isinstance(ended, Fail)
    assert ended.human
    ended = Run({f"m{at}": ["malformed"] for at in range(4)})(decision(4, plan="hedge", human=True), EXECUTION)
    assert not ended.human


def test_when_all_are_out_of_service_the_first_is_called_all_the_same():
    run = Run({"m0": ["unavailable", None], **{f"m{at}": ["unavailable"] for at in range(1, 4)}})
    assert isinstance(run(decision(4, plan="hedge"), EXECUTION), Deliver)
    assert run.calls[-1].forced
    assert run.asked[-1] == "m0"


def test_the_hedged_calls_count_towards_the_most_calls():
    run = Run({f"m{at}": ["timeout"] for at in range(4)})
    assert isinstance(run(decision(4, plan="hedge"), Execution(hedge_models=2, most_calls=2)), Fail)
    assert run.asked == ["m0", "m1"]


def test_hedge_is_what_a_decision_of_that_kind_starts():
    made = decision(3, plan="hedge")
    assert made.plan.kind == "hedge"
    assert start(made, EXECUTION).gi_code is hedge.__code__
