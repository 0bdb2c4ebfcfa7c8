"""llama.cpp's stream, chunk by chunk, as pieces of an answer."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from pointsman.errors import PointsmanError, RequestError, UpstreamError
from pointsman.upstream.local.answer import Piece, Token, Usage


class _Failure(msgspec.Struct):
    message: str = ""
    code: int = 500
    type: str = ""


class _Delta(msgspec.Struct):
    content: str | None = None


class _Logprobs(msgspec.Struct):
    content: list[Token] | None = None


class _Choice(msgspec.Struct):
    delta: _Delta
    finish_reason: str | None = None
    logprobs: _Logprobs | None = None


class _Cached(msgspec.Struct):
    cached_tokens: int = 0


class _Usage(msgspec.Struct):
    prompt_tokens: int
    completion_tokens: int
    prompt_tokens_details: _Cached


class _Chunk(msgspec.Struct):
    choices: list[_Choice] = []
    usage: _Usage | None = None
    error: _Failure | None = None


_read_chunk = msgspec.json.Decoder(_Chunk).decode


def read_pieces(chunk: bytes) -> Iterator[Piece | PointsmanError]:
    """What one chunk of llama.cpp's stream holds; its news of how far the prompt has been read holds nothing."""
    read = _read_chunk(chunk)
    if read.error is not None:
        yield _failure(read.error)
    for choice in read.choices:
        tokens = tuple((choice.logprobs and choice.logprobs.content) or ())
        if choice.delta.content or tokens or choice.finish_reason:
            yield Piece(choice.delta.content or "", tokens, choice.finish_reason)
    if read.usage is not None:
        counted = read.usage
        yield Piece(usage=Usage(counted.prompt_tokens, counted.completion_tokens, counted.prompt_tokens_details.cached_tokens))


def _failure(failure: _Failure) -> PointsmanError:
    if failure.type == "exceed_context_size_error":
        what = failure.message.partition(", try")[0]
        return RequestError(f"{what}: shorten the messages", param="messages", code="context_length_exceeded")
    if failure.code < 500:
        return RequestError(f"the local model cannot do this: {failure.message}")
    return UpstreamError(f"the local model failed: {failure.message}", code="engine_failed")
