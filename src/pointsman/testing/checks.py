"""The conformance kit of checks: what every check of answers promises, on answers made to break it. A check is done when it passes.

```python
from pointsman.plans.checks.refusal import refusal
from pointsman.testing.checks import check_check

check_check("refusal", refusal)
```
"""

from __future__ import annotations

import copy
import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace

from pointsman.core.answer import Answer, Grade
from pointsman.core.request import ToolCall
from pointsman.plans.checks import Asked, Check, Offered

LARGE = 1_000_000
"""Characters of the largest answers."""

_MOST_CPU_S = 0.5  # about thirty times what a check may take, and far less than one that takes the square of a million
_MADE_UP = "wyxqvkjz"
_WORD = re.compile(r"[^\W\d_]{4,}")

_SCHEMA = {"type": "object", "properties": {"town": {"type": "string"}, "people": {"type": "integer"}}, "required": ["town", "people"]}
_DOUBLING = {"$defs": {"a": {"allOf": [{"$ref": "#/$defs/a"}] * 2}}, "$ref": "#/$defs/a"}
_TOOLS = (Offered("look_up", _SCHEMA), Offered("wait"), Offered("odd", {"type": "no such type"}), Offered("", _DOUBLING))
_WISHES = (
    'Give the fields `town` and "people" as JSON in a code block, in a table, as bullet points, with a single letter, only a number, '
    "cite your sources and state your confidence. What is the name of the city that lies on the river?"
)

ASKED: Mapping[str, Asked] = {
    "nothing": Asked(),
    "everything": Asked(_WISHES, "You are brief.", _TOOLS, sources=frozenset({1, 2}), choices=2),
    "a schema": Asked("Which town?", schema=_SCHEMA, response_format="json_schema"),
    "a costly schema": Asked("Which town?", schema=_DOUBLING, response_format="json_schema"),
    "an object": Asked("What is the name of it?", response_format="json_object", tools=_TOOLS, choice="none"),
    "one tool": Asked(tools=_TOOLS, choice="required", allowed=("look_up",), parallel=False),
    "odd text": Asked("\ud800 \x00 ٣ ☃" * 100, "\n" * 10_000),
}
"""What is asked."""

_PIECES = (
    *("a", "9", "\n", " ", "\t", "=", "1=", "1 + 1 = 2 ", "(1", "-", "[", "{", "[1] ", "|", "'", '"', "*", "`", "```\n", "```python\n"),
    *(
        "the cat is on the mat. ",
        "i'm sorry, but i ",
        "answer is ",
        "answer: ",
        "confidence: ",
        "\\boxed{",
        "\\frac{1}{",
        "日本語",
        "\u0301",
    ),
    *('{"a":', '"fields" ', "<a ", "verdict: right\n", "1,", "1.", "\ud800", "\x00", "٣", "http://", "**A** ", "((((", "  \n"),
)
_TEXTS = (
    *("", " ", "...", "7", "B", "Yes.", "The answer is (C).", "\ud800", "\x00\x01", "٣ ☃", "-0", "1e999", "NaN", "9" * 5_000, "null", "[]"),
    *('{"town": "Zwolle", "people": 1e400}', '{"town": "\\ud800"}', '{"town"', "```json\n{\n```", "```yaml\na: &a [*a, *a]\n```", "```"),
    *(
        "```python\n" + "(" * 5_000 + "\n```",
        "```python\n'\\d' \x00\n```",
        "```py\n" + "not " * 3_000 + "1\n```",
        "```yaml\n" + "[" * 3_900,
    ),
    *("0/0 = 1, 9^99^99 = 2, 1e5 = 5 * (, 2 / 0 = 3", "50% * 3 = 1.5%%", "\\frac{1}{0} = 0 + 1", "see [999], [1-2] and [0]"),
    *("Confidence: 999999%", "Confidence: -1", "confidence: 0.5/10", "\\boxed{" + "{" * 400, "\\boxed{}", "answer is", "####"),
)


