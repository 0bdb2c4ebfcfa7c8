"""A stream that answers a call: read until there is something to deliver, followed to its end, and no further than it may go."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from typing import Any, Final, cast

from pointsman.core.answer import Answer
from pointsman.core.request import Request
from pointsman.errors import InvalidOutput, UpstreamStreamBroken
from pointsman.gateway.careful import careful
from pointsman.gateway.envelope import envelope_of
from pointsman.gateway.masking import Unmasking
from pointsman.upstream.client import Letter
from pointsman.wire.answer import answer_of
from pointsman.wire.dialect import Completion, Stream
from pointsman.wire.dialects import DIALECTS
from pointsman.wire.openai_chat.unreadable import MALFORMED
from pointsman.wire.translated import Translated

_MAX_HELD_BYTES: Final = 8_000_000
_MAX_HELD_EVENTS: Final = 100_000  # a small one takes more memory than it has bytes
_MAX_STREAM_BYTES: Final = 512_000_000  # 128,000 tokens with twenty log-probabilities each come to less than half of it
_MOST_KEPT_BYTES: Final = 2_000_000  # of a stream that is to be looked at afterwards: what is longer nobody reads


class Followed:
    """`begin` it, `feed` it what comes; in the end it has `ended`. What is wrong with it is an `UpstreamError`."""

    def __init__(self, request: Request, letter: Letter, unmasking: Unmasking | None, *, keeps: bool) -> None:
        """`request`: as the client asked. `keeps`: what it says is kept, to be looked at."""
        self.first: list[bytes] = []  #: what the client gets of its beginning
        self.completion: Completion | None = None  #: of one that came to its end and said nothing
        self._request, self._letter, self._unmasking = request, letter, unmasking
        self.stream = self._new()  #: what it has said until now
        self._came_bytes = 0
        self._kept = bytearray() if keeps else None

    def _new(self) -> Stream:
        request, letter = self._request, self._letter
        assert request.content is not None
        own = letter.api == request.api and self._unmasking is None
        previous = request.content.previous if own else None
        reader = DIALECTS[letter.api].reader(cast("dict[str, Any]", request.content.chat), own=own, previous=previous)
        return reader if own else Translated(reader, DIALECTS[request.api].writer(envelope_of(request)), request.api, self._unmasking)

    async def begin(self, pieces: AsyncIterator[bytes], *, must_speak: bool) -> None:
        """Read until there is something to deliver. One that only ends is read to its end where it `must_speak`: `InvalidOutput`."""
        # An upstream that names its role and then fails has said nothing yet: another may still answer in its place.
        stream = self.stream
        while not (stream.done or (stream.begun and (stream.spoken or not must_speak))):
            if self._came_bytes > _MAX_HELD_BYTES or len(self.first) > _MAX_HELD_EVENTS:
                raise UpstreamStreamBroken(f"the upstream sent {self._came_bytes:,} bytes that say nothing")
            if (chunk := await anext(pieces, None)) is None:
                break
            self.first += self.feed(chunk)
        if not stream.begun:
            raise UpstreamStreamBroken("the upstream's stream ended before any content")
        if must_speak and not stream.spoken:
            self.ended()
            self.completion = Completion(stream.finish_reason, stream.usage, text="", empty=True)
            raise InvalidOutput("empty", "the answer is empty")

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        """What the client gets of it."""
        if self._kept is not None:
            self._kept += chunk
            if len(self._kept) > _MOST_KEPT_BYTES:
                self._kept = None
        self._came_bytes += len(chunk)
        if self._came_bytes > _MAX_STREAM_BYTES:
            raise UpstreamStreamBroken(f"the upstream sent more than {_MAX_STREAM_BYTES:,} bytes")
        try:
            yield from self.stream.feed(chunk)
        except MALFORMED as error:
            raise UpstreamStreamBroken("the upstream sent an event that cannot be read") from error

    @careful
    def ended(self) -> bytes:
        """The stream's last words."""
        return self.stream.ended()

    @careful
    def said(self) -> Answer | None:
        """What of it was kept, once it has ended; `None` where that was too long. Takes its time."""
        if self._kept is None:
            return None
        content, unmasking = self._request.content, self._unmasking
        reader = DIALECTS[self._letter.api].reader({} if content is None else cast("dict[str, Any]", content.chat), own=False)
        events = reader.read(bytes(self._kept))
        return answer_of(events if unmasking is None else replace(unmasking).whole(events))
