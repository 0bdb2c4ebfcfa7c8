"""The bounded queue before the local model."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from contextlib import suppress

from pointsman.errors import Overloaded


class Turnstile:
    """Lets `limit` in at once and `queue` wait in order. Entered from any event loop, left from any thread."""

    def __init__(self, limit: int, queue: int) -> None:
        self._free, self._queue = limit, queue
        self._waiting: deque[tuple[asyncio.AbstractEventLoop, asyncio.Future[None]]] = deque()
        self._lock = threading.Lock()

    async def enter(self) -> None:
        """Wait for a place. Raises `Overloaded` if too many wait already."""
        with self._lock:
            if self._free:
                self._free -= 1
                return
            if len(self._waiting) >= self._queue:
                raise Overloaded(f"the local model is busy and {len(self._waiting)} requests wait: try again in a second")
            loop = asyncio.get_running_loop()
            place = (loop, loop.create_future())
            self._waiting.append(place)
        try:
            await place[1]
        except asyncio.CancelledError:
            with self._lock:
                still_waiting = place in self._waiting
                if still_waiting:
                    self._waiting.remove(place)
            if not still_waiting:  # the place was handed to us while we were being cancelled
                self.leave()
            raise

    def leave(self) -> None:
        """Give the place to the next in the queue."""
        with self._lock:
            while self._waiting:
                loop, place = self._waiting.popleft()
                with suppress(RuntimeError):  # its loop is closed: the next one, then
                    loop.call_soon_threadsafe(_grant, place)
                    return
            self._free += 1


def _grant(place: asyncio.Future[None]) -> None:
    if not place.done():
        place.set_result(None)
