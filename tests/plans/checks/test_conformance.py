"""What every check promises, the installed and the compared ones included, and that the kit sees where one does not."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.core.answer import Answer, Grade
from pointsman.core.request import ToolCall
from pointsman.plans.checks import CHECKS, Asked
from pointsman.plans.checks.agreement import agreement
from pointsman.plans.checks.normal import final, normalised
from pointsman.plans.checks.own import cel, pattern
from pointsman.plans.checks.verifier import verdict, verified
from pointsman.testing.checks import ASKED, check_check, hostile, large, quick, sound

ALL = {
    **CHECKS,
    "agreement": lambda answer, asked: agreement(answer, (answer, Answer("7"))),
    "verifier": lambda answer, asked: verified((verdict(answer.text), verdict(answer.text[::-1]))),
    "mine": cel("mine", lambda facts: facts["answer"]["length"] > 3),
    "pattern": pattern("pattern", "(a|b)*a[0-9]{3}"),
}

WORDS = st.sampled_from(
    [
        "the ",
        "= ",
        "7",
        "1 + 1 ",
        "```",
        "\n",
        "{",
        "}",
        '"a": ',
        "[1]",
        "sorry ",
        "answer is ",
        "(B)",
        "confidence: 9",
        "%",
        "```python\n",
        "é",
        "\\boxed{",
        "und ",
    ]
)
TEXTS = st.text(max_size=200) | st.lists(WORDS, max_size=40).map("".join)
CALLS = st.builds(
    ToolCall,
    st.just("1"),
    st.sampled_from(["look_up", "wait", "x"]),
    st.sampled_from(["{}", "", '{"town": "a", "people": 1}']) | st.text(max_size=20),
)
ANSWERS = st.builds(
    Answer,
    TEXTS,
    st.sampled_from(["", "", "no"]),
    st.lists(CALLS, max_size=2).map(tuple),
    st.sampled_from([None, "stop", "length", "tool_calls"]),
    st.lists(st.floats(max_value=0), max_size=5).map(tuple),
)


@pytest.mark.parametrize("name", ALL)
def test_it_conforms(name):
    check_check(name, ALL[name])


@given(ANSWERS, st.sampled_from(sorted(ASKED)))
def test_any_answer_is_graded(answer, kind):
    for name, check in ALL.items():
        sound(name, check, answer, ASKED[kind])


@given(st.builds(Asked, TEXTS, TEXTS), TEXTS)
def test_whatever_is_asked(asked, text):
    for name, check in ALL.items():
        sound(name, check, Answer(text), asked)


@given(TEXTS)
def test_any_text_comes_to_something_or_nothing(text):
    assert normalised(f"  {text}\n") == normalised(text)


def test_what_hostile_answers_come_to_is_a_text():
    assert all(isinstance(final(answer), str) for answer in hostile())
    for answer in large():
        quick("final", lambda answer, asked: Grade("final", None, final(answer)), answer, Asked())


def raising(answer, asked):
    return Grade("bad", 1 / len(answer.text))


def quoting(answer, asked):
    return Grade("bad", 1.0, f"it begins with {answer.text[:40]}")


def squaring(answer, asked):
    began = time.thread_time()
    while len(answer.text) > 100_000 and time.thread_time() - began < 0.6:
        pass
    return Grade("bad", 1.0)


TIMES = []


def moody(answer, asked):
    TIMES.append(1)
    return Grade("bad", len(TIMES) % 2)


@pytest.mark.parametrize(
    ("check", "said"),
    [
        (raising, "raises ZeroDivisionError"),
        (quoting, "holds words of the answer"),
        (squaring, "takes 0.6 s"),
        (moody, "something else the second time"),
        (lambda answer, asked: Grade("bad", 1.5), "is no share"),
        (lambda answer, asked: Grade("good", 1.0), "has the name"),
        (lambda answer, asked: None, "no grade"),
        (lambda answer, asked: Grade("bad", None, "x" * 300), "reason is long"),
    ],
)
def test_the_kit_sees(check, said):
    with pytest.raises(AssertionError, match=said):
        check_check("bad", check)
