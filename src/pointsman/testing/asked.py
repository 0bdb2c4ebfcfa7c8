"""What a call asks for, whichever dialect it came in."""

from __future__ import annotations

import hashlib
import json
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

_CACHED_FROM = 512  # shorter prompts are not cached; providers begin at 1,024 tokens, which are longer than our words


class MalformedError(Exception):
    """A request that the dialect does not allow."""

    def __init__(self, message: str, param: str | None = None, code: str | None = None) -> None:
        super().__init__(message)
        self.param, self.code = param, code


@dataclass(frozen=True, slots=True)
class Turn:
    """One message, or one tool's result."""

    role: str  #: system, user, assistant or tool
    text: str
    tokens: int
    images: int = 0


@dataclass(frozen=True, slots=True)
class Tool:
    """A tool that may be called."""

    name: str
    schema: Mapping[str, Any] | None  #: of its arguments; `None` for a tool that takes plain text


@dataclass(frozen=True, slots=True)
class Asked:
    """A call, read."""

    model: str
    raw: Mapping[str, Any]
    turns: tuple[Turn, ...] = ()
    stream: bool = False
    tools: tuple[Tool, ...] = ()
    tool_choice: str = "auto"  #: auto, none, required, or `name:` and a tool's name
    parallel_tools: bool = True
    schema: Mapping[str, Any] | None = None  #: of the answer; `{}` allows any object
    stop: tuple[str, ...] = ()
    max_tokens: int | None = None
    top_logprobs: int | None = None  #: `None`: no logprobs
    n: int = 1
    thinks: bool = False
    cached_turns: int | None = None  #: turns up to the last one marked for the cache; `None`: the server caches by itself

    @property
    def input_tokens(self) -> int:
        """Words of the whole input."""
        return sum(turn.tokens for turn in self.turns)

    @property
    def last(self) -> Turn:
        """What was said last."""
        if not self.turns:
            raise MalformedError("there is nothing to answer")
        return self.turns[-1]

    def id(self, prefix: str) -> str:
        """The same for the same request."""
        return prefix + hashlib.sha256(json.dumps(self.raw, sort_keys=True).encode()).hexdigest()[:24]


class Memory:
    """What a server keeps between calls: prompts that it has seen, and responses that it stored."""

    def __init__(self, keep: int = 1_000) -> None:
        self._keep = keep
        self._seen: OrderedDict[bytes, None] = OrderedDict()
        self._stored: OrderedDict[str, tuple[Turn, ...]] = OrderedDict()

    def cached(self, turns: Sequence[Turn]) -> int:
        """Tokens of the longest beginning of `turns` that came before; all its beginnings are known from now on."""
        digest, tokens, cached = hashlib.sha256(), 0, 0
        for turn in turns:
            digest.update(f"{turn.role}\0{turn.text}\0".encode())
            tokens += turn.tokens
            if tokens >= _CACHED_FROM:
                cached = tokens if digest.digest() in self._seen else cached
                self._seen[digest.digest()] = None
        while len(self._seen) > self._keep:
            self._seen.popitem(last=False)
        return cached

    def store(self, id: str, turns: Iterable[Turn]) -> None:
        """Keep a conversation under the id of its last response."""
        self._stored[id] = tuple(turns)
        while len(self._stored) > self._keep:
            self._stored.popitem(last=False)

    def recall(self, id: str) -> tuple[Turn, ...]:
        """The conversation stored under that id."""
        if id not in self._stored:
            raise MalformedError(f"Previous response with id '{id}' not found.", "previous_response_id", "previous_response_not_found")
        return self._stored[id]


def words(value: object) -> int:
    """How many tokens a text, or JSON, counts for here."""
    return len(str(value).split())


def model_of(body: Mapping[str, Any]) -> str:
    """The model's name."""
    if not isinstance(model := body.get("model"), str) or not model:
        raise MalformedError("you must provide a model parameter", "model")
    return model


def rows(body: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    """A field that must be a list of objects, and not empty."""
    found = body.get(name)
    if not isinstance(found, list) or not found or not all(isinstance(row, dict) for row in found):
        raise MalformedError(f"Invalid type for '{name}': expected a non-empty array of objects.", name, "invalid_type")
    return found


def optional(body: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """An object that may be missing or null."""
    found = body.get(name)
    return found if isinstance(found, dict) else {}


def listed(value: object) -> tuple[Any, ...]:
    """One, several, or none, as a tuple.

    >>> listed("a"), listed(["a", "b"]), listed(None)
    (('a',), ('a', 'b'), ())
    """
    return () if value is None else tuple(value) if isinstance(value, list) else (value,)


def text_of(content: object) -> str:
    """The text in a message's content, a string or a list of parts."""
    if not isinstance(content, list):
        return content if isinstance(content, str) else ""
    return "".join(str(part.get("text") or "") for part in content if isinstance(part, dict))


def images_in(content: object) -> int:
    """How many pictures a message's content holds."""
    kinds = ("image_url", "input_image", "image")
    return sum(isinstance(part, dict) and part.get("type") in kinds for part in content) if isinstance(content, list) else 0
