"""Whether the event loop keeps up, by how late a timer of its own rings.

Where the loop is late, everything is: health checks, and what is measured of models. A count of requests says nothing of it, since it says
nothing of how much work they are. A single late beat is a pause, such as a configuration that is put in force, and no queue that stands
(K. Nichols, V. Jacobson, "Controlling Queue Delay", 2012).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from math import inf
from typing import Final

EVERY_S: Final = 0.05
"""How often is looked."""

MOST_S: Final = 0.03
"""How late the loop may be: every request and every health check comes by several times."""

_IN_A_ROW = 2
_FELT_S = 0.05  # what a model is measured to take is its own as long as the loop is no later than this,
_AFTER_S = 1.0  # and has been for so long


class Lag:
    """`is_late` once two beats in a row were, until one is not. Nothing is late before `start`. `clock` is monotonic, in seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.is_late = False
        self._clock = clock
        self._due_s = inf
        self._felt_until_s = -inf
        self._late = 0
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Look, until `stop`."""
        self._due_s = self._clock() + EVERY_S
        self._timer = asyncio.get_running_loop().call_later(EVERY_S, self.beat)

    def stop(self) -> None:
        """Look no more."""
        if self._timer is not None:
            self._timer.cancel()

    def beat(self) -> None:
        """The timer rings."""
        late_s = self._clock() - self._due_s
        self._late = self._late + 1 if late_s > MOST_S else 0
        self.is_late = self._late >= _IN_A_ROW
        if late_s > _FELT_S:
            self._felt_until_s = self._clock() + _AFTER_S
        self.start()

    def is_felt(self) -> bool:
        """Whether what was measured just now may be our own slowness."""
        now_s = self._clock()
        return now_s < self._felt_until_s or now_s > self._due_s + _FELT_S
