"""Who is let in: of all no more than so many at once, of one key fewer; and while the event loop is behind, in each turn of it as many
as keep its turns short.

What waits for a loop that is behind waits once for each of its steps, and the more is let in, the longer each turn takes. How many requests
are in progress says little of it: most of them wait for models. The length of a turn does, whatever the requests are; so it is held by the
number that it lets in, which shrinks by a share and grows by ones (D.-M. Chiu, R. Jain, "Analysis of the Increase and Decrease Algorithms
for Congestion Avoidance in Computer Networks", 1989). What waits for the disk makes no turn longer: of that there is a bound.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from typing import Final, NoReturn

from pointsman.core.request import Caller
from pointsman.errors import Overloaded
from pointsman.upstream.lag import Lag

TURN_S: Final = 0.01
"""How long a turn of the loop should be while some are refused: an answer takes three or four."""

MOST_WAITING: Final = 32
"""Requests that may wait for their decision, for the loop or the log, while some are refused; with fewer in progress none is."""

MOST_BESIDE: Final = 128
"""Requests at once that ask no model: administration, reviews, and whatever is only read."""

_FIRST = 8.0  # let in a turn, until its turns have been measured
_LESS, _MORE = 0.8, 1.0
_CALM_S = 1.0  # without a refusal, after which all are let in again
_QUIET_S = 10.0  # without a refusal, after which the operator hears how many there were

_log = logging.getLogger("pointsman.server")


class Refusals:
    """Tells the operator that requests are refused, once, and how many were, once that has ended."""

    def __init__(self) -> None:
        self._count = 0

    def note(self, why: str) -> None:
        """One more, because of that."""
        self._count += 1
        if self._count == 1:
            _log.warning("requests are refused with 429: %s", why)
            self._look_after(1)

    def _look_after(self, count: int) -> None:
        asyncio.get_running_loop().call_later(_QUIET_S, self.look, count)

    def look(self, before: int) -> None:
        """Whether there were more than so many, by now; else it has ended."""
        if self._count > before:
            self._look_after(self._count)
            return
        _log.warning("no request is refused any more: %d were, with 429", self._count)
        self._count = 0


class Places:
    """How many requests are in progress, and whose. One key has three quarters of the places at most: it cannot keep everybody else out.

    Root may have all of them. `what`: what such requests are called.
    """

    def __init__(self, what: str, refusals: Refusals) -> None:
        self._what, self._refusals = what, refusals
        self._taken = 0
        self._of: dict[str, int] = {}

    def require_room(self, most: int) -> None:
        """Raise `Overloaded` where that many have been taken."""
        if self._taken >= most:
            self._refuse(f"{most:,} {self._what} are in progress already")

    def take(self, caller: Caller, most: int) -> None:
        """One more of that many, for this caller's key, to be given back. Raises `Overloaded` where it has its share."""
        own, share = self._of.get(caller.key, 0), most - most // 4
        if own >= share and caller.role != "root":
            self._refuse(f"{share:,} {self._what} of the key {caller.key} are in progress already, and others have to have room as well")
        self._of[caller.key] = own + 1
        self._taken += 1

    def give_back(self, caller: Caller) -> None:
        """It is over."""
        self._taken -= 1
        if (left := self._of[caller.key] - 1) > 0:
            self._of[caller.key] = left
        else:
            del self._of[caller.key]

    def _refuse(self, why: str) -> NoReturn:
        self._refusals.note(why)
        raise Overloaded(why)


class Admission:
    """`admits` each request, or not. `clock` is monotonic, in seconds."""

    def __init__(self, lag: Lag, clock: Callable[[], float] = time.monotonic) -> None:
        self.waiting = 0  #: requests that have begun, and whose decision is not on record yet
        self._lag, self._clock = lag, clock
        self._sheds = False
        self._most = _FIRST  # to let in each turn
        self._let_in = 0  # in this turn
        self._refused = False  # somebody in this turn, since so many were let in
        self._refused_at_s = 0.0
        self._began_s: float | None = None  # this turn
        self._following = False

    def admits(self) -> bool:
        """Whether one more may begin."""
        if not self._sheds:
            if not self._lag.is_late:
                return True
            self._sheds, self._most, self._refused_at_s = True, _FIRST, self._clock()
        if not self._following:
            self._following, self._began_s = True, None
            asyncio.get_running_loop().call_soon(self.turn)
        if self.waiting >= MOST_WAITING:
            return False
        if self._let_in < self._most:
            self._let_in += 1
            return True
        self._refused = True
        return False

    def turn(self) -> None:
        """The loop comes by again."""
        now_s, began_s = self._clock(), self._began_s
        if began_s is not None and now_s - began_s > TURN_S:
            self._most = max(1.0, self._most * _LESS)
        elif began_s is not None and self._refused:
            self._most += _MORE
        if self._refused:
            self._refused_at_s = now_s
        self._sheds = now_s - self._refused_at_s < _CALM_S
        self._following = self._sheds and (self._refused or self._let_in > 0)
        self._began_s, self._let_in, self._refused = now_s, 0, False
        if self._following:
            asyncio.get_running_loop().call_soon(self.turn)
