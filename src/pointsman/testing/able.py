"""The capable model: it does what it is asked for, where that can be done without understanding anything."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from itertools import takewhile

from pointsman.testing.asked import Asked, MalformedError, Memory, Tool
from pointsman.testing.said import Call, Reply, Usage, pieces, usage
from pointsman.testing.smallest import smallest

THOUGHT = "They want an answer, so they shall have one."
_PREFILL = " is how it goes on"
_SUMS: dict[str, Callable[[int, int], int]] = {"+": int.__add__, "-": int.__sub__, "*": int.__mul__}


def able(asked: Asked, memory: Memory) -> Reply:
    """Obeys tools and tool choice, schemas, stop sequences, limits and requests to think; keeps a prompt cache."""
    calls = _calls(asked)
    reasoning = " ".join([THOUGHT] * (8 if "at length" in asked.last.text else 1)) if asked.thinks else ""
    text, stopped_by = ("", None) if calls else _until_stop(_text(asked), asked.stop)
    cut = False
    if asked.max_tokens is not None and not calls:
        thought, said = pieces(reasoning)[: asked.max_tokens], pieces(text)
        said = said[: max(asked.max_tokens - len(thought), 0)]
        cut = "".join(thought + said) != reasoning + text
        reasoning, text, stopped_by = "".join(thought), "".join(said), None if cut else stopped_by
    spent = _used(asked, memory, reasoning, text, calls)
    return Reply(spent, text, reasoning, calls, None, "tool_calls" if calls else "length" if cut else "stop", stopped_by)


def _used(asked: Asked, memory: Memory, reasoning: str, text: str, calls: tuple[Call, ...]) -> Usage:
    thought = len(pieces(reasoning)) * asked.n
    spent = usage(asked, reasoning, text, *(call.arguments for call in calls), reasoning=thought)
    if asked.cached_turns == 0:
        return spent
    marked = asked.turns if asked.cached_turns is None else asked.turns[: asked.cached_turns]
    cached = memory.cached(marked)
    written = None if asked.cached_turns is None else sum(turn.tokens for turn in marked) - cached
    return Usage(spent.input, spent.output, cached, written, spent.reasoning)


def _calls(asked: Asked) -> tuple[Call, ...]:
    choice, _, name = asked.tool_choice.partition(":")
    if choice in ("required", "name") and not asked.tools:
        raise MalformedError("Invalid value for 'tool_choice': no tools are given.", "tool_choice", "invalid_value")
    if choice == "name":
        wanted = tuple(tool for tool in asked.tools if tool.name == name)
        if not wanted:
            raise MalformedError(f"Tool choice '{name}' not found in 'tools'.", "tool_choice", "invalid_value")
    elif choice == "required":
        wanted = _spoken_of(asked) or asked.tools[:1]
    else:
        wanted = () if choice == "none" or asked.last.role != "user" else _spoken_of(asked)
    return calls_of(wanted if asked.parallel_tools else wanted[:1])


def calls_of(tools: tuple[Tool, ...]) -> tuple[Call, ...]:
    """A call of each, with the smallest arguments that its schema allows."""
    return tuple(
        Call(tool.name, "plain text", custom=True)
        if tool.schema is None
        else Call(tool.name, _json(smallest(tool.schema or {"type": "object"})))
        for tool in tools
    )


def _spoken_of(asked: Asked) -> tuple[Tool, ...]:
    """The tools of whose name a word occurs in what was said last."""
    said = asked.last.text.lower()
    return tuple(tool for tool in asked.tools if any(word in said for word in re.findall(r"[a-z]{4,}", tool.name.lower())))


def _text(asked: Asked) -> str:
    last = asked.last
    if asked.schema is not None:
        return _json(smallest(asked.schema) if asked.schema else {"answer": _plain(asked)})
    if last.role == "assistant":
        return _PREFILL
    images = sum(turn.images for turn in asked.turns)
    return (f"I see {images} image{'s' if images > 1 else ''}. " if images else "") + _plain(asked)


def _plain(asked: Asked) -> str:
    """An order of the system's, a request that we understand, or what was said last."""
    last = asked.last
    for turn in asked.turns:
        if turn.role == "system" and (order := re.search(r'reply with exactly the word "(\w+)"', turn.text)):
            return order[1]
    if last.role == "tool":
        told = takewhile(lambda turn: turn.role == "tool", reversed(asked.turns))
        return f"The tool said: {' and '.join([turn.text for turn in told][::-1])}"
    if asked_back := re.search(r"\b(?:repeat|say|output)\b[^:]*\bexactly\b[^:]*:\s*(.*)", last.text, re.IGNORECASE | re.DOTALL):
        return asked_back[1]
    if task := re.search(r"\bwhat is (\d{1,9}) ?([-+*]) ?(\d{1,9})", last.text, re.IGNORECASE):
        return str(_SUMS[task[2]](int(task[1]), int(task[3])))
    names = re.findall(r"\bmy name is (\w+)", " ".join(turn.text for turn in asked.turns if turn.role == "user"), re.IGNORECASE)
    return names[-1] if names and "what is my name" in last.text.lower() else last.text


def _until_stop(text: str, stops: tuple[str, ...]) -> tuple[str, str | None]:
    """The text before the first stop sequence in it, and that sequence."""
    found = min(((text.index(stop), stop) for stop in stops if stop and stop in text), default=None)
    return (text, None) if found is None else (text[: found[0]], found[1])


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
