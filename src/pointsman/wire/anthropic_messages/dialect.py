"""The Messages API as one object."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from pointsman.core.apis import Api
from pointsman.errors import PointsmanError
from pointsman.wire.anthropic_messages import answer, errors, from_chat, to_chat, writer
from pointsman.wire.anthropic_messages.stream import MessagesStream
from pointsman.wire.dialect import Completion, Dialect, Envelope, StreamReader, StreamWriter, Translation
from pointsman.wire.events import Event


class _Messages:
    api: Api = "messages"
    path: str = "/messages"
    keep_alive: bytes = b'event: ping\ndata: {"type":"ping"}\n\n'

    def to_chat(self, body: Mapping[str, Any]) -> Translation:
        return to_chat.to_chat(body)

    def from_chat(self, body: Mapping[str, Any]) -> Translation:
        return from_chat.from_chat(body)

    def own(self, body: Mapping[str, Any]) -> dict[str, Any]:
        return to_chat.own(body)

    def reader(self, chat: Mapping[str, Any], *, own: bool) -> StreamReader:
        return MessagesStream()  # usage is part of every stream

    def writer(self, envelope: Envelope) -> StreamWriter:
        return writer.MessagesWriter(envelope)

    def read_completion(self, body: bytes) -> Completion:
        return answer.read_completion(body)

    def read_events(self, body: bytes) -> list[Event]:
        return answer.read_events(body)

    def write_answer(self, events: Iterable[Event], envelope: Envelope) -> bytes:
        return writer.write_answer(events, envelope)

    def error_body(self, error: PointsmanError) -> bytes:
        return errors.error_body(error)

    def error_event(self, error: PointsmanError) -> bytes:
        return errors.error_event(error)


MESSAGES: Dialect = _Messages()
"""What clients and models speak that use Anthropic's Messages API."""
