"""How the scripts send what they say: generators of bytes and of waits, played by the server."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import Enum, auto

from pointsman.testing.framing import JSON, LAST_CHUNK, chunk, response

_GIANT_PIECE = b"x" * 65_536
_KEEP_ALIVE_MS = 100
_TLS_CLOSE_NOTIFY = b"\x15\x03\x03\x00\x02\x01\x00"
_CHUNKED_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n"


class Signal(Enum):
    """What is not bytes."""

    RELEASE = auto()  #: wait for the server's `release`
    HOLD = auto()  #: the same, if the server holds faults
    DROP = auto()  #: close the connection
    RESET = auto()  #: close it with a reset


@dataclass(frozen=True, slots=True)
class Pause:
    """Wait by the clock."""

    ms: int


Step = bytes | Pause | Signal


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer, ready to be sent."""

    head: bytes
    parts: list[bytes]  #: events, or the body
    streamed: bool
    error: bytes  #: an error object in this dialect
    error_event: Callable[[int], bytes]  #: one as the event of that index

    def first(self, number: int) -> Iterator[bytes]:
        """The head and so many events; of an answer that is not streamed the head and half the body."""
        yield self.head
        if self.streamed:
            yield from map(chunk, self.parts[:number])
        else:
            yield self.parts[0][: len(self.parts[0]) // 2]

    def rest(self, number: int) -> Iterator[bytes]:
        """What `first` left over, to the end."""
        if self.streamed:
            yield from map(chunk, self.parts[number:])
            yield LAST_CHUNK
        else:
            yield self.parts[0][len(self.parts[0]) // 2 :]


Manner = Callable[[Callable[[], Answer], int], Iterator[Step]]


def plain(answer: Callable[[], Answer], number: int) -> Iterator[Step]:
    """As it should be."""
    made = answer()
    yield from made.first(0)
    yield from made.rest(0)


def _hang(answer: Callable[[], Answer], number: int) -> Iterator[Step]:
    yield Signal.RELEASE
    yield Signal.DROP


def _reset(answer: Callable[[], Answer], number: int) -> Iterator[Step]:
    yield Signal.RESET


def _close(answer: Callable[[], Answer], number: int) -> Iterator[Step]:
    yield Signal.DROP


def _tls_close(answer: Callable[[], Answer], number: int) -> Iterator[Step]:
    yield _TLS_CLOSE_NOTIFY
    yield Signal.DROP


def _close_after_headers(answer: Callable[[], Answer], number: int) -> Iterator[Step]:
    yield answer().head
    yield Signal.DROP


def _slow(answer: Callable[[], Answer], number: int) -> Iterator[Step]:
    yield Pause(number)
    yield from plain(answer, 0)


def _slow_first_token(answer: Callable[[], Answer], number: int) -> Iterator[Step]:
    made = answer()
    yield made.head
    yield Signal.RELEASE
    if made.streamed:
        yield from made.rest(0)
    else:
        yield made.parts[0]


def _stall_after(answer: Callable[[], Answer], number: int) -> Iterator[Step]:
    made = answer()
    yield from made.first(number)
    yield Signal.RELEASE
    yield from made.rest(number)


def _drip(answer: Callable[[], Answer], number: int) -> Iterator[Step]:
    made = answer()
    yield made.head
    for part in made.parts if made.streamed else _cut(made.parts[0], -(-len(made.parts[0]) // 10)):
        yield Pause(number)
        yield chunk(part) if made.streamed else part
    yield LAST_CHUNK if made.streamed else b""


def _slow_body(answer: Callable[[], Answer], number: int) -> Iterator[Step]:
    made = answer()
    body = b"".join(made.parts)
    yield made.head
    for part in _cut(body, -(-len(body) // 16)):
        yield Pause(number)
        yield chunk(part) if made.streamed else part
    yield LAST_CHUNK if made.streamed else b""


def _ragged(answer: Callable[[], Answer], number: int) -> Iterator[Step]:
    made = answer()
    yield made.head
    for part in _cut(b"".join(made.parts), number or 7):
        yield chunk(part) if made.streamed else part
    yield LAST_CHUNK if made.streamed else b""


def _cut(body: bytes, size: int) -> list[bytes]:
    return [body[at : at + size] for at in range(0, len(body), size)]


def _cut_after(answer: Callable[[], Answer], number: int) -> Iterator[Step]:
    made = answer()
    yield from made.first(number)
    if made.streamed:
        yield Signal.HOLD
        yield chunk(made.parts[min(number, len(made.parts) - 1)])[:-20]
    yield Signal.DROP


def _reset_after(answer: Callable[[], Answer], number: int) -> Iterator[Step]:
    yield from answer().first(number)
    yield Signal.HOLD
    yield Signal.RESET


def _fin_after(answer: Callable[[], Answer], number: int) -> Iterator[Step]:
    made = answer()
    yield from made.first(number)
    if not made.streamed:
        yield Signal.DROP
    yield Signal.HOLD
    yield LAST_CHUNK


def _error_event_after(answer: Callable[[], Answer], number: int) -> Iterator[Step]:
    made = answer()
    if not made.streamed:
        yield from plain(lambda: made, 0)
        return
    yield from made.first(number)
    yield Signal.HOLD
    yield chunk(made.error_event(number))
    yield LAST_CHUNK


def _error_first_event(answer: Callable[[], Answer], number: int) -> Iterator[Step]:
    made = answer()
    return _error_event_after(lambda: made, 0) if made.streamed else iter([response(200, made.error)])


def _malformed_after(answer: Callable[[], Answer], number: int) -> Iterator[Step]:
    made = answer()
    yield from made.first(number)
    if made.streamed:
        yield Signal.HOLD
        named = made.parts[min(number, len(made.parts) - 1)].partition(b"data: ")[0]  # readers of some dialects skip events without a name
        yield chunk(named + b'data: {"id": \n\n')
    yield from made.rest(number)


def _giant_line(answer: Callable[[], Answer], number: int) -> Iterator[Step]:
    made = answer()
    if not made.streamed:
        yield from plain(lambda: made, 0)
        return
    yield from made.first(number)
    yield Signal.HOLD
    yield chunk(b"data: ")
    while True:
        yield chunk(_GIANT_PIECE)


def _comments_only(answer: Callable[[], Answer], number: int) -> Iterator[Step]:
    made = answer()
    yield made.head if made.streamed else _CHUNKED_HEAD
    while True:
        yield chunk(b": keep-alive\n\n" if made.streamed else b"\n")
        yield Pause(number or _KEEP_ALIVE_MS)


def _wrong_shape(answer: Callable[[], Answer], number: int) -> Iterator[Step]:
    yield response(200, b'{"hello":"world"}')


def _empty(answer: Callable[[], Answer], number: int) -> Iterator[Step]:
    yield response(200, b"", "text/event-stream" if answer().streamed else JSON)


def _bad_gzip(answer: Callable[[], Answer], number: int) -> Iterator[Step]:
    return plain(lambda: _headed(answer(), b"content-encoding: gzip\r\n"), 0)


def _bad_chunking(answer: Callable[[], Answer], number: int) -> Iterator[Step]:
    made = answer()
    yield made.head if made.streamed else _CHUNKED_HEAD
    yield chunk(made.parts[0]) + b"not a length\r\n" + made.parts[0] + b"\r\n"
    yield Signal.DROP


def _remaining(answer: Callable[[], Answer], number: int) -> Iterator[Step]:
    return plain(lambda: _headed(answer(), limits(number, 60_000).encode()), 0)


def limits(remaining: int, reset_ms: int) -> str:
    """Header lines, OpenAI's and Anthropic's, that say how many requests are left until when."""
    return "".join(
        f"{prefix}ratelimit-{limit}\r\n"
        for prefix, limit in [
            ("x-", "limit-requests: 100"),
            ("x-", f"remaining-requests: {remaining}"),
            ("x-", f"reset-requests: {reset_ms}ms"),
            ("anthropic-", "requests-limit: 100"),
            ("anthropic-", f"requests-remaining: {remaining}"),
            ("anthropic-", f"requests-reset: {_instant(reset_ms)}"),
        ]
    )


def _instant(ms: int) -> str:
    return (datetime.now(UTC) + timedelta(milliseconds=ms)).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _headed(answer: Answer, lines: bytes) -> Answer:
    return replace(answer, head=answer.head[:-2] + lines + b"\r\n")


MANNERS: dict[str, Manner] = {
    "hang": _hang,
    "reset": _reset,
    "close": _close,
    "tls-close": _tls_close,
    "close-after-headers": _close_after_headers,
    "slow": _slow,
    "slow-first-token": _slow_first_token,
    "stall-after": _stall_after,
    "drip": _drip,
    "slow-body": _slow_body,
    "ragged": _ragged,
    "cut-after": _cut_after,
    "reset-after": _reset_after,
    "fin-after": _fin_after,
    "error-event-after": _error_event_after,
    "error-first-event": _error_first_event,
    "malformed-after": _malformed_after,
    "giant-line": _giant_line,
    "comments-only": _comments_only,
    "wrong-shape": _wrong_shape,
    "empty": _empty,
    "bad-gzip": _bad_gzip,
    "bad-chunking": _bad_chunking,
    "remaining": _remaining,
}
