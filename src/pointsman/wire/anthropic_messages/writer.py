"""Answers for clients that speak the Messages API. Of several choices the first is written: this API knows no others.

A refusal is written as text, and ends the answer with the reason `refusal`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from pointsman.core.prices import Usage
from pointsman.wire.anthropic_messages.tools import tool_id, tool_input
from pointsman.wire.anthropic_messages.usage import write_usage
from pointsman.wire.dialect import Envelope
from pointsman.wire.events import Citation, Event, Finished, Lost, Reasoning, Refusal, Served, Text, ToolArguments, ToolBegan, Used

_PIECES = (Text, Refusal, Reasoning, ToolArguments)
_Piece = Text | Refusal | Reasoning | ToolBegan | ToolArguments | Citation

_REASONS: Final = {"stop": "end_turn", "length": "max_tokens", "tool_calls": "tool_use", "content_filter": "refusal"}
_HEADS: Final[dict[str, dict[str, Any]]] = {
    "text": {"type": "text", "text": ""},
    "thinking": {"type": "thinking", "thinking": "", "signature": ""},
}
_DELTAS: Final = {
    "text": ("text_delta", "text"),
    "thinking": ("thinking_delta", "thinking"),
    "tool_use": ("input_json_delta", "partial_json"),
}


@dataclass(slots=True)
class _Block:
    """A content block, as far as it has come."""

    head: dict[str, Any]
    call: int | None = None
    pieces: list[str] = field(default_factory=list)
    signature: str = ""
    citations: list[dict[str, Any]] = field(default_factory=list)

    @property
    def kind(self) -> str:
        return str(self.head["type"])

    @property
    def text(self) -> str:
        return "".join(self.pieces)

    @property
    def complete(self) -> bool:
        """Whether it is over once another block has begun: not so a tool call whose arguments are not whole."""
        if self.call is None:
            return True
        if not self.pieces or not self.pieces[-1].endswith("}"):
            return False
        try:
            msgspec.json.decode(self.text)
        except (msgspec.MsgspecError, RecursionError):
            return False
        return True

    def whole(self) -> dict[str, Any]:
        """The block in an answer that is not streamed."""
        if self.kind == "tool_use":
            return {**self.head, "input": tool_input(self.text)}
        more: dict[str, Any] = {"signature": self.signature, "citations": self.citations}
        return {**self.head, self.kind: self.text, **{name: value for name, value in more.items() if value}}


class _Message:
    """An answer, as far as it has come: its blocks that are not yet closed, and what stands beside them."""

    def __init__(self, envelope: Envelope) -> None:
        self.blocks: list[_Block] = []
        self.calls: dict[int, _Block] = {}  # of those blocks
        self.usage = Usage()
        self._envelope = envelope
        self._finished: Finished | None = None
        self._refused = self._called = False
        self._priority = False

    def take(self, event: Event) -> _Block | None:
        """Take in what is said. The block that it went into, if it went into one."""
        if isinstance(event, Used):
            self.usage = event.usage
        elif isinstance(event, Served):
            self._priority = event.tier == "priority"
        elif isinstance(event, Lost) or event.choice:
            return None
        elif isinstance(event, Finished):
            self._finished = event
        else:
            return self._put(event)
        return None

    def _put(self, piece: _Piece) -> _Block | None:
        if isinstance(piece, ToolBegan):
            self._called = True
            called = {"id": tool_id(piece.id, f"{self._envelope.id}.{piece.call}"), "name": piece.name}
            self.blocks.append(_Block({"type": "tool_use", **called, "input": {}}, piece.call))
            return self.calls.setdefault(piece.call, self.blocks[-1])
        if isinstance(piece, Citation):
            return self._cite(piece)
        if isinstance(piece, ToolArguments):
            block = self.calls.get(piece.call)
        else:
            signature = piece.signature if isinstance(piece, Reasoning) else ""
            if not piece.text and not signature:
                return None
            self._refused = self._refused or isinstance(piece, Refusal)
            block = self._last("thinking" if isinstance(piece, Reasoning) else "text")
            block.signature = signature
        if block is not None and piece.text:
            block.pieces.append(piece.text)
        return block

    def _cite(self, citation: Citation) -> _Block | None:
        """What is cited goes to the whole block. The proof of a search that this API's own citations hold is one nobody else can give."""
        block = next((block for block in reversed(self.blocks) if block.kind == "text"), None)
        if block is not None:
            said = {"url": citation.url, "title": citation.title or None, "cited_text": citation.quote, "encrypted_index": ""}
            block.citations.append({"type": "web_search_result_location", **said})
        return block

    def _last(self, kind: str) -> _Block:
        """The last block if it is of this kind and can go on, else a new one. A signature ends a block."""
        if not self.blocks or self.blocks[-1].kind != kind or self.blocks[-1].signature:
            self.blocks.append(_Block(_HEADS[kind]))
        return self.blocks[-1]

    @property
    def stop_sequence(self) -> str | None:
        return None if self._finished is None else self._finished.stop_sequence

    @property
    def stop_reason(self) -> str | None:
        if self._finished is None:
            return None
        if self._refused:
            return "refusal"
        if self._finished.reason == "stop" and self._called:  # so some servers end a call that they were told to make
            return "tool_use"
        if self._finished.reason == "stop" and self.stop_sequence is not None:
            return "stop_sequence"
        return _REASONS[self._finished.reason]

    def written(self, content: list[dict[str, Any]]) -> dict[str, Any]:
        return {
            "id": f"msg_{self._envelope.id}",
            "type": "message",
            "role": "assistant",
            "model": self._envelope.model,
            "content": content,
            "stop_reason": self.stop_reason,
            "stop_sequence": self.stop_sequence,
            "usage": self.used(),
        }

    def used(self) -> dict[str, Any]:
        return write_usage(self.usage) | ({"service_tier": "priority"} if self._priority else {})


