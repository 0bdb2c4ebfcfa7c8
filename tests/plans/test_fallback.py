"""A chain asks in turn, another way for each class of failure, and never beyond what the gates let through."""

from __future__ import annotations

from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.core.decide import decide
from pointsman.core.fault import FINAL, RETRIED, Fault
from pointsman.core.model import Model
from pointsman.core.plan import Execution, Retry
from pointsman.core.request import Request
from pointsman.core.rule import Policy, Requirement
from pointsman.core.signals import Signals
from pointsman.errors import ClearanceError
from pointsman.plans.start import start
from pointsman.plans.steps import Deliver, Fail
from tests.plans.driving import ONCE, Run, decision
from tests.worlds import snapshot

FAULTS: tuple[Fault, ...] = get_args(Fault)
ELSEWHERE = sorted(set(FAULTS) - FINAL - {"unavailable"})


@pytest.mark.parametrize("fault", ELSEWHERE)
def test_what_another_model_may_mend_goes_to_the_next(fault):
    run = Run({"m0": [fault], "m1": [fault]})
    ended = run(decision())
    assert run.asked == ["m0", "m1", "m2"]
    assert isinstance(ended, Deliver)
    assert ended.reached.model == "m2"


@pytest.mark.parametrize("fault", ELSEWHERE)
def test_when_all_fail_the_failures_are_told_in_their_order(fault):
    run = Run({"m0": [fault], "m1": ["server_error"], "m2": ["timeout"]})
    ended = run(decision())
    assert isinstance(ended, Fail)
    assert [(found.model, found.fault) for found in ended.failures] == [("m0", fault), ("m1", "server_error"), ("m2", "timeout")]
    assert not ended.human


@pytest.mark.parametrize("fault", sorted(FINAL))
def test_what_is_wrong_with_the_request_ends_the_chain(fault):
    run = Run({"m0": ["server_error"], "m1": [fault]})
    assert isinstance(run(decision()), Fail)
    assert run.asked == ["m0", "m1"]


@pytest.mark.parametrize("fault", FAULTS)
def test_a_class_of_failure_may_have_a_chain_of_its_own(fault):
    run = Run({"m0": [fault], "m2": [fault]})
    ended = run(decision(4, fallback_on=((fault, ("forbidden", "m2", "m3")),)))
    assert run.asked == ["m0", "m2", "m3"]
    assert ended.reached.model == "m3"


def test_an_empty_chain_of_its_own_ends_it():
    run = Run({"m0": ["timeout"]})
    assert isinstance(run(decision(fallback_on=(("timeout", ()),))), Fail)
    assert run.asked == ["m0"]


def test_a_chain_for_one_class_does_not_change_the_way_of_the_others():
    run = Run({"m0": ["server_error"], "m1": ["content_filter"]})
    run(decision(4, fallback_on=(("content_filter", ("m3",)),)))
    assert run.asked == ["m0", "m1", "m3"]


def test_without_a_chain_only_the_chosen_one_is_asked():
    run = Run({"m0": ["server_error"]})
    assert isinstance(run(decision(fallback=(), plan="single")), Fail)
    assert run.asked == ["m0"]


@pytest.mark.parametrize(
    ("fault", "human"), [("server_error", True), ("content_filter", True), ("context_length", True), ("malformed", False)]
)
def test_a_person_is_asked_when_no_model_answers_but_not_what_nobody_can_read(fault, human):
    ended = Run({f"m{at}": [fault] for at in range(3)})(decision(human=True))
    assert isinstance(ended, Fail)
    assert ended.human is human


def test_the_last_one_left_is_called_though_it_is_out_of_service():
    run = Run({"m0": ["unavailable", None], "m1": ["unavailable"], "m2": ["unavailable"]})
    ended = run(decision())
    assert run.asked == ["m0", "m1", "m2", "m0"]
    assert [call.forced for call in run.calls] == [False, False, False, True]
    assert isinstance(ended, Deliver)


@pytest.mark.parametrize("limited", [("unavailable", 7.0), ("over_budget", None)])
def test_what_was_out_of_service_when_it_was_decided_is_called_where_no_other_can_be(limited):
    run = Run({"m1": [limited], "m2": [limited]})
    ended = run(decision(sick=["m0"]))
    assert [(call.model, call.forced) for call in run.calls] == [("m1", False), ("m2", False), ("m0", True)]
    assert isinstance(ended, Deliver)
    assert ended.reached.model == "m0"


def test_the_last_resort_is_one_call_of_the_first_that_can_be_called():
    run = Run({"m3": [("unavailable", 7.0)], "m0": [("unavailable", 3.0)], "m1": ["server_error"]})
    ended = run(decision(4, sick=["m0", "m1", "m2"], plan="single"))
    assert [(call.model, call.forced) for call in run.calls] == [("m3", False), ("m0", True), ("m1", True)]
    assert isinstance(ended, Fail)


