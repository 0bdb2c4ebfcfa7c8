"""Whole answers of an upstream that speaks the Messages API."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec
from msgspec import Struct

from pointsman.errors import UpstreamError
from pointsman.wire.anthropic_messages.usage import read_usage
from pointsman.wire.dialect import Completion
from pointsman.wire.events import (
    Citation,
    Event,
    Finished,
    FinishReason,
    Lost,
    Reasoning,
    Refusal,
    Served,
    Text,
    ToolArguments,
    ToolBegan,
    Used,
)
from pointsman.wire.fields import json_text
from pointsman.wire.openai_chat.unreadable import UNREADABLE
from pointsman.wire.refused import refused_event

_REASONS: Final[Mapping[str, FinishReason]] = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "pause_turn": "length",  # more would have come
    "tool_use": "tool_calls",
    "refusal": "content_filter",
}


class _Answer(Struct):
    type: str | None = None
    content: list[dict[str, Any]] | None = None
    stop_reason: str | None = None
    stop_sequence: str | None = None
    stop_details: Any = None
    usage: Any = None
    error: Any = None


_answer = msgspec.json.Decoder(_Answer).decode


def read_completion(body: bytes) -> Completion:
    """What accounting needs of a whole answer. Raises `UpstreamError` when it is none."""
    answer = _read(body)
    blocks = answer.content or []
    usage = read_usage(answer.usage)
    says = answer.stop_reason == "refusal" or any(_says(block) for block in blocks)
    text = "" if usage else "\n".join(json_text(block) if block.get("type") != "text" else str(block.get("text", "")) for block in blocks)
    content = "".join(str(block.get("text", "")) for block in blocks if block.get("type") == "text")
    reason = None if answer.stop_reason is None else _REASONS.get(answer.stop_reason, answer.stop_reason)
    return Completion(reason, usage, text, empty=not says, content=content)


def read_events(body: bytes) -> list[Event]:
    """A whole answer as events. Raises `UpstreamError` when it is none."""
    answer = _read(body)
    events: list[Event] = []
    calls = length = 0
    for block in answer.content or ():
        try:
            said = [*_events(block, calls, length)]
        except ValueError as error:
            raise UpstreamError("the upstream answered with a content block that cannot be read") from error
        events += said
        calls += block.get("type") == "tool_use"
        length += sum(len(event.text) for event in said if isinstance(event, Text))
    events += tier(answer.usage)
    events += ending(answer.stop_reason, answer.stop_sequence, answer.stop_details, called=calls > 0)
    usage = read_usage(answer.usage)
    return [*events, Used(usage)] if usage else events


def ending(reason: str | None, stop_sequence: str | None, details: Any, *, called: bool) -> Iterator[Event]:
    """The events that end an answer; its explanation of a refusal is one. No known reason: it is over all the same."""
    if reason == "refusal" and isinstance(details, dict) and isinstance(why := details.get("explanation"), str) and why:
        yield Refusal(why)
    otherwise: FinishReason = "tool_calls" if called else "stop"
    yield Finished(_REASONS.get(reason or "", otherwise), stop_sequence=stop_sequence)


def tier(usage: Any) -> Iterator[Event]:
    """The tier of service, where it says something."""
    if isinstance(usage, dict) and usage.get("service_tier") == "priority":
        yield Served("priority")


def cited(words: tuple[str, ...], start: int, end: int) -> Event:
    """What a block of text, from `start` to `end`, goes back to. Pages of the web have a counterpart, documents have none."""
    kind, url, title, quote = words
    if kind == "web_search_result_location" and url:
        return Citation(url, start, end, title, quote)
    return Lost(f"citations.{kind or 'unknown'}")


def words_of_citations(told: Any) -> list[tuple[str, ...]]:
    """What is read of each citation: kind, address, title and quote, each empty where it has none."""
    return [words_of(citation) for citation in told] if isinstance(told, list) else []


def words_of(citation: Any) -> tuple[str, ...]:
    """The same of one."""
    found = citation if isinstance(citation, dict) else {}
    words = (found.get(name) for name in ("type", "url", "title", "cited_text"))
    return tuple(word if isinstance(word, str) else "" for word in words)


def finish_reason(reason: str) -> str:
    """A stop reason in the words of Chat Completions, where it has any."""
    return _REASONS.get(reason, reason)


def text_of(block: Mapping[str, Any], name: str) -> str:
    """A field that must be text, if it is there. Raises ValueError."""
    value = block.get(name)
    if value is not None and not isinstance(value, str):
        raise ValueError(f"`{name}` is not text")
    return value or ""


def _read(body: bytes) -> _Answer:
    try:
        answer = _answer(body)
    except UNREADABLE as error:
        raise UpstreamError("the upstream answered 200 with something that is not a message") from error
    if answer.type == "error" or answer.error is not None:
        raise refused_event(body)
    if answer.content is None:
        raise UpstreamError("the upstream answered with a message that has no content")
    if not all(isinstance(block.get("type", ""), str) for block in answer.content):
        raise UpstreamError("the upstream answered with a content block whose type is not text")
    return answer


def _says(block: Mapping[str, Any]) -> bool:
    kind = block.get("type")
    return bool(block.get("text")) if kind == "text" else kind not in {"thinking", "redacted_thinking"}


def _events(block: Mapping[str, Any], call: int, start: int) -> Iterator[Event]:
    """The events of one block, before which so many calls and characters were said."""
    match block.get("type"):
        case "text":
            if text := text_of(block, "text"):
                yield Text(text)
            for words in words_of_citations(block.get("citations")):
                yield cited(words, start, start + len(text))
        case "thinking":
            if thought := text_of(block, "thinking"):
                yield Reasoning(thought)
            if signature := text_of(block, "signature"):
                yield Reasoning("", signature=signature)
        case "tool_use":
            yield ToolBegan(call, text_of(block, "id"), text_of(block, "name"))
            yield ToolArguments(call, json_text(block.get("input") or {}))
        case kind:
            yield Lost(str(kind))
