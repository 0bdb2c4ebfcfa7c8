"""Several answers, as few as can decide, and the one that wins is delivered."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.core.plan import Accept, Cascade, Ensemble, Execution, Retry
from pointsman.core.votes import Voice, parties, share
from pointsman.plans.ensemble import ensemble
from pointsman.plans.start import start
from pointsman.plans.steps import All, Deliver, Fail
from tests.plans.talking import HELPER, ONCE, Said, Talk, decided, scripts, thought

MEMBERS = ("m0", "m1", "m2")
PLAIN = Execution(retry=ONCE, ensemble=Ensemble(members=MEMBERS), cascade=Cascade(accept=Accept(checks=("refusal",))))
BARRED = Said("9", barred=True)
ONE, OTHER = "better: first", "better: second"


def of(**settings) -> Execution:
    return replace(PLAIN, ensemble=replace(PLAIN.ensemble, **settings))


def script(*said: str | Said) -> dict[str, list]:
    """What `m0`, `m1`, … say: a digit is an answer, a word a fault."""
    return {f"m{at}": [Said(each) if isinstance(each, str) and each.isdigit() else each] for at, each in enumerate(said)}


def run(said, execution: Execution = PLAIN, *, call_s: float = 0.0, models: int = 5, helper: bool = True, **route):
    talk = Talk({}, call_s=call_s, script=said)
    return talk, talk.begin(decided(execution, models=models, helper=helper, plan="ensemble", **route), execution)


def rounds(talk: Talk) -> list[int]:
    return [len(step.calls) for step in talk.steps if isinstance(step, All)]


@pytest.mark.parametrize(
    ("said", "asked", "delivered"),
    [
        (("7", "7", "8"), [2], "m1"),
        (("7", "8", "8"), [2, 1], "m2"),
        (("7", "8", "7"), [2, 1], "m2"),
        (("7", "8", "9"), [2, 1], "m2"),
        (("7", "timeout", "8"), [2, 1], "m2"),
        (("timeout", "timeout", "8"), [2, 1], "m2"),
        ((BARRED, BARRED, "8"), [2, 1], "m2"),
        ((BARRED, "9", "8"), [2, 1], "m2"),
        ((BARRED, BARRED, BARRED), [2, 1], "m2"),
        ((Said("The answer is 7."), Said("7.0"), "8"), [2], "m1"),
    ],
)
def test_a_quorum_first_and_more_only_where_they_can_change_the_outcome(said, asked, delivered):
    talk, ended = run(script(*said))
    assert rounds(talk) == asked
    assert isinstance(ended, Deliver)
    assert ended.reached.model == delivered


def test_every_call_waits_for_the_whole_answer():
    talk, _ = run(script("7", "7"), stream=True)
    assert all(call.whole for call in talk.calls)


def test_the_course_tells_votes_and_fates():
    _, ended = run(script("7", "8", "7"))
    told = [(step.call, step.model, step.fate, step.votes) for step in ended.course]
    assert told == [(1, "m0", "accepted", 2), (2, "m1", "outvoted", 1), (3, "m2", "accepted", 2)]
    grades = [grade for step in ended.course for grade in step.grades if grade.check == "agreement"]
    assert [grade.value for grade in grades] == [0.5, 0.0, 0.5]


def test_a_voice_may_weigh_what_its_model_is_expected_to_be_right():
    """0.5 and 0.6 against 0.9; then 0.5 and 0.6 against 1.2 of two that agree."""
    talk, ended = run(script("7", "7", "8"), of(vote="weighted", members=("m0", "m1", "m4")))
    assert ended.reached.model == "m1"
    talk, ended = run(script("7", "8", "9", "8"), of(vote="weighted", members=("m3", "m0", "m1", "m2")))
    assert ended.reached.model == "m3"
    assert len(talk.asked) == 3


# Best of n: one member, several forms of the question.


def test_further_samples_are_asked_in_other_forms():
    talk, ended = run({"m0": [Said("7"), Said("8"), Said("7")]}, of(members=("m0",), samples=3, forms=("Think first.", "Be brief.")))
    forms = [call.variation.instruction if call.variation else "" for call in talk.calls]
    assert forms == ["", "Think first.", "Be brief."]
    assert ended.reached.number == 1


def test_the_answer_in_the_clients_own_form_is_delivered_where_it_won():
    _, ended = run({"m0": [Said("8"), Said("7"), Said("7")]}, of(members=("m0",), samples=3, forms=("Think first.", "Be brief.")))
    assert ended.reached.number == 2


def test_a_member_that_does_not_answer_is_not_asked_for_more():
    talk, _ = run({"m0": ["timeout"], "m1": [Said("7"), Said("8")], "m2": [Said("8"), Said("7")]}, of(samples=2))
    assert talk.asked == ["m0", "m1", "m2", "m1", "m2"]


# Too little agreement.


@pytest.mark.parametrize(("agree", "calls", "does"), [(0.6, 3, True), (0.7, 3, False), (1.0, 3, False)])
def test_below_the_share_that_is_wanted_a_person_is_asked(agree, calls, does):
    said = script("7", "7", "8")
    talk, ended = run(said, of(agree=agree), human=True)
    assert len(talk.asked) <= calls
    assert isinstance(ended, Deliver) is does
    if not does:
        assert isinstance(ended, Fail)
        assert ended.human
        assert [(step.model, step.fate) for step in ended.course][:2] == [("m0", "to_review"), ("m1", "to_review")]
    _, ended = run(said, of(agree=agree))
    assert isinstance(ended, Deliver)
    assert ("delivered all the same: it has 67% of the votes" in ended.course[1].why) is not does


FAIR = Said("9", confidence=0.6)


@pytest.mark.parametrize(
    ("fallback", "further", "asked", "delivered"),
    [
        (("m3",), (Said("9", 0.9),), ["m3"], "m3"),
        (("forbidden", "m3", "m4"), (FAIR, Said("9", 0.9)), ["m3", "m4"], "m4"),
        (("m3", "m4"), ("timeout", Said("9", 0.9)), ["m3", "m4"], "m4"),
        (("m3",), (Said("9", 1.0, barred=True),), ["m3"], None),
        (("m3",), (FAIR,), ["m3"], None),
        (("m3",), ("timeout",), ["m3"], None),
        (("m3", "m4"), ("content_filter",), ["m3"], None),
        (("forbidden",), (), [], None),
    ],
)
@pytest.mark.parametrize("human", [False, True])
def test_too_little_agreement_leads_on_to_the_chains_stronger_models_and_then_to_a_person(fallback, further, asked, delivered, human):
    said = {**script("7", "7", "8"), **{f"m{at}": [each] for at, each in enumerate(further, 3)}}
    talk, ended = run(said, of(agree=0.9), fallback=fallback, human=human)
    assert talk.asked[2:] == ["m2", *asked] if len(talk.asked) > 2 else not asked
    if delivered is None:
        assert isinstance(ended, Fail) is human
        assert any("% of the votes, 90% are wanted" in step.why for step in ended.course)
    else:
        assert ended.reached.model == delivered
        last = ended.course[-1]
        assert (last.fate, last.threshold) == ("accepted", PLAIN.cascade.accept.confidence)
        assert {step.fate for step in ended.course[:-1]} <= {"escalated", "outvoted"}


@pytest.mark.parametrize("fault", ["server_error", "rate_limit", "context_length"])
def test_a_member_that_has_voted_is_not_asked_again_whatever_chain_a_failure_has(fault):
    said = {**script("7", "8", "9"), "m3": [fault]}
    chains = ((fault, ("m0", "m1")),)
    talk, ended = run(said, of(agree=0.9), fallback=("m3",), fallback_on=chains, human=True)
    assert talk.asked == ["m0", "m1", "m2", "m3"][: len(talk.asked)]
    assert isinstance(ended, Fail)


def test_only_the_chain_beyond_the_members_is_asked_and_only_of_what_is_as_good():
    talk, ended = run(script("7", "8", "9", "7", "7"), of(members=("m1", "m2", "m3"), agree=0.9), fallback=("m0", "m2"), human=True)
    assert set(talk.asked) <= {"m1", "m2", "m3"}
    assert isinstance(ended, Fail)


def test_those_who_said_the_same_as_the_stronger_model_were_right_too():
    _, ended = run({**script("7", "7", "8"), "m3": [Said("8", 0.9)]}, of(agree=0.9, members=("m2", "m0", "m1")), fallback=("m3",))
    told = {step.model: step.fate for step in ended.course}
    assert (told["m3"], told["m2"], told["m0"]) == ("accepted", "accepted", "escalated")


def test_no_more_calls_are_made_for_the_chain_than_are_allowed():
    talk, ended = run(script("7", "7", "8", "8"), replace(of(agree=0.9), most_calls=3), fallback=("m3",), human=True)
    assert "m3" not in talk.asked
    assert isinstance(ended, Fail)


# Failures and patience.


def test_when_none_answers_the_spares_are_asked():
    talk, ended = run(script("timeout", "timeout", "timeout"), fallback=("forbidden", "m4"))
    assert talk.asked == ["m0", "m1", "m2", "m4"]
    assert ended.reached.model == "m4"
    _, ended = run({f"m{at}": ["timeout"] for at in range(5)}, fallback=("m4",))
    assert isinstance(ended, Fail)
    assert not ended.human


def test_a_request_that_is_too_long_for_the_members_takes_its_chain():
    talk, ended = run(script(*["context_length"] * 3), fallback_on=(("context_length", ("m3",)),))
    assert talk.asked == ["m0", "m1", "m2", "m3"]
    assert ended.reached.model == "m3"


def test_members_are_asked_again_where_that_may_help_after_the_longest_of_their_waits():
    execution = replace(PLAIN, retry=Retry(attempts=2, base_s=0.1))
    said = {"m0": ["server_error", Said("7")], "m1": ["server_error", Said("7")]}
    talk, ended = run(said, execution)
    assert talk.asked == ["m0", "m1", "m0", "m1"]
    assert sum(wait.seconds for wait in talk.waits) <= 0.1
    assert ended.reached.model == "m1"
    talk = Talk({}, script=said, budget=1)
    talk.begin(decided(execution, plan="ensemble"), execution)
    assert len(talk.asked) == 4
    assert talk.asked[3] == "m2"


@pytest.mark.parametrize(
    ("limits", "call_s", "why"), [({"most_calls": 2}, 0.0, "no call is left of 2"), ({"deadline_s": 1.5}, 1.0, "no time is left: 1.5 s")]
)
def test_when_patience_ends_those_that_answered_have_voted(limits, call_s, why):
    talk, ended = run(script("7", "8", "8"), replace(PLAIN, **limits), call_s=call_s)
    assert talk.asked == ["m0", "m1"]
    assert ended.reached.model == "m1"
    assert ended.course[1].why == why


# The judge.


@pytest.mark.parametrize(
    ("said", "judge", "delivered", "why"),
    [
        (("7", "7", "7"), [], "m2", ""),
        (("7", "7", "8"), [ONE, OTHER], "m1", f"the majority's: `{HELPER}` prefers no other"),
        (("7", "7", "8"), [OTHER, ONE], "m2", f"`{HELPER}` prefers it"),
        (("7", "7", "8"), [ONE, ONE], "m1", f"the majority's: `{HELPER}` prefers no other"),
        (("7", "7", "8"), [OTHER, OTHER], "m1", f"the majority's: `{HELPER}` prefers no other"),
        (("7", "7", "8"), [OTHER, "I cannot say"], "m1", f"the majority's: `{HELPER}` prefers no other"),
        (("7", "8", "9"), [OTHER, ONE, OTHER, ONE], "m0", f"`{HELPER}` prefers it"),
        (("7", "8", "9"), [OTHER, ONE, ONE, OTHER], "m1", f"`{HELPER}` prefers it"),
    ],
)
def test_a_judge_is_asked_in_both_orders_and_only_where_answers_differ(said, judge, delivered, why):
    talk, ended = run({**script(*said), HELPER: [Said(each) for each in judge]}, of(vote="judge", judge=HELPER))
    assert talk.asked.count(HELPER) == len(judge)
    assert ended.reached.model == delivered
    assert next(step.why for step in ended.course if step.call == ended.reached.number) == why


@pytest.mark.parametrize(
    ("execution", "helper", "reason"),
    [
        (of(vote="judge", judge=HELPER), True, f"the call of `{HELPER}` failed: timeout"),
        (of(vote="judge", judge=HELPER), False, f"`{HELPER}` did not pass the gates, or there is no time for it"),
        (replace(of(vote="judge", judge=HELPER), most_calls=3), True, ""),
    ],
)
def test_a_judge_that_fails_leaves_it_to_the_majority(execution, helper, reason):
    _, ended = run({**script("7", "8", "8"), HELPER: ["timeout"]}, execution, helper=helper)
    assert isinstance(ended, Deliver)
    told = next(step for step in ended.course if step.call == ended.reached.number)
    assert reason in told.why
    assert told.model == ("m2" if execution.most_calls > 3 else "m0")


# For all inputs.

settings = st.builds(
    Ensemble,
    members=st.just(MEMBERS) | st.just(("m0",)) | st.just(("m3", "m1")),
    samples=st.integers(1, 3),
    forms=st.sampled_from(((), ("Think first.",))),
    vote=st.sampled_from(("majority", "weighted", "judge")),
    judge=st.just(HELPER),
    agree=st.sampled_from((0.0, 0.5, 0.7, 1.0)),
)


@given(
    said=st.lists(scripts, min_size=5, max_size=5),
    helper=st.lists(st.sampled_from((Said(ONE), Said(OTHER), Said("hm"), "timeout", "server_error")), min_size=1, max_size=4),
    chosen=settings,
    most_calls=st.integers(1, 10),
    deadline_s=st.sampled_from((2.5, 600.0)),
    attempts=st.integers(1, 3),
    human=st.booleans(),
    passes=st.booleans(),
)
def test_whatever_is_said_and_fails(said, helper, chosen, most_calls, deadline_s, attempts, human, passes):
    retry = Retry(attempts=attempts, base_s=0.01)
    execution = replace(PLAIN, retry=retry, most_calls=most_calls, deadline_s=deadline_s, ensemble=chosen)
    every = {**{f"m{at}": each for at, each in enumerate(said)}, HELPER: helper}
    run(every, execution, call_s=1.0, human=human, helper=passes, fallback=("m4",))


@given(
    said=st.lists(
        st.just(["timeout"])
        | st.lists(st.builds(Said, st.sampled_from("789"), barred=st.sampled_from((False, False, True))), min_size=1, max_size=3),
        min_size=5,
        max_size=5,
    ),
    members=st.permutations([f"m{at}" for at in range(5)]),
    samples=st.integers(1, 3),
    vote=st.sampled_from(("majority", "weighted")),
    agree=st.sampled_from((0.0, 0.5, 0.6, 0.8)),
)
def test_stopping_early_changes_neither_the_winner_nor_whether_it_is_accepted(said, members, samples, vote, agree):
    voices = []
    for place in range(samples * 5):
        sample, model = divmod(place, 5)
        at = int(members[model][1:])
        now = said[at][min(sample, len(said[at]) - 1)]
        if isinstance(now, Said) and not now.barred:
            quality = 0.5 + at / 10
            voices.append(Voice(place, now.text, round(quality * 10**6) if vote == "weighted" else 1, quality))
    execution = replace(of(members=tuple(members), samples=samples, vote=vote, agree=agree), most_calls=100)
    talk, ended = run({f"m{at}": each for at, each in enumerate(said)}, execution, human=True)
    if voices:
        first = parties(voices)[0]
        assert isinstance(ended, Deliver) is (share(first, voices) >= agree)
        winner = next(step.call for step in ended.course if step.fate in ("accepted", "to_review"))
        assert talk.results[winner - 1].answer.text == first.voices[0].says


def test_ensemble_is_what_a_decision_of_that_kind_starts():
    assert start(decided(PLAIN, plan="ensemble"), PLAIN, thought).gi_code is ensemble.__code__
