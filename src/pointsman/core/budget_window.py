"""When a budget begins anew: calendar windows, rolling windows, or never. Time is wall-clock milliseconds since the epoch, an argument."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo
from typing import Final, Literal, NamedTuple

Period = Literal["hour", "day", "week", "month"]

NEVER_MS: Final = 2**52  #: later than any clock

_HOUR_MS: Final = 3_600_000
_LENGTH_MS: Final = {"hour": _HOUR_MS, "day": 24 * _HOUR_MS, "week": 168 * _HOUR_MS, "month": 720 * _HOUR_MS}
_PIECES: Final = 30  # of a rolling window: what was spent leaves it piece by piece
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class Span(NamedTuple):
    """A moment seen from a window: spending now is booked in `slot`, and competes with every slot from `first` to `last`."""

    first: int  #: start of the oldest slot that counts
    slot: int  #: start of this one
    last: int  #: start of the newest slot that counts: of a rolling window also what a faster clock has booked later
    until_ms: int  #: start of the next one
    ends_ms: int  #: from then on this one does not count any more


@dataclass(frozen=True, slots=True)
class Window:
    """How long a budget lasts. `rolling`: any stretch of that length, in place of the calendar's; a rolling month has 30 days.

    `zone` names the time zone of calendar days, weeks (from Monday) and months; hours are those of UTC. Raises ValueError for what is none.

    >>> Window("day").span(86_400_000 + 5)
    Span(first=86400000, slot=86400000, last=86400000, until_ms=172800000, ends_ms=172800000)
    """

    per: Period | None = None  #: `None`: it never begins anew
    rolling: bool = False
    zone: str = "UTC"

    def __post_init__(self) -> None:
        if self.per is not None and self.per not in _LENGTH_MS:
            raise ValueError(f"`{self.per}` is no period: use hour, day, week or month")
        if self.per is None and self.rolling:
            raise ValueError("a budget that never begins anew cannot be rolling: say per what")
        if self.rolling and self.zone != "UTC":
            raise ValueError(f"a rolling window has no time zone: leave out `{self.zone}`")
        _zone(self.zone)

    def __str__(self) -> str:
        """What tells the accounts of one window from those of another."""
        if self.per is None:
            return "ever"
        return f"rolling {self.per}" if self.rolling else self.per if self.zone == "UTC" else f"{self.per} {self.zone}"

    def span(self, now_ms: int) -> Span:
        """Where this moment lies."""
        if self.per is None:
            return Span(0, 0, 0, NEVER_MS, NEVER_MS)
        if self.rolling:
            length_ms = _LENGTH_MS[self.per]
            piece_ms = length_ms // _PIECES
            slot = now_ms - now_ms % piece_ms
            return Span(slot - length_ms, slot, NEVER_MS, slot + piece_ms, slot + piece_ms + length_ms)
        start, until = _hour(now_ms) if self.per == "hour" else _calendar(self.per, now_ms, _zone(self.zone))
        return Span(start, start, start, until, until)


def _hour(now_ms: int) -> tuple[int, int]:
    start = now_ms - now_ms % _HOUR_MS
    return start, start + _HOUR_MS


def _calendar(per: Period, now_ms: int, zone: tzinfo) -> tuple[int, int]:
    """Start and end of the day, week or month."""
    first = _first_day(per, (_EPOCH + timedelta(milliseconds=now_ms)).astimezone(zone).date())
    start, until = _midnight_ms(first, zone), _midnight_ms(_next(per, first), zone)
    while until <= now_ms:  # clocks were put back over midnight: the day that had begun goes on
        first = _next(per, first)
        start, until = until, _midnight_ms(_next(per, first), zone)
    return start, until


def _first_day(per: Period, day: date) -> date:
    if per == "week":
        return day - timedelta(days=day.weekday())
    return day.replace(day=1) if per == "month" else day


def _next(per: Period, first: date) -> date:
    return _first_day(per, first + timedelta(days={"day": 1, "week": 7, "month": 31}[per]))


def _midnight_ms(day: date, zone: tzinfo) -> int:
    return (datetime(day.year, day.month, day.day, tzinfo=zone) - _EPOCH) // timedelta(milliseconds=1)


def _zone(name: str) -> tzinfo:
    if name == "UTC":
        return UTC
    from zoneinfo import ZoneInfo  # reads the system's files: only where one is asked for

    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):  # its "not found" is a KeyError
        raise ValueError(f"`{name}` is no time zone that this machine knows: write one like `Europe/Berlin`") from None
