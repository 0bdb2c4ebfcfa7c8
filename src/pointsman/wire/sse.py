"""Server-sent events: bytes in, whole events out, however the bytes were cut.

https://html.spec.whatwg.org/multipage/server-sent-events.html#parsing-an-event-stream
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import msgspec

from pointsman.errors import UpstreamStreamBroken

_LINE = re.compile(rb"\r\n|\n|\r")
_END = re.compile(rb"(?:\r\n|\n|\r(?!\n))(?:\r\n|\n|\r)")  # a line's end and an empty line
_BLANK = re.compile(rb"[\r\n]+")  # empty lines where an event would begin: they mean nothing
_LF = 0x0A
_BOM = b"\xef\xbb\xbf"


class Event(msgspec.Struct, frozen=True, gc=False):
    """One event: its name, its data, and the bytes it came as, terminator included, without empty lines before it."""

    name: str
    data: bytes
    raw: bytes

    @property
    def is_comment(self) -> bool:
        """Whether it carries no data (a keep-alive)."""
        return not self.data


class SSEReader:
    """Cuts a stream into events. Raises `UpstreamStreamBroken` for an event of more than `max_bytes`."""

    def __init__(self, max_bytes: int = 4_000_000) -> None:
        self._buffer = bytearray()
        self._searched = 0
        self._at_start = True
        self._max_bytes = max_bytes

    def feed(self, chunk: bytes) -> Iterator[Event]:
        """The events completed by `chunk`, which is taken in as far as they are asked for.

        >>> [event.data for event in SSEReader().feed(b"data: one\\ndata: two\\n\\n: hello\\n\\ndata: th")]
        [b'one\\ntwo', b'']
        """
        if not self._buffer and not self._at_start and b"\r" not in chunk:
            return self._feed_whole(chunk)
        return self._feed(chunk)

    def _feed_whole(self, chunk: bytes) -> Iterator[Event]:
        """The usual case, in a third of the time: nothing left over from before, and lines that end as everybody ends them."""
        start = 0
        try:
            while (end := chunk.find(b"\n\n", start) + 2) > 1:
                if chunk[start] == _LF:
                    start = _after_blank(chunk, start)
                    continue
                raw, start = chunk[start:end], end
                self._check(len(raw))
                yield _plain_event(raw)
            start = _after_blank(chunk, start)
        finally:
            self._buffer += chunk[start:]
        self._searched = len(self._buffer)
        self._check(self._searched)

    def _feed(self, chunk: bytes) -> Iterator[Event]:
        self._buffer += chunk
        if self._at_start and not self._started():
            return
        start = _after_blank(self._buffer, 0)
        try:
            while found := _END.search(self._buffer, max(start, self._searched - 3)):
                # A terminator that ends in CR at the very end may still be waiting for its LF.
                if found.end() == len(self._buffer) and self._buffer.endswith(b"\r"):
                    break
                raw = bytes(self._buffer[start : found.end()])
                self._searched = found.end()
                start = _after_blank(self._buffer, found.end())
                self._check(len(raw))
                yield _event(raw)
        finally:
            del self._buffer[:start]
            self._searched = 0
        self._searched = len(self._buffer)
        self._check(self._searched)

    @property
    def pending(self) -> bool:
        """Whether bytes of an unfinished event are left."""
        return bool(self._buffer.strip())

    def _started(self) -> bool:
        """Skip a byte order mark; false while it is not known whether there is one."""
        if len(self._buffer) < len(_BOM) and _BOM.startswith(self._buffer):
            return False
        self._at_start = False
        if self._buffer.startswith(_BOM):
            del self._buffer[: len(_BOM)]
        return True

    def _check(self, size: int) -> None:
        if size > self._max_bytes:
            raise UpstreamStreamBroken(f"the upstream sent an event of more than {self._max_bytes:,} bytes")


def _after_blank(data: bytes | bytearray, start: int) -> int:
    blank = _BLANK.match(data, start)
    return start if blank is None else blank.end()


def _plain_event(raw: bytes) -> Event:
    """The event in these bytes, which hold no CR: nearly always one line of data, perhaps with a name before it."""
    start, name = 0, b"message"
    if raw.startswith(b"event: "):
        start = raw.find(b"\n") + 1
        name = raw[7 : start - 1]
    if raw.startswith(b"data: ", start) and raw.find(b"\n", start) == len(raw) - 2:
        return Event(name.decode("utf-8", "replace"), raw[start + 6 : -2], raw)
    return _event(raw)


def _event(raw: bytes) -> Event:
    name, data = "message", []
    for line in _LINE.split(raw):
        field, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if field == b"data":
            data.append(value)
        elif field == b"event":
            name = value.decode("utf-8", "replace")
    return Event(name, b"\n".join(data), raw)


def encode(data: bytes) -> bytes:
    """One event with this data.

    >>> encode(b"[DONE]")
    b'data: [DONE]\\n\\n'
    """
    return b"data: " + data + b"\n\n"


DONE = encode(b"[DONE]")
"""What ends a stream of any of OpenAI's APIs."""
