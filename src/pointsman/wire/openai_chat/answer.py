"""What an OpenAI-compatible upstream answers: completions, streams and errors."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec
from msgspec import Struct

from pointsman.core.prices import Usage
from pointsman.errors import UpstreamError, UpstreamRefused, UpstreamStreamBroken
from pointsman.wire import sse

MOST_TOKENS = 100_000_000  # of one call; an upstream that claims more is not believed


class _Choice(Struct):
    message: dict[str, Any]
    finish_reason: str | None = None


class _Answer(Struct):
    choices: list[_Choice]
    usage: Any = None


class _Delta(Struct):
    index: int = 0
    delta: dict[str, Any] | None = None
    finish_reason: str | None = None


class _Chunk(Struct):
    choices: list[_Delta] = []
    usage: Any = None
    error: Any = None
    object: str | None = None


_answer = msgspec.json.Decoder(_Answer).decode
_chunk = msgspec.json.Decoder(_Chunk).decode
_UNREADABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)


class Completion(Struct, frozen=True):
    """What accounting needs of a whole answer."""

    finish_reason: str | None
    usage: Usage | None
    text: str  #: of all choices, tool calls included; empty where usage is reported


def read_completion(body: bytes) -> Completion:
    """Read a non-streamed answer. Raises `UpstreamError` when it is none."""
    try:
        answer = _answer(body)
    except _UNREADABLE as error:
        raise UpstreamError("the upstream answered 200 with something that is not a chat completion") from error
    if not answer.choices:
        raise UpstreamError("the upstream answered with no choices")
    usage = _usage(answer.usage)
    text = "" if usage else "\n".join(_said(choice.message) for choice in answer.choices)
    return Completion(answer.choices[0].finish_reason, usage, text)


def _said(message: Mapping[str, Any]) -> str:
    return "\n".join(str(value) for name, value in message.items() if value and name != "role")


def _usage(usage: Any) -> Usage | None:
    """What was reported; `None` for what cannot be meant: the answer is good all the same, and its tokens are estimated."""
    read, written = _count(usage, "prompt_tokens"), _count(usage, "completion_tokens")
    if read is None or written is None:
        return None
    cached = _count(usage.get("prompt_tokens_details"), "cached_tokens") or 0
    reasoning = _count(usage.get("completion_tokens_details"), "reasoning_tokens") or 0
    return Usage(read, written, cached_input_tokens=min(cached, read), reasoning_tokens=min(reasoning, written))


def _count(record: Any, name: str) -> int | None:
    value = record.get(name) if isinstance(record, dict) else None
    return max(0, value) if type(value) is int and value <= MOST_TOKENS else None


class ChatStream:
    """Follows an upstream's stream: passes chunks on, keeps what accounting needs, and knows whether it ended well.

    `keep_usage` is false for a client that did not ask for usage: it is asked for upstream, and taken out again here.
    """

    def __init__(self, *, keep_usage: bool, choices: int = 1) -> None:
        self._reader = sse.SSEReader()
        self._keep_usage = keep_usage
        self._choices = choices
        self._finish_reasons: dict[int, str | None] = {}
        self.usage: Usage | None = None
        self.pieces = 0  #: of text and the like: near enough a token each
        self.begun = False  #: a choice has said something, beyond whose turn it is, or has ended
        self.done = False

    @property
    def finish_reason(self) -> str | None:
        """Why the first choice ended, `None` while it has not."""
        return self._finish_reasons.get(min(self._finish_reasons, default=0))

    def feed(self, data: bytes) -> Iterator[bytes]:
        """What the client gets of `data`: whole events, `[DONE]` held back until `ended`.

        Raises `UpstreamRefused` for an error event and `UpstreamStreamBroken` for what is not a chunk.
        """
        for event in self._reader.feed(data):
            if self.done:
                return
            if event.is_comment:
                # A keep-alive, which the client's connection needs as well. One that is an event without data would trip some clients.
                if self.begun and event.raw.startswith(b":"):
                    yield event.raw
            elif event.data == b"[DONE]":
                self.done = True
            elif (passed := self._chunk(event)) is not None:
                yield passed

    def ended(self) -> bytes:
        """The stream's own ending, once the upstream has closed. Raises `UpstreamStreamBroken` if it ended without one."""
        finished = len(self._finish_reasons) >= self._choices and None not in self._finish_reasons.values()
        if not self.done and not finished:
            raise UpstreamStreamBroken("the upstream's stream stopped before its end")
        return sse.encode(b"[DONE]")

    def _chunk(self, event: sse.Event) -> bytes | None:
        try:
            chunk = _chunk(event.data)
        except _UNREADABLE as error:
            raise UpstreamStreamBroken("the upstream sent an event that is not a chat completion chunk") from error
        if chunk.error is not None or chunk.object == "error" or event.name == "error":
            raise refused(502, event.data, {})
        for choice in chunk.choices:
            self._follow(choice)
        if chunk.usage is not None:
            self.usage = _usage(chunk.usage) or self.usage
        if self._keep_usage or b'"usage"' not in event.data:
            return event.raw
        if chunk.usage is not None and not chunk.choices:
            return None
        try:
            return _without_usage(event.data)
        except _UNREADABLE as error:
            raise UpstreamStreamBroken("the upstream sent an event that cannot be passed on") from error

    def _follow(self, choice: _Delta) -> None:
        says = any(value for name, value in (choice.delta or {}).items() if name != "role")
        self.pieces += says
        self.begun = self.begun or says or choice.finish_reason is not None
        self._finish_reasons[choice.index] = choice.finish_reason or self._finish_reasons.get(choice.index)


