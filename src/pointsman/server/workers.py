"""Several processes on one address: a parent that starts them, starts them again when they die, and ends them together."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import threading
from asyncio.subprocess import PIPE, Process
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import msgspec

from pointsman.build.promises import refuse_broken_promises
from pointsman.build.world import current_snapshot
from pointsman.config.schema import Config
from pointsman.server.drain import AT_ONCE, tell_stopping
from pointsman.server.reload import Reloader

_log = logging.getLogger("pointsman.server.workers")

_DEATHS, _WITHIN_S = 5, 10.0
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.1, 5.0
_STOPS = (signal.SIGTERM, signal.SIGINT, AT_ONCE)


@dataclass(frozen=True, slots=True)
class Handed:
    """What a worker gets from its parent: the configuration in force, and the file that it is read from, if any."""

    config: Config
    file: str | None


class Workers:
    """The parent of worker processes, one for each listening socket.

    It holds the sockets too: clients that connect to a worker that has died wait until it has been started again. Workers are told the
    configuration that was sound last, so that a broken file does not keep them from starting.
    """

    def __init__(self, command: Sequence[str], listeners: Sequence[socket.socket], handed: Handed) -> None:
        """`command` starts a worker; the number of its listening socket is added to it."""
        self._command = command
        self._listeners = listeners
        self._handed = handed
        self._running: set[Process] = set()
        self._deaths: deque[float] = deque(maxlen=_DEATHS)
        self._stopping = asyncio.Event()
        self._gave_up = False

    async def run(self) -> int:
        """Keep them running until a signal ends it; the worst of their exit statuses."""
        loop = asyncio.get_running_loop()
        for number in _STOPS:
            loop.add_signal_handler(number, self._stop, number)
        reloader = Reloader(Path(self._handed.file or ""), self._handed.config, self._note, quiet=True)
        loop.add_signal_handler(signal.SIGHUP, self._wake, reloader)
        watching = asyncio.create_task(reloader.watch()) if self._handed.file else None
        try:
            statuses = await asyncio.gather(*(self._keep(listener) for listener in self._listeners))
        finally:
            if watching is not None:
                watching.cancel()
        return 1 if self._gave_up else max(statuses)

    async def _keep(self, listener: socket.socket) -> int:
        """One worker, again and again; the last one's exit status."""
        pause_s = _FIRST_PAUSE_S
        while True:
            began = asyncio.get_running_loop().time()
            status = await self._life(listener.fileno())
            if self._stopping.is_set():
                return status
            lived_s = asyncio.get_running_loop().time() - began
            pause_s = _FIRST_PAUSE_S if lived_s > _WITHIN_S else min(pause_s * 2, _LONGEST_PAUSE_S)
            self._note_death(status)
            if await self._told_to_stop(pause_s):
                return status

    async def _life(self, listener: int) -> int:
        process = await asyncio.create_subprocess_exec(
            *self._command,
            str(listener),
            stdin=PIPE,
            pass_fds=(listener,),
            start_new_session=True,  # a terminal's Ctrl+C is for the parent, who passes it on
        )
        self._running.add(process)
        try:
            if self._stopping.is_set():
                _signal(process, signal.SIGTERM)
            assert process.stdin is not None
            process.stdin.write(msgspec.json.encode(self._handed) + b"\n")  # and stays open: its end tells that the parent is gone
            status = await process.wait()
        finally:
            self._running.discard(process)
        if status < 0:
            # One that was told to stop before it listened to signals has done as it was told.
            return 0 if self._stopping.is_set() and -status in (signal.SIGTERM, AT_ONCE) else 128 - status
        return status

    def _note_death(self, status: int) -> None:
        now = asyncio.get_running_loop().time()
        self._deaths.append(now)
        if len(self._deaths) == _DEATHS and now - self._deaths[0] <= _WITHIN_S:
            _log.error("workers died %d times within %g s: giving up", _DEATHS, _WITHIN_S)
            self._gave_up = True
            self._stop(signal.SIGTERM)
        else:
            _log.warning("a worker ended with status %d: another takes its place", status)

    async def _told_to_stop(self, within_s: float) -> bool:
        try:
            async with asyncio.timeout(within_s):
                await self._stopping.wait()
        except TimeoutError:
            return False
        return True

    def _stop(self, number: int) -> None:
        """The first time workers drain, the second time they stop at once."""
        again = self._stopping.is_set()
        if not again:
            self._stopping.set()
            tell_stopping(self._handed.config.server.drain_s)
            for listener in self._listeners:
                listener.close()  # once a worker has closed it too, nobody would accept what connects
        for process in self._running:
            _signal(process, AT_ONCE if again or number == AT_ONCE else signal.SIGTERM)

    async def _note(self, config: Config) -> None:
        # Workers refuse it themselves; one that was started with it would not live.
        snapshot, _ = await asyncio.to_thread(current_snapshot, config)
        refuse_broken_promises(config, snapshot)
        self._handed = Handed(config, self._handed.file)

    def _wake(self, reloader: Reloader) -> None:
        reloader.wake()
        for process in self._running:
            assert process.stdin is not None
            process.stdin.write(b"\n")


def _signal(process: Process, number: int) -> None:
    # Its own `send_signal` would reap a process that has just ended, and lose its exit status.
    with suppress(ProcessLookupError):
        os.kill(process.pid, number)


def take_over() -> Handed:
    """In a worker, before anything else: what the parent hands over, on the standard input."""
    line = b""
    while not line.endswith(b"\n"):
        if not (piece := os.read(0, 1 << 16)):
            raise SystemExit(1)  # the parent is gone already
        line += piece
    return msgspec.json.decode(line, type=Handed)


def follow_parent(wake: Callable[[], None]) -> None:
    """In a worker: call `wake`, in the event loop, whenever the parent is told to read the configuration again; drain when it is gone."""
    loop = asyncio.get_running_loop()

    def listen() -> None:
        with suppress(RuntimeError):  # the loop has ended
            while os.read(0, 1):
                loop.call_soon_threadsafe(wake)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=listen, name="pointsman-parent", daemon=True).start()
