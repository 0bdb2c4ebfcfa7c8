"""What each check says of ordinary answers: a table a check."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from pointsman.core.answer import Answer
from pointsman.core.request import ToolCall
from pointsman.errors import ConfigError
from pointsman.plans.checks import CHECKS, COMPARED, Asked, Offered, grades

ENGLISH = "What is the name of the river that flows through the city, and how long is it?"
GERMAN = "Der Fluss ist sehr lang, und die Stadt liegt nicht weit von dem Meer, auf das sie sieht."
RUSSIAN = "Река течёт через город и впадает в море недалеко от него."
TOWN = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "at": {"type": "object", "required": ["lat"]}},
    "required": ["name", "at"],
}
TOOLS = (Offered("find", TOWN), Offered("wait", {"type": "object"}), Offered("say"))
JSON = Asked(response_format="json_object")
PROSE = (
    "It was a bright cold day in April and the clocks were striking thirteen while she walked along the river to see what had become of it"
)


def call(name="find", arguments='{"name": "Oslo", "at": {"lat": 60}}'):
    return ToolCall("1", name, arguments)


def calls(*each, **asked):
    return Answer(tool_calls=each), Asked(tools=TOOLS, **asked)


def said(text, question="", **answer):
    return Answer(text, **answer), Asked(question)


CASES = {
    "empty": [
        (said(""), 0),
        (said(" \n… "), 0),
        (said("7"), 1),
        (said("👍"), 1),
        (said("", refusal="no"), 1),
        (calls(call()), 1),
    ],
    "refusal": [
        (said("I'm sorry, but I can't assist with that request."), 0),
        (said("I’m sorry, but I cannot help."), 0),
        (said("I cannot provide medical advice."), 0),
        (said("As an AI language model, I don't have personal opinions."), 0),
        (said("Es tut mir leid, aber ich kann Ihnen dabei nicht helfen."), 0),
        (said("抱歉,我不能回答这个问题。"), 0),
        (said("", refusal="I won't."), 0),
        (said("and so on", finish_reason="content_filter"), 0),
        (said("I'm sorry, but I can't do all of it. " + PROSE * 20), 0.5),
        (said("I don't know."), 0.5),
        (said("The value cannot be determined from what is given."), 0.5),
        (said("In the letter he writes that he is sorry for the delay."), 1),
        (said("Sorry to hear that! Try turning it off and on."), 1),
        (said("You cannot provide a lambda there; use a function."), 1),
        (said(""), None),
    ],
    "truncated": [
        (said("It is", finish_reason="length"), 0),
        (said("```python\nx = 1"), 0),
        (said("```python\nx = 1", finish_reason="stop"), 0.5),
        (said('```json\n{"a": 1}'), 1),
        (said('{"a": [1, 2'), 0),
        (said("He went to the"), 0.5),
        (said("There are three: apples,"), 0.5),
        (said("All is well."), 1),
        (said("```python\nx = 1\n```"), 1),
        (said("7"), 1),
        (calls(call()), 1),
        (said(""), None),
    ],
    "repetition": [
        (said("I think that it is so. " * 40), 0),
        (said(PROSE + " " + "and then it ends there. " * 60), 0),
        (said("哈" * 400), 0),
        (said("a" * 500), 0),
        (said(PROSE + ". " + " ".join(f"word{at}" for at in range(60))), 1),
        (said("short"), None),
    ],
    "language": [
        (said(GERMAN, ENGLISH), 0),
        (said(RUSSIAN, ENGLISH), 0),
        (said("这条河流很长,城市就在海边不远的地方。", ENGLISH), 0),
        (said("川は長く、街は海の近くにあります。", "这条河流很长,城市就在海边不远的地方吗?"), 0),
        (said(ENGLISH, ENGLISH), 1),
        (said(GERMAN, "Wie heißt der Fluss, der durch die Stadt geht, und wie lang ist er? Ich weiß es nicht."), 1),
        (said(GERMAN, ENGLISH + " Answer in German."), None),
        (said(GERMAN, "Translate: " + ENGLISH), None),
        (said("The Rhine", ENGLISH), None),
        (said("7", ENGLISH), None),
        (said("x = a + b - c * d / e", ENGLISH), None),
        (said("```python\nprint('the and of to is in that it')\n```", GERMAN), None),
    ],
    "format": [
        ((Answer('{"a": 1}'), JSON), 1),
        ((Answer('Here: {"a": 1}'), JSON), 0.5),
        ((Answer("[1]"), JSON), 0),
        ((Answer("NaN"), JSON), 0),
        ((Answer("Sure"), JSON), 0),
        (said("[1]", "Return a JSON list of primes."), 1),
        (said("one, two", "Respond with valid JSON only."), 0),
        (said("```\nx\n```", "Put it in a code block."), 1),
        (said("x", "Put it in a code block."), 0),
        (said(" (B) ", "Answer with a single letter."), 1),
        (said("B, because", "Answer with a single letter."), 0),
        (said("1,024", "Give only the number."), 1),
        (said("about 1024 of them", "Give only the number."), 0),
        (said("Yes.", "Answer only yes or no."), 1),
        (said("Perhaps", "Answer only yes or no."), 0),
        (said("| a | b |\n|---|---|", "Compare them in a table."), 1),
        (said("- a\n- b", "List them as bullet points in a table."), 0.5),
        (said("1. a", "Give me a numbered list, or rather: write it as a numbered list."), 1),
        (said("x", "What is JSON?"), None),
        (calls(call(), question="Give only the number."), None),
    ],
    "schema": [
        ((Answer('{"name": "Oslo", "at": {"lat": 1}}'), Asked(schema=TOWN)), 1),
        ((Answer('{"name": "Oslo"}'), Asked(schema=TOWN)), 0),
        ((Answer("Oslo"), Asked(schema=TOWN)), 0),
        ((Answer("{}"), Asked(schema={"$ref": "https://example.com/s"})), None),
        ((Answer("{}"), Asked()), None),
        (calls(call(), schema=TOWN), None),
    ],
    "required_fields": [
        ((Answer('{"name": "Oslo", "at": {"lat": 1}}'), Asked(schema=TOWN)), 1),
        ((Answer('{"name": "Oslo", "at": {}}'), Asked(schema=TOWN)), 2 / 3),
        ((Answer("Oslo"), Asked(schema=TOWN, response_format="json_schema")), 0),
        (said('{"a": 1}', 'Use the keys "a", "b" and `c`.'), 1 / 3),
        (said('[{"a": 1, "b": 2}]', "Each has the fields `a` and `b`."), 1),
        (said("a: 1", "Each has the fields `a` and `b`."), None),
        (said('{"a": 1}', "What is a key?"), None),
    ],
    "tool_calls": [
        (calls(call()), 1),
        (calls(call(), call("wait", "")), 1),
        (calls(call("say", "any words")), 1),
        (calls(call(), call()), 0.5),
        (calls(call("fly", "{}")), 0),
        (calls(call(arguments='{"name": 7, "at": {"lat": 60}}')), 0),
        (calls(call(arguments="{")), 0),
        (calls(call(arguments="[]")), 0),
        (calls(call(), call("wait", "{}"), parallel=False), 0),
        (calls(call(), choice="none"), 0),
        (calls(call(), allowed=("wait",)), 0),
        ((Answer(tool_calls=(call(),)), Asked()), 0),
        ((Answer("Oslo"), Asked(tools=TOOLS, choice="required")), 0),
        ((Answer("Oslo"), Asked(tools=TOOLS)), None),
    ],
    "arithmetic": [
        (said("3 + 4 = 7"), 1),
        (said("3 + 4 = 8"), 0),
        (said("- 3 + 4 = 7, so 2 * $3.50 = $7.00. Then 10 - 1 = 8."), 2 / 3),
        (said("7 eggs + 3 eggs = 10 eggs"), 1),
        (said("300 feet / 60 feet/minute = 5 minutes"), 1),
        (said("100 / 3 = 33.33 and 2/3 = 0.67"), 1),
        (said("1/4 * 100 = 25%, 20% * 50 = 10"), 1),
        (said("(1 + 2) * 3 + 4 = 13 = 5 + 8"), 1),
        (said("\\(3 \\times 4 = 12\\), $\\frac{1}{2} + \\frac{1}{4} = 0.75$, 2^10 = 1,024"), 1),
        (said("$3 \\cdot 4 = 13$"), 0),
        (said('{"reasoning": "First 3 + 4 = 8.\\nThen 8 * 2 = 16."}'), 0.5),
        (said("2x + 3 = 7, M - 2 = 14 + 5"), None),
        (said("5:00 pm - 10 minutes = 4:50 pm"), None),
        (said("1 hour + 30 minutes = 90 minutes"), None),
        (said("-15 \\sqrt{3}/2 = 4, x² - 5 = 3"), None),
        (said("```python\nx = 1 + 1 == 3\n```"), None),
        (said("0 / 0 = 1"), None),
    ],
    "code": [
        (said("```python\nprint(1)\n```"), 1),
        (said("```python\nprint(1\n```"), 0),
        (said("```py\nx = '\\d'\n```\nand\n```json\n{'a': 1}\n```"), 0.5),
        (said("```yaml\na: [1, 2\n```"), 0),
        (said("```yaml\na: 1\n```"), 1),
        (said("```rust\nfn (\n```"), None),
        (said("```python\n>>> 1 + 1\n2\n```"), None),
        (said("print(1"), None),
    ],
    "citations": [
        ((Answer("So it is [1]."), Asked(sources=frozenset({1, 2}))), 1),
        ((Answer("So it is [1], not [9]."), Asked(sources=frozenset({1, 2}))), 0.5),
        (said("It is so [1].\n\n[1] A book, 1999", "Cite your sources."), 1),
        (said("It is so [2].\n\n[1] A book, 1999", "Cite your sources."), 0),
        (said("See https://example.com/a.", "Give sources."), 1),
        (said("It is so (Ng, 2019).", "Please cite."), 1),
        (said("It is so.", "Please cite."), 0),
        ((Answer("It is so."), Asked(sources=frozenset({1}))), None),
        (said("x[1] is the second one"), None),
    ],
    "logprobs": [
        (said("7", logprobs=(0.0,) * 5), 1),
        (said("7", logprobs=(float("-inf"),)), 0),
        (said("7", logprobs=(float("nan"),)), None),
        (said("7"), None),
    ],
    "self_report": [
        (said("7\nConfidence: 85%", "State your confidence."), 0.85),
        (said("7\n**Confidence:** 0.4", "State your confidence."), 0.4),
        (said("Confidence: 8/10", "State your confidence."), 0.8),
        (said("I am 90% sure. No: I am 60% sure.", "How sure are you?"), 0.6),
        (said("Confidence: high", "State your confidence."), 0.8),
        (said("Confidence: 850%", "State your confidence."), None),
        (said("7", "State your confidence."), None),
        (said("Confidence: 85%", "Which one?"), None),
    ],
}


@pytest.mark.parametrize(
    ("name", "answer", "asked", "value"),
    [
        pytest.param(name, *case, value, id=f"{name}-{case[0].text[:40] or (case[0].tool_calls and 'calls')}")
        for name, cases in CASES.items()
        for case, value in cases
    ],
)
def test_the_check_says(name, answer, asked, value):
    (grade,) = grades((name,), answer, asked)
    assert grade.value == (None if value is None else pytest.approx(value))
    assert grade.value in (None, 1) or grade.reason, "what speaks against an answer has a reason"


def test_every_check_has_its_table():
    assert CASES.keys() == CHECKS.keys()


def test_grades_come_in_the_order_asked_for_and_leave_out_what_takes_calls():
    found = grades(("truncated", "agreement", "empty", "verifier"), Answer("7"), Asked())
    assert [grade.check for grade in found] == ["truncated", "empty"]


def test_an_unknown_check_is_refused():
    with pytest.raises(ConfigError, match="unknown check `refusals`; did you mean `refusal`"):
        grades(("refusals",), Answer("7"), Asked())


def test_every_check_has_its_row_and_heading():
    page = (Path(__file__).parents[3] / "docs" / "checks.md").read_text(encoding="utf-8")
    assert re.findall(r"^\| \[`(\w+)`\]\(#\1\)", page, re.MULTILINE) == [*CHECKS, *COMPARED]
    assert re.findall(r"^## `(\w+)`$", page, re.MULTILINE) == [*CHECKS, *COMPARED]
