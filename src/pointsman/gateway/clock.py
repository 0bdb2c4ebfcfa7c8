"""One timer for all the clocks of one call: it interrupts whoever waits when time is up."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from math import inf
from typing import TypeVar

from pointsman.errors import PointsmanError, UpstreamTimeout

T = TypeVar("T")


class Clock:
    """Deadlines are in the event loop's time. Only one task waits at a time; between waits all of them stand still."""

    def __init__(self, loop: asyncio.AbstractEventLoop, total_at: float) -> None:
        self._loop = loop
        self._total_at = total_at
        self._due_at = total_at
        self._message = "the model did not answer in time"
        self._task: asyncio.Task[object] | None = None
        self._error: PointsmanError | None = None
        self._stopped_at: float | None = self._loop.time()  # nobody has waited since then: what passes is the client's time
        self._timer: asyncio.TimerHandle | None = None
        self._rings_at = inf
        self._arm()

    def expect(self, within_s: float, message: str) -> None:
        """Interrupt with `UpstreamTimeout(message)` after so many seconds, unless `expect` is called again before."""
        self._go_on()
        now = self._loop.time()
        if self._task is None:
            self._stopped_at = now
        due_at = now + within_s
        if due_at < self._total_at:
            self._due_at, self._message = due_at, message
        else:
            self._due_at, self._message = self._total_at, "the model did not finish in time"
        self._arm()

    async def wait(self, awaited: Awaitable[T]) -> T:
        """What is awaited. Raises `UpstreamTimeout` when time is up, and what `interrupt` was given."""
        if self._error is not None:
            if asyncio.iscoroutine(awaited):
                awaited.close()
            raise self._error
        self._go_on()
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
            self._stopped_at = self._loop.time()

    @property
    def is_total(self) -> bool:
        """Whether the time that is up first, or was, is that of the whole call."""
        return self._due_at >= self._total_at

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
        if self._timer is not None:
            self._timer.cancel()

    def _go_on(self) -> None:
        if self._stopped_at is not None:
            passed_s = self._loop.time() - self._stopped_at
            self._total_at, self._due_at, self._stopped_at = self._total_at + passed_s, self._due_at + passed_s, None
        self._arm()

    def _arm(self) -> None:
        if self._due_at < self._rings_at:  # a later one is noticed when the timer rings
            self.stop()
            self._timer, self._rings_at = self._loop.call_at(self._due_at, self._ring), self._due_at

    def _ring(self) -> None:
        self._timer, self._rings_at = None, inf
        if self._loop.time() < self._due_at:
            self._arm()
        elif self._task is not None:
            self.interrupt(UpstreamTimeout(self._message))
