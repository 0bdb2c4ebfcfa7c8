"""Streams of Completions, followed or read."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
from msgspec import Struct

from pointsman.wire.events import Event
from pointsman.wire.openai_chat.reading import ChoiceReader, Index, Logprobs, Message
from pointsman.wire.openai_chat.stream import Chunk, Form, OpenAIStream, ReadChunk
from pointsman.wire.openai_completions.logprobs import OldLogprobs, from_old


class _Passed(Struct):
    index: Index = 0
    text: str | None = None
    finish_reason: str | None = None

    def says(self) -> bool:
        return bool(self.text)


class Choice(Struct):
    """A choice, or a piece of one: both are written in the same way."""

    index: Index = 0
    text: str | None = None
    finish_reason: str | None = None
    logprobs: OldLogprobs | None = None

    def events(self, reader: ChoiceReader) -> Iterator[Event]:
        """What it says."""
        likely = from_old(self.logprobs)
        return reader.read(
            Message(content=self.text), None if likely is None else msgspec.convert({"content": likely}, Logprobs), self.finish_reason
        )


_FORM = Form("completion", msgspec.json.Decoder(Chunk[_Passed]).decode, msgspec.json.Decoder(ReadChunk[Choice]).decode)


class CompletionStream(OpenAIStream):
    """A stream of Completions."""

    def __init__(self, *, keep_usage: bool, choices: int = 1) -> None:
        super().__init__(_FORM, keep_usage=keep_usage, choices=choices)
