"""What the scripts say: each makes a reply of what it was asked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from pointsman.testing.able import THOUGHT, able, calls_of
from pointsman.testing.asked import Asked, Memory
from pointsman.testing.said import Call, Finish, Reply, Usage, pieces, usage

Voice = Callable[[Asked, int, Memory], Reply]

_HUGE_MIB = 8
_WORD = " " + "x" * 65_535


def reply(asked: Asked, text: str, reasoning: str = "", calls: tuple[Call, ...] = (), finish: Finish = "stop") -> Reply:
    """A reply with the usage that it has."""
    spent = usage(asked, text, reasoning, *(call.arguments for call in calls))
    return Reply(spent, text, reasoning, calls, finish=finish)


def ok(asked: Asked, number: int, memory: Memory) -> Reply:
    """The text of the last message."""
    return reply(asked, asked.last.text)


def _says(asked: Asked, number: int, memory: Memory) -> Reply:
    return reply(asked, [*asked.model.split("@"), ""][1].replace("\\n", "\n"))


def _no_usage(asked: Asked, number: int, memory: Memory) -> Reply:
    return Reply(None, asked.last.text)


def _wrong_usage(asked: Asked, number: int, memory: Memory) -> Reply:
    return replace(ok(asked, number, memory), usage=Usage(-5, 10**18, cached=7, reasoning=-1, total=3))


def _huge_answer(asked: Asked, number: int, memory: Memory) -> Reply:
    return reply(asked, _WORD * 16 * (number or _HUGE_MIB))


def _empty_content(asked: Asked, number: int, memory: Memory) -> Reply:
    return reply(asked, "")


def _refusal(asked: Asked, number: int, memory: Memory) -> Reply:
    refusal = "I cannot help with that."
    return Reply(usage(asked, refusal), refusal=refusal)


def _length_cut(asked: Asked, number: int, memory: Memory) -> Reply:
    said = pieces(asked.last.text)
    return reply(asked, "".join(said[: (len(said) + 1) // 2]), finish="length")


def _content_filter(asked: Asked, number: int, memory: Memory) -> Reply:
    return reply(asked, "", finish="content_filter")


def _not_json(asked: Asked, number: int, memory: Memory) -> Reply:
    return reply(asked, "Certainly! Here is what you asked for: {")


def _reasoning(asked: Asked, number: int, memory: Memory) -> Reply:
    said = reply(asked, asked.last.text, THOUGHT)
    spent = usage(asked, said.text, THOUGHT, reasoning=len(pieces(THOUGHT)) * asked.n)
    return replace(said, usage=spent)


def _cached(asked: Asked, number: int, memory: Memory) -> Reply:
    spent = usage(asked, asked.last.text, cached=(asked.input_tokens + 1) // 2)
    return replace(ok(asked, number, memory), usage=spent)


def _tools(asked: Asked, number: int, memory: Memory) -> Reply:
    calls = () if asked.last.role == "tool" else calls_of(asked.tools)
    return reply(asked, "", calls=calls, finish="tool_calls") if calls else ok(asked, number, memory)


def _bad_arguments(asked: Asked, number: int, memory: Memory) -> Reply:
    calls = tuple(Call(tool.name, '{"city": "Par') for tool in asked.tools)
    return reply(asked, "", calls=calls, finish="tool_calls") if calls else ok(asked, number, memory)


VOICES: dict[str, Voice] = {
    "ok": ok,
    "says": _says,
    "able": lambda asked, _, memory: able(asked, memory),
    "no-usage": _no_usage,
    "wrong-usage": _wrong_usage,
    "huge-answer": _huge_answer,
    "empty-content": _empty_content,
    "refusal": _refusal,
    "length-cut": _length_cut,
    "content-filter": _content_filter,
    "not-json": _not_json,
    "reasoning": _reasoning,
    "cached": _cached,
    "tools": _tools,
    "bad-arguments": _bad_arguments,
}
