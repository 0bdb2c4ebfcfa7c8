"""One request on a connection, and its answer: uvicorn's, with a shorter way for what the gateway itself writes."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Mapping, MutableMapping
from typing import Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, RequestResponseCycle

from pointsman.server.asgi import ANSWER, ClientLeftError, head_of


class Cycle(RequestResponseCycle):
    """Notices that its client goes away, and stops what is being done for it."""

    loop: asyncio.AbstractEventLoop
    _task: asyncio.Task[Any] | None = None

    def leave(self) -> None:
        """The client is gone."""
        if self._task is not None:
            self._task.cancel()

    async def run(self, work: Coroutine[Any, Any, None]) -> None:
        """Do the work. Raises `ClientLeftError`, once it has cleaned up, when the client leaves."""
        task = asyncio.current_task(self.loop)
        assert task is not None
        if self.disconnected:
            work.close()
            raise ClientLeftError
        asked, self._task = task.cancelling(), task
        try:
            await work
        except asyncio.CancelledError:
            if self.disconnected and task.uncancel() <= asked:
                raise ClientLeftError from None
            raise
        finally:
            self._task = None

    def arrived(self) -> bytes | None:
        """The body, where all of it is here already: then there is nothing to wait for."""
        if self.more_body or self.disconnected or self.response_complete:
            return None
        body, self.body = bytes(self.body), bytearray()
        return body

    async def send(self, message: MutableMapping[str, Any]) -> None:  # type: ignore[override]
        """An ASGI message, or a message of type `ANSWER`: status, headers and, if the answer is whole, its body."""
        if message["type"] != ANSWER:
            await super().send(message)  # type: ignore[arg-type]
            return
        if self.flow.write_paused and not self.disconnected:
            await self.flow.drain()
        if not self.disconnected:
            self._answer(message["status"], message["headers"], message["body"])

    def _answer(self, status: int, headers: Mapping[str, str], body: bytes | None) -> None:
        if self.response_started:
            raise RuntimeError("an answer has begun already")
        self.response_started, self.waiting_for_100_continue = True, False
        if headers.get("connection") == "close":
            self.keep_alive = False
        elif not self.keep_alive:
            headers = {**headers, "connection": "close"}
        pieces = [STATUS_LINE[status], *[b"%b: %b\r\n" % header for header in self.default_headers], head_of(headers)]
        if body is None:
            self.chunked_encoding = True
            pieces.append(b"transfer-encoding: chunked\r\n\r\n")
            self.transport.write(b"".join(pieces))
            return
        pieces.append(b"content-length: %d\r\n\r\n" % len(body))
        if self.scope["method"] != "HEAD":
            pieces.append(body)
        self.transport.write(b"".join(pieces))
        self.response_complete = True
        self.message_event.set()
        if not self.keep_alive:
            self.transport.close()
        self.on_response()
