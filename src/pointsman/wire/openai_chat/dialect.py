"""Chat Completions as a dialect. Everything is translated by way of it, so of itself there is nothing to translate."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from pointsman.core.apis import Api
from pointsman.errors import PointsmanError
from pointsman.wire import openai_errors, sse
from pointsman.wire.dialect import Completion, Dialect, Envelope, Translation
from pointsman.wire.events import Event
from pointsman.wire.openai_chat.answer import read_completion, read_events, write_answer
from pointsman.wire.openai_chat.own import asks_usage, own_body
from pointsman.wire.openai_chat.stream import KEEP_ALIVE, ChatStream
from pointsman.wire.openai_chat.writer import ChatWriter


class _Chat:
    api: Api = "chat"
    path = "/chat/completions"
    keep_alive = KEEP_ALIVE

    def to_chat(self, body: Mapping[str, Any]) -> Translation:
        return Translation(dict(body))

    def from_chat(self, body: Mapping[str, Any]) -> Translation:
        return Translation(dict(body))

    def own(self, body: Mapping[str, Any]) -> dict[str, Any]:
        return own_body(body)

    def reader(self, chat: Mapping[str, Any], *, own: bool) -> ChatStream:
        return ChatStream(keep_usage=own and asks_usage(chat), choices=chat.get("n") or 1)

    def writer(self, envelope: Envelope) -> ChatWriter:
        return ChatWriter(envelope)

    def read_completion(self, body: bytes) -> Completion:
        return read_completion(body)

    def read_events(self, body: bytes) -> list[Event]:
        return read_events(body)

    def write_answer(self, events: Iterable[Event], envelope: Envelope) -> bytes:
        return write_answer(events, envelope)

    def error_body(self, error: PointsmanError) -> bytes:
        return openai_errors.error_body(error)

    def error_event(self, error: PointsmanError) -> bytes:
        return sse.encode(openai_errors.error_body(error))


CHAT: Final[Dialect] = _Chat()
