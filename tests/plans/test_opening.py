"""Cascades that begin as was learned: with a stronger model at once, or with two abreast; and that everything else holds as before."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.core.answer import Answer, Grade, Judged
from pointsman.core.outlook import Heard, Opening, Prospect, Prospects, Turn
from pointsman.core.plan import Accept, Cascade, Execution, Retry
from pointsman.core.worth import Further
from pointsman.plans.looking import Ahead
from pointsman.plans.start import start
from pointsman.plans.steps import All, Deliver, Fail
from tests.plans.talking import HELPER, ONCE, Said, Talk, decided, faults, scripts, thought

TIERS = ("m0", "m1", "m2")
WORTH = Execution(retry=ONCE, cascade=Cascade(TIERS, Accept(0.7, ("refusal",)), worth_usd=1.0))
SEVEN, EIGHT, THIRD, BARRED = Said("7", 0.4), Said("8", 0.5), Said("7", 0.6), Said("7", 0.9, barred=True)
AGREED, DIFFERED, STRONG = 0.9, 0.3, 0.8


def believing(model: str, answer: Answer, grades: tuple[Grade, ...]) -> Judged:
    return replace(thought(model, answer, grades), learned=True)


def then(heard: Sequence[Heard]) -> Turn | None:
    """Two that agree are believed, else the third is asked; the second speaks for both."""
    names = [one.model for one in heard]
    if names == ["m0", "m1", "m2"]:
        return Turn(2, STRONG)
    if names != ["m0", "m1"]:
        return None
    return Turn(1, AGREED) if heard[0].comes_to == heard[1].comes_to else Turn(1, DIFFERED, "m2")


def together(heard: Sequence[Heard], further: Sequence[tuple[str, float]]) -> Prospects:
    best = max(range(len(heard)), key=lambda at: heard[at].confidence)
    return Prospects(best, heard[best].confidence, tuple(Prospect(quality) for _, quality in further))


def ahead(*asked: str, offered: list[tuple[Sequence[Further], float, int]] | None = None) -> Ahead:
    def opening(offers: Sequence[Further], worth_usd: float, most: int) -> Opening | None:
        if offered is not None:
            offered.append((offers, worth_usd, most))
        return Opening(asked, then if len(asked) > 1 else None) if asked else None

    return Ahead(together, opening)


PAIR = ahead("m0", "m1")


def run(said, execution: Execution = WORTH, outlook: Ahead = PAIR, *, call_s: float = 0.0, models: int = 3, stream: bool = False, **route):
    script = {f"m{at}": each if isinstance(each, list) else [each] for at, each in enumerate(said)}
    made = decided(execution, models=models, stream=stream, **{"plan": "cascade", **route})
    talk = Talk({}, call_s=call_s, script=script)
    ended = talk.drive(start(made, execution, believing, outlook), lambda call: call.clearance.covers(made.request.id))
    talk.check(made, execution, ended)
    return talk, ended


def fates(ended: Deliver | Fail) -> list[tuple[str, str]]:
    return [(step.model, step.fate) for step in ended.course]


@pytest.mark.parametrize(
    ("said", "asked", "delivered"),
    [
        ((SEVEN, SEVEN), ["m0", "m1"], "m1"),
        ((SEVEN, EIGHT, SEVEN), ["m0", "m1", "m2"], "m2"),
        ((SEVEN, EIGHT, EIGHT), ["m0", "m1", "m2"], "m2"),
        # Whatever goes another way goes on answer by answer.
        (("timeout", SEVEN, THIRD), ["m0", "m1", "m2"], "m2"),
        ((SEVEN, "timeout", THIRD), ["m0", "m1", "m2"], "m2"),
        ((SEVEN, EIGHT, "timeout"), ["m0", "m1", "m2"], "m1"),
        (("timeout", "timeout", THIRD), ["m0", "m1", "m2"], "m2"),
        ((BARRED, SEVEN, THIRD), ["m0", "m1", "m2"], "m2"),
        ((SEVEN, EIGHT, BARRED), ["m0", "m1", "m2"], "m1"),
        # A fault that no other model can mend ends it.
        ((SEVEN, "content_filter"), ["m0", "m1"], "m0"),
    ],
)
def test_two_are_asked_at_once_and_the_third_where_they_differ(said, asked, delivered):
    talk, ended = run(said)
    assert isinstance(talk.steps[0], All)
    assert talk.asked == asked
    assert isinstance(ended, Deliver)
    assert ended.reached.model == delivered


def test_the_course_names_both_and_what_they_came_to():
    _, ended = run((SEVEN, SEVEN))
    assert [(step.model, step.fate, step.confidence) for step in ended.course] == [("m0", "accepted", AGREED), ("m1", "accepted", AGREED)]
    assert [step.why for step in ended.course] == [
        "asked at once with `m1`: they agree",
        "asked at once with `m0`: they agree: no further call is worth its price",
    ]
    _, ended = run((SEVEN, EIGHT, SEVEN))
    assert fates(ended) == [("m0", "escalated"), ("m1", "escalated"), ("m2", "accepted")]
    assert [step.why for step in ended.course[:2]] == ["asked at once with `m1`: they differ", "asked at once with `m0`: they differ"]
    assert ended.course[2].confidence == STRONG
    _, ended = run((Said(""), SEVEN, SEVEN))
    assert ended.course[0].why == "asked at once with `m1`: it cannot be said whether they agree"


def test_who_is_offered_has_a_price_and_how_much_may_be_spent_is_told():
    offered = []
    run((SEVEN, SEVEN), replace(WORTH, most_calls=5), ahead("m0", "m1", offered=offered))
    ((offers, worth_usd, most),) = offered
    assert [(one.model, round(one.quality, 2), one.cost_usd) for one in offers] == [
        ("m0", 0.5, 0.001),
        ("m1", 0.6, 0.004),
        ("m2", 0.7, 0.016),
    ]
    assert (worth_usd, most) == (1.0, 5)


@pytest.mark.parametrize(("said", "asked"), [((SEVEN, SEVEN, Said("7", 0.95)), ["m2"]), ((SEVEN, EIGHT, Said("7", 0.1)), ["m2", "m1"])])
def test_the_first_tier_is_passed_over_where_a_stronger_one_is_worth_it_at_once(said, asked):
    talk, ended = run(said, outlook=ahead("m2"))
    assert talk.asked[: len(asked)] == asked
    assert ended.reached.model == asked[-1]


@pytest.mark.parametrize(
    ("said", "human", "asked", "delivered"),
    [
        ((SEVEN, Said("8", 0.1)), False, ["m1"], "m1"),
        ((SEVEN, Said("8", 0.1)), True, ["m1"], None),
        ((SEVEN, Said("8", 0.9)), True, ["m1"], "m1"),
        ((SEVEN, BARRED, Said("7", 0.9)), False, ["m1", "m2"], "m2"),
        ((SEVEN, "timeout", Said("7", 0.9)), False, ["m1", "m0", "m2"], "m2"),
    ],
)
def test_one_that_is_worth_more_than_a_pair_is_kept_unless_it_fails(said, human, asked, delivered):
    outlook = Ahead(
        together,
        lambda offers, worth_usd, most: Opening(
            ("m1",), lambda heard: Turn(0, heard[0].confidence) if [one.model for one in heard] == ["m1"] else None
        ),
    )
    talk, ended = run(said, outlook=outlook, human=human)
    assert talk.asked == asked
    assert (ended.reached.model if isinstance(ended, Deliver) else None) == delivered


@pytest.mark.parametrize(
    ("execution", "plan"), [(replace(WORTH, cascade=replace(WORTH.cascade, worth_usd=None)), "cascade"), (WORTH, "escalate")]
)
def test_without_a_worth_and_to_escalate_it_begins_with_the_first_tier(execution, plan):
    talk, _ = run((Said("7", 0.99),), execution, plan=plan)
    assert talk.asked == ["m0"]
    assert run((Said("7", 0.99),), outlook=ahead())[0].asked == ["m0"]


@pytest.mark.parametrize("first", [("m0", "m1"), ("m2",)])
def test_no_token_goes_out_before_an_answer_was_accepted(first):
    talk, _ = run((SEVEN, EIGHT, SEVEN), outlook=ahead(*first), stream=True)
    assert all(call.whole for call in talk.calls[: len(first)])


def test_each_of_the_two_is_asked_again_where_that_may_help():
    execution = replace(WORTH, retry=Retry(attempts=2, base_s=0.1))
    talk, ended = run((["server_error", SEVEN], SEVEN), execution)
    assert talk.asked == ["m0", "m1", "m0"]
    assert (len(talk.waits), ended.reached.model) == (1, "m1")
    assert fates(ended) == [("m0", "accepted"), ("m1", "accepted")]


@pytest.mark.parametrize(
    ("limits", "call_s", "why"), [({"most_calls": 2}, 0.0, "no call is left of 2"), ({"deadline_s": 5.0}, 3.0, "no time is left: 5 s")]
)
@pytest.mark.parametrize("human", [False, True])
def test_when_patience_ends_after_two_that_differ_the_better_is_delivered_or_a_person_asked(limits, call_s, why, human):
    talk, ended = run((SEVEN, EIGHT, SEVEN), replace(WORTH, **limits), call_s=call_s, human=human)
    assert talk.asked == ["m0", "m1"]
    assert isinstance(ended, Fail) is human
    if human:
        assert ended.course[1].why == f"asked at once with `m0`: they differ: {why}"


def test_low_confidence_at_the_top_is_followed_by_the_chain_and_then_a_person():
    strict = replace(WORTH, cascade=replace(WORTH.cascade, accept=Accept(0.85, ("refusal",))))
    talk, ended = run((SEVEN, EIGHT, SEVEN, Said("7", 0.9)), strict, models=4, fallback=("m3",), human=True)
    assert (talk.asked, ended.reached.model) == (["m0", "m1", "m2", "m3"], "m3")
    talk, ended = run((SEVEN, EIGHT, SEVEN, Said("7", 0.2)), strict, models=4, fallback=("m3",), human=True)
    assert talk.asked == ["m0", "m1", "m2", "m3"]
    assert isinstance(ended, Fail)
    assert ended.human
    talk, ended = run((SEVEN, SEVEN), strict, human=True)
    assert (talk.asked, fates(ended)) == (["m0", "m1"], [("m0", "accepted"), ("m1", "accepted")])


def test_no_verifier_is_asked_where_its_word_would_change_nothing():
    verifying = replace(WORTH, cascade=replace(WORTH.cascade, accept=Accept(0.6, ("refusal",), HELPER)))
    assert run((SEVEN, EIGHT, THIRD), verifying, human=True)[0].asked == ["m0", "m1", "m2"]
    assert run((SEVEN, "timeout", THIRD), verifying, human=True)[0].asked == ["m0", "m1", "m2", HELPER, HELPER]


def test_where_neither_of_the_two_answers_nor_anybody_else_the_spares_are_asked():
    talk, ended = run(("timeout", "timeout", "timeout", SEVEN), models=4, fallback=("m3",))
    assert talk.asked == ["m0", "m1", "m2", "m3"]
    assert fates(ended) == [("m3", "accepted")]


@given(
    said=st.lists(scripts, min_size=4, max_size=4),
    first=st.sampled_from((("m0",), ("m1",), ("m2",), ("m0", "m1"), ("m1", "m0"), ("m0", "m2"))),
    worth_usd=st.sampled_from((0.0, 0.01, 1.0)),
    most_calls=st.integers(2, 8),
    deadline_s=st.sampled_from((2.5, 600.0)),
    attempts=st.integers(1, 2),
    human=st.booleans(),
    stream=st.booleans(),
    stream_first=st.booleans(),
    chains=st.dictionaries(faults, st.sampled_from(((), ("m2",), ("m3", "m1"))), max_size=2),
)
def test_whatever_is_said_and_fails(said, first, worth_usd, most_calls, deadline_s, attempts, human, stream, stream_first, chains):
    execution = Execution(
        retry=Retry(attempts=attempts, base_s=0.01),
        most_calls=most_calls,
        deadline_s=deadline_s,
        cascade=Cascade(TIERS, Accept(0.7, ("refusal",)), worth_usd, stream_first),
    )
    chosen = {"stream": stream, "human": human, "fallback": ("m3",), "fallback_on": tuple(chains.items())}
    run(said, execution, ahead(*first), models=4, call_s=1.0, **chosen)