def hostile() -> Iterator[Answer]:
    """Answers of all sizes that something was once tripped up by."""
    for text in _TEXTS:
        yield Answer(text)
    for piece in _PIECES:
        yield Answer(piece * 1_000)
    yield Answer(refusal="no", finish_reason="content_filter")
    yield Answer("it goes on", finish_reason="length")
    for arguments in ("", "{}", "{", "[]", "[" * 3_000, '{"town": 1}', '{"town": "Zwolle", "people": 7}', "null", "\ud800", "9" * 5_000):
        yield Answer(tool_calls=(ToolCall("1", "look_up", arguments),))
        yield Answer(tool_calls=(ToolCall("1", "wait", arguments), ToolCall("1", "wait", arguments)))
    yield Answer(tool_calls=(ToolCall("", "", "{}"), ToolCall("2", "odd", "{}"), ToolCall("3", "\ud800", "{}")))
    yield Answer(tool_calls=tuple(ToolCall(str(at), "wait", "") for at in range(1_000)))
    for odd in (float("-inf"), float("nan"), 5.0, -1e308):
        yield Answer("7", logprobs=(odd, -0.5))


def large() -> Iterator[Answer]:
    """Answers of a million characters."""
    for piece in _PIECES:
        yield Answer(piece * (LARGE // len(piece)))
    yield Answer("7", logprobs=(-0.1,) * LARGE)
    yield Answer(tool_calls=(ToolCall("1", "look_up", '{"town":' * (LARGE // 8)),))


def check_check(name: str, check: Check) -> None:
    """Run all of it; raises `AssertionError` that names the broken promise."""
    for kind, asked in ASKED.items():
        for answer in hostile():
            sound(name, check, answer, asked, f"asked for {kind}")
    for answer in large():
        quick(name, check, answer, ASKED["everything"])
    for asked in ASKED.values():
        quick(name, check, Answer("so " * (LARGE // 3)), asked)


def sound(name: str, check: Check, answer: Answer, asked: Asked, where: str = "") -> None:
    """On one answer: it does not raise, says a share or nothing, the same twice, changes nothing, and repeats no word of the answer."""
    shown = f"{name}: {where}: {answer!r:.200}"
    before = copy.deepcopy(asked)
    try:
        grade = check(answer, asked)
    except Exception as error:
        raise AssertionError(f"{shown}: it raises {type(error).__name__}: {error}") from error
    assert isinstance(grade, Grade), f"{shown}: it gives no grade"
    assert grade.check == name, f"{shown}: its grade has the name {grade.check!r}"
    assert grade.value is None or 0 <= grade.value <= 1, f"{shown}: {grade.value!r} is no share"
    assert len(grade.reason) <= 200, f"{shown}: its reason is long"
    assert check(answer, asked) == grade, f"{shown}: it says something else the second time"
    assert asked == before, f"{shown}: it changes what was asked"
    for word in {word for word in _WORD.findall(grade.reason) if word in repr(answer)}:
        assert _MADE_UP not in check(_put(answer, word), asked).reason, f"{shown}: its reason holds words of the answer"


def quick(name: str, check: Check, answer: Answer, asked: Asked) -> None:
    """On one large answer: it takes no more than linear time. Seconds of its thread are counted, so a busy machine does not matter."""
    began = time.thread_time()
    check(answer, asked)
    took = time.thread_time() - began
    assert took < _MOST_CPU_S, f"{name}: an answer of {len(answer.text):,} characters, {answer.text[:20]!r}…, takes {took:.1f} s"


def _put(answer: Answer, word: str) -> Answer:
    """The answer with a made-up word wherever it has this one: one that a reason holds on its own account is still there."""
    calls = tuple(
        ToolCall(call.id, call.name.replace(word, _MADE_UP), call.arguments.replace(word, _MADE_UP)) for call in answer.tool_calls
    )
    return replace(answer, text=answer.text.replace(word, _MADE_UP), refusal=answer.refusal.replace(word, _MADE_UP), tool_calls=calls)