def write_answer(events: Iterable[Event], envelope: Envelope) -> bytes:
    """The whole answer for the client that sent `envelope.body`."""
    message = _Message(envelope)
    for event in events:
        message.take(event)
    return msgspec.json.encode(message.written([block.whole() for block in message.blocks]))


class MessagesWriter:
    """Writes a stream. Blocks follow one another, as this API wants: what comes of a later one waits until those before it are over."""

    sequence = 0

    def __init__(self, envelope: Envelope) -> None:
        self._message = _Message(envelope)
        self._blocks = self._message.blocks  # the first one is open, if it has been written that it begins
        self._open: _Block | None = None
        self._started = False
        self._index = 0

    def write(self, event: Event) -> bytes:
        """Server-sent events that say this; may be empty."""
        block = self._message.take(event)
        out = self._start()
        if isinstance(event, Finished):
            return out + (self._close_all() if event.choice == 0 else b"")
        if block is None:
            return out
        if block is self._open and isinstance(event, _PIECES):
            return out + self._piece(event.text, block.signature) + self._advance()
        if block is self._open and isinstance(event, Citation):
            return out + self._cited(block.citations[-1:])
        return out + self._advance()

    def ended(self) -> bytes:
        """The stream's last words."""
        delta = {"stop_reason": self._message.stop_reason, "stop_sequence": self._message.stop_sequence}
        out = self._start() + self._close_all()
        out += _event("message_delta", delta=delta, usage=self._message.used())
        return out + _event("message_stop")

    def _start(self) -> bytes:
        if self._started:
            return b""
        self._started = True
        message = self._message.written([]) | {"stop_reason": None, "stop_sequence": None}
        return _event("message_start", message=message)

    def _advance(self) -> bytes:
        """Open the first block that is not over, after writing those before it."""
        out = self._begin()
        while len(self._blocks) > 1 and self._blocks[0].complete:
            out += self._close() + self._begin()
        return out

    def _close_all(self) -> bytes:
        out = b""
        while self._blocks:
            out += self._begin() + self._close()
        return out

    def _begin(self) -> bytes:
        """Open the first block, with all of it that has come, unless it is open."""
        if self._open is self._blocks[0]:
            return b""
        self._open = self._blocks[0]
        start = _event("content_block_start", index=self._index, content_block=self._open.head)
        return start + self._piece(self._open.text, self._open.signature) + self._cited(self._open.citations)

    def _piece(self, text: str, signature: str) -> bytes:
        assert self._open is not None
        out = b""
        if text:
            kind, name = _DELTAS[self._open.kind]
            out = _event("content_block_delta", index=self._index, delta={"type": kind, name: text})
        if signature:
            out += _event("content_block_delta", index=self._index, delta={"type": "signature_delta", "signature": signature})
        return out

    def _cited(self, citations: Iterable[dict[str, Any]]) -> bytes:
        deltas = ({"type": "citations_delta", "citation": citation} for citation in citations)
        return b"".join(_event("content_block_delta", index=self._index, delta=delta) for delta in deltas)

    def _close(self) -> bytes:
        if (call := self._blocks.pop(0).call) is not None:
            self._message.calls.pop(call, None)
        self._open = None
        self._index += 1
        return _event("content_block_stop", index=self._index - 1)


def _event(name: str, **fields: object) -> bytes:
    return b"event: " + name.encode() + b"\ndata: " + msgspec.json.encode({"type": name, **fields}) + b"\n\n"
