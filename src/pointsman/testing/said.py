"""What a model says, before a dialect puts it into its form."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from pointsman.testing.asked import Asked, MalformedError, Memory

Finish = Literal["stop", "length", "tool_calls", "content_filter"]


@dataclass(frozen=True, slots=True)
class Call:
    """A tool's call; `custom` where the tool takes plain text."""

    name: str
    arguments: str
    custom: bool = False


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens. `cached` and `written` are parts of `input`, `reasoning` is one of `output`; `None` is not reported."""

    input: int
    output: int
    cached: int | None = None
    written: int | None = None
    reasoning: int | None = None
    total: int | None = None  #: where it is not the sum

    @property
    def sum(self) -> int:
        """What is reported as the total."""
        return self.input + self.output if self.total is None else self.total


@dataclass(frozen=True, slots=True)
class Reply:
    """What a model says, the same in each of the `n` choices."""

    usage: Usage | None
    text: str = ""
    reasoning: str = ""
    calls: tuple[Call, ...] = ()
    refusal: str | None = None
    finish: Finish = "stop"
    stopped_by: str | None = None  #: the stop sequence


@dataclass(frozen=True, slots=True)
class Failure:
    """An error answer."""

    status: int
    type: str
    code: str | None
    message: str
    param: str | None = None
    headers: str = ""  #: further header lines


def _nothing_to_refuse(headers: Mapping[str, str]) -> Failure | None:
    return None


def _nothing_to_keep(asked: Asked, reply: Reply, memory: Memory) -> None:
    return None


@dataclass(frozen=True, slots=True)
class Dialect:
    """How one path reads its requests and writes its answers."""

    read: Callable[[Mapping[str, Any], Memory], Asked]  #: raises `MalformedError`
    whole: Callable[[Asked, Reply], dict[str, Any]]
    error: Callable[[Failure], tuple[int, dict[str, Any]]]  #: status and body
    error_event: Callable[[Failure, int], str]  #: as the event of that index
    events: Callable[[Asked, Reply], Iterator[str]] | None = None
    admit: Callable[[Mapping[str, str]], Failure | None] = field(default=_nothing_to_refuse)
    keep: Callable[[Asked, Reply, Memory], None] = field(default=_nothing_to_keep)
    headers: str = "x-request-id: req_scripted\r\n"


def malformed(error: MalformedError) -> Failure:
    """The answer to a malformed request."""
    return Failure(400, "invalid_request_error", error.code, str(error), error.param)


def pieces(text: str) -> list[str]:
    """A text's tokens: words, with the white space before them.

    >>> pieces("one two  ")
    ['one', ' two', '  ']
    """
    return re.findall(r"\s*\S+\s*?|\s+", text)


def usage(asked: Asked, *said: str, cached: int | None = None, written: int | None = None, reasoning: int | None = None) -> Usage:
    """Usage of an answer that consists of these texts, in each choice."""
    return Usage(asked.input_tokens, sum(len(pieces(text)) for text in said) * asked.n, cached, written, reasoning)


def logprobs(text: str, top: int) -> list[dict[str, Any]]:
    """An entry for each token: the same for the same token, and never above those of its alternatives."""
    return [{**_entry(token, 0), "top_logprobs": [_entry(token, rank) for rank in range(top)]} for token in pieces(text)]


def _entry(token: str, rank: int) -> dict[str, Any]:
    said = token + "~" * rank
    return {"token": said, "logprob": -0.125 * (1 + len(token) % 4) - 2 * rank, "bytes": list(said.encode())}
