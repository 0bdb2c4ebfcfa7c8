"""OpenAI's Responses API as one object."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from pointsman.core.apis import Api
from pointsman.errors import PointsmanError
from pointsman.wire.dialect import Completion, Dialect, Envelope, Translation
from pointsman.wire.events import Event
from pointsman.wire.headers import ClientHeaders, bearer
from pointsman.wire.openai_errors import error_body
from pointsman.wire.openai_responses import answer, from_chat, request
from pointsman.wire.openai_responses.echo import echoed
from pointsman.wire.openai_responses.stream import ResponsesStream
from pointsman.wire.openai_responses.writer import ResponsesWriter, named_event, write_answer


class _Responses:
    api: Api = "responses"
    path: str = "/responses"
    keep_alive: bytes = b": keep-alive\n\n"

    def __init__(self) -> None:
        self.client_headers: ClientHeaders = {}

    def headers(self, key: str) -> dict[str, str]:
        return bearer(key)

    def to_chat(self, body: Mapping[str, Any]) -> Translation:
        return request.to_chat(body)

    def from_chat(self, body: Mapping[str, Any]) -> Translation:
        return from_chat.from_chat(body)

    def own(self, body: Mapping[str, Any]) -> dict[str, Any]:
        return request.own(body)

    def own_answer(self, answer: bytes, previous: str | None) -> bytes:
        return answer if previous is None else echoed(answer, previous)

    def reader(self, chat: Mapping[str, Any], *, own: bool, previous: str | None = None) -> ResponsesStream:
        return ResponsesStream(previous)  # usage is always part of an answer, asked for or not

    def writer(self, envelope: Envelope) -> ResponsesWriter:
        return ResponsesWriter(envelope)

    def read_completion(self, body: bytes) -> Completion:
        return answer.read_completion(body)

    def read_events(self, body: bytes) -> list[Event]:
        return answer.read_events(body)

    def write_answer(self, events: Iterable[Event], envelope: Envelope) -> bytes:
        return write_answer(events, envelope)

    def error_body(self, error: PointsmanError) -> bytes:
        return error_body(error)

    def error_event(self, error: PointsmanError, sequence: int = 0) -> bytes:
        """OpenAI's clients raise for an `error` object only, others read the fields beside it: it says both."""
        said: dict[str, Any] = {"message": error.message, "param": error.param, "code": error.code}
        nested = {"type": error.type, **said} | ({"attempts": error.failures_told()} if error.failures else {})
        return named_event("error", {"sequence_number": sequence, **said, "error": nested})


RESPONSES: Dialect = _Responses()
