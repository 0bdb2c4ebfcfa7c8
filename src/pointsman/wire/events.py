"""What a model says, in words that the answers of every API can be read into and written from.

A whole answer is the same list of events as a stream, in fewer and larger pieces. `choice` counts the answers asked for from 0, `call` the
tool calls of one choice from 0.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from pointsman.core.prices import Usage

FinishReason = Literal["stop", "length", "tool_calls", "content_filter"]


@dataclass(frozen=True, slots=True)
class Text:
    """A piece of the answer's text; `logprobs` as Chat Completions writes them (`{token, logprob, bytes, top_logprobs}` each)."""

    text: str
    choice: int = 0
    logprobs: Sequence[Mapping[str, Any]] | None = None


@dataclass(frozen=True, slots=True)
class Refusal:
    """A piece of the sentence with which the model declines."""

    text: str
    choice: int = 0


@dataclass(frozen=True, slots=True)
class Reasoning:
    """A piece of visible thinking, or its `signature` (which comes last, with no text)."""

    text: str
    choice: int = 0
    signature: str = ""


@dataclass(frozen=True, slots=True)
class ToolBegan:
    """The model begins to call a tool. `custom`: its input is free text, not JSON."""

    call: int
    id: str
    name: str
    choice: int = 0
    custom: bool = False


@dataclass(frozen=True, slots=True)
class ToolArguments:
    """A piece of the JSON text of a tool call's arguments (of a custom tool: of its input)."""

    call: int
    text: str
    choice: int = 0


@dataclass(frozen=True, slots=True)
class Citation:
    """A page of the web that a piece of the choice's text goes back to; said after that text.

    `start`, `end`: the piece, in characters from where the choice's text begins. `quote`: what stands on the page.
    """

    url: str
    start: int
    end: int
    title: str = ""
    quote: str = ""
    choice: int = 0


@dataclass(frozen=True, slots=True)
class Finished:
    """A choice is complete; `stop_sequence` is the one that ended it, where that is known."""

    reason: FinishReason
    choice: int = 0
    stop_sequence: str | None = None


@dataclass(frozen=True, slots=True)
class Used:
    """Tokens of the whole call. Where it is said several times the last one counts."""

    usage: Usage


@dataclass(frozen=True, slots=True)
class Served:
    """The tier of service that answered, as Chat Completions calls it, where it was not the usual one."""

    tier: str


@dataclass(frozen=True, slots=True)
class Lost:
    """Something was said for which there are no words here; `what` is its name in the API in which it was said."""

    what: str


Event = Text | Refusal | Reasoning | ToolBegan | ToolArguments | Citation | Finished | Used | Served | Lost
