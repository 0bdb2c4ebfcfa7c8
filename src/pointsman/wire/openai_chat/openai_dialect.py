"""What the older APIs of OpenAI have in common as dialects: Chat Completions, Completions, Embeddings."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from pointsman.core.apis import Api
from pointsman.errors import PointsmanError
from pointsman.wire import openai_errors, sse
from pointsman.wire.dialect import Completion, Envelope, StreamReader, StreamWriter, Translation
from pointsman.wire.events import Event
from pointsman.wire.headers import ClientHeaders, bearer
from pointsman.wire.openai_chat.own import asks_usage, own_body
from pointsman.wire.openai_chat.stream import KEEP_ALIVE


class _Reads(Protocol):
    def __call__(self, *, keep_usage: bool, choices: int) -> StreamReader: ...


@dataclass(slots=True)
class OpenAIDialect:
    """A `Dialect` of the parts in which they differ."""

    api: Api
    path: str
    to_chat: Callable[[Mapping[str, Any]], Translation]
    from_chat: Callable[[Mapping[str, Any]], Translation]
    reads: _Reads  #: begins to follow a stream
    writer: Callable[[Envelope], StreamWriter]
    read_completion: Callable[[bytes], Completion]
    read_events: Callable[[bytes], list[Event]]
    write_answer: Callable[[Iterable[Event], Envelope], bytes]
    keep_alive: bytes = KEEP_ALIVE
    client_headers: ClientHeaders = field(default_factory=dict)

    def headers(self, key: str) -> dict[str, str]:
        return bearer(key)

    def own(self, body: Mapping[str, Any]) -> dict[str, Any]:
        return own_body(body)

    def own_answer(self, answer: bytes, previous: str | None) -> bytes:
        return answer

    def reader(self, chat: Mapping[str, Any], *, own: bool, previous: str | None = None) -> StreamReader:
        return self.reads(keep_usage=own and asks_usage(chat), choices=chat.get("n") or 1)

    def error_body(self, error: PointsmanError) -> bytes:
        return openai_errors.error_body(error)

    def error_event(self, error: PointsmanError, sequence: int = 0) -> bytes:
        return sse.encode(openai_errors.error_body(error))
