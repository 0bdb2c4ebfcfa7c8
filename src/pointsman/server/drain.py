"""A server that stops in order: what is in progress may finish, until a deadline; then it is told why it ends."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from socket import socket
from types import FrameType
from typing import Protocol

import uvicorn

AT_ONCE = signal.SIGQUIT
"""The signal that ends requests in progress without waiting for them."""

_TICK_S = 0.05
_CUT_S = 0.3  # after which clients that do not read are hung up on: requests may wait for them alone
_CUT_ALL_S = 0.5  # and after which all are
_LINGER_S = 0.2  # for last bytes that are on their way to clients


class Drainable(Protocol):
    """What the server asks of its application."""

    draining: bool  #: set when the server has been told to stop: not ready, and nothing new is begun

    async def cut(self) -> None:
        """End every request in progress with `ShuttingDown`."""


class DrainingServer(uvicorn.Server):
    """Stops at SIGTERM or SIGINT: `drain_s` for requests in progress, then they are cut. SIGQUIT cuts them at once.

    It listens until the last of them has ended, so that health checks are answered and others are refused in words. A second SIGTERM or
    SIGINT cuts as well (a third ends the process on the spot), unless `patient`: a worker process may get them from several sides.
    `drain_s` may be set at any time.
    """

    def __init__(self, config: uvicorn.Config, app: Drainable, drain_s: float, *, patient: bool = False) -> None:
        super().__init__(config)
        self.drain_s = drain_s
        self._app = app
        self._patient = patient

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Handle the signals meanwhile. Unlike uvicorn's own, do not raise them again at the end: a drained server ends well."""
        handled = (signal.SIGINT, signal.SIGTERM, AT_ONCE)
        before = {number: signal.signal(number, self.handle_exit) for number in handled}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin to stop; the second time, hurry; the third, give up."""
        if self.force_exit and not self._patient:
            os._exit(128 + sig)
        again, self.should_exit, self._app.draining = self.should_exit, True, True
        if sig == AT_ONCE or (again and not self._patient):
            self.force_exit = True
        elif not again and not self._patient:
            tell_stopping(self.drain_s)

    async def shutdown(self, sockets: list[socket] | None = None) -> None:
        """Drain, cut, hang up."""
        await _until(lambda: self.force_exit or self._idle(), self.drain_s)
        for server in self.servers:
            server.close()
        for listener in sockets or []:
            listener.close()
        if not self._idle():
            await self._cut()
        for connection in list(self.server_state.connections):
            connection.shutdown()
        await _until(lambda: not self.server_state.connections, _LINGER_S)
        self._abort()

    async def _cut(self) -> None:
        cutting = asyncio.ensure_future(self._app.cut())
        await _until(self._idle, _CUT_S)
        self._abort(unread=True)
        await _until(self._idle, _CUT_ALL_S)
        for task in (cutting, *self.server_state.tasks):
            task.cancel()
        await asyncio.wait({cutting})

    def _idle(self) -> bool:
        return not self.server_state.tasks

    def _abort(self, *, unread: bool = False) -> None:
        for connection in list(self.server_state.connections):
            if not unread or connection.transport.get_write_buffer_size():
                connection.transport.abort()


def tell_stopping(drain_s: float) -> None:
    """Tell the operator what is waited for."""
    with suppress(OSError):  # the terminal may be gone
        sys.stderr.write(f"stopping: requests in progress have {drain_s:g} s to end; once more stops at once\n")
        sys.stderr.flush()


async def _until(condition: Callable[[], bool], patience_s: float) -> None:
    loop = asyncio.get_running_loop()
    give_up_at = loop.time() + patience_s
    while not condition() and (left_s := give_up_at - loop.time()) > 0:  # noqa: ASYNC110  (uvicorn announces none of this)
        await asyncio.sleep(min(_TICK_S, left_s))
