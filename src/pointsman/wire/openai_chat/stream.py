"""Streams of OpenAI-compatible upstreams: followed on their way to the client, or read into events."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

import msgspec
from msgspec import Struct

from pointsman.core.prices import Usage
from pointsman.errors import UpstreamStreamBroken
from pointsman.wire import sse
from pointsman.wire.events import Event, Finished, Served, Used
from pointsman.wire.openai_chat.alike import Alike, learn
from pointsman.wire.openai_chat.reading import FAILED, REASONS, ChoiceReader, Index, Logprobs, Message, sources, tier
from pointsman.wire.openai_chat.unreadable import UNREADABLE
from pointsman.wire.openai_chat.usage import read_usage
from pointsman.wire.refused import refused_event

KEEP_ALIVE = b": keep-alive\n\n"
_LONGEST_REASON = 100  # characters: what is longer is no code
_LESSONS = 3  # attempts at finding out how a stream's usual chunk looks; many begin with one that is a little different
_BESIDE = (Used, Served)  # events in which nothing is said

C = TypeVar("C", bound=Struct)
K = TypeVar("K", bound="Chunk[Any]")


class Passed(Protocol):
    """A choice in a chunk that is passed on: only what accounting needs."""

    index: int
    finish_reason: str | None
    text: Any

    def says(self) -> bool:
        """Whether there is more to it than whose turn it is."""


class Read(Protocol):
    """A choice in a chunk that is read into events."""

    index: int

    def events(self, reader: ChoiceReader) -> Iterator[Event]:
        """What it says."""


class Chunk(Struct, Generic[C]):
    """A chunk of an OpenAI-compatible stream."""

    choices: list[C] = []
    usage: Any = None
    error: Any = None
    object: str | None = None
    id: Any = None


class ReadChunk(Chunk[C], Generic[C]):
    """One that is read into events."""

    service_tier: Any = None
    citations: Any = None
    search_results: Any = None


@dataclass(frozen=True, slots=True)
class Form:
    """What tells the streams of one API from another's."""

    name: str
    passed: Callable[[bytes], Chunk[Any]]  #: chunks of `Passed`
    read: Callable[[bytes], ReadChunk[Any]]  #: chunks of `Read`


