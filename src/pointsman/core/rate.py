"""Rate limits of keys, teams and orgs: in no minute is more let in than the limit says.

A window of 60 pieces of a second each: what came in a piece counts until the whole piece is older than a minute. That is stricter than a
leaky bucket, which after a pause lets twice its limit into one minute. Tokens are held from `reserve` to `settle` at the most that a
request may use, and count from then on with what it used; what is held never leaves the window while the request runs.

All limits that bear on a request are checked before any is counted. State is this process's own: with n workers give each a `share` of 1/n.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Final, Literal, NamedTuple

from pointsman.errors import RateLimited

Unit = Literal["requests", "tokens"]
UNITS: Final[tuple[Unit, ...]] = ("requests", "tokens")

_MINUTE: Final = 60  # pieces, and seconds
_HEADERS: Final[Mapping[Unit, tuple[str, str, str]]] = {
    "requests": ("x-ratelimit-limit-requests", "x-ratelimit-remaining-requests", "x-ratelimit-reset-requests"),
    "tokens": ("x-ratelimit-limit-tokens", "x-ratelimit-remaining-tokens", "x-ratelimit-reset-tokens"),
}


class Owner(NamedTuple):
    """Whose limits: `kind` is `key`, `team` or `org`, `id` how it is called. `None`: no limit."""

    kind: str
    id: str
    requests: int | None
    tokens: int | None


class Reservation(NamedTuple):
    """Tokens held for a request. `settle` it once, however the request ended."""

    windows: tuple[_Window, ...]
    tokens: int
    clock: Callable[[], float]

    def settle(self, used: int) -> None:
        """It is over and used so many: what was held beyond that is free again."""
        for window in self.windows:
            window.held -= self.tokens
            window.add(self.clock(), max(0, used))


class Rates:
    """The windows of all owners. `clock` is monotonic, in seconds; `share` is the part of each limit that this process may let in."""

    def __init__(self, clock: Callable[[], float], share: float = 1.0) -> None:
        self._clock = clock
        self._share = share
        self._windows: dict[tuple[str, str, Unit], _Window] = {}

    def admit(self, owners: Sequence[Owner]) -> None:
        """Count one request against all of them. Raises `RateLimited`, and then counts none."""
        if owners:
            now_s = self._clock()
            for window in self._with_room(owners, "requests", 1, now_s):
                window.add(now_s, 1)

    def reserve(self, owners: Sequence[Owner], tokens: int) -> Reservation:
        """Hold the most tokens that a request may use, read and written. Raises `RateLimited`, and then holds none."""
        windows = self._with_room(owners, "tokens", tokens, self._clock()) if owners else ()
        for window in windows:
            window.held += tokens
        return Reservation(windows, tokens, self._clock)

    def headers(self, owners: Sequence[Owner]) -> dict[str, str]:
        """`x-ratelimit-…` as OpenAI names them: of each unit the limit that is nearest."""
        now_s = self._clock()
        found: dict[str, str] = {}
        for unit in UNITS:
            limits = [(limit - window.level(now_s), limit, window) for _, limit, window in self._limits(owners, unit)]
            if limits:
                found |= _told(unit, *min(limits, key=lambda limit: limit[0]), now_s)
        return found

    def _with_room(self, owners: Sequence[Owner], unit: Unit, amount: int, now_s: float) -> tuple[_Window, ...]:
        limits = list(self._limits(owners, unit))
        for owner, limit, window in limits:
            if window.level(now_s) + amount > limit:
                raise _limited(owner, unit, amount, limit, window, now_s)
        return tuple(window for _, _, window in limits)

    def _limits(self, owners: Sequence[Owner], unit: Unit) -> list[tuple[Owner, int, _Window]]:
        limits = []
        for owner in owners:
            if (limit := owner.requests if unit == "requests" else owner.tokens) is not None:
                at = (owner.kind, owner.id, unit)
                window = self._windows.get(at) or self._windows.setdefault(at, _Window())
                limits.append((owner, max(1, int(limit * self._share)), window))
        return limits


class _Window:
    __slots__ = ("_pieces", "_sum", "held")

    def __init__(self) -> None:
        self._pieces: deque[list[int]] = deque()  # second, amount
        self._sum = 0
        self.held = 0

    def level(self, now_s: float) -> int:
        """What counts now."""
        over = int(now_s) - _MINUTE
        while self._pieces and self._pieces[0][0] < over:
            self._sum -= self._pieces.popleft()[1]
        return self._sum + self.held

    def add(self, now_s: float, amount: int) -> None:
        second = int(now_s)
        if self._pieces and self._pieces[-1][0] >= second:
            self._pieces[-1][1] += amount
        else:
            self._pieces.append([second, amount])
        self._sum += amount

    def wait_s(self, now_s: float, excess: int) -> float:
        """Until so much has left the window; a whole minute where it waits for requests that run."""
        for second, amount in self._pieces:
            excess -= amount
            if excess <= 0:
                return second + _MINUTE + 1 - now_s
        return float(_MINUTE)


def _limited(owner: Owner, unit: Unit, amount: int, limit: int, window: _Window, now_s: float) -> RateLimited:
    whose = f"{owner.kind} `{owner.id}`"
    param = f"{owner.kind}.{unit}_per_minute"
    told = _told(unit, limit - window.level(now_s), limit, window, now_s)
    if amount > limit:
        said = f"the request may use {amount:,} tokens, {whose} has {limit:,} a minute: ask for a shorter answer, or send less"
        return RateLimited(said, param, told, None)
    wait_s = math.ceil(window.wait_s(now_s, window.level(now_s) + amount - limit))
    said = f"{whose} has reached its limit of {limit:,} {unit} a minute: try again in {wait_s} s"
    return RateLimited(said, param, told, wait_s)


def _told(unit: Unit, room: int, limit: int, window: _Window, now_s: float) -> dict[str, str]:
    reset_s = math.ceil(window.wait_s(now_s, window.level(now_s))) if room < limit else 0
    return dict(zip(_HEADERS[unit], (str(limit), str(max(0, room)), f"{reset_s}s"), strict=True))
