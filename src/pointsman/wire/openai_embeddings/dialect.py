"""Embeddings as a dialect: always passed on as they are, and read only as far as routing and accounting need."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final, NoReturn

from pointsman.core.apis import Api
from pointsman.errors import PointsmanError, RequestError
from pointsman.wire import openai_errors, sse
from pointsman.wire.dialect import Completion, Dialect, Envelope, Translation
from pointsman.wire.events import Event
from pointsman.wire.openai_chat.own import own_body
from pointsman.wire.openai_chat.stream import KEEP_ALIVE
from pointsman.wire.openai_embeddings.answer import read_completion
from pointsman.wire.openai_embeddings.request import to_chat


class _Embeddings:
    api: Api = "embeddings"
    path = "/embeddings"
    keep_alive = KEEP_ALIVE

    def to_chat(self, body: Mapping[str, Any]) -> Translation:
        return to_chat(body)

    def from_chat(self, body: Mapping[str, Any]) -> Translation:
        raise RequestError("nothing is translated into embeddings: ask a model that speaks another API", param="model")

    def own(self, body: Mapping[str, Any]) -> dict[str, Any]:
        return own_body(body)

    def reader(self, chat: Mapping[str, Any], *, own: bool) -> NoReturn:
        raise ValueError("embeddings are not streamed")

    def writer(self, envelope: Envelope) -> NoReturn:
        raise ValueError("embeddings are not streamed")

    def read_completion(self, body: bytes) -> Completion:
        return read_completion(body)

    def read_events(self, body: bytes) -> list[Event]:
        raise ValueError("embeddings say nothing")

    def write_answer(self, events: Iterable[Event], envelope: Envelope) -> bytes:
        raise ValueError("embeddings say nothing")

    def error_body(self, error: PointsmanError) -> bytes:
        return openai_errors.error_body(error)

    def error_event(self, error: PointsmanError) -> bytes:
        return sse.encode(openai_errors.error_body(error))


EMBEDDINGS: Final[Dialect] = _Embeddings()
