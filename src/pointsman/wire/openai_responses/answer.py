"""What an upstream that speaks Responses answers: whole answers, and the parts that streams share with them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import msgspec
from msgspec import Struct

from pointsman.core.prices import Usage
from pointsman.errors import UpstreamError, UpstreamRefused
from pointsman.wire.dialect import Completion
from pointsman.wire.events import Event, Finished, FinishReason, Lost, Reasoning, Refusal, Text, ToolArguments, ToolBegan, Used
from pointsman.wire.openai_chat.reading import tier, url_citation
from pointsman.wire.openai_chat.unreadable import UNREADABLE
from pointsman.wire.openai_chat.usage import count
from pointsman.wire.refused import refused_event

Json = dict[str, Any]
CALLS = {"function_call": "arguments", "custom_tool_call": "input"}
_KNOWN = {"message", "reasoning", *CALLS}
_MOST_LOGPROB = 1e300  # JSON has whole numbers that are no floating-point numbers


class Answer(Struct):
    """A Response object, as far as it is read."""

    status: str | None = None
    output: list[Json] = []
    error: Any = None
    incomplete_details: Any = None
    usage: Any = None
    service_tier: Any = None


class _WholeAnswer(Answer):
    object: str = ""


decode_answer = msgspec.json.Decoder(Answer).decode
_decode_whole = msgspec.json.Decoder(_WholeAnswer).decode


def read_completion(body: bytes) -> Completion:
    """Read a whole answer for accounting. Raises `UpstreamError` when it is none, or says that the model failed."""
    answer = _whole(body)
    usage = usage_of(answer.usage)
    said = [event for item in answer.output for event in item_events(item, 0)]
    spoken = [event.text for event in said if isinstance(event, Text)]
    return Completion(
        finish_reason=finish_reason(answer),
        usage=usage,
        text="" if usage else "\n".join(_words(event) for event in said),
        empty=not speaks(answer, said),
        content="".join(spoken) if spoken else None,
    )


def read_events(body: bytes) -> list[Event]:
    """Read a whole answer into events. Raises as `read_completion` does."""
    answer = _whole(body)
    return [*answer_events(answer), *ending(answer)]


def answer_events(answer: Answer) -> Iterator[Event]:
    """What the answer says, without its ending."""
    calls = length = 0
    for item in answer.output:
        for event in item_events(item, calls, length):
            length += len(event.text) if isinstance(event, Text) else 0
            yield event
        calls += text_of(item, "type") in CALLS


def ending(answer: Answer) -> Iterator[Event]:
    """Why the answer ended, and what it took."""
    yield from tier(answer.service_tier)
    yield Finished(finish_reason(answer))
    if usage := usage_of(answer.usage):
        yield Used(usage)


def _whole(body: bytes) -> Answer:
    try:
        answer = _decode_whole(body)
    except UNREADABLE as error:
        raise UpstreamError("the upstream answered 200 with something that is not a response") from error
    if answer.status == "failed" or (answer.status is None and answer.error):
        raise failed(answer.error)
    if answer.object != "response" or answer.status not in {"completed", "incomplete"}:
        raise UpstreamError("the upstream answered 200 with something that is not a finished response")
    return answer


def failed(error: Any) -> UpstreamRefused:
    """The error that a failed response, or an error event, becomes."""
    return refused_event(msgspec.json.encode({"error": error or {}}))


def finish_reason(answer: Answer) -> FinishReason:
    """Why a finished answer ended, as Chat Completions says it."""
    if answer.status == "incomplete":
        return "content_filter" if _field(answer.incomplete_details, "reason") == "content_filter" else "length"
    return "tool_calls" if any(text_of(item, "type") in CALLS for item in answer.output) else "stop"


def item_events(item: Json, call: int, start: int = 0) -> Iterator[Event]:
    """What one output item says. `call`: the number of the next tool call; `start`: the characters of text said before."""
    kind = text_of(item, "type")
    if kind == "message":
        yield from _message_events(item, start)
    elif kind == "reasoning":
        thoughts = [text for part in parts(item, "summary") or parts(item, "content") if (text := text_of(part, "text"))]
        if thoughts:
            yield Reasoning("\n\n".join(thoughts))
        if item.get("encrypted_content"):
            yield Lost("reasoning.encrypted_content")
    elif kind in CALLS:
        yield tool_began(item, call)
        if arguments := text_of(item, CALLS[kind]):
            yield ToolArguments(call, arguments)
    elif kind:
        yield Lost(kind)


def _message_events(item: Json, start: int) -> Iterator[Event]:
    for part in parts(item, "content"):
        if part.get("type") == "refusal" and (refusal := text_of(part, "refusal")):
            yield Refusal(refusal)
        elif part.get("type") == "output_text" and (text := text_of(part, "text")):
            yield Text(text, logprobs=logprobs_of(part.get("logprobs")) or None)
            for note in parts(part, "annotations"):
                yield noted(note, start)
            start += len(text)


def noted(note: Json, start: int) -> Event:
    """An annotation of the text that begins at `start`. Those of files mean nothing outside of this API."""
    kind = text_of(note, "type")
    return (url_citation(note, offset=start) if kind == "url_citation" else None) or Lost(f"annotations.{kind or 'unknown'}")


def tool_began(item: Json, call: int) -> ToolBegan:
    """The beginning of a tool call's item."""
    return ToolBegan(call, text_of(item, "call_id"), text_of(item, "name"), custom=text_of(item, "type") == "custom_tool_call")