class OpenAIStream:
    """Follows an upstream's stream: passes chunks on or reads them, keeps what accounting needs, and knows whether it ended well.

    `keep_usage` is false for a client that did not ask for usage: it is asked for upstream, and taken out again here.
    """

    sequence = 0

    def __init__(self, form: Form, *, keep_usage: bool, choices: int = 1) -> None:
        self._form = form
        self._reader = sse.SSEReader()
        self._keep_usage = keep_usage
        self._choices = choices
        self._finish_reasons: dict[int, str | None] = {}
        self._choice_readers: dict[int, ChoiceReader] = {}
        self._alike: Alike | None = None
        self._lessons = _LESSONS
        self._held = 0  # bytes of an event that has begun
        self.usage: Usage | None = None
        self.pieces = 0  #: of text and the like: near enough a token each
        self.begun = False  #: a choice has said something, beyond whose turn it is, or has ended
        self.done = False

    @property
    def spoken(self) -> bool:
        """A choice has said something: it has not merely ended."""
        return self.pieces > 0

    @property
    def finish_reason(self) -> str | None:
        """Why the first choice ended, `None` while it has not."""
        reason = self._finish_reasons.get(min(self._finish_reasons, default=0))
        return None if reason is None else REASONS.get(reason, reason)

    def feed(self, data: bytes) -> Iterator[bytes]:
        """What the client gets of `data`: whole events, `[DONE]` held back until `ended`.

        Raises `UpstreamRefused` for an error event and `UpstreamStreamBroken` for what is not a chunk.
        """
        if self._alike is not None and not self._held and not self.done:
            passed, taken, chunks = self._alike.take(data)
            if chunks:
                self.pieces += chunks
                yield passed
                data = data[taken:]
        if data:
            yield from self._feed(data)

    def _feed(self, data: bytes) -> Iterator[bytes]:
        self._held += len(data)
        for event in self._reader.feed(data):
            self._held -= len(event.raw)
            if self.done:
                return
            if event.is_comment:
                # A keep-alive, which the client's connection needs as well. One that is an event without data would trip some clients.
                if self.begun and event.raw.startswith(b":"):
                    yield event.raw
            elif event.data == b"[DONE]":
                self.done = True
                self.begun = self.begun or bool(self._finish_reasons)  # as where it is read: choices that were named have ended
            elif (passed := self._pass(event)) is not None:
                yield passed

    def read(self, data: bytes) -> Iterator[Event]:
        """The events completed by `data`, in place of `feed`; raises as it does."""
        for event in self._reader.feed(data):
            if self.done:
                return
            if event.is_comment:
                continue
            if event.data == b"[DONE]":
                self.done = True
            for said in self._endings() if self.done else self._read(event):
                if isinstance(said, Finished):
                    self._finish_reasons[said.choice] = said.reason
                    self.begun = True
                elif not isinstance(said, _BESIDE):
                    self.pieces += 1
                    self.begun = True
                yield said

    def ended(self) -> bytes:
        """The stream's own ending, once the upstream has closed. Raises `UpstreamStreamBroken` if it ended without one."""
        finished = len(self._finish_reasons) >= self._choices and None not in self._finish_reasons.values()
        if not self.done and not finished:
            raise UpstreamStreamBroken("the upstream's stream stopped before its end")
        return sse.DONE

    def _pass(self, event: sse.Event) -> bytes | None:
        chunk = self._chunk(event, self._form.passed)
        for choice in chunk.choices:
            self._follow(choice)
        if self._keep_usage or b'"usage"' not in event.data:
            passed = event.raw
        elif chunk.usage is not None and not chunk.choices:
            return None
        else:
            passed = self._without_usage(event)
        if self._lessons and chunk.usage is None and len(chunk.choices) == 1:
            self._learn(event, chunk, passed)
        return passed

    def _read(self, event: sse.Event) -> Iterator[Event]:
        chunk = self._chunk(event, self._form.read)
        if chunk.service_tier:
            yield from tier(chunk.service_tier)
        for choice in chunk.choices:
            reader = self._choice_readers.setdefault(choice.index, ChoiceReader(choice.index, chunk.id))
            self._finish_reasons.setdefault(choice.index, None)
            yield from choice.events(reader)
        if (chunk.citations or chunk.search_results) and self.begun:
            yield from sources(chunk)
        if chunk.usage is not None and self.usage is not None:
            yield Used(self.usage)

    def _endings(self) -> Iterator[Event]:
        for reader in self._choice_readers.values():
            yield from reader.end()

    def _chunk(self, event: sse.Event, decode: Callable[[bytes], K]) -> K:
        try:
            chunk = decode(event.data)
        except UNREADABLE as error:
            raise UpstreamStreamBroken(f"the upstream sent an event that is not a {self._form.name} chunk") from error
        if chunk.error is not None or chunk.object == "error" or event.name == "error":
            raise refused_event(event.data)
        if chunk.usage is not None:
            self.usage = read_usage(chunk.usage) or self.usage
        return chunk

    def _follow(self, choice: Passed) -> None:
        if choice.finish_reason in FAILED:
            raise UpstreamStreamBroken(f"the upstream gave up its answer: it ended with `{choice.finish_reason}`")
        says = choice.says()
        self.pieces += says
        self.begun = self.begun or says or choice.finish_reason is not None
        reason = choice.finish_reason
        self._finish_reasons[choice.index] = reason[:_LONGEST_REASON] if reason else self._finish_reasons.get(choice.index)

    def _without_usage(self, event: sse.Event) -> bytes:
        try:
            return _without_usage(event)
        except UNREADABLE as error:
            raise UpstreamStreamBroken("the upstream sent an event that cannot be passed on") from error

    def _learn(self, event: sse.Event, chunk: Chunk[Any], passed: bytes) -> None:
        """How the usual chunk looks. Put to the test once: with another text in it, the chunk must read as this one with that text."""
        choice: Passed = chunk.choices[0]
        text = choice.text
        if not isinstance(text, str) or not text or choice.finish_reason is not None:
            return
        self._lessons -= 1
        found = learn(event.raw, passed, text)
        if found is None:
            return
        choice.text = text + "~"
        quoted = b'"' + text.encode()
        if self._form.passed(event.data.replace(quoted + b'"', quoted + b'~"')) == chunk:
            self._alike = found


_USAGE = re.compile(rb'"usage"\s*:')
_AFTER_COMMA = re.compile(rb',\s*"usage"\s*:\s*null')
_BEFORE_COMMA = re.compile(rb'"usage"\s*:\s*null\s*,\s*')


def _without_usage(event: sse.Event) -> bytes:
    # Within a JSON string the quotes would be escaped, so this is a key. Where there is but one, cutting it out leaves the rest as it was.
    data = event.data
    keys = [found.start() for found in _USAGE.finditer(data)]
    if not keys:
        return event.raw
    if len(keys) == 1 and b"\n" not in data:
        comma = max(0, data.rfind(b",", 0, keys[0]))
        if found := _AFTER_COMMA.match(data, comma) or _BEFORE_COMMA.match(data, keys[0]):
            return sse.encode(data[: found.start()] + data[found.end() :])
    body = msgspec.json.decode(data)
    body.pop("usage", None)
    return sse.encode(msgspec.json.encode(body))


class _Passed(Struct):
    index: Index = 0
    delta: dict[str, Any] | None = None
    finish_reason: str | None = None

    def says(self) -> bool:
        return any(value for name, value in (self.delta or {}).items() if name != "role")

    @property
    def text(self) -> Any:
        return (self.delta or {}).get("content")

    @text.setter
    def text(self, text: str) -> None:
        self.delta = {**(self.delta or {}), "content": text}


class _Read(Struct):
    index: Index = 0
    delta: Message | None = None
    finish_reason: str | None = None
    logprobs: Logprobs | None = None
    stop_reason: Any = None

    def events(self, reader: ChoiceReader) -> Iterator[Event]:
        return reader.read(self.delta or Message(), self.logprobs, self.finish_reason, self.stop_reason)


_CHAT = Form("chat completion", msgspec.json.Decoder(Chunk[_Passed]).decode, msgspec.json.Decoder(ReadChunk[_Read]).decode)


class ChatStream(OpenAIStream):
    """A stream of Chat Completions."""

    def __init__(self, *, keep_usage: bool, choices: int = 1) -> None:
        super().__init__(_CHAT, keep_usage=keep_usage, choices=choices)