def test_where_one_was_called_nobody_out_of_service_is():
    run = Run({"m1": ["server_error"], "m2": [("unavailable", 7.0)]})
    assert isinstance(run(decision(sick=["m0"])), Fail)
    assert run.asked == ["m1", "m2"]


def test_one_that_failed_for_another_reason_is_not_forced():
    run = Run({"m0": ["unavailable"], "m1": ["server_error"], "m2": ["unavailable"]})
    assert isinstance(run(decision()), Fail)
    assert not any(call.forced for call in run.calls)


def test_only_those_with_another_behind_them_are_judged_and_hurried():
    run = Run({f"m{at}": ["invalid_output"] for at in range(3)})
    run(decision(), Execution(retry=Retry(attempts=1), first_token_s=3.0))
    assert [(call.checks, call.first_token_s) for call in run.calls] == [(("empty", "schema", "tool_calls"), 3.0)] * 2 + [((), None)]


@pytest.mark.parametrize("human", [False, True])
@pytest.mark.parametrize("plan", ["fallback", "hedge"])
def test_only_those_with_a_model_behind_them_leave_time_for_it(plan, human):
    run = Run({f"m{at}": ["timeout"] for at in range(4)})
    run(decision(4, human=human, plan=plan))
    assert [(call.model, call.hurried) for call in run.calls] == [("m0", True), ("m1", True), ("m2", True), ("m3", False)]


def test_with_a_person_behind_it_the_last_one_is_judged_as_well():
    run = Run({f"m{at}": ["invalid_output"] for at in range(3)})
    run(decision(human=True), Execution(retry=Retry(attempts=1), first_token_s=3.0))
    assert [call.first_token_s for call in run.calls] == [3.0] * 3


def test_no_more_calls_than_allowed_whatever_is_left():
    run = Run({f"m{at}": ["server_error"] for at in range(6)})
    ended = run(decision(6), Execution(retry=Retry(attempts=3, base_s=0.01), most_calls=4))
    assert isinstance(ended, Fail)
    assert len(run.asked) == len(ended.failures) == 4


def test_nothing_is_begun_after_the_deadline():
    run = Run({f"m{at}": ["timeout"] for at in range(6)}, call_s=4.0)
    assert isinstance(run(decision(6), Execution(retry=Retry(attempts=1), deadline_s=10.0)), Fail)
    assert run.asked == ["m0", "m1", "m2"]


faults = st.sampled_from([None, *FAULTS])


@given(
    st.integers(1, 6),
    st.dictionaries(st.sampled_from([f"m{at}" for at in range(6)]), st.lists(faults, min_size=1, max_size=3)),
    st.booleans(),
    st.integers(1, 3),
    st.integers(1, 9),
    st.dictionaries(st.sampled_from(FAULTS), st.lists(st.sampled_from(["m0", "m1", "m2", "forbidden"]), unique=True, max_size=3)),
)
def test_whatever_happens_it_ends_keeps_to_its_models_and_delivers_the_first_answer(models, answers, human, attempts, most, chains):
    run = Run(answers)
    names = {f"m{at}" for at in range(models)}
    on = tuple((fault, tuple(name for name in chain if name in names | {"forbidden"})) for fault, chain in chains.items())
    execution = Execution(retry=Retry(attempts=attempts, base_s=0.01), most_calls=most)
    ended = run(decision(models, human=human, fallback_on=on), execution)
    assert set(run.asked) <= names
    assert len(run.asked) <= most + sum(call.forced for call in run.calls) * attempts
    assert all(run.asked.count(name) <= attempts + attempts * any(call.forced for call in run.calls) for name in names)
    if isinstance(ended, Deliver):
        assert ended.reached.model == run.asked[-1]
        assert ended.reached.number == len(run.asked)
    else:
        assert len(ended.failures) == len(run.asked) > 0
        assert all(found.fault is not None for found in ended.failures)


APPROVED = Policy("approved", require=Requirement(approved=True))


def test_a_decision_without_a_survivor_starts_nothing():
    refused = decide(
        Request("r1", "m"), Signals(), (world := snapshot([Model("m", approved=False)], policies=(APPROVED,))), world.route("m"), seed=0
    )
    with pytest.raises(ValueError, match="nothing to start"):
        start(refused, ONCE)


def test_a_decision_read_back_from_the_log_starts_no_call():
    made = decision()
    object.__setattr__(made, "clearances", None)
    with pytest.raises(ClearanceError):
        next(start(made, ONCE))


def test_the_faults_that_are_asked_again_are_not_those_that_end_a_chain():
    assert not RETRIED & FINAL
    assert set(FAULTS) >= FINAL | RETRIED