_NO_USAGE = re.compile(rb',\s*"usage"\s*:\s*null|"usage"\s*:\s*null\s*,\s*')


def _without_usage(data: bytes) -> bytes:
    # Within a JSON string the quotes would be escaped, so this is a key. Where there is but one, cutting it out leaves the rest as it was.
    if data.count(b'"usage"') == 1 and (found := _NO_USAGE.search(data)) is not None and b"\n" not in data:
        return sse.encode(data[: found.start()] + data[found.end() :])
    body = msgspec.json.decode(data)
    body.pop("usage", None)
    return sse.encode(msgspec.json.encode(body))


_PASSED_ON = frozenset({400, 408, 409, 413, 422, 429, 500, 502, 503, 504, 529})
_RETRY_AFTER = re.compile(r"[0-9]{1,9}(?:\.[0-9]{1,9})?|[A-Za-z]{3}, [0-9A-Za-z :]{20,30}")


def refused(status: int, body: bytes, headers: Mapping[str, str]) -> UpstreamRefused:
    """The error that an upstream's answer other than 200 becomes. Understands OpenAI's object, vLLM's flat one, and plain text.

    A refusal of *our* credentials or of our choice of model name is not the client's to mend, and neither is a redirection: they become
    502.
    """
    fields = _error_fields(body)
    if status not in _PASSED_ON:
        return UpstreamRefused(
            f"the model's provider did not accept the gateway's call: status {status}", status=502, code="upstream_refused"
        )
    message = fields.get("message")
    retry_after = headers.get("retry-after", "")
    return UpstreamRefused(
        str(message)[:2000] if message else f"the model's provider answered with status {status}",
        status=status,
        type=_text(fields.get("type")) or ("invalid_request_error" if status < 500 else "server_error"),
        code=_text(fields.get("code")),
        param=_text(fields.get("param")),
        retry_after=retry_after if _RETRY_AFTER.fullmatch(retry_after) else None,
    )


def _error_fields(body: bytes) -> Mapping[str, Any]:
    try:
        value = msgspec.json.decode(body)
    except _UNREADABLE:
        return {}
    if isinstance(value, list) and value:  # Gemini's OpenAI-compatible endpoint wraps its error in a list
        value = value[0]
    if not isinstance(value, dict):
        return {}
    error = value.get("error", value)
    return error if isinstance(error, dict) else {"message": error}


def _text(value: object) -> str | None:
    return None if value is None else str(value)[:200]
