"""Cheap first, then dearer where the answer does not do; and what is delivered when nobody is left."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.core.fault import FINAL
from pointsman.core.plan import Accept, Cascade, Execution, Retry
from pointsman.plans.cascade import cascade
from pointsman.plans.start import start
from pointsman.plans.steps import Deliver, Fail, Reached
from tests.plans.talking import HELPER, ONCE, Said, Talk, decided, faults, scripts, thought

TIERS = ("m0", "m1", "m2")
PLAIN = Execution(retry=ONCE, cascade=Cascade(tiers=TIERS, accept=Accept(confidence=0.7, checks=("refusal",))))
POOR, FAIR, GOOD, BARRED = Said(confidence=0.3), Said(confidence=0.6), Said(confidence=0.9), Said(confidence=1.0, barred=True)


def run(script, execution: Execution = PLAIN, *, call_s: float = 0.0, models: int = 3, helper: bool = True, stream: bool = False, **route):
    route = {"plan": "cascade", **route}
    talk = Talk({}, call_s=call_s, script=script)
    return talk, talk.begin(decided(execution, models=models, helper=helper, stream=stream, **route), execution)


def fates(ended: Deliver | Fail) -> list[tuple[str, str]]:
    return [(step.model, step.fate) for step in ended.course]


@pytest.mark.parametrize(
    ("said", "asked", "delivered"),
    [
        ((GOOD,), ["m0"], "m0"),
        ((Said(confidence=0.7),), ["m0"], "m0"),
        ((POOR, GOOD), ["m0", "m1"], "m1"),
        ((POOR, FAIR, GOOD), ["m0", "m1", "m2"], "m2"),
        ((BARRED, GOOD), ["m0", "m1"], "m1"),
        (("timeout", GOOD), ["m0", "m1"], "m1"),
        ((POOR, "timeout", GOOD), ["m0", "m1", "m2"], "m2"),
        ((POOR, FAIR, "timeout"), ["m0", "m1", "m2"], "m1"),
        ((FAIR, POOR, POOR), ["m0", "m1", "m2"], "m0"),
        ((FAIR, FAIR, FAIR), ["m0", "m1", "m2"], "m2"),
        ((BARRED, POOR, BARRED), ["m0", "m1", "m2"], "m1"),
        ((BARRED, BARRED, "timeout"), ["m0", "m1", "m2"], "m1"),
        (("timeout", "timeout", POOR), ["m0", "m1", "m2"], "m2"),
    ],
)
def test_the_first_answer_that_does_is_delivered_else_the_most_likely(said, asked, delivered):
    talk, ended = run({model: [each] for model, each in zip(TIERS, said, strict=False)})
    assert talk.asked == asked
    assert isinstance(ended, Deliver)
    assert ended.reached.model == delivered


@pytest.mark.parametrize(
    ("said", "review"), [((POOR, FAIR, POOR), "m1"), ((POOR, BARRED, "timeout"), "m0"), ((POOR, "content_filter"), "m0")]
)
def test_where_none_does_a_person_is_asked_and_sees_every_answer(said, review):
    _, ended = run({model: [each] for model, each in zip(TIERS, said, strict=False)}, human=True)
    assert isinstance(ended, Fail)
    assert ended.human
    assert [model for model, fate in fates(ended) if fate == "to_review"] == [review]
    assert [step.model for step in ended.course] == [model for model, each in zip(TIERS, said, strict=False) if isinstance(each, Said)]


@pytest.mark.parametrize(
    ("fallback", "said", "asked", "delivered"),
    [
        (("m3",), (POOR, POOR, FAIR, GOOD), ["m0", "m1", "m2", "m3"], "m3"),
        (("m3", "m4"), (POOR, POOR, FAIR, BARRED, GOOD), ["m0", "m1", "m2", "m3", "m4"], "m4"),
        (("m3", "m4"), (POOR, POOR, FAIR, "timeout", GOOD), ["m0", "m1", "m2", "m3", "m4"], "m4"),
        (("m3", "m4"), (POOR, POOR, "timeout", POOR, GOOD), ["m0", "m1", "m2", "m3", "m4"], "m4"),
        (("m3",), (POOR, POOR, GOOD), ["m0", "m1", "m2"], "m2"),
        (("m3",), (POOR, FAIR, POOR, POOR), ["m0", "m1", "m2", "m3"], None),
        (("m3", "m4"), (POOR, POOR, FAIR, "content_filter"), ["m0", "m1", "m2", "m3"], None),
        (("m3", "m4"), (POOR, POOR, "content_filter"), ["m0", "m1", "m2"], None),
        (("forbidden",), (POOR, POOR, FAIR), ["m0", "m1", "m2"], None),
    ],
)
@pytest.mark.parametrize("human", [False, True])
def test_below_the_threshold_at_the_top_the_chains_stronger_models_are_asked_then_a_person(fallback, said, asked, delivered, human):
    script = {f"m{at}": [each] for at, each in enumerate(said)}
    talk, ended = run(script, models=5, fallback=fallback, human=human)
    assert talk.asked == asked
    if delivered is None:
        assert isinstance(ended, Fail) is human
    else:
        assert isinstance(ended, Deliver)
        assert ended.reached.model == delivered


def test_the_chain_is_not_followed_to_a_model_of_which_less_is_expected():
    tiers = replace(PLAIN, cascade=replace(PLAIN.cascade, tiers=("m1", "m2")))
    talk, ended = run({"m1": [POOR], "m2": [POOR], "m0": [GOOD]}, tiers, fallback=("m0",), human=True)
    assert talk.asked == ["m1", "m2"]
    assert isinstance(ended, Fail)


def test_the_chain_is_followed_where_nothing_is_worth_its_price_and_a_person_would_be_asked():
    worth = replace(PLAIN, cascade=replace(PLAIN.cascade, worth_usd=0.0))
    talk, ended = run({"m0": [FAIR], "m3": [GOOD]}, worth, models=4, fallback=("m3",), human=True)
    assert talk.asked == ["m0", "m3"]
    assert ended.reached.model == "m3"
    talk, _ = run({"m0": [FAIR], "m3": [GOOD]}, worth, models=4, fallback=("m3",))
    assert talk.asked == ["m0"]


@pytest.mark.parametrize(("fallback", "whole"), [((), False), (("m3",), True)])
def test_the_last_tier_is_looked_at_where_the_chain_has_a_stronger_model(fallback, whole):
    talk, ended = run({"m0": [POOR], "m1": [POOR], "m2": [POOR], "m3": [POOR]}, models=4, stream=True, fallback=fallback)
    assert [call.whole for call in talk.calls[:3]] == [True, True, whole]
    assert not talk.calls[-1].whole
    assert ended.reached.model == talk.asked[-1]


def test_of_answers_as_likely_to_be_right_the_better_models_is_delivered_whoever_came_last():
    tiers = replace(PLAIN, cascade=replace(PLAIN.cascade, tiers=("m2", "m0", "m1")))
    _, ended = run({model: [FAIR] for model in TIERS}, tiers)
    assert ended.reached.model == "m2"


def test_the_course_says_why():
    _, ended = run({"m0": [BARRED], "m1": [FAIR], "m2": ["timeout"]})
    assert [(step.call, step.model, step.fate, step.confidence, step.threshold, step.why) for step in ended.course] == [
        (1, "m0", "escalated", 1.0, 0.7, "`refusal` is at 0"),
        (2, "m1", "settled", 0.6, 0.7, "delivered all the same: the call of `m2` failed: timeout"),
    ]


def test_when_none_answers_the_spares_are_asked_and_not_looked_at():
    script = {model: ["timeout"] for model in TIERS}
    talk, ended = run(script, models=5, fallback=("m3", "forbidden", "m4"))
    assert talk.asked == [*TIERS, "m3"]
    assert fates(ended) == [("m3", "accepted")]
    talk, ended = run({f"m{at}": ["timeout"] for at in range(5)}, models=5, fallback=("m3", "m4"))
    assert isinstance(ended, Fail)
    assert len(ended.failures) == 5


@pytest.mark.parametrize("fault", sorted(FINAL))
def test_what_is_wrong_with_the_request_ends_it_but_for_a_chain_of_its_own(fault):
    talk, ended = run({"m0": [fault]})
    assert (talk.asked, type(ended)) == (["m0"], Fail)
    talk, ended = run({"m0": [fault], "m2": [GOOD]}, fallback_on=((fault, ("forbidden", "m2")),))
    assert talk.asked == ["m0", "m2"]
    assert ended.reached.model == "m2"
    talk, ended = run({"m0": [POOR], "m1": [fault]})
    assert (talk.asked, ended.reached.model) == (["m0", "m1"], "m0")


def test_each_tier_is_asked_again_where_that_may_help():
    execution = replace(PLAIN, retry=Retry(attempts=2, base_s=0.1))
    talk, ended = run({"m0": ["server_error", POOR], "m1": ["server_error", GOOD]}, execution)
    assert talk.asked == ["m0", "m0", "m1", "m1"]
    assert len(talk.waits) == 2
    assert ended.reached.number == 4


@pytest.mark.parametrize(
    ("limits", "call_s", "why"), [({"most_calls": 2}, 0.0, "no call is left of 2"), ({"deadline_s": 5.0}, 3.0, "no time is left: 5 s")]
)
@pytest.mark.parametrize("human", [False, True])
def test_when_patience_ends_the_best_so_far_is_delivered_or_a_person_asked(limits, call_s, why, human):
    talk, ended = run({"m0": [FAIR], "m1": [POOR], "m2": [GOOD]}, replace(PLAIN, **limits), call_s=call_s, human=human)
    assert talk.asked == ["m0", "m1"]
    assert ended.course[0].why == (why if human else f"delivered all the same: {why}")
    assert isinstance(ended, Fail) is human


def test_all_out_of_service_the_first_is_called_all_the_same():
    talk, ended = run({"m0": ["unavailable", POOR], "m1": ["unavailable"], "m2": ["unavailable"]})
    assert talk.calls[-1].forced
    assert ended.reached.model == "m0"


# What is streamed.


@pytest.mark.parametrize(
    ("stream", "stream_first", "human", "whole"),
    [
        (False, False, False, True),
        (True, False, False, False),
        (True, False, True, True),
        (True, True, True, False),
        (False, True, False, False),
    ],
)
def test_the_last_tier_may_stream_where_nobody_could_answer_after_it(stream, stream_first, human, whole):
    execution = replace(PLAIN, cascade=replace(PLAIN.cascade, stream_first=stream_first))
    talk, ended = run({"m0": [POOR], "m1": [POOR], "m2": [GOOD]}, execution, stream=stream, human=human)
    assert [call.whole for call in talk.calls] == [True, True, whole]
    assert (ended.course[-1].confidence is None) is not whole
    assert ended.reached.model == "m2"


def test_a_last_tier_that_fails_before_its_stream_begins_leaves_the_best_so_far():
    _, ended = run({"m0": [FAIR], "m1": [POOR], "m2": ["timeout"]}, stream=True)
    assert ended.reached.model == "m0"


def test_an_answer_that_is_there_is_not_given_up_for_an_unfit_one():
    talk, _ = run({"m0": [POOR], "m1": [POOR], "m2": [GOOD]}, replace(PLAIN, checks=("empty",)))
    assert [call.checks for call in talk.calls] == [("empty",)] * 3
    talk, _ = run({"m0": ["timeout"], "m1": ["timeout"], "m2": [GOOD]}, replace(PLAIN, checks=("empty",)))
    assert [call.checks for call in talk.calls] == [("empty",), ("empty",), ()]
    talk, _ = run({model: ["timeout"] for model in TIERS}, replace(PLAIN, checks=("empty",)), models=4, fallback=("m3",))
    assert [call.checks for call in talk.calls] == [("empty",)] * 3 + [()]


# Cascade routing. A call of m0, m1, m2 costs 0.001, 0.004 and 0.016 USD, and they are expected to be right half, 0.6 and 0.7 of the time.


def routing(worth_usd: float, **more) -> Execution:
    return replace(PLAIN, cascade=replace(PLAIN.cascade, worth_usd=worth_usd, **more))


@pytest.mark.parametrize(
    ("worth_usd", "said", "asked", "delivered"),
    [
        (0.001, (POOR,), ["m0"], "m0"),
        (0.02, (POOR, POOR), ["m0", "m1"], "m1"),
        (1.0, (POOR, POOR, GOOD), ["m0", "m2"], "m2"),
        (1.0, (Said(confidence=0.65), POOR, POOR), ["m0", "m2"], "m0"),
        (1.0, (GOOD,), ["m0"], "m0"),
        (1.0, (POOR, GOOD, "timeout"), ["m0", "m2", "m1"], "m1"),
        (0.001, ("timeout", POOR), ["m0", "m1"], "m1"),
        (1.0, (BARRED, POOR, GOOD), ["m0", "m2"], "m2"),
        (0.02, (POOR, "timeout", GOOD), ["m0", "m1"], "m0"),
    ],
)
def test_the_further_call_is_made_that_is_worth_its_price(worth_usd, said, asked, delivered):
    talk, ended = run({model: [each] for model, each in zip(TIERS, said, strict=False)}, routing(worth_usd))
    assert talk.asked == asked
    assert ended.reached.model == delivered


def test_where_nothing_further_is_worth_its_price_that_is_said():
    _, ended = run({"m0": [POOR]}, routing(0.001))
    assert [(step.fate, step.threshold, step.why) for step in ended.course] == [("accepted", None, "no further call is worth its price")]
    _, ended = run({"m0": [POOR]}, routing(0.001), human=True)
    assert [(step.fate, step.threshold, step.why) for step in ended.course] == [("to_review", 0.7, "no further call is worth its price")]
    _, ended = run({"m0": [BARRED]}, routing(0.000_001))
    assert fates(ended) == [("m0", "settled")]


# The verifier.


def verifying(**more) -> Execution:
    accept = replace(PLAIN.cascade.accept, verifier=HELPER)
    return replace(PLAIN, cascade=replace(PLAIN.cascade, accept=accept), **more)


@pytest.mark.parametrize(("confidence", "asked"), [(0.3, False), (0.6, True), (0.75, True), (0.95, False)])
def test_a_verifier_is_asked_where_its_word_may_change_something(confidence, asked):
    talk, _ = run({"m0": [Said(confidence=confidence)], "m1": [GOOD]}, verifying())
    assert (HELPER in talk.asked[:3]) is asked


@pytest.mark.parametrize(
    ("confidence", "replies", "value", "asked"),
    [
        (0.6, ["verdict: right", "verdict: right\nprobability: 80"], 0.9, ["m0", HELPER, HELPER]),
        (0.75, ["verdict: wrong", "verdict: right"], 0.5, ["m0", HELPER, HELPER, "m1"]),
        (0.75, ["verdict: wrong", "verdict: wrong"], 0.0, ["m0", HELPER, HELPER, "m1"]),
        (0.75, ["I cannot say"], None, ["m0", HELPER, HELPER]),
    ],
)
def test_what_the_verifier_says_in_both_orders_is_a_grade_and_the_answer_judged_again(confidence, replies, value, asked):
    said = {"m0": [Said(confidence=confidence)], "m1": [GOOD], HELPER: [Said(each) for each in replies]}
    talk, ended = run(said, verifying())
    assert talk.asked == asked
    questions = [call.variation.question for call in talk.calls if call.model == HELPER]
    assert len(set(questions)) == 2
    assert [grade.value for grade in ended.course[0].grades if grade.check == "verifier"] == [value]


def test_a_verifier_that_fails_has_no_opinion():
    _, ended = run({"m0": [Said(confidence=0.75)], HELPER: ["timeout"]}, verifying())
    grade = next(grade for grade in ended.course[0].grades if grade.check == "verifier")
    assert (grade.value, grade.reason) == (None, f"the call of `{HELPER}` failed: timeout")
    assert fates(ended) == [("m0", "accepted")]


@pytest.mark.parametrize(
    ("execution", "helper", "reason"),
    [
        (verifying(), False, f"`{HELPER}` did not pass the gates, or there is no time for it"),
        (verifying(most_calls=3), True, f"no call is left for `{HELPER}`"),
    ],
)
def test_a_verifier_that_cannot_be_asked_has_no_opinion(execution, helper, reason):
    talk, ended = run({"m0": [Said(confidence=0.75)]}, execution, helper=helper)
    assert talk.asked == ["m0"]
    assert [grade.reason for grade in ended.course[0].grades if grade.check == "verifier"] == [reason]


def test_nobody_is_asked_about_an_answer_that_is_delivered_in_any_case():
    talk, _ = run({"m0": [POOR], "m1": [POOR], "m2": [FAIR]}, verifying())
    assert HELPER not in talk.asked
    talk, _ = run({"m0": [POOR], "m1": [POOR], "m2": [FAIR]}, verifying(), human=True)
    assert HELPER in talk.asked


# For all inputs.


@given(
    said=st.lists(scripts, min_size=4, max_size=4),
    helper=scripts,
    verifier=st.sampled_from((None, HELPER)),
    worth_usd=st.sampled_from((None, None, 0.01, 1.0)),
    most_calls=st.integers(1, 8),
    deadline_s=st.sampled_from((2.5, 600.0)),
    attempts=st.integers(1, 2),
    human=st.booleans(),
    stream=st.booleans(),
    stream_first=st.booleans(),
    kind=st.sampled_from(("cascade", "escalate")),
    chains=st.dictionaries(faults, st.sampled_from(((), ("m2",), ("m3", "m1"))), max_size=2),
)
def test_whatever_is_said_and_fails(
    said, helper, verifier, worth_usd, most_calls, deadline_s, attempts, human, stream, stream_first, kind, chains
):
    accept = Accept(0.7, ("refusal",), verifier)
    execution = Execution(
        retry=Retry(attempts=attempts, base_s=0.01),
        most_calls=most_calls,
        deadline_s=deadline_s,
        cascade=Cascade(TIERS, accept, worth_usd, stream_first),
    )
    script = {**{f"m{at}": each for at, each in enumerate(said)}, HELPER: helper}
    run(script, execution, models=4, call_s=1.0, stream=stream, human=human, plan=kind, fallback=("m3",), fallback_on=tuple(chains.items()))


@given(st.lists(st.sampled_from((0.0, 0.2, 0.5, 0.6, 0.69)), min_size=3, max_size=3))
def test_the_most_confident_is_delivered_and_never_silently_a_lesser_one(confidences):
    _, ended = run({model: [Said(confidence=each)] for model, each in zip(TIERS, confidences, strict=True)})
    delivered = next(step for step in ended.course if step.call == ended.reached.number)
    assert delivered.confidence == max(confidences)
    assert delivered.why == "delivered all the same: nobody is left to ask"


def test_a_plan_that_looks_needs_a_judge():
    made = decided(PLAIN, plan="cascade")
    with pytest.raises(ValueError, match="needs a judge"):
        start(made, PLAIN)
    assert start(made, PLAIN, thought).gi_code is cascade.__code__
    with pytest.raises(StopIteration) as stopped:
        steps = start(made, PLAIN, thought)
        next(steps)
        steps.send(Reached("m0", number=1, answer=GOOD.answer))
    assert stopped.value.value.reached.model == "m0"
