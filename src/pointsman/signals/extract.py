"""A request's signals, from its fields and its text. Pure: the same request and settings give the same signals."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from pointsman.core.request import Content, Request
from pointsman.core.signals import Needs, OutputSource, Signals, TokenCount, Tokens
from pointsman.signals.tokens import count_messages

_INVISIBLE = re.compile("[\u00ad\u200b-\u200f\u2060-\u2064\ufe00-\ufe0f\ufeff]")


@dataclass(frozen=True, slots=True)
class SignalSettings:
    """What extraction needs to know; made with the snapshot."""

    tokenizers: tuple[str, ...] = ("chars",)  #: those of the pool
    output_tokens: Mapping[str, int] = field(default_factory=dict)  #: expected answer length by task class, as configured
    history: Mapping[str, int] = field(default_factory=dict)  #: the same, as observed
    default_output_tokens: int = 256
    keywords: Mapping[str, re.Pattern[str]] = field(default_factory=dict)


def word_list(words: tuple[str, ...]) -> re.Pattern[str]:
    """A pattern that finds any of the words or phrases as whole words in `plain` text.

    >>> bool(word_list(("internal only",)).search(plain("INTERNAL\\u200b   Only!")))
    True
    >>> bool(word_list(("art",)).search("party"))
    False
    """
    alternatives = "|".join(re.escape(plain(word)) for word in sorted(words, key=len, reverse=True))
    return re.compile(rf"(?<!\w)(?:{alternatives})(?!\w)")


def plain(text: str) -> str:
    """Text as word lists see it: compatibility forms folded, invisible characters gone, lower case, single spaces.

    >>> plain("ＦＵＬＬ\\u00adwidth\\n\\tText")
    'fullwidth text'
    """
    if not text.isascii():
        text = _INVISIBLE.sub("", unicodedata.normalize("NFKC", text))
    return " ".join(text.split()).casefold()


def extract(request: Request, settings: SignalSettings) -> Signals:
    """What there is to know about a request before any model is looked at."""
    content = request.content or Content(())
    task = request.task or "general"
    return Signals(
        task=task,
        task_source="declared" if request.task else "default",
        tokens=_tokens(request, content, task, settings),
        needs=Needs(
            tools=bool(request.tools),
            json_mode=request.response_format == "json_object",
            json_schema=request.response_format == "json_schema",
            vision=request.images > 0,
        ),
        keywords=_keywords(content, settings.keywords),
    )


def _tokens(request: Request, content: Content, task: str, settings: SignalSettings) -> Tokens:
    counts: tuple[TokenCount, ...] = tuple(count_messages(content.messages, tokenizer, content.tools) for tokenizer in settings.tokenizers)
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


def _keywords(content: Content, keywords: Mapping[str, re.Pattern[str]]) -> tuple[str, ...]:
    if not keywords:
        return ()
    text = " ".join(plain(piece) for piece in _readable(content))
    return tuple(sorted(name for name, pattern in keywords.items() if pattern.search(text)))


_NOT_READ = frozenset({"metadata", "model", "user"})
_MARKS = frozenset({"role", "type"})
_BINARY = frozenset({("file", "file_data"), ("image_url", "url"), ("input_audio", "data")})


def _readable(content: Content) -> Iterator[str]:
    """All text that the model may read, wherever in the body it stands: what a word list looks for must not hide in an unusual field."""
    body = content.body or {"messages": [message.text for message in content.messages], "tools": [tool.schema for tool in content.tools]}
    for name, value in body.items():
        if name not in _NOT_READ:
            yield from _strings(value, names=name != "messages")


def _strings(value: object, *, names: bool) -> Iterator[str]:
    """Every string within, in order; names of fields too, where these are the user's own."""
    level: list[tuple[str, object]] = [("", value)]
    while level:
        parent, item = level.pop()
        if isinstance(item, str):
            yield item
        elif isinstance(item, list):
            level.extend((parent, inner) for inner in reversed(item))
        elif isinstance(item, dict):
            if names:
                yield from item
            kept = ((name, inner) for name, inner in item.items() if (names or name not in _MARKS) and (parent, name) not in _BINARY)
            level.extend(reversed(tuple(kept)))
