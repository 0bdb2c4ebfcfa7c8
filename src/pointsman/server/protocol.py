"""HTTP as the gateway accepts it: uvicorn's protocol with the limits that it leaves open. All hold before there is a key to check."""

from __future__ import annotations

import asyncio
import resource
from urllib.parse import unquote

import httptools
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from pointsman.errors import RequestError
from pointsman.server.cycle import Cycle
from pointsman.wire.openai_errors import error_body

_FILES = resource.getrlimit(resource.RLIMIT_NOFILE)[0]


class Protocol(HttpToolsProtocol):
    """One connection.

    An answer counts as complete when the app has sent its last body message; a request that begins before that is pipelined, and ends both.
    """

    max_header_bytes = 65_536  #: request line and headers; the same again for what surrounds a chunk, and for trailers
    header_timeout_s = 30.0  #: from the connection, or the first byte after an answer, to the end of the next headers
    send_timeout_s = 60.0  #: a client that takes nothing for so long has left
    linger_s = 2.0  #: how long a refused client may go on sending, so that it gets to read why
    max_connections = 4_096 if _FILES == resource.RLIM_INFINITY else min(4_096, _FILES // 2)  #: half of the files are for calls and the log

    cycle: Cycle
    _shed = b""  # the answer to a request that is not begun
    _has_shed = False  # one, of what was read just now
    _unread = 0  # bytes since the parser last came to the end of something
    _heading = True  # the next header belongs to a request, not to a trailer
    _refused = False
    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self.transport = transport
        if len(self.connections) >= self.max_connections:
            transport.abort()
        else:
            super().connection_made(transport)
            self._abort_in(self.header_timeout_s)

    def connection_lost(self, exc: Exception | None) -> None:
        self._keep_waiting()
        super().connection_lost(exc)
        if self._owes_answer():
            self.cycle.leave()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._abort_in(self.send_timeout_s)

    def resume_writing(self) -> None:
        super().resume_writing()
        if not self._refused:
            self._keep_waiting()
            self._await_headers()

    def data_received(self, data: bytes) -> None:
        self._has_shed = False
        while data and not self._refused and not self.transport.is_closing():
            # A piece is never larger than what is still allowed: what is too large does not reach the parser, which is quadratic in it.
            room = self.max_header_bytes - self._unread
            if not room:
                self._refuse(431, RequestError(f"the headers have more than {self.max_header_bytes:,} bytes", code="headers_too_large"))
                return
            piece, data = data[:room], data[room:]
            self._unread += len(piece)
            super().data_received(piece)
        self._await_headers()

    def on_message_begin(self) -> None:
        if self._owes_answer() or self._has_shed or self.flow.write_paused or self._refused:
            # Waiting with it would mean to stop reading, and so not to notice when the client leaves. While writing is paused, the last
            # answer cannot have been read: who goes on asking would have his answers kept for him, in memory, without bound.
            self.transport.abort()
            raise RequestError("pipelining is not accepted")  # stops the parser
        self._heading = True
        super().on_message_begin()

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._heading:
            name = name.lower()
            if name == b"expect" and value.lower() == b"100-continue":
                self.expect_100_continue = True
            self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        parser, scope = self.parser, self.scope
        scope["method"] = parser.get_method().decode("ascii")
        scope["http_version"] = version = parser.get_http_version()
        url = httptools.parse_url(self.url)
        path = url.path.decode("ascii")
        scope["path"], scope["raw_path"], scope["query_string"] = unquote(path) if "%" in path else path, url.path, url.query or b""
        if (body := self.sheds(scope["path"])) is not None and not parser.should_upgrade():
            self._refuse_unbegun(body, parser.should_keep_alive() and not self.expect_100_continue)
            return
        self.cycle = Cycle(
            scope,
            self.transport,
            self.flow,
            self.logger,
            self.access_logger,
            access_log=False,
            default_headers=self.server_state.default_headers,
            message_event=asyncio.Event(),
            expect_100_continue=self.expect_100_continue,
            keep_alive=version != "1.0" and parser.should_keep_alive(),
            on_response=self.on_response_complete,
        )
        self.cycle.loop = self.loop
        scope["pointsman.cycle"] = self.cycle  # type: ignore[typeddict-unknown-key]
        self._start_asgi_task(self.cycle, self.app)
        self._heading, self._unread = False, 0
        self._keep_waiting()

    def on_chunk_header(self) -> None:
        self._unread = 0

    def on_body(self, body: bytes) -> None:
        self._unread = 0
        if not (self._shed or self._refused):
            super().on_body(body)

    def on_message_complete(self) -> None:
        self._unread = 0
        if self._refused:
            return
        if self._shed:
            self._keep_waiting()
            self.transport.write(self._shed)  # which may set the deadline for taking it
            self._shed, self._has_shed = b"", True
            return
        super().on_message_complete()
        self.flow.resume_reading()  # a large body stops it; only by reading can one see that the client leaves

    def send_400_response(self, msg: str) -> None:
        if not (self.transport.is_closing() or self._refused):
            self._refuse(400, RequestError("the request is not valid HTTP/1.1", code="malformed_http"))

    @staticmethod
    def sheds(path: str) -> bytes | None:
        """The body of the 429 that a request for this path gets before it has begun; `None`: it is begun. Here: every one is."""
        return None

    def _refuse_unbegun(self, body: bytes, keep_alive: bool) -> None:
        """Read the rest of the request away, and answer. It has to cost little: most of a crowd is refused."""
        self._heading, self._unread = False, 0
        theirs = [b"%b: %b\r\n" % header for header in self.server_state.default_headers]
        ours = b"content-type: application/json\r\nretry-after: 1\r\ncontent-length: %d\r\n" % len(body)
        said = b"" if self.scope["method"] == "HEAD" else body
        answer = b"".join([STATUS_LINE[429], *theirs, ours, b"\r\n" if keep_alive else b"connection: close\r\n\r\n", said])
        if keep_alive:
            self._shed = answer
            return
        self._refused = True
        self.transport.write(answer)
        self.transport.write_eof()
        self._abort_in(self.linger_s)

    def _should_upgrade(self) -> bool:
        return False  # a WebSocket would be under none of these limits

    def _unsupported_upgrade_warning(self) -> None:
        self.cycle.keep_alive = False  # uvicorn drops what follows in the same read, so the rest would have no beginning

    def _owes_answer(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _refuse(self, status: int, error: RequestError) -> None:
        if self.cycle is not None and (self.cycle.response_started if self._owes_answer() else not self._heading):
            self.transport.abort()  # the client has an answer, or half of one: another would be read as part of it, or as the next one's
            return
        if self._owes_answer():
            self.cycle.disconnected, self.cycle.waiting_for_100_continue = True, False
            self.cycle.message_event.set()
        self._refused = True
        body = error_body(error)
        ours = b"content-type: application/json\r\ncontent-length: %d\r\nconnection: close\r\n\r\n" % len(body)
        theirs = [b"%b: %b\r\n" % header for header in self.server_state.default_headers]
        self.transport.write(b"".join([STATUS_LINE[status], *theirs, ours, body]))
        self.transport.write_eof()  # a close while the client still sends would take the answer away from it
        self._abort_in(self.linger_s)

    def _await_headers(self) -> None:
        if self._deadline is None and not self._owes_answer() and not self.transport.is_closing():
            self._abort_in(self.header_timeout_s)

    def _abort_in(self, seconds: float) -> None:
        self._keep_waiting()
        self._deadline = self.loop.call_later(seconds, self.transport.abort)

    def _keep_waiting(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
