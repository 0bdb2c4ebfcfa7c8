"""Completions as a dialect: asked by clients, and passed on to models that have it. Nothing is translated into it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NoReturn

from pointsman.errors import RequestError
from pointsman.wire.dialect import Dialect
from pointsman.wire.openai_chat.openai_dialect import OpenAIDialect
from pointsman.wire.openai_completions.answer import CompletionWriter, read_completion, read_events, write_answer
from pointsman.wire.openai_completions.request import to_chat
from pointsman.wire.openai_completions.stream import CompletionStream


def _from_chat(body: Mapping[str, Any]) -> NoReturn:
    raise RequestError("nothing is translated into the older completions: ask a model that speaks another API", param="model")


COMPLETIONS: Final[Dialect] = OpenAIDialect(
    "completions", "/completions", to_chat, _from_chat, CompletionStream, CompletionWriter, read_completion, read_events, write_answer
)
