"""Completions as a dialect: asked by clients, and passed on to models that have it. Nothing is translated into it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from pointsman.core.apis import Api
from pointsman.errors import PointsmanError, RequestError
from pointsman.wire import openai_errors, sse
from pointsman.wire.dialect import Completion, Dialect, Envelope, Translation
from pointsman.wire.events import Event
from pointsman.wire.openai_chat.own import asks_usage, own_body
from pointsman.wire.openai_chat.stream import KEEP_ALIVE
from pointsman.wire.openai_completions.answer import CompletionWriter, read_completion, read_events, write_answer
from pointsman.wire.openai_completions.request import to_chat
from pointsman.wire.openai_completions.stream import CompletionStream


class _Completions:
    api: Api = "completions"
    path = "/completions"
    keep_alive = KEEP_ALIVE

    def to_chat(self, body: Mapping[str, Any]) -> Translation:
        return to_chat(body)

    def from_chat(self, body: Mapping[str, Any]) -> Translation:
        raise RequestError("nothing is translated into the older completions: ask a model that speaks another API", param="model")

    def own(self, body: Mapping[str, Any]) -> dict[str, Any]:
        return own_body(body)

    def reader(self, chat: Mapping[str, Any], *, own: bool) -> CompletionStream:
        return CompletionStream(keep_usage=own and asks_usage(chat), choices=chat.get("n") or 1)

    def writer(self, envelope: Envelope) -> CompletionWriter:
        return CompletionWriter(envelope)

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


COMPLETIONS: Final[Dialect] = _Completions()
