"""What an upstream answers to an Embeddings request."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Raw, Struct

from pointsman.core.prices import Usage
from pointsman.errors import UpstreamError
from pointsman.wire.dialect import Completion
from pointsman.wire.openai_chat.unreadable import UNREADABLE
from pointsman.wire.openai_chat.usage import count


class _Embedding(Struct):
    embedding: Raw  # not looked into: thousands of numbers


class _Answer(Struct):
    data: list[_Embedding]
    usage: Any = None


_decode = msgspec.json.Decoder(_Answer).decode


def read_completion(body: bytes) -> Completion:
    """Read an answer for accounting. Raises `UpstreamError` when it is none.

    >>> read_completion(b'{"data":[{"embedding":[0.5]}],"usage":{"prompt_tokens":3,"total_tokens":3}}').usage.input_tokens
    3
    """
    try:
        answer = _decode(body)
    except UNREADABLE as error:
        raise UpstreamError("the upstream answered 200 with something that is not a list of embeddings") from error
    if any(bytes(one.embedding)[:1] not in (b"[", b'"') for one in answer.data):
        raise UpstreamError("the upstream answered with an embedding that is neither a list nor a text")
    tokens = count(answer.usage, "prompt_tokens")
    return Completion(finish_reason=None, usage=None if tokens is None else Usage(tokens, 0), text="", empty=not answer.data)
