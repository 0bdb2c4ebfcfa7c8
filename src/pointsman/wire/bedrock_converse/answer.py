"""Whole answers of Converse as messages of the Messages API."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec
from msgspec import Struct

from pointsman.errors import UpstreamError
from pointsman.wire.openai_chat.unreadable import MALFORMED
from pointsman.wire.openai_chat.usage import count

_REASONS: Final[Mapping[str, str]] = {"guardrail_intervened": "refusal", "content_filtered": "refusal"}
_COUNTS: Final = {
    "inputTokens": "input_tokens",
    "outputTokens": "output_tokens",
    "cacheReadInputTokens": "cache_read_input_tokens",
    "cacheWriteInputTokens": "cache_creation_input_tokens",
}
_LIVES: Final = ("5m", "1h")
_MALFORMED: Final = {"malformed_model_output": "what it wrote", "malformed_tool_use": "its call of a tool"}


class _Message(Struct):
    content: list[dict[str, Any]]


class _Output(Struct):
    message: _Message


class _Answer(Struct, rename="camel"):
    output: _Output
    stop_reason: str
    usage: dict[str, Any] | None = None


_answer = msgspec.json.Decoder(_Answer).decode


def to_message(body: bytes, id: str, model: str) -> bytes:
    """A whole answer as a message; `id` and `model` stand in it. Raises `UpstreamError` when it is none, or what was said is broken."""
    try:
        answer = _answer(body)
        content = [made for block in answer.output.message.content for made in _blocks(block)]
    except MALFORMED as error:
        raise UpstreamError("the upstream answered 200 with something that is not an answer of Converse") from error
    reason = stop_reason(answer.stop_reason)
    return msgspec.json.encode(message_of(id, model, content) | {"stop_reason": reason, "usage": usage_of(answer.usage)})


def message_of(id: str, model: str, content: list[dict[str, Any]]) -> dict[str, Any]:
    """A message that has not ended."""
    head = {"id": f"msg_{id}", "type": "message", "role": "assistant", "model": model, "content": content}
    return {**head, "stop_reason": None, "stop_sequence": None}


def stop_reason(reason: str) -> str:
    """Why it ended, in the words of Messages. Raises `UpstreamError` where Bedrock could not read what the model said.

    >>> stop_reason("end_turn"), stop_reason("guardrail_intervened")
    ('end_turn', 'refusal')
    """
    if what := _MALFORMED.get(reason):
        raise UpstreamError(f"the model's provider could not read {what}")
    return _REASONS.get(reason, reason)


def usage_of(reported: Any) -> dict[str, Any] | None:
    """Token counts as Messages writes them: in both, the input leaves out what the cache had. `None` where one cannot be meant.

    >>> usage_of({"inputTokens": 10, "outputTokens": 5, "totalTokens": 105, "cacheReadInputTokens": 90})
    {'input_tokens': 10, 'output_tokens': 5, 'cache_read_input_tokens': 90}
    """
    if not isinstance(reported, dict):
        return None
    said: dict[str, Any] = {name: count(reported, theirs) for theirs, name in _COUNTS.items() if reported.get(theirs) is not None}
    details = reported.get("cacheDetails")
    lives = {life: _written(details, life) for life in _LIVES} if isinstance(details, list) else {}
    lives = {f"ephemeral_{life}_input_tokens": tokens for life, tokens in lives.items() if tokens != 0}
    if None in said.values() or None in lives.values():
        return None
    return said | ({"cache_creation": lives} if lives else {})


def _written(details: list[Any], life: str) -> int | None:
    """Tokens that were written to the cache for so long; `None` where that cannot be meant."""
    written = [count(detail, "inputTokens") for detail in details if isinstance(detail, dict) and detail.get("ttl") == life]
    return None if None in written else sum(tokens or 0 for tokens in written)


def redacted(blob: Any) -> str:
    """Encrypted thinking as Messages writes it; nothing where it is not that."""
    try:
        return base64.b64decode(blob, validate=True).decode()
    except (binascii.Error, UnicodeError, TypeError, ValueError):
        return ""


def _blocks(block: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Blocks without a counterpart become none."""
    match block:
        case {"text": str(text)}:
            yield {"type": "text", "text": text}
        case {"toolUse": {"type": "server_tool_use"}}:
            return
        case {"toolUse": call}:
            yield {"type": "tool_use", "id": call["toolUseId"], "name": call["name"], "input": call.get("input") or {}}
        case {"reasoningContent": {"reasoningText": said}}:
            yield {"type": "thinking", "thinking": said["text"], "signature": said.get("signature") or ""}
        case {"reasoningContent": {"redactedContent": blob}}:
            if data := redacted(blob):
                yield {"type": "redacted_thinking", "data": data}
        case {"citationsContent": cited}:
            yield {"type": "text", "text": "".join(piece.get("text") or "" for piece in cited.get("content") or ())}
