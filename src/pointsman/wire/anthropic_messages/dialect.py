"""The Messages API as one object."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from pointsman.core.apis import Api
from pointsman.errors import PointsmanError
from pointsman.wire.anthropic_messages import answer, errors, from_chat, to_chat, writer
from pointsman.wire.anthropic_messages.stream import MessagesStream
from pointsman.wire.dialect import Completion, Dialect, Envelope, StreamReader, StreamWriter, Translation
from pointsman.wire.events import Event
from pointsman.wire.headers import ClientHeaders

VERSION: Final = "2023-06-01"  #: of the API, for clients that name none
HEADERS: Final[ClientHeaders] = {
    "anthropic-version": re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}"),
    "anthropic-beta": re.compile(r"[A-Za-z0-9._-]{1,64}(?: *, *[A-Za-z0-9._-]{1,64}){0,31}"),
}


class _Messages:
    api: Api = "messages"
    path: str = "/messages"
    keep_alive: bytes = b'event: ping\ndata: {"type":"ping"}\n\n'
    client_headers: ClientHeaders = HEADERS

    def headers(self, key: str) -> dict[str, str]:
        return {"anthropic-version": VERSION, **({"x-api-key": key} if key else {})}

    def to_chat(self, body: Mapping[str, Any]) -> Translation:
        return to_chat.to_chat(body)

    def from_chat(self, body: Mapping[str, Any]) -> Translation:
        return from_chat.from_chat(body)

    def own(self, body: Mapping[str, Any]) -> dict[str, Any]:
        return to_chat.own(body)

    def own_answer(self, answer: bytes, previous: str | None) -> bytes:
        return answer

    def reader(self, chat: Mapping[str, Any], *, own: bool, previous: str | None = None) -> StreamReader:
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

    def error_event(self, error: PointsmanError, sequence: int = 0) -> bytes:
        return errors.error_event(error)


MESSAGES: Dialect = _Messages()
"""What clients and models speak that use Anthropic's Messages API."""
