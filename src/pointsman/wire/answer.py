"""Events of a whole answer, as plans look at it."""

from __future__ import annotations

from collections.abc import Iterable

from pointsman.core.answer import Answer
from pointsman.core.request import ToolCall
from pointsman.wire.events import Event, Finished, Refusal, Text, ToolArguments, ToolBegan


def answer_of(events: Iterable[Event]) -> Answer:
    """The first choice.

    >>> answer_of([Text("4"), Text("2"), Finished("stop"), Text("no", choice=1)])
    Answer(text='42', refusal='', tool_calls=(), finish_reason='stop', logprobs=())
    """
    text: list[str] = []
    refusal: list[str] = []
    logprobs: list[float] = []
    calls: dict[int, tuple[ToolBegan, list[str]]] = {}
    finished: str | None = None
    for event in events:
        match event:
            case Text(choice=0):
                text.append(event.text)
                logprobs += (float(token["logprob"]) for token in event.logprobs or () if isinstance(token.get("logprob"), int | float))
            case Refusal(choice=0):
                refusal.append(event.text)
            case ToolBegan(choice=0):
                calls[event.call] = (event, [])
            case ToolArguments(choice=0) if event.call in calls:
                calls[event.call][1].append(event.text)
            case Finished(choice=0):
                finished = event.reason
            case _:
                pass
    asked = tuple(ToolCall(began.id, began.name, "".join(pieces)) for began, pieces in calls.values())
    return Answer("".join(text), "".join(refusal), asked, finished, tuple(logprobs))
