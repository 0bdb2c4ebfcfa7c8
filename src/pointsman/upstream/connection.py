"""One HTTP/1.1 connection to an upstream, and the exchanges it carries one after the other.

Our own, because a call must end the moment its client leaves: giving up an exchange closes its connection at once, whether the upstream
was still thinking, sending its headers or in the middle of its answer. The parsing is llhttp's (httptools), strict.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import cast

import httptools

from pointsman.errors import UpstreamError, UpstreamUnreachable

_MOST_HEAD_BYTES = 262_144
_HIGH_WATER_BYTES = 262_144  # an answer is read no further ahead of its client than this


class Exchange:
    """One request and its answer. Iterate over it for the body; raises `UpstreamError` where the answer fails or ends too early."""

    def __init__(self, connection: Connection) -> None:
        self.status = 0
        self.headers: dict[str, str] = {}
        self._connection = connection
        self._pieces: list[bytes] = []
        self._buffered = 0
        self._begun = False
        self._complete = False
        self._error: UpstreamError | None = None
        self._waiter: asyncio.Future[None] | None = None

    async def begun(self) -> None:
        """Wait for status and headers."""
        while not self._begun:
            await self._more()

    def __aiter__(self) -> Exchange:
        return self

    async def __anext__(self) -> bytes:
        while not self._pieces:
            if self._complete:
                raise StopAsyncIteration
            await self._more()
        data = self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces)
        self._pieces.clear()
        if self._buffered > _HIGH_WATER_BYTES:
            self._connection.resume(self)
        self._buffered = 0
        return data

    @property
    def is_whole(self) -> bool:
        """Whether all of the body is here."""
        return self._complete

    async def aclose(self) -> None:
        """Give up what has not arrived: unless the answer is whole, the connection is closed. May be called twice."""
        self._connection.give_up(self)

    def _more(self) -> asyncio.Future[None]:
        if self._error is not None:
            raise self._error
        self._waiter = self._connection.loop.create_future()
        return self._waiter

    def begin(self, status: int) -> None:
        """Status and headers are there. This and what follows is the connection's to call."""
        self.status, self._begun = status, True
        self._wake()

    def add(self, piece: bytes) -> bool:
        """Take a piece of the body; whether that is enough for now."""
        self._pieces.append(piece)
        self._buffered += len(piece)
        if self._waiter is not None:
            self._wake()
        return self._buffered > _HIGH_WATER_BYTES

    def complete(self) -> None:
        """The body is whole."""
        self._complete = True
        if self._waiter is not None:
            self._wake()

    def fail(self, error: UpstreamError) -> None:
        """Nothing more will come."""
        self._error = error
        self._wake()

    def _wake(self) -> None:
        waiter, self._waiter = self._waiter, None
        if waiter is not None and not waiter.done():
            waiter.set_result(None)


class Connection(asyncio.Protocol):
    """Tells `on_idle` when it is ready for a further exchange, `on_lost` when it is gone."""

    def __init__(self, on_idle: Callable[[Connection], None], on_lost: Callable[[Connection], None]) -> None:
        self.loop = asyncio.get_running_loop()  # asked for once: it is a call of the system
        self.usable = True
        self.idle_since_s = 0.0
        self._on_idle, self._on_lost = on_idle, on_lost
        self._parser = httptools.HttpResponseParser(self)
        self._exchange: Exchange | None = None
        self._unread = 0  # bytes since the last of a body: headers, trailers, what surrounds chunks
        self._sized = False  # the answer says where it ends, other than by the end of the connection
        self._reusable = False

    def send(self, head: bytes, body: bytes) -> Exchange:
        """Begin an exchange."""
        exchange = Exchange(self)
        if not self.usable:  # closed between the connecting and this call
            exchange.fail(_lost(sent=False))
            return exchange
        self._exchange = exchange
        self._unread, self._sized, self._reusable = 0, False, False
        self._transport.writelines((head, body))
        return exchange

    def resume(self, exchange: Exchange) -> None:
        """The reader of `exchange` has caught up."""
        if exchange is self._exchange:
            self._transport.resume_reading()

    def give_up(self, exchange: Exchange) -> None:
        """Close the connection if `exchange` is still on it."""
        if exchange is self._exchange:
            self.abort()

    def abort(self) -> None:
        """Close the connection now."""
        self.usable = False
        self._transport.abort()

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is one in all but name

    def data_received(self, data: bytes) -> None:
        exchange = self._exchange
        if exchange is None:  # nobody asked: whatever it is, it must not become the next caller's answer
            self.abort()
            return
        self._unread += len(data)
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            self._failed(UpstreamUnreachable("the model's server sent something that is not HTTP"), error)
            return
        if self._unread > _MOST_HEAD_BYTES and self._exchange is not None:
            self._failed(UpstreamUnreachable(f"the model's server sent more than {_MOST_HEAD_BYTES:,} bytes of headers"))
        elif self._exchange is None:
            self._rest()

    def connection_lost(self, error: Exception | None) -> None:
        self.usable = False
        exchange, self._exchange = self._exchange, None
        if exchange is not None:
            if error is None and exchange.status and not self._sized:
                exchange.complete()  # the body of such an answer ends with the connection
            else:
                exchange.fail(_lost())
        self._on_lost(self)

    def _rest(self) -> None:
        """The answer is whole: keep the connection for the next, if its state is beyond doubt."""
        # An answer that came before the whole request was sent leaves the rest of it in the way.
        if self._reusable and not self._transport.get_write_buffer_size():
            self._transport.resume_reading()
            self._on_idle(self)
        else:
            self.usable = False
            self._transport.close()

    def _failed(self, error: UpstreamError, cause: BaseException | None = None) -> None:
        error.__cause__ = cause
        exchange, self._exchange = self._exchange, None
        if exchange is not None:
            exchange.fail(error)
        self.abort()

    # httptools

    def on_message_begin(self) -> None:
        if self._exchange is None:  # a second answer, right behind the first
            self._reusable = False

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._exchange is not None and not self._exchange.status:  # trailers are nobody's
            key, text = name.decode("latin-1").lower(), value.decode("latin-1")
            headers = self._exchange.headers
            headers[key] = f"{headers[key]}, {text}" if key in headers else text

    def on_headers_complete(self) -> None:
        exchange = self._exchange
        if exchange is None:
            return
        status = self._parser.get_status_code()
        if status < 200:  # "100 Continue" and the like come before the answer
            exchange.headers.clear()
            return
        self._sized = status in (204, 304) or "content-length" in exchange.headers or "transfer-encoding" in exchange.headers
        self._reusable = self._parser.should_keep_alive()
        exchange.begin(status)

    def on_body(self, body: bytes) -> None:
        self._unread = 0
        if self._exchange is not None and self._exchange.add(body):
            self._transport.pause_reading()

    def on_message_complete(self) -> None:
        exchange = self._exchange
        if exchange is None or not exchange.status:
            return
        self._exchange = None
        exchange.complete()


def _lost(*, sent: bool = True) -> UpstreamUnreachable:
    return UpstreamUnreachable("the connection to the model's server was lost", sent=sent)
