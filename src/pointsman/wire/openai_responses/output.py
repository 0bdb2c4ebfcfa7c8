"""Output items while they are being said: each knows what it is by now, and which events tell how it became so."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol

from pointsman.wire.events import Citation, Refusal, Text, ToolBegan
from pointsman.wire.openai_chat.reading import write_url_citation
from pointsman.wire.openai_responses.answer import logprobs_of

Said = tuple[str, dict[str, Any]]
"""The type of an event and its fields, but for those that number it and name the item."""


class Item(Protocol):
    """An output item that was opened."""

    item: dict[str, Any]  #: as it is by now

    def closed(self, status: str) -> Iterator[Said]:
        """The events before the item's own last one."""


class MessageItem:
    """Text and refusals, a part for each run of either."""

    def __init__(self, id: str) -> None:
        self.item: dict[str, Any] = {"id": id, "type": "message", "status": "in_progress", "role": "assistant", "content": []}
        self._pieces: list[str] = []
        self._length = 0  # of them, in characters
        self._logprobs: list[dict[str, Any]] = []
        self._annotations: list[dict[str, Any]] = []
        self._kind = ""

    def say(self, event: Text | Refusal) -> Iterator[Said]:
        """One piece."""
        kind = "output_text" if isinstance(event, Text) else "refusal"
        if kind != self._kind:
            yield from self._part_closed()
            self._kind, self._pieces, self._length, self._logprobs, self._annotations = kind, [], 0, [], []
            self.item["content"].append(self._part())
            yield "response.content_part.added", {"content_index": self._at, "part": self._part()}
        self._pieces.append(event.text)
        self._length += len(event.text)
        if isinstance(event, Text):
            logprobs = logprobs_of(event.logprobs)
            self._logprobs += logprobs
            yield "response.output_text.delta", {"content_index": self._at, "delta": event.text, "logprobs": logprobs}
        else:
            yield "response.refusal.delta", {"content_index": self._at, "delta": event.text}

    def cite(self, citation: Citation, said: int) -> Iterator[Said]:
        """What the last part goes back to, if it is that part; `said`: the characters of the answer's text until now."""
        start = said - self._length
        if self._kind != "output_text" or citation.start < start:
            return
        self._annotations.append({"type": "url_citation", **write_url_citation(citation, start)})
        where = {"content_index": self._at, "annotation_index": len(self._annotations) - 1}
        yield "response.output_text.annotation.added", {**where, "annotation": self._annotations[-1]}

    def closed(self, status: str) -> Iterator[Said]:
        yield from self._part_closed()
        self.item["status"] = status

    @property
    def _at(self) -> int:
        return len(self.item["content"]) - 1

    def _part(self) -> dict[str, Any]:
        text = "".join(self._pieces)
        if self._kind == "refusal":
            return {"type": "refusal", "refusal": text}
        return {"type": "output_text", "text": text, "annotations": self._annotations, "logprobs": self._logprobs}

    def _part_closed(self) -> Iterator[Said]:
        if not self._kind:
            return
        part = self.item["content"][-1] = self._part()
        fields: dict[str, Any] = {name: part[name] for name in ("text", "logprobs", "refusal") if name in part}
        yield f"response.{self._kind}.done", {"content_index": self._at, **fields}
        yield "response.content_part.done", {"content_index": self._at, "part": part}


class ReasoningItem:
    """Visible thinking, as one part of a summary."""

    def __init__(self, id: str) -> None:
        self.item: dict[str, Any] = {"id": id, "type": "reasoning", "summary": []}
        self._pieces: list[str] = []

    def say(self, text: str) -> Iterator[Said]:
        """One piece."""
        if not self._pieces:
            yield "response.reasoning_summary_part.added", {"summary_index": 0, "part": {"type": "summary_text", "text": ""}}
        self._pieces.append(text)
        yield "response.reasoning_summary_text.delta", {"summary_index": 0, "delta": text}

    def closed(self, status: str) -> Iterator[Said]:
        text = "".join(self._pieces)
        part = {"type": "summary_text", "text": text}
        self.item["summary"] = [part]
        yield "response.reasoning_summary_text.done", {"summary_index": 0, "text": text}
        yield "response.reasoning_summary_part.done", {"summary_index": 0, "part": part}


class CallItem:
    """A tool call."""

    def __init__(self, id: str, began: ToolBegan) -> None:
        self._name = "input" if began.custom else "arguments"
        self._event = "response.custom_tool_call_input" if began.custom else "response.function_call_arguments"
        self.item: dict[str, Any] = {
            "id": f"{'ctc' if began.custom else 'fc'}_{id}",
            "type": "custom_tool_call" if began.custom else "function_call",
            "status": "in_progress",
            "call_id": began.id or f"call_{id}",
            "name": began.name,
            self._name: "",
        }
        self._pieces: list[str] = []

    def say(self, text: str) -> Iterator[Said]:
        """One piece of what the tool is called with."""
        self._pieces.append(text)
        yield f"{self._event}.delta", {"delta": text}

    def closed(self, status: str) -> Iterator[Said]:
        self.item |= {self._name: "".join(self._pieces), "status": status}
        yield f"{self._event}.done", {self._name: self.item[self._name]}
