"""Whole answers of Completions, and streams written for a client whose answer came from another API."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import msgspec
from msgspec import Struct

from pointsman.errors import UpstreamError
from pointsman.wire.dialect import Completion, Envelope
from pointsman.wire.events import Event, Finished, FinishReason, Refusal, Text, Used
from pointsman.wire.openai_chat.answer import collect
from pointsman.wire.openai_chat.reading import REASONS, ChoiceReader
from pointsman.wire.openai_chat.unreadable import UNREADABLE
from pointsman.wire.openai_chat.usage import read_usage, write_usage
from pointsman.wire.openai_chat.writer import ChunkWriter
from pointsman.wire.openai_completions.logprobs import to_old
from pointsman.wire.openai_completions.stream import Choice

_REASONS: Final[Mapping[FinishReason, str]] = {
    "stop": "stop",
    "length": "length",
    "tool_calls": "stop",  # there are no tools here
    "content_filter": "content_filter",
}


class _Answer(Struct):
    choices: list[Choice]
    usage: Any = None
    id: Any = None


_decode = msgspec.json.Decoder(_Answer).decode


def read_completion(body: bytes) -> Completion:
    """Read a whole answer for accounting. Raises `UpstreamError` when it is none."""
    answer = _read(body)
    usage = read_usage(answer.usage)
    first = answer.choices[0]
    return Completion(
        finish_reason=None if first.finish_reason is None else REASONS.get(first.finish_reason, first.finish_reason),
        usage=usage,
        text="" if usage else "\n".join(choice.text or "" for choice in answer.choices),
        empty=not any(choice.text for choice in answer.choices),
        content=first.text,
    )


def read_events(body: bytes) -> list[Event]:
    """Read a whole answer into events. Raises `UpstreamError` when it is none."""
    answer = _read(body)
    events: list[Event] = []
    for at, choice in enumerate(answer.choices):
        reader = ChoiceReader(at, answer.id)
        events += [*choice.events(reader), *reader.end()]
    usage = read_usage(answer.usage)
    return events if usage is None else [*events, Used(usage)]


def _read(body: bytes) -> _Answer:
    try:
        answer = _decode(body)
    except UNREADABLE as error:
        raise UpstreamError("the upstream answered 200 with something that is not a completion") from error
    if not answer.choices or any(choice.text is None for choice in answer.choices):
        raise UpstreamError("the upstream answered with no choices, or one without a text")
    return answer


def write_answer(events: Iterable[Event], envelope: Envelope) -> bytes:
    """The whole answer for the client that sent `envelope.body`. A refusal is text here; thinking and tool calls have no place."""
    choices, usage = collect(events)
    answer = {
        "id": f"cmpl-{envelope.id}",
        "object": "text_completion",
        "created": envelope.created_s,
        "model": envelope.model,
        "choices": [
            _choice(index, said.text + said.refusal, said.logprobs, None if said.finished is None else said.finished.reason)
            for index, said in choices.items()
        ],
        "usage": None if usage is None else write_usage(usage),
        "system_fingerprint": None,
    }
    return msgspec.json.encode(answer)


def _choice(
    index: int, text: str, logprobs: Sequence[Mapping[str, Any]] | None, reason: FinishReason | None = None, offset: int = 0
) -> dict[str, Any]:
    return {
        "index": index,
        "text": text,
        "logprobs": to_old(logprobs, offset) if logprobs else None,
        "finish_reason": None if reason is None else _REASONS[reason],
    }


class CompletionWriter:
    """Writes a stream of Completions. A refusal is text here; thinking and tool calls have no place."""

    sequence = 0

    def __init__(self, envelope: Envelope) -> None:
        self._chunks = ChunkWriter(envelope, f"cmpl-{envelope.id}", "text_completion")
        self._offsets: dict[int, int] = {}

    def write(self, event: Event) -> bytes:
        """A chunk that says this."""
        if isinstance(event, Used):
            self._chunks.used(event)
        elif isinstance(event, Finished):
            return self._chunks.chunk(_choice(event.choice, "", None, event.reason))
        elif isinstance(event, (Text, Refusal)):
            logprobs = event.logprobs if isinstance(event, Text) else None
            offset = self._offsets.get(event.choice, 0)
            self._offsets[event.choice] = offset + len(event.text)
            if event.text or logprobs:
                return self._chunks.chunk(_choice(event.choice, event.text, logprobs, offset=offset))
        return b""

    def ended(self) -> bytes:
        """The usage, where it was asked for and is known, and `[DONE]`."""
        return self._chunks.last()
