"""The local model's answers in OpenAI's shapes: whole, or as server-sent events."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from pointsman.wire.sse import encode

DONE = encode(b"[DONE]")


class TopToken(msgspec.Struct):
    """A token that could have stood here."""

    token: str
    logprob: float | None
    bytes: list[int]


class Token(TopToken):
    """A token of the answer with the natural logarithm of its probability before sampling; `None` is minus infinity."""

    top_logprobs: list[TopToken] = []


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens read and written.

    >>> Usage(10, 4) + Usage(12, 3, 8)
    Usage(prompt_tokens=22, completion_tokens=7, cached_tokens=8)
    """

    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_tokens: int = 0  #: of the prompt's tokens, those not computed again

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            self.prompt_tokens + other.prompt_tokens,
            self.completion_tokens + other.completion_tokens,
            self.cached_tokens + other.cached_tokens,
        )

    def to_wire(self) -> Mapping[str, object]:
        """As OpenAI writes it."""
        return {
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": self.completion_tokens,
            "total_tokens": self.prompt_tokens + self.completion_tokens,
            "prompt_tokens_details": {"cached_tokens": self.cached_tokens},
        }


@dataclass(frozen=True, slots=True)
class Piece:
    """A piece of one answer, as the engine made it. The last two carry the finish reason and the usage."""

    text: str = ""
    tokens: tuple[Token, ...] = ()
    finish: str | None = None
    usage: Usage | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """One finished answer."""

    pieces: tuple[Piece, ...]

    @property
    def text(self) -> str:
        """The whole text."""
        return "".join(piece.text for piece in self.pieces)

    @property
    def tokens(self) -> Sequence[Token]:
        """The tokens with their log-probabilities, where these were asked for."""
        return [token for piece in self.pieces for token in piece.tokens]

    @property
    def finish(self) -> str | None:
        """Why it ended: `stop` or `length`."""
        return next((piece.finish for piece in self.pieces if piece.finish), None)

    @property
    def usage(self) -> Usage:
        """What it took to make."""
        return sum((piece.usage for piece in self.pieces if piece.usage), Usage())


@dataclass(frozen=True, slots=True)
class Envelope:
    """What all JSON objects of one reply have in common, and what the client wants to see in them."""

    model: str
    top_logprobs: int | None = None  #: alternatives to show for each token; `None`: no log-probabilities at all
    include_usage: bool = False  #: whether a stream ends with its usage
    id: str = field(default_factory=lambda: f"chatcmpl-{uuid.uuid4().hex}")
    created: int = field(default_factory=lambda: int(time.time()))

    def whole(self, answers: Sequence[Answer], usage: Usage) -> bytes:
        """The body of a reply that is not streamed."""
        choices = [
            {
                "index": index,
                "message": {"role": "assistant", "content": answer.text, "refusal": None},
                "logprobs": self._logprobs(answer.tokens),
                "finish_reason": answer.finish,
            }
            for index, answer in enumerate(answers)
        ]
        return msgspec.json.encode(self._object("chat.completion", choices) | {"usage": usage.to_wire()})

    def opening(self, index: int) -> bytes:
        """The event that begins an answer."""
        return self._event(index, {"role": "assistant", "content": "", "refusal": None})

    def event(self, index: int, piece: Piece) -> bytes:
        """The events of one piece; none for a piece that only carries usage."""
        events = b""
        if piece.text or (piece.tokens and self.top_logprobs is not None):
            events += self._event(index, {"content": piece.text}, piece.tokens)
        if piece.finish:
            events += self._event(index, {}, (), piece.finish)
        return events

    def ending(self, usage: Usage) -> bytes:
        """The events that end a stream."""
        if not self.include_usage:
            return DONE
        return encode(msgspec.json.encode(self._object("chat.completion.chunk", []) | {"usage": usage.to_wire()})) + DONE

    def _event(self, index: int, delta: Mapping[str, object], tokens: Sequence[Token] = (), finish: str | None = None) -> bytes:
        logprobs = self._logprobs(tokens) if tokens else None
        chunk = self._object("chat.completion.chunk", [{"index": index, "delta": delta, "logprobs": logprobs, "finish_reason": finish}])
        if self.include_usage:
            chunk["usage"] = None
        return encode(msgspec.json.encode(chunk))

    def _object(self, kind: str, choices: Sequence[object]) -> dict[str, Any]:
        return {"id": self.id, "object": kind, "created": self.created, "model": self.model, "choices": choices}

    def _logprobs(self, tokens: Iterable[Token]) -> Mapping[str, object] | None:
        if self.top_logprobs is None:
            return None
        shown = [_shown(token) | {"top_logprobs": [_shown(top) for top in token.top_logprobs[: self.top_logprobs]]} for token in tokens]
        return {"content": shown, "refusal": None}


def _shown(token: TopToken) -> dict[str, object]:
    # OpenAI's own figure for "next to impossible": JSON has no infinity.
    return {"token": token.token, "logprob": -9999.0 if token.logprob is None else token.logprob, "bytes": token.bytes}