def speaks(answer: Answer, said: Iterable[Event]) -> bool:
    """Whether an answer that says these events holds more than thinking."""
    return not all(isinstance(event, Reasoning | Lost) for event in said) or any(is_foreign(item) for item in answer.output)


def is_foreign(item: Json) -> bool:
    """Whether an item is of a tool that the provider runs itself, or of a kind that is not known."""
    return text_of(item, "type") not in _KNOWN


def _words(event: Event) -> str:
    return event.name if isinstance(event, ToolBegan) else str(getattr(event, "text", ""))


def parts(item: Json, name: str) -> list[Json]:
    """The parts in a field of an item."""
    found = item.get(name)
    return [part for part in found if isinstance(part, dict)] if isinstance(found, list) else []


def text_of(record: Mapping[str, Any], name: str) -> str:
    """A field's text, empty where it is none."""
    value = record.get(name)
    return value if isinstance(value, str) else ""


def _field(record: Any, name: str) -> Any:
    return record.get(name) if isinstance(record, dict) else None


def logprobs_of(given: Any) -> list[Json]:
    """Log-probabilities with every field that both APIs ask for: streams of Responses leave out `bytes`, which follow from the token.

    >>> logprobs_of([{"token": "é", "logprob": -0.5}])
    [{'token': 'é', 'logprob': -0.5, 'bytes': [195, 169], 'top_logprobs': []}]
    """
    entries = given if isinstance(given, (list, tuple)) else ()
    return [
        {**_logprob(entry), "top_logprobs": [_logprob(top) for top in parts(dict(entry), "top_logprobs")]}
        for entry in entries
        if isinstance(entry, Mapping)
    ]


def _logprob(entry: Mapping[str, Any]) -> Json:
    token, known, logprob = text_of(entry, "token"), entry.get("bytes"), entry.get("logprob")
    return {
        "token": token,
        "logprob": logprob if isinstance(logprob, int | float) and abs(logprob) < _MOST_LOGPROB else None,
        "bytes": known if isinstance(known, list) else list(token.encode()),
    }


def usage_of(usage: Any) -> Usage | None:
    """What was reported; `None` for what cannot be meant: the answer is good all the same, and its tokens are estimated."""
    read, written = count(usage, "input_tokens"), count(usage, "output_tokens")
    if read is None or written is None:
        return None
    details = usage.get("input_tokens_details")
    cached = min(count(details, "cached_tokens") or 0, read)
    cache_write = min(count(details, "cache_write_tokens") or 0, read - cached)
    reasoning = min(count(usage.get("output_tokens_details"), "reasoning_tokens") or 0, written)
    return Usage(read, written, cached_input_tokens=cached, cache_write_tokens=cache_write, reasoning_tokens=reasoning)
