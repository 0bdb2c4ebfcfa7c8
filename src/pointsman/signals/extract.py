"""A request's signals, from its fields and its text. Pure: the same request and settings give the same signals."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from pointsman.core.request import Content, Request
from pointsman.core.signals import Needs, OutputSource, Signals, Tokens
from pointsman.signals.keywords import WordList, found
from pointsman.signals.tokens import count_messages

_NO_NEEDS = Needs()


@dataclass(frozen=True, slots=True)
class SignalSettings:
    """What extraction needs to know; made with the snapshot."""

    tokenizers: tuple[str, ...] = ("chars",)  #: those of the pool
    output_tokens: Mapping[str, int] = field(default_factory=dict)  #: expected answer length by task class, as configured
    history: Mapping[str, int] = field(default_factory=dict)  #: the same, as observed
    default_output_tokens: int = 256
    keywords: Mapping[str, WordList] = field(default_factory=dict)


def extract(request: Request, settings: SignalSettings) -> Signals:
    """What there is to know about a request before any model is looked at."""
    content = request.content or Content(())
    task = request.task or "general"
    return Signals(
        task=task,
        task_source="declared" if request.task else "default",
        tokens=_tokens(request, content, task, settings),
        needs=_needs(request),
        keywords=found(content, settings.keywords),
    )


def _needs(request: Request) -> Needs:
    wanted = request.response_format
    if not request.tools and not request.images and wanted == "text":
        return _NO_NEEDS
    return Needs(
        tools=bool(request.tools),
        json_mode=wanted == "json_object",
        json_schema=wanted == "json_schema",
        vision=request.images > 0,
    )


def _tokens(request: Request, content: Content, task: str, settings: SignalSettings) -> Tokens:
    counts = tuple([count_messages(content.messages, tokenizer, content.tools) for tokenizer in settings.tokenizers])
    stated = settings.output_tokens.get(task)
    expected = settings.default_output_tokens if stated is None else stated
    source: OutputSource = "default" if stated is None else "task"
    # What was observed is better to reckon cost and time with, but a promise of room must hold for the answers longer than most.
    room, limit = expected, request.max_output_tokens
    if (observed := settings.history.get(task)) is not None:
        expected, source, room = observed, "history", max(room, observed)
    if limit is not None:
        room = limit
        if limit <= expected:
            expected, source = limit, "max_tokens"
    return Tokens(counts, expected, room, source)
