"""What an OpenAI-compatible upstream answers: completions, streams and errors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import Struct

from pointsman.core.prices import Usage
from pointsman.errors import UpstreamError, UpstreamRefused, UpstreamStreamBroken
from pointsman.wire import sse


class _PromptDetails(Struct):
    cached_tokens: int | None = None


class _CompletionDetails(Struct):
    reasoning_tokens: int | None = None


class _Usage(Struct):
    prompt_tokens: int = 0
    completion_tokens: int = 0
    prompt_tokens_details: _PromptDetails | None = None
    completion_tokens_details: _CompletionDetails | None = None


class _Choice(Struct):
    finish_reason: str | None = None


class _Answer(Struct):
    choices: list[_Choice]
    usage: _Usage | None = None


class _Chunk(Struct):
    choices: list[_Choice] = []
    usage: _Usage | None = None
    error: Any = None


_answer = msgspec.json.Decoder(_Answer).decode
_chunk = msgspec.json.Decoder(_Chunk).decode


class Completion(Struct, frozen=True):
    """What accounting needs of a whole answer."""

    finish_reason: str | None
    usage: Usage | None


def read_completion(body: bytes) -> Completion:
    """Read a non-streamed answer. Raises `UpstreamError` when it is none."""
    try:
        answer = _answer(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise UpstreamError("the upstream answered 200 with something that is not a chat completion") from error
    if not answer.choices:
        raise UpstreamError("the upstream answered with no choices")
    return Completion(answer.choices[0].finish_reason, _usage(answer.usage))


def _usage(usage: _Usage | None) -> Usage | None:
    if usage is None:
        return None
    prompt, completion = usage.prompt_tokens_details, usage.completion_tokens_details
    return Usage(
        input_tokens=max(0, usage.prompt_tokens),
        output_tokens=max(0, usage.completion_tokens),
        cached_input_tokens=min(max(0, (prompt and prompt.cached_tokens) or 0), max(0, usage.prompt_tokens)),
        reasoning_tokens=min(max(0, (completion and completion.reasoning_tokens) or 0), max(0, usage.completion_tokens)),
    )


class ChatStream:
    """Follows an upstream's stream: passes chunks on, keeps what accounting needs, and knows whether it ended well.

    `keep_usage` is false for a client that did not ask for usage: it is asked for upstream, and taken out again here.
    """

    def __init__(self, *, keep_usage: bool) -> None:
        self._reader = sse.SSEReader()
        self._keep_usage = keep_usage
        self.usage: Usage | None = None
        self.finish_reason: str | None = None
        self.chunks = 0
        self.done = False

    def feed(self, data: bytes) -> list[bytes]:
        """What the client gets of `data`: whole events, `[DONE]` held back until `ended`.

        Raises `UpstreamRefused` for an error event and `UpstreamStreamBroken` for what is not a chunk.
        """
        out = []
        for event in self._reader.feed(data):
            if self.done or event.is_comment:
                continue
            if event.data == b"[DONE]":
                self.done = True
                continue
            if (passed := self._chunk(event)) is not None:
                out.append(passed)
        return out

    def ended(self) -> bytes:
        """The stream's own ending, once the upstream has closed. Raises `UpstreamStreamBroken` if it ended without one."""
        if not self.done and self.finish_reason is None:
            raise UpstreamStreamBroken("the upstream's stream stopped before its end")
        return sse.encode(b"[DONE]")

    def _chunk(self, event: sse.Event) -> bytes | None:
        try:
            chunk = _chunk(event.data)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise UpstreamStreamBroken("the upstream sent an event that is not a chat completion chunk") from error
        if chunk.error is not None or event.name == "error":
            raise refused(502, event.data, {})
        self.chunks += 1
        for choice in chunk.choices:
            self.finish_reason = choice.finish_reason or self.finish_reason
        if chunk.usage is not None:
            self.usage = _usage(chunk.usage)
        if self._keep_usage or b'"usage"' not in event.data:
            return event.raw
        return None if chunk.usage is not None and not chunk.choices else _without_usage(event.data)


def _without_usage(data: bytes) -> bytes:
    body = msgspec.json.decode(data)
    body.pop("usage", None)
    return sse.encode(msgspec.json.encode(body))


_PASSED_ON = frozenset({400, 408, 409, 413, 422, 429, 500, 502, 503, 504, 529})


def refused(status: int, body: bytes, headers: Mapping[str, str]) -> UpstreamRefused:
    """The error that an upstream's error answer becomes. Understands OpenAI's object, vLLM's flat one, and plain text.

    A refusal of *our* credentials or of our choice of model name is not the client's to mend: it becomes 502.
    """
    fields = _error_fields(body)
    if status not in _PASSED_ON:
        return UpstreamRefused(f"the model's provider refused the gateway's call with status {status}", status=502, code="upstream_refused")
    message = fields.get("message")
    return UpstreamRefused(
        str(message)[:2000] if message else f"the model's provider answered with status {status}",
        status=status,
        type=_text(fields.get("type")) or ("invalid_request_error" if status < 500 else "server_error"),
        code=_text(fields.get("code")),
        param=_text(fields.get("param")),
        retry_after=headers.get("retry-after"),
    )


def _error_fields(body: bytes) -> Mapping[str, Any]:
    try:
        value = msgspec.json.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return {}
    if isinstance(value, list) and value:  # Gemini's OpenAI-compatible endpoint wraps its error in a list
        value = value[0]
    if not isinstance(value, dict):
        return {}
    error = value.get("error", value)
    return error if isinstance(error, dict) else {"message": error}


def _text(value: object) -> str | None:
    return None if value is None else str(value)[:200]
