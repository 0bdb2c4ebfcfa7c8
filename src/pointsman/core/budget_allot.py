"""Sharing a budget out among workers: what a worker tells its store, and how much more it gets.

For every hard account the store keeps `sum of what was granted <= limit`, over all leases and slots that count. A worker spends and holds
nothing beyond its grants, so whatever happens to it, the limit holds.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from pointsman.core.budget import Account

_SHARE: Final = 200  # of the limit, a half percent: what all workers together may carry for calls yet to come
_ENDLESS: Final = 2**100


class Line(NamedTuple):
    """A lease as its worker knows it. The figures are totals of the lease's whole life: saying them twice changes nothing."""

    lease: str
    account: Account
    first: int  #: oldest slot that counts
    slot: int
    last: int  #: newest slot that counts
    ends_ms: int  #: when the slot does not count any more
    limit: int
    hard: bool
    granted: int
    spent: int
    free: int = 0  #: of what was granted, neither spent nor held
    refill: bool = False  #: more is welcome, as far as there is plenty
    closed: bool = False  #: the worker will not say anything of it again; what was granted is what was spent


Ask = tuple[tuple[int, int], ...]
"""What one call needs, all or nothing: places of lines, and the amount on top of what was granted."""


class Total(NamedTuple):
    """All leases of an account, in the slots that count."""

    granted: int
    spent: int  #: reported as spent; of leases that were not renewed in time, all that was granted
    holders: int  #: leases that were renewed in time


class Balance(NamedTuple):
    """A lease, and its account, after an exchange."""

    granted: int
    others: int  #: granted to other leases
    spent: int  #: of the whole account: waiting does not bring it back
    portion: int  #: how much this worker should carry for calls to come


class Reply(NamedTuple):
    """A balance for each line, and for each ask the lines that had too little room for it; none: it was granted."""

    balances: tuple[Balance, ...]
    short: tuple[tuple[int, ...], ...]


def allot(lines: Sequence[Line], totals: Sequence[Total], asks: Sequence[Ask]) -> Reply:
    """Answer asks in their order, then fill up what workers carry. `totals` include the lines as they are given.

    What a worker carries shrinks with what is left: near the limit it gets what its calls need, and no more.
    """
    room = _Room(lines, totals)
    short = tuple(room.take(ask) for ask in asks)
    balances = []
    for at, (line, total) in enumerate(zip(lines, totals, strict=True)):
        portion = room.portion(at, max(1, total.holders))
        if line.refill or room.given[at]:
            room.give(at, max(0, portion - line.free))
        balances.append(Balance(line.granted + room.given[at], total.granted - line.granted, total.spent, portion))
    return Reply(tuple(balances), short)


class _Room:
    """What is left for each line, and what it was given. Leases of one account in several slots share what is left."""

    def __init__(self, lines: Sequence[Line], totals: Sequence[Total]) -> None:
        self._lines = lines
        self._left = [line.limit - total.granted if line.hard else _ENDLESS for line, total in zip(lines, totals, strict=True)]
        self.given = [0] * len(lines)
        self._same: dict[Account, list[int]] = {}
        for at, line in enumerate(lines):
            self._same.setdefault(line.account, []).append(at)

    def take(self, ask: Ask) -> tuple[int, ...]:
        """Give an ask all of it, or nothing and say where it lacks."""
        lacking = tuple(at for at, amount in ask if amount > self._left[at])
        for at, amount in () if lacking else ask:
            self.give(at, amount)
        return lacking

    def give(self, at: int, amount: int) -> None:
        self.given[at] += amount
        for place in self._same[self._lines[at].account]:
            self._left[place] -= amount

    def portion(self, at: int, holders: int) -> int:
        return max(0, min(self._lines[at].limit // (_SHARE * holders), self._left[at] // (4 * holders)))
