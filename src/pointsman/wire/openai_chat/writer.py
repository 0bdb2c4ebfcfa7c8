"""Chat Completions streams, written for a client whose answer came from another API."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from pointsman.core.prices import Usage
from pointsman.wire import sse
from pointsman.wire.dialect import Envelope
from pointsman.wire.events import Citation, Event, Finished, Lost, Reasoning, Refusal, Served, Text, ToolArguments, ToolBegan, Used
from pointsman.wire.openai_chat.answer import annotation
from pointsman.wire.openai_chat.own import asks_usage
from pointsman.wire.openai_chat.usage import write_usage

_ROLE = {"role": "assistant", "content": "", "refusal": None}


class ChunkWriter:
    """What every chunk of an OpenAI stream has, and how such a stream ends."""

    def __init__(self, envelope: Envelope, id: str, object: str) -> None:
        head = {"id": id, "object": object, "created": envelope.created_s, "model": envelope.model, "system_fingerprint": None}
        self._asks_usage = asks_usage(envelope.body)
        self._fields: dict[str, Any] = head
        self._head = self._headed()
        self._tail = b'],"usage":null}' if self._asks_usage else b"]}"
        self._usage: Usage | None = None

    def chunk(self, choice: Mapping[str, Any]) -> bytes:
        """A chunk with this choice."""
        return sse.encode(self._head + msgspec.json.encode(choice) + self._tail)

    def used(self, event: Used) -> None:
        """Keep the usage for the end."""
        self._usage = event.usage

    def served(self, event: Served) -> None:
        """Say the tier from now on."""
        self._fields["service_tier"] = event.tier
        self._head = self._headed()

    def _headed(self) -> bytes:
        return msgspec.json.encode(self._fields)[:-1] + b',"choices":['

    def last(self) -> bytes:
        """The usage, where it was asked for and is known, and `[DONE]`."""
        if self._usage is None or not self._asks_usage:
            return sse.DONE
        return sse.encode(self._head + b'],"usage":' + msgspec.json.encode(write_usage(self._usage)) + b"}") + sse.DONE


class ChatWriter:
    """Writes a stream of Chat Completions. Signatures of thinking have no place in it."""

    sequence = 0

    def __init__(self, envelope: Envelope) -> None:
        self._chunks = ChunkWriter(envelope, f"chatcmpl-{envelope.id}", "chat.completion.chunk")
        self._begun: set[int] = set()
        self._custom: set[tuple[int, int]] = set()

    def write(self, event: Event) -> bytes:
        """Chunks that say this, after one that says whose turn it is."""
        if isinstance(event, Text):
            said = self._chunk(event.choice, {"content": event.text}, event.logprobs) if event.text or event.logprobs else b""
            return self._begin(event.choice) + said
        if isinstance(event, Used):
            self._chunks.used(event)
            return self._begin(0)
        if isinstance(event, Served):
            self._chunks.served(event)
        if isinstance(event, Served | Lost):
            return b""
        begin = self._begin(event.choice)
        if isinstance(event, Finished):
            return begin + self._chunk(event.choice, {}, finish_reason=event.reason)
        delta = self._delta(event)
        return begin + (self._chunk(event.choice, delta) if delta else b"")

    def ended(self) -> bytes:
        """The usage, where it was asked for and is known, and `[DONE]`."""
        return (b"" if self._begun else self._begin(0)) + self._chunks.last()

    def _begin(self, choice: int) -> bytes:
        if choice in self._begun:
            return b""
        self._begun.add(choice)
        return self._chunk(choice, _ROLE)

    def _delta(self, event: Refusal | Reasoning | ToolBegan | ToolArguments | Citation) -> dict[str, Any] | None:
        if isinstance(event, Citation):
            return {"annotations": [annotation(event)]}
        if isinstance(event, ToolBegan):
            if event.custom:
                self._custom.add((event.choice, event.call))
                call: dict[str, Any] = {"type": "custom", "custom": {"name": event.name, "input": ""}}
            else:
                call = {"type": "function", "function": {"name": event.name, "arguments": ""}}
            return {"tool_calls": [{"index": event.call, "id": event.id, **call}]}
        if not event.text:
            return None
        if isinstance(event, ToolArguments):
            custom = (event.choice, event.call) in self._custom
            piece = {"custom": {"input": event.text}} if custom else {"function": {"arguments": event.text}}
            return {"tool_calls": [{"index": event.call, **piece}]}
        return {"refusal" if isinstance(event, Refusal) else "reasoning_content": event.text}

    def _chunk(
        self,
        choice: int,
        delta: Mapping[str, Any],
        logprobs: Sequence[Mapping[str, Any]] | None = None,
        finish_reason: str | None = None,
    ) -> bytes:
        likely = None if logprobs is None else {"content": logprobs, "refusal": None}
        return self._chunks.chunk({"index": choice, "delta": delta, "logprobs": likely, "finish_reason": finish_reason})
