"""Chat Completions as a dialect. Everything is translated by way of it, so of itself there is nothing to translate."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from pointsman.wire.dialect import Dialect, Translation
from pointsman.wire.openai_chat.answer import read_completion, read_events, write_answer
from pointsman.wire.openai_chat.openai_dialect import OpenAIDialect
from pointsman.wire.openai_chat.stream import ChatStream
from pointsman.wire.openai_chat.writer import ChatWriter


def _as_it_is(body: Mapping[str, Any]) -> Translation:
    return Translation(dict(body))


CHAT: Final[Dialect] = OpenAIDialect(
    "chat", "/chat/completions", _as_it_is, _as_it_is, ChatStream, ChatWriter, read_completion, read_events, write_answer
)
