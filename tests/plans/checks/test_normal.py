"""Answers that say the same come to the same, and others do not."""

from __future__ import annotations

import pytest

from pointsman.core.answer import Answer
from pointsman.core.request import ToolCall
from pointsman.plans.checks.agreement import agreement
from pointsman.plans.checks.normal import final, normalised

SAME = {
    "a number": [
        "18",
        "The answer is 18.",
        "So she makes 9 * $2 = $18 every day.",
        "#### 18",
        "**Answer:** 18.00",
        '{"reasoning": "x", "answer": "$18"}',
        "\\boxed{18}",
    ],
    "a large number": ["1,024", "1024.0", "The final answer is: 1024 pieces", '```json\n{"answer": 1024}\n```'],
    "a fraction": ["1/2", "0.5", "\\boxed{\\frac{1}{2}}", "The answer is $\\dfrac12$."],
    "an option": [
        "B",
        "(B)",
        "B.",
        "**B**",
        "The answer is (B).",
        "The correct answer is B) a mouse",
        "Answer: B",
        "I think that the right one is **(B)**",
        '{"answer": "B"}',
    ],
    "yes": ["Yes", "yes.", "The answer is yes.", "Yes, it does.", "**Yes**", "true", '{"answer": true}', "Ja"],
    "no": ["No", "no.", "False", "Nein", "No, it does not."],
    "JSON": ['{"a": 1, "b": [2]}', '{"b":[2.0],\n"a":1}', '```json\n{"a": 1, "b": [2]}\n```'][:2],
    "a list": ["[1, 2]", "[1,2]", 'Therefore:\n{"answer": "[1, 2]"}', '{"answer": [1, 2]}'],
    "words": ["Mount Everest", "mount  everest.", 'The answer is "Mount Everest".'],
    "the last of several": ["The answer is 3. No: the answer is 4.", "4"],
    "what was asked, not what the model asks next": ["The answer is (A).\n\nQuestion: What else?\nThe answer is (C).", "A"],
}
APART = ["18", "19", "18/5", "-18", "B", "C", "yes", "no", '{"a": 1}', '{"a": 2}', "[1, 2]", "[2, 1]", "Mount Everest", "K2", "(1, 2)"]


@pytest.mark.parametrize("texts", SAME.values(), ids=SAME)
def test_these_say_the_same(texts):
    said = {text: normalised(text) for text in texts}
    assert len(set(said.values())) == 1, said
    assert "" not in said.values()


def test_these_do_not():
    assert len({normalised(text) for text in APART}) == len(APART)


@pytest.mark.parametrize(
    "text", ["", "   ", "...", "It depends on many things.\nThere are several ways to look at it, and none is the only one. Ask again."]
)
def test_these_come_to_nothing(text):
    assert normalised(text) == ""


def test_calls_are_the_same_in_any_order_and_spelling():
    one, other = ToolCall("1", "find", '{"a": 1, "b": "Oslo"}'), ToolCall("2", "wait", "")
    again = ToolCall("9", "find", '{"b":"oslo","a":1.0}')
    assert final(Answer(tool_calls=(one, other))) == final(Answer("let me see", tool_calls=(other, again)))
    assert final(Answer(tool_calls=(one,))) != final(Answer(tool_calls=(one, one)))


@pytest.mark.parametrize(
    ("text", "others", "value"),
    [("7", ["7", "7.0", "8", "so 7"], 0.75), ("7", ["8"], 0), ("7", [], None), ("7", [""], None), ("", ["7"], None), ("(B)", ["B."], 1)],
)
def test_agreement_is_a_share_of_those_that_say_something(text, others, value):
    assert agreement(Answer(text), [Answer(other) for other in others]).value == value
