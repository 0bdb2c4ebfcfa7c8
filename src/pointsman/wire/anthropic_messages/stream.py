"""Streams of an upstream that speaks the Messages API."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

import msgspec
from msgspec import Struct

from pointsman.core.prices import Usage
from pointsman.errors import UpstreamStreamBroken
from pointsman.wire import sse
from pointsman.wire.anthropic_messages.answer import cited, ending, finish_reason, text_of, tier, words_of, words_of_citations
from pointsman.wire.anthropic_messages.usage import COUNTS, read_usage
from pointsman.wire.events import Event, Lost, Reasoning, Text, ToolArguments, ToolBegan, Used
from pointsman.wire.fields import kept
from pointsman.wire.openai_chat.reading import MOST_PARTS
from pointsman.wire.openai_chat.unreadable import UNREADABLE
from pointsman.wire.refused import refused_event


class _Event(Struct):
    type: str | None = None
    index: Any = None
    message: Any = None
    content_block: Any = None
    delta: Any = None
    usage: Any = None
    error: Any = None


_event = msgspec.json.Decoder(_Event).decode
_NOTHING: Sequence[Event] = ()
_STOP: Final = ("stop_reason", "stop_sequence", "stop_details")


class MessagesStream:
    """Follows an upstream's stream: passes its events on as they came, or reads them, and knows whether it ended well."""

    sequence = 0

    def __init__(self) -> None:
        self._sse = sse.SSEReader()
        self._blocks: dict[int, int | None] = {}  # index: which tool call, `None` for other blocks
        self._calls = 0
        self._length = 0  # of the text that was read
        self._text_from = 0  # where the last block of text began
        self._citations: list[tuple[str, ...]] = []  # of that block
        self._reads = False  # and does not pass on
        self._counts: dict[str, Any] = {}
        self._counted = False  # the last counts have come
        self._stop: dict[str, Any] = {}
        self._last_words = b""
        self.begun = False
        self.spoken = False  #: it has not merely ended
        self.done = False
        self.pieces = 0

    @property
    def finish_reason(self) -> str | None:
        """Why the answer ended, `None` while it has not."""
        reason = self._stop.get("stop_reason")
        return finish_reason(reason) if isinstance(reason, str) else None

    @property
    def usage(self) -> Usage | None:
        """What has been reported. The first report knows the input only: until the last, the output is at least the pieces that came."""
        if self._counted or not self._counts:
            return read_usage(self._counts)
        told = self._counts.get("output_tokens")
        return read_usage({**self._counts, "output_tokens": max(told, self.pieces) if isinstance(told, int) else self.pieces})

    def feed(self, data: bytes) -> Iterator[bytes]:
        """What a client of this API gets of `data`: whole events as they came, `message_stop` held back until `ended`.

        Raises `UpstreamRefused` for an error event and `UpstreamStreamBroken` for what is not of this API.
        """
        for event, passes, _ in self._follow(data):
            if passes:
                yield event.raw

    def read(self, data: bytes) -> Iterator[Event]:
        """The events completed by `data`. Raises as `feed` does."""
        self._reads = True
        for _, _, said in self._follow(data):
            for event in said:
                if isinstance(event, Text):
                    self._length += len(event.text)
                yield event

    def ended(self) -> bytes:
        """The stream's last words, once the upstream has closed. Raises `UpstreamStreamBroken` if it ended without them."""
        if not self.done:
            raise UpstreamStreamBroken("the upstream's stream stopped before its end")
        return self._last_words

    def _follow(self, data: bytes) -> Iterator[tuple[sse.Event, bool, Sequence[Event]]]:
        """Each event, whether it is passed on now, and what it says."""
        for event in self._sse.feed(data):
            if self.done:
                return
            if event.is_comment:
                # One that is an event without data would trip some clients.
                yield event, self.begun and event.raw.startswith(b":"), _NOTHING
                continue
            kind, said = self._understand(event)
            yield event, self.begun if kind == "ping" else not self.done, said

    def _understand(self, event: sse.Event) -> tuple[str, Sequence[Event]]:
        try:
            found = _event(event.data)
        except UNREADABLE as error:
            raise UpstreamStreamBroken("the upstream sent an event that is not of the Messages API") from error
        if found.type == "error" or found.error is not None or event.name == "error":
            raise refused_event(event.data)
        if found.type is None:
            raise UpstreamStreamBroken("the upstream sent an event without a type")
        try:
            said = self._read(found.type, found)
        except ValueError as error:
            raise UpstreamStreamBroken(f"the upstream sent an event that cannot be read: {error}") from error
        if self.done:
            self._last_words = event.raw
        return found.type, said

    def _read(self, kind: str, event: _Event) -> Sequence[Event]:
        match kind:
            case "content_block_delta":
                return self._delta(_index(event), _object(event.delta, "delta"))
            case "content_block_start":
                return self._start(_index(event), _object(event.content_block, "content_block"))
            case "content_block_stop" if self._citations:
                told, self._citations = self._citations, []
                return [cited(words, self._text_from, self._length) for words in told]
            case "message_start":
                usage = _object(event.message, "message").get("usage")
                self._count(usage)
                return [*tier(usage)]
            case "message_delta":
                delta = _object(event.delta, "delta")
                text_of(delta, "stop_reason")
                self._stop |= kept(delta, _STOP)
                self.begun = self.begun or self.finish_reason is not None
                self.spoken = self.spoken or delta.get("stop_reason") == "refusal"
                self._count(event.usage)
                self._counted = self._counted or isinstance(event.usage, dict)
            case "message_stop":
                self.done = True
                return self._ending()
        return _NOTHING

    def _start(self, index: int, block: dict[str, Any]) -> Sequence[Event]:
        kind = text_of(block, "type")
        self._keep(len(self._blocks))
        self._blocks[index] = None
        if kind in {"text", "thinking"}:  # some servers put the first piece in here
            text = text_of(block, kind)
            self._text_from, self._citations = self._length, words_of_citations(block.get("citations")) if self._reads else []
            return self._said(Text(text) if kind == "text" else Reasoning(text)) if text else _NOTHING
        self.begun = self.spoken = True
        if kind != "tool_use":
            return (Lost(kind),)
        call = self._blocks[index] = self._calls
        self._calls += 1
        began = ToolBegan(call, text_of(block, "id"), text_of(block, "name"))
        whole = block.get("input")
        return (began, ToolArguments(call, msgspec.json.encode(whole).decode())) if whole else (began,)

    def _delta(self, index: int, delta: dict[str, Any]) -> Sequence[Event]:
        if index not in self._blocks:
            raise ValueError("a piece of a block that has not begun")
        match delta.get("type"):
            case "text_delta":
                text = text_of(delta, "text")
                return self._said(Text(text)) if text else _NOTHING
            case "thinking_delta":
                text = text_of(delta, "thinking")
                return self._said(Reasoning(text)) if text else _NOTHING
            case "signature_delta":
                signature = text_of(delta, "signature")
                return (Reasoning("", signature=signature),) if signature else _NOTHING
            case "input_json_delta":
                text, call = text_of(delta, "partial_json"), self._blocks[index]
                said = self._said(ToolArguments(call or 0, text)) if text else _NOTHING
                return _NOTHING if call is None else said  # of a tool that the provider runs itself
            case "citations_delta" if self._reads:
                self._keep(len(self._citations))
                self._citations.append(words_of(delta.get("citation")))
        return _NOTHING

    def _said(self, event: Event) -> Sequence[Event]:
        self.begun = self.spoken = True
        self.pieces += 1
        return (event,)

    def _count(self, usage: Any) -> None:
        if isinstance(usage, dict):
            self._counts |= kept(usage, COUNTS)

    @staticmethod
    def _keep(count: int) -> None:
        """Raises ValueError where so many are kept already that one more would be too many."""
        if count >= MOST_PARTS:
            raise ValueError(f"it is of an answer with more than {MOST_PARTS:,} parts")

    def _ending(self) -> Sequence[Event]:
        sequence = self._stop.get("stop_sequence")
        said = ending(
            self._stop.get("stop_reason"),
            sequence if isinstance(sequence, str) else None,
            self._stop.get("stop_details"),
            called=self._calls > 0,
        )
        usage = self.usage
        return [*said, Used(usage)] if usage else [*said]


def _index(event: _Event) -> int:
    if type(event.index) is not int:
        raise ValueError("its `index` is not a number")
    return event.index


def _object(value: Any, name: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ValueError(f"its `{name}` is not an object")
    return value
