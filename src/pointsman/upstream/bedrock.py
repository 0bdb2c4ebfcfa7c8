"""Models that only Bedrock's own API has, asked in Messages: `Converse` on the wire, framed as AWS's library says.

botocore signs and takes streams apart; it opens no connection to a model, so that nothing in its environment says where calls go, and no
retry, timeout or redirection of its own comes between ours and the model.
"""

from __future__ import annotations

import struct
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from typing import Any
from urllib.parse import quote

import msgspec

from pointsman.errors import UpstreamError, UpstreamStreamBroken
from pointsman.upstream.transport import Reply, Transport
from pointsman.wire.bedrock_converse import ConverseEvents, to_message
from pointsman.wire.headers import bearer
from pointsman.wire.openai_chat.unreadable import MALFORMED

_MOST_BYTES = 64_000_000
_MOST_FRAME_BYTES = 16_000_000
_PRELUDE_BYTES = 12  # of a frame: its length, that of its headers, and a checksum of both
_LEAST_FRAME_BYTES = 16
_STREAMED = "application/vnd.amazon.eventstream"
_letter = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


class ConverseTransport:
    """Posts letters that `to_converse` wrote; what comes back reads as an answer of the Messages API."""

    def __init__(self, transport: Transport) -> None:
        """`transport` posts to Bedrock's address, and signs unless there is a key. Needs the extra `aws`."""
        from botocore.eventstream import EventStreamBuffer

        self._transport = transport
        self._new_buffer: Callable[[], Any] = EventStreamBuffer

    async def send(self, url_path: str, headers: Mapping[str, str], body: bytes) -> Reply:
        """Post `body`, whose `model` and `stream` become the path. Raises as the transport does."""
        letter = _letter(body)
        model, stream = msgspec.json.decode(letter.pop("model"), type=str), msgspec.json.decode(letter.pop("stream"), type=bool)
        path = f"/model/{quote(model, safe='')}/converse{'-stream' if stream else ''}"
        said = {"content-type": "application/json", "accept": _STREAMED if stream else "application/json"}
        reply = await self._transport.send(path, {**said, **bearer(headers.get("x-api-key", ""))}, msgspec.json.encode(letter))
        if reply.status != 200:
            return reply  # errors are AWS's, and read as such
        asked = reply.headers.get("x-amzn-requestid", "bedrock")
        answer = _Streamed(self._new_buffer(), ConverseEvents(asked, model)) if stream else _Whole(asked, model)
        return Reply(reply.status, reply.headers, _Body(reply.body, answer), reply.aclose)

    async def aclose(self) -> None:
        """As the transport."""
        await self._transport.aclose()


def _rest_of_frame(prelude: bytes) -> int:
    """Bytes that follow it. Raises `UpstreamStreamBroken` for a frame that is none, or too large."""
    size = int.from_bytes(prelude[:4], "big")
    if not _LEAST_FRAME_BYTES <= size <= _MOST_FRAME_BYTES:
        raise UpstreamStreamBroken(
            f"the upstream sent a frame of {size:,} bytes: Bedrock's have {_LEAST_FRAME_BYTES} to {_MOST_FRAME_BYTES:,}"
        )
    return size - len(prelude)


class _Body:
    """An answer on its way. What arrives is passed on at once, if only as nothing: any byte shows that the upstream is alive."""

    def __init__(self, pieces: AsyncIterator[bytes], answer: _Whole | _Streamed) -> None:
        self._pieces, self._answer = pieces, answer
        self._ended = False

    def __aiter__(self) -> _Body:
        return self

    async def __anext__(self) -> bytes:
        if self._ended:
            raise StopAsyncIteration
        if self._answer.error is not None:
            raise self._answer.error
        if (piece := await anext(self._pieces, None)) is not None:
            return self._answer.take(piece)
        self._ended = True
        return self._answer.ended()


class _Whole:
    """An answer that is read once all of it is there."""

    error: UpstreamError | None = None

    def __init__(self, id: str, model: str) -> None:
        self._id, self._model = id, model
        self._body = bytearray()

    def take(self, piece: bytes) -> bytes:
        """Keep it. Raises `UpstreamError` for more than an answer can be."""
        self._body += piece
        if len(self._body) > _MOST_BYTES:
            raise UpstreamError(f"the upstream's answer is larger than {_MOST_BYTES:,} bytes")
        return b""

    def ended(self) -> bytes:
        """The message. Raises `UpstreamError` when it is none."""
        return to_message(bytes(self._body), self._id, self._model)


class _Streamed:
    """A stream in AWS's binary frames."""

    def __init__(self, buffer: Any, events: ConverseEvents) -> None:
        """`buffer` copies all it holds whenever it gets more: it gets a frame's prelude, and then the rest of it at once."""
        self._buffer, self._events = buffer, events
        self._held = bytearray()
        self._wanted = _PRELUDE_BYTES
        self._in_frame = False
        self.error: UpstreamError | None = None  #: what comes after what was said

    def take(self, piece: bytes) -> bytes:
        """The events that are whole by now. What is damaged, or could not be read, is kept as `error`."""
        from botocore.eventstream import ParserError

        self._held += piece
        said: list[bytes] = []
        try:
            said += (self._event(frame.headers, frame.payload) for frame in self._frames())
        except UpstreamError as error:
            self.error = error
        except (ParserError, struct.error, *MALFORMED) as error:
            self.error = UpstreamStreamBroken("the upstream sent something that is not a stream of Bedrock's")
            self.error.__cause__ = error
        return b"".join(said)

    def _frames(self) -> Iterator[Any]:
        while len(self._held) >= self._wanted:
            part = bytes(self._held[: self._wanted])
            del self._held[: self._wanted]
            self._buffer.add_data(part)
            yield from self._buffer
            self._in_frame = not self._in_frame
            self._wanted = _rest_of_frame(part) if self._in_frame else _PRELUDE_BYTES

    def ended(self) -> bytes:
        """What is left to say."""
        return self._events.ended()

    def _event(self, headers: Mapping[str, Any], payload: bytes) -> bytes:
        match headers.get(":message-type"):
            case "event":
                return self._events.take(str(headers.get(":event-type")), payload)
            case "exception":
                return self._events.failed(str(headers.get(":exception-type")), payload)
            case "error":
                said = {"message": str(headers.get(":error-message", ""))}
                return self._events.failed(str(headers.get(":error-code")), msgspec.json.encode(said))
        return b""
