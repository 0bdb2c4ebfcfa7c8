"""Follows a stream of Responses, on its way to a client of that API or to be told in another."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final

import msgspec
from msgspec import Raw, Struct

from pointsman.core.prices import Usage
from pointsman.errors import UpstreamStreamBroken
from pointsman.wire import sse
from pointsman.wire.events import Citation, Event, Lost, Reasoning, Refusal, Text, ToolArguments, ToolBegan
from pointsman.wire.openai_chat.reading import MOST_PARTS
from pointsman.wire.openai_chat.unreadable import UNREADABLE
from pointsman.wire.openai_responses.answer import (
    CALLS,
    Answer,
    answer_events,
    decode_answer,
    ending,
    failed,
    finish_reason,
    is_foreign,
    item_events,
    logprobs_of,
    noted,
    speaks,
    text_of,
    tool_began,
    usage_of,
)
from pointsman.wire.openai_responses.echo import echoed_event


class _Data(Struct):
    """What is read of an event; unknown ones may have anything in these fields."""

    type: Any = None
    sequence_number: Any = None
    output_index: Any = 0
    content_index: Any = 0
    summary_index: Any = None
    delta: Any = None
    logprobs: Any = None
    annotation: Any = None
    item: Raw = Raw(b"")
    response: Raw = Raw(b"")
    error: Any = None
    message: Any = None
    code: Any = None
    param: Any = None


_data = msgspec.json.Decoder(_Data).decode
_item = msgspec.json.Decoder(dict[str, Any]).decode
_ENDINGS: Final = {"response.completed": "completed", "response.incomplete": "incomplete"}


class ResponsesStream:
    """Passes a stream's events on (`feed`) or tells what they say (`read`), and keeps what accounting and the gateway's store need."""

    def __init__(self, previous: str | None = None) -> None:
        """`previous`: the response that this one goes on from, which its provider does not know."""
        self._reader = sse.SSEReader()
        self._previous = previous
        self._calls: dict[int, int] = {}  # number of the tool call at each output index
        self._piecewise: set[int] = set()  # output indices of which pieces came
        self._reads = False  # and does not pass on
        self._length = 0  # of the text that was read
        self._starts: dict[tuple[int, int], int] = {}  # where the parts of the text begin in it
        self._cited: set[int] = set()  # output indices whose annotations came one by one
        self._thought: tuple[int, Any] | None = None  # where the last piece of reasoning stood
        self._last_words = b""
        self.usage: Usage | None = None
        self.finish_reason: str | None = None
        self.pieces = 0  #: of text and the like: near enough a token each
        self.begun = False  #: something was said, a tool call began, or the answer ended
        self.spoken = False  #: it has not merely ended
        self.done = False
        self.final: bytes | None = None  #: the finished Response object
        self.sequence = 0  #: number of the client's next event; the last one does not count while it is held back

    def feed(self, data: bytes) -> Iterator[bytes]:
        """What the client gets of `data`: whole events as they came, the last one held back until `ended`.

        Raises `UpstreamRefused` for an error event and a failed response, `UpstreamStreamBroken` for what is not of this API.
        """
        for event in self._reader.feed(data):
            if self.done:
                return
            if event.is_comment:
                if self.begun and event.raw.startswith(b":"):
                    yield event.raw
                continue
            self._take(event)
            if not self.done:
                yield self._passed(event)

    def read(self, data: bytes) -> Iterator[Event]:
        """The events completed by `data`. Raises as `feed` does."""
        self._reads = True
        for event in self._reader.feed(data):
            if self.done:
                return
            for said in () if event.is_comment else self._take(event):
                if isinstance(said, Text):
                    self._length += len(said.text)
                yield said

    def ended(self) -> bytes:
        """The final event, once the upstream has closed. Raises `UpstreamStreamBroken` if there was none.

        `[DONE]` follows, as Open Responses wants it: some upstreams send it, and clients of OpenAI's APIs know it.
        """
        if not self.done:
            raise UpstreamStreamBroken("the upstream's stream stopped before its end")
        return self._last_words + sse.DONE

    def _passed(self, event: sse.Event) -> bytes:
        return event.raw if self._previous is None else echoed_event(event, self._previous)

    def _take(self, event: sse.Event) -> list[Event]:
        try:
            data = _data(event.data)
            kind = str(data.type or event.name)
            if kind == "error" or event.name == "error" or data.error:
                raise failed(data.error or {"message": data.message, "code": data.code, "param": data.param})
            if kind in _ENDINGS or kind == "response.failed":
                return self._end(data, kind, event)
            if kind in ("response.output_item.added", "response.output_item.done"):
                said = self._take_item(data, done=kind.endswith("done"))
            elif kind in _PIECES:
                said = self._take_piece(data, _PIECES[kind])
            else:
                said = self._take_other(data, kind) if self._reads else []
        except UNREADABLE as error:
            raise UpstreamStreamBroken("the upstream sent an event that is not one of a response") from error
        self.sequence = (data.sequence_number if type(data.sequence_number) is int else self.sequence) + 1
        return said

    def _take_piece(self, data: _Data, make: _Make) -> list[Event]:
        if not isinstance(data.delta, str):
            raise UpstreamStreamBroken("the upstream sent a piece of a response that is not text")
        at = _number(data.output_index)
        if not data.delta:
            return []
        self._piecewise.add(at)
        self.pieces += 1
        self.begun = self.spoken = True
        return make(self, data)

    def _take_item(self, data: _Data, *, done: bool) -> list[Event]:
        item, at = _item(data.item), _number(data.output_index)
        said: list[Event] = []
        if text_of(item, "type") in CALLS and at not in self._calls:
            self._calls[at] = len(self._calls)
            self.begun = True
            said.append(tool_began(item, self._calls[at]))
        if done and at not in self._piecewise:  # some servers send no pieces, only what they come to
            self._piecewise.add(at)
            whole = [event for event in self._item_events(item, at) if not isinstance(event, ToolBegan)]
            said += whole
            pieces = sum(not isinstance(event, Lost) for event in whole)
            self.pieces += pieces
            self.begun = self.begun or bool(pieces)
        elif done and self._reads:
            said += self._left_over(item, at)
        self.spoken = self.spoken or self.begun or is_foreign(item)
        return said

    def _item_events(self, item: dict[str, Any], at: int) -> Iterator[Event]:
        return item_events(item, self._calls.get(at, 0), self._starts.get((at, 0), self._length))

    def _left_over(self, item: dict[str, Any], at: int) -> Iterator[Event]:
        """Of an item whose text came in pieces, what did not come with them."""
        for event in self._item_events(item, at):
            if isinstance(event, Lost) or (isinstance(event, Citation) and at not in self._cited):
                yield event

    def _take_other(self, data: _Data, kind: str) -> list[Event]:
        if kind == "response.content_part.added":
            if len(self._starts) >= MOST_PARTS:
                raise UpstreamStreamBroken(f"the upstream sent a response of more than {MOST_PARTS:,} parts")
            self._starts[_where(data)] = self._length
        elif kind == "response.output_text.annotation.added" and isinstance(data.annotation, dict):
            where = _where(data)
            self._cited.add(where[0])
            return [noted(data.annotation, self._starts.get(where, 0))]
        return []

    def _end(self, data: _Data, kind: str, event: sse.Event) -> list[Event]:
        answer = decode_answer(data.response)
        if kind == "response.failed" or answer.status == "failed":
            raise failed(answer.error)
        answer.status = _ENDINGS[kind]
        said = [] if self.begun else list(answer_events(answer))
        self.pieces += len(said)
        self.spoken = self.spoken or speaks(answer, said)
        self._close(answer, event, bytes(data.response))
        return [*said, *ending(answer)]

    def _close(self, answer: Answer, event: sse.Event, final: bytes) -> None:
        if self._calls and not any(text_of(item, "type") in CALLS for item in answer.output):
            answer.output.append({"type": "function_call"})  # called all the same, though the ending does not repeat it
        self.begun = self.done = True
        self.finish_reason = finish_reason(answer)
        self.usage = usage_of(answer.usage)
        self.final, self._last_words = final, self._passed(event)

    def _text(self, data: _Data) -> list[Event]:
        return [Text(data.delta, logprobs=logprobs_of(data.logprobs) or None)]

    def _refusal(self, data: _Data) -> list[Event]:
        return [Refusal(data.delta)]

    def _reasoning(self, data: _Data) -> list[Event]:
        where = (data.output_index, data.content_index if data.summary_index is None else data.summary_index)
        apart = "" if self._thought in (None, where) else "\n\n"
        self._thought = where
        return [Reasoning(apart + data.delta)]

    def _arguments(self, data: _Data) -> list[Event]:
        if data.output_index not in self._calls:
            raise UpstreamStreamBroken("the upstream sent arguments of a tool call that never began")
        return [ToolArguments(self._calls[data.output_index], data.delta)]


def _number(index: Any) -> int:
    """Where an item or a part stands. Raises `UpstreamStreamBroken` for what is no place in an answer."""
    if type(index) is not int or not 0 <= index < MOST_PARTS:
        raise UpstreamStreamBroken(f"the upstream sent a part of a response that has no number from 0 to {MOST_PARTS - 1:,}")
    return index


def _where(data: _Data) -> tuple[int, int]:
    return _number(data.output_index), _number(0 if data.content_index is None else data.content_index)


_Make = Callable[[ResponsesStream, _Data], list[Event]]
_PIECES: Final[dict[str, _Make]] = {
    "response.output_text.delta": ResponsesStream._text,
    "response.refusal.delta": ResponsesStream._refusal,
    "response.reasoning.delta": ResponsesStream._reasoning,
    "response.reasoning_text.delta": ResponsesStream._reasoning,
    "response.reasoning_summary_text.delta": ResponsesStream._reasoning,
    "response.function_call_arguments.delta": ResponsesStream._arguments,
    "response.custom_tool_call_input.delta": ResponsesStream._arguments,
}
