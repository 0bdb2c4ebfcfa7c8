"""Whole answers of Chat Completions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec
from msgspec import Struct

from pointsman.core.prices import Usage
from pointsman.errors import UpstreamError
from pointsman.wire.dialect import Completion, Envelope
from pointsman.wire.events import Citation, Event, Finished, Lost, Reasoning, Refusal, Served, Text, ToolArguments, ToolBegan, Used
from pointsman.wire.openai_chat.reading import FAILED, REASONS, ChoiceReader, Logprobs, Message, sources, tier, write_url_citation
from pointsman.wire.openai_chat.unreadable import UNREADABLE
from pointsman.wire.openai_chat.usage import read_usage, write_usage

_SAYING = ("content", "refusal", "tool_calls", "function_call", "audio", "images")


class _Accounted(Struct):
    message: dict[str, Any]
    finish_reason: str | None = None


class _AccountedAnswer(Struct):
    choices: list[_Accounted]
    usage: Any = None


class _Choice(Struct):
    message: Message
    finish_reason: str | None = None
    logprobs: Logprobs | None = None
    stop_reason: Any = None  # vLLM's: the stop sequence, or the number of a token


class _Answer(Struct):
    choices: list[_Choice]
    usage: Any = None
    id: Any = None
    service_tier: Any = None
    citations: Any = None
    search_results: Any = None


_accounted = msgspec.json.Decoder(_AccountedAnswer).decode
_answer = msgspec.json.Decoder(_Answer).decode


def read_completion(body: bytes) -> Completion:
    """Read a non-streamed answer. Raises `UpstreamError` when it is none."""
    try:
        answer = _accounted(body)
    except UNREADABLE as error:
        raise UpstreamError("the upstream answered 200 with something that is not a chat completion") from error
    if not answer.choices:
        raise UpstreamError("the upstream answered with no choices")
    if failed := next((choice.finish_reason for choice in answer.choices if choice.finish_reason in FAILED), None):
        raise UpstreamError(f"the upstream gave up its answer: it ended with `{failed}`")
    usage = read_usage(answer.usage)
    first = answer.choices[0]
    return Completion(
        finish_reason=None if first.finish_reason is None else REASONS.get(first.finish_reason, first.finish_reason),
        usage=usage,
        text="" if usage else "\n".join(_all(choice.message) for choice in answer.choices),
        empty=not any(choice.message.get(name) for choice in answer.choices for name in _SAYING),
        content=_content(first.message.get("content")),
    )


def _all(message: Mapping[str, Any]) -> str:
    return "\n".join(str(value) for name, value in message.items() if value and name != "role")


def _content(content: Any) -> str | None:
    if isinstance(content, list):
        return "".join(str(part.get("text") or "") for part in content if isinstance(part, dict))
    return content if isinstance(content, str) else None


def read_events(body: bytes) -> list[Event]:
    """Read a whole answer into events. Raises `UpstreamError` when it is none."""
    try:
        answer = _answer(body)
    except UNREADABLE as error:
        raise UpstreamError("the upstream answered 200 with something that is not a chat completion") from error
    if not answer.choices:
        raise UpstreamError("the upstream answered with no choices")
    events = [event for at, choice in enumerate(answer.choices) for event in _events(at, choice, answer.id)]
    events = [*tier(answer.service_tier), *events, *sources(answer)]
    usage = read_usage(answer.usage)
    return events if usage is None else [*events, Used(usage)]


def _events(at: int, choice: _Choice, answer: object) -> Iterator[Event]:
    calls = [msgspec.structs.replace(call, index=number) for number, call in enumerate(choice.message.tool_calls or ())]
    choice.message.tool_calls = calls
    reader = ChoiceReader(at, answer)
    yield from reader.read(choice.message, choice.logprobs, choice.finish_reason, choice.stop_reason)
    yield from reader.end()


@dataclass(slots=True)
class Said:
    """All that one choice said."""

    text: str = ""
    refusal: str = ""
    reasoning: str = ""
    calls: dict[int, ToolBegan] = field(default_factory=dict)
    arguments: dict[int, str] = field(default_factory=dict)
    logprobs: list[Mapping[str, Any]] = field(default_factory=list)
    citations: list[Citation] = field(default_factory=list)
    finished: Finished | None = None


def collect(events: Iterable[Event]) -> tuple[dict[int, Said], Usage | None]:
    """Events as whole choices in their order, at least one, and the usage."""
    choices: dict[int, Said] = {0: Said()}
    usage = None
    for event in events:
        if isinstance(event, Used):
            usage = event.usage
        elif not isinstance(event, Served | Lost):
            _add(choices.setdefault(event.choice, Said()), event)
    return dict(sorted(choices.items())), usage


def _add(said: Said, event: Text | Refusal | Reasoning | ToolBegan | ToolArguments | Citation | Finished) -> None:
    match event:
        case Text():
            said.text += event.text
            said.logprobs += event.logprobs or ()
        case Refusal():
            said.refusal += event.text
        case Reasoning():
            said.reasoning += event.text
        case ToolBegan():
            said.calls[event.call] = event
        case ToolArguments():
            said.arguments[event.call] = said.arguments.get(event.call, "") + event.text
        case Citation():
            said.citations.append(event)
        case Finished():
            said.finished = event


def write_answer(events: Iterable[Event], envelope: Envelope) -> bytes:
    """The whole answer for the client that sent `envelope.body`."""
    events = [*events]
    choices, usage = collect(events)
    answer = {
        "id": f"chatcmpl-{envelope.id}",
        "object": "chat.completion",
        "created": envelope.created_s,
        "model": envelope.model,
        "choices": [
            {
                "index": index,
                "message": _message(said),
                "logprobs": {"content": said.logprobs, "refusal": None} if said.logprobs else None,
                "finish_reason": said.finished and said.finished.reason,
            }
            for index, said in choices.items()
        ],
        "usage": None if usage is None else write_usage(usage),
        "service_tier": next((event.tier for event in events if isinstance(event, Served)), None),
        "system_fingerprint": None,
    }
    return msgspec.json.encode(answer)


def _message(said: Said) -> dict[str, Any]:
    message: dict[str, Any] = {
        "role": "assistant",
        "content": said.text if said.text or not (said.calls or said.refusal) else None,
        "refusal": said.refusal or None,
        "annotations": [annotation(citation) for citation in said.citations],
    }
    if said.reasoning:
        message["reasoning_content"] = said.reasoning
    if said.calls:
        message["tool_calls"] = [_call(call, said.arguments.get(number, "")) for number, call in said.calls.items()]
    return message


def annotation(citation: Citation) -> dict[str, Any]:
    """A citation as a message holds it."""
    return {"type": "url_citation", "url_citation": write_url_citation(citation)}


def _call(call: ToolBegan, arguments: str) -> dict[str, Any]:
    if call.custom:
        return {"id": call.id, "type": "custom", "custom": {"name": call.name, "input": arguments}}
    return {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": arguments}}
