"""Writes answers of Responses, in a stream or whole."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from pointsman.core.prices import Usage
from pointsman.wire.dialect import Envelope
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
from pointsman.wire.openai_responses.output import CallItem, Item, MessageItem, ReasoningItem, Said
from pointsman.wire.openai_responses.resource import finished, in_progress
from pointsman.wire.sse import DONE

_encode = msgspec.json.Encoder().encode


def named_event(kind: str, fields: dict[str, Any]) -> bytes:
    """A server-sent event whose name is its type."""
    return b"event: " + kind.encode() + b"\ndata: " + _encode({"type": kind, **fields}) + b"\n\n"


class ResponsesWriter:
    """Writes a stream. A message or reasoning item is closed when another begins; tool calls stay open, since their pieces may mix."""

    def __init__(self, envelope: Envelope) -> None:
        self._envelope = envelope
        self._items: list[Item] = []
        self._open: set[int] = set()
        self._speaking: MessageItem | ReasoningItem | None = None
        self._calls: dict[int, int] = {}  # output index of each tool call
        self._reason: FinishReason | None = None
        self._usage: Usage | None = None
        self._tier: str | None = None
        self._texted = 0  # characters
        self._number = 0  # of the event that is written next
        self.sequence = 0  #: number of the client's next event; the last words do not count, since they may be held back
        self.final: bytes | None = None  #: the finished Response object, once it has ended

    def write(self, event: Event) -> bytes:
        """Events that say this. Answers beyond the first cannot be asked for in this API, and are left out."""
        written = self._opening()
        if isinstance(event, Used):
            self._usage = event.usage
        elif isinstance(event, Served):
            self._tier = event.tier
        elif not isinstance(event, Lost) and event.choice == 0:
            written += b"".join(self._said(event))
        self.sequence = self._number
        return written

    def ended(self) -> bytes:
        """Closes what is open, the final event and `[DONE]`. Where no `Finished` came the response is incomplete."""
        resource = finished(self._envelope, [item.item for item in self._items], self._reason, self._usage, self._tier)
        opening = self._opening()
        last = len(self._items) - 1
        closing = b"".join(
            piece for at in sorted(self._open) for piece in self._close(at, resource["status"] if at == last else "completed")
        )
        self.final = _encode(resource)
        return opening + closing + self._event(f"response.{resource['status']}", {"response": resource}) + DONE

    def _opening(self) -> bytes:
        if self._number:
            return b""
        resource = in_progress(self._envelope)
        return self._event("response.created", {"response": resource}) + self._event("response.in_progress", {"response": resource})

    def _said(self, event: Text | Refusal | Reasoning | ToolBegan | ToolArguments | Citation | Finished) -> Iterator[bytes]:
        match event:
            case Finished():
                self._reason = event.reason
            case ToolBegan():
                yield from self._hush()
                self._calls[event.call] = len(self._items)
                yield from self._begin(CallItem(self._item_id(), event))
            case ToolArguments() if event.text and event.call in self._calls:
                at = self._calls[event.call]
                call = self._items[at]
                assert isinstance(call, CallItem)
                yield from self._tell(at, call.say(event.text))
            case Citation() if isinstance(self._speaking, MessageItem):
                yield from self._tell(len(self._items) - 1, self._speaking.cite(event, self._texted))
            case Reasoning() if event.text:
                yield from self._think(event.text)
            case Text() | Refusal() if event.text or (isinstance(event, Text) and event.logprobs):
                yield from self._speak(event)
            case _:  # empty pieces, and signatures, which mean nothing to others than who made them
                return

    def _speak(self, event: Text | Refusal) -> Iterator[bytes]:
        if not isinstance(self._speaking, MessageItem):
            yield from self._hush()
            self._speaking = MessageItem(f"msg_{self._item_id()}")
            yield from self._begin(self._speaking)
        yield from self._tell(len(self._items) - 1, self._speaking.say(event))
        self._texted += len(event.text) if isinstance(event, Text) else 0

    def _think(self, text: str) -> Iterator[bytes]:
        if not isinstance(self._speaking, ReasoningItem):
            yield from self._hush()
            self._speaking = ReasoningItem(f"rs_{self._item_id()}")
            yield from self._begin(self._speaking)
        yield from self._tell(len(self._items) - 1, self._speaking.say(text))

    def _item_id(self) -> str:
        return f"{self._envelope.id}_{len(self._items)}"

    def _begin(self, item: Item) -> Iterator[bytes]:
        at = len(self._items)
        self._items.append(item)
        self._open.add(at)
        yield self._event("response.output_item.added", {"output_index": at, "item": item.item})

    def _hush(self) -> Iterator[bytes]:
        """Close the item that speaks, if one does: it is the last one then."""
        if self._speaking is not None:
            yield from self._close(len(self._items) - 1, "completed")
            self._speaking = None

    def _close(self, at: int, status: str) -> Iterator[bytes]:
        self._open.discard(at)
        yield from self._tell(at, self._items[at].closed(status))
        yield self._event("response.output_item.done", {"output_index": at, "item": self._items[at].item})

    def _tell(self, at: int, said: Iterable[Said]) -> Iterator[bytes]:
        for kind, fields in said:
            yield self._event(kind, {"item_id": self._items[at].item["id"], "output_index": at, **fields})

    def _event(self, kind: str, fields: dict[str, Any]) -> bytes:
        number, self._number = self._number, self._number + 1
        return named_event(kind, {"sequence_number": number, **fields})


def write_answer(events: Iterable[Event], envelope: Envelope) -> bytes:
    """The whole answer: what a stream of these events ends with."""
    writer = ResponsesWriter(envelope)
    for event in events:
        writer.write(event)
    writer.ended()
    return writer.final or b""
