"""One timer for all the clocks of one call: it interrupts whoever waits when time is up."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

from pointsman.errors import PointsmanError, UpstreamTimeout

T = TypeVar("T")


class Clock:
    """Deadlines are in the event loop's time. Only one task waits at a time; between waits nothing is interrupted."""

    def __init__(self, total_at: float) -> None:
        self._loop = asyncio.get_running_loop()
        self._total_at = total_at
        self._due_at = total_at
        self._message = "the model did not answer in time"
        self._task: asyncio.Task[object] | None = None
        self._error: PointsmanError | None = None
        self._timer = self._loop.call_at(total_at, self._ring)

    def expect(self, within_s: float, message: str) -> None:
        """Interrupt with `UpstreamTimeout(message)` after so many seconds, unless `expect` is called again before."""
        due_at = self._loop.time() + within_s
        if due_at < self._total_at:
            self._due_at, self._message = due_at, message
        else:
            self._due_at, self._message = self._total_at, "the model did not finish in time"
        if self._due_at < self._timer.when():  # a later one is noticed when the timer rings
            self._timer.cancel()
            self._timer = self._loop.call_at(self._due_at, self._ring)

    async def wait(self, awaited: Awaitable[T]) -> T:
        """What is awaited. Raises `UpstreamTimeout` when time is up, and what `interrupt` was given."""
        if self._error is not None:
            if asyncio.iscoroutine(awaited):
                awaited.close()
            raise self._error
        task = asyncio.current_task(self._loop)
        assert task is not None
        asked, self._task = task.cancelling(), task
        try:
            return await awaited
        except asyncio.CancelledError:
            if self._error is not None and task.uncancel() <= asked:
                raise self._error from None
            raise
        finally:
            self._task = None

    def allow(self, total_at: float) -> None:
        """From now on the whole call may take until then."""
        self._total_at = total_at

    def interrupt(self, error: PointsmanError) -> None:
        """Raise this where somebody waits, now or the next time."""
        if self._error is None:
            self._error = error
            if self._task is not None:
                self._task.cancel()

    def stop(self) -> None:
        """Ring no more."""
        self._timer.cancel()

    def _ring(self) -> None:
        if self._loop.time() < self._due_at:
            self._timer = self._loop.call_at(self._due_at, self._ring)
        elif self._task is not None:
            self.interrupt(UpstreamTimeout(self._message))
        else:
            # Nobody waits for the model just now: what is slow is the client. Look again when somebody may.
            self._due_at = self._loop.time() + 0.05
            self._timer = self._loop.call_at(self._due_at, self._ring)
