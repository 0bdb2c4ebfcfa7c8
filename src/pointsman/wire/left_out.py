"""What of an answer the client's API has no words for: the client is told, as it is of its request."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from pointsman.core.apis import Api
from pointsman.wire.events import Citation, Event, Finished, Lost, Reasoning, Served, Text, ToolBegan, Used
from pointsman.wire.fields import known

MOST: Final = 50
"""Names that a client is told, however many an upstream makes up."""


def left_out(events: Iterable[Event], api: Api) -> tuple[str, ...]:
    """What of a whole answer its client is told of, each thing once.

    >>> left_out([Text("hi"), Reasoning("", signature="s"), Lost("audio"), Lost("audio")], "chat")
    ('answer.thinking.signature', 'answer.audio')
    """
    return tuple(dict.fromkeys(name for event in events for name in lost(event, api)))[:MOST]


def lost(event: Event, api: Api) -> tuple[str, ...]:
    """What of an event answers of this API cannot say."""
    if isinstance(event, Lost):
        return (f"answer.{known(event.what)}",)
    if api in _ONE_CHOICE and not isinstance(event, Used | Served) and event.choice:
        return ("answer.choices",)
    return tuple(f"answer.{name}" for name in _lost(event, api))


_ONE_CHOICE = frozenset({"responses", "messages"})


def _lost(event: Event, api: Api) -> Iterable[str]:
    match event:
        case Text() if event.logprobs and api == "messages":
            yield "logprobs"
        case Reasoning() if event.text and api == "completions":
            yield "reasoning"
        case Reasoning() if event.signature and api != "messages":
            yield "thinking.signature"
        case ToolBegan() if api == "completions":
            yield "tool_calls"
        case Citation():
            yield from _lost_of_citation(event, api)
        case Finished() if event.stop_sequence is not None and api != "messages":
            yield "stop_sequence"
        case Served() if api == "completions" or (api == "messages" and event.tier != "priority"):
            yield "service_tier"


def _lost_of_citation(citation: Citation, api: Api) -> Iterable[str]:
    if api == "completions":
        yield "citations"
    elif api == "messages":
        yield "citations.range"  # they stand at a whole block
    elif citation.quote:
        yield "citations.cited_text"
