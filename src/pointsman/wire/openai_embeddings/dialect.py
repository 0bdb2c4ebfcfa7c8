"""Embeddings as a dialect: always passed on as they are, and read only as far as routing and accounting need."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final, NoReturn

from pointsman.errors import RequestError
from pointsman.wire.dialect import Dialect, Envelope
from pointsman.wire.events import Event
from pointsman.wire.openai_chat.openai_dialect import OpenAIDialect
from pointsman.wire.openai_embeddings.answer import read_completion
from pointsman.wire.openai_embeddings.request import to_chat


def _from_chat(body: Mapping[str, Any]) -> NoReturn:
    raise RequestError("nothing is translated into embeddings: ask a model that speaks another API", param="model")


def _reads(*, keep_usage: bool, choices: int) -> NoReturn:
    raise ValueError("embeddings are not streamed")


def _writer(envelope: Envelope) -> NoReturn:
    raise ValueError("embeddings are not streamed")


def _read_events(body: bytes) -> NoReturn:
    raise ValueError("embeddings say nothing")


def _write_answer(events: Iterable[Event], envelope: Envelope) -> NoReturn:
    raise ValueError("embeddings say nothing")


EMBEDDINGS: Final[Dialect] = OpenAIDialect(
    "embeddings", "/embeddings", to_chat, _from_chat, _reads, _writer, read_completion, _read_events, _write_answer
)
