"""What one worker may spend: its leases, each a part of one account's limit that the store has granted to it.

Holding and settling touch nothing but this. With the store a worker speaks in statements, one at a time: what each lease has spent, how
much of it must stay, and what calls need on top.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import islice

from pointsman.core.budget import Account, Payer, Spend, Standing
from pointsman.core.budget_allot import Ask, Line, Reply
from pointsman.core.budget_window import NEVER_MS, Span

_LINES = 256  # a statement: others wait for the store meanwhile
_RUN_MS = 30 * 24 * 3_600_000  # after which a workflow's run is forgotten


@dataclass(slots=True, eq=False)
class Lease:
    """A part of an account in one slot. `spent + held <= granted`, as long as upstreams keep to the limits sent to them."""

    id: str
    payer: Payer
    span: Span
    granted: int = 0
    spent: int = 0
    held: int = 0  #: by calls that run
    waiting: int = 0  #: calls that wait for more
    others: int = 0  #: granted to others, as the store said last
    certain: int = 0  #: spent by everyone, as the store said last
    portion: int = 0  #: what to carry for calls to come
    known: bool = False  #: the store has answered for it
    active: bool = True  #: used since the last `beat`
    closed: bool = False
    begins_ms: int = field(init=False)  #: derived, as the next: when calls are booked on it
    until_ms: int = field(init=False)

    def __post_init__(self) -> None:
        self.begins_ms, self.until_ms = self.span.slot, self.span.until_ms

    @property
    def free(self) -> int:
        """What calls can take without asking the store."""
        return self.granted - self.spent - self.held

    @property
    def used(self) -> int:
        """Spent and held on the whole account, as far as is known here."""
        return self.others + self.spent + self.held


@dataclass(slots=True, eq=False)
class Hold:
    """What one call may cost at most, taken from every account that pays for it. Settled or released once; again changes nothing."""

    leases: tuple[Lease, ...]
    amounts: list[int]  #: as far as they are there
    lacking: tuple[tuple[int, int], ...]  #: place and amount of what is not; none: the call may go out
    open: bool = True


@dataclass(frozen=True, slots=True)
class Statement:
    """What a worker tells the store and asks of it."""

    lines: tuple[Line, ...]
    asks: tuple[Ask, ...]
    leases: tuple[Lease, ...] = field(repr=False)


class Leases:
    """All leases of one worker. `worker` is a name that no other process has, nor had."""

    def __init__(self, worker: str) -> None:
        self._worker = worker
        self._number = 0
        self._current: dict[Account, Lease] = {}
        self._open: dict[Lease, None] = {}
        self.due: dict[Lease, None] = {}  #: the store should hear of these soon
        self.overrun = 0  #: settled beyond what was granted, since the start: an upstream did not keep to a limit that it was sent

    def hold(self, payers: Sequence[Payer], spend: Spend, now_ms: int) -> Hold:
        """Take what a call may cost at most, as far as it is there.

        Where something is lacking ask the store (`statement`), and release the hold if that refuses. An unknown price holds nothing.
        """
        leases: list[Lease] = []
        amounts: list[int] = []
        lacking: list[tuple[int, int]] = []
        for payer in payers:
            budget, account = payer
            lease = self._current.get(account)
            if lease is None or not lease.begins_ms <= now_ms < lease.until_ms:
                lease = self._begin(payer, now_ms)
            amount = spend.of(budget.unit) or 0
            free = lease.granted - lease.spent - lease.held
            taken = amount if amount <= free else max(free, 0)
            lease.held += taken
            lease.active, lease.payer = True, payer
            if taken < amount:
                lease.waiting += 1
                lacking.append((len(leases), amount - taken))
            elif free - taken < lease.portion // 2:
                self.due[lease] = None
            leases.append(lease)
            amounts.append(taken)
        return Hold(tuple(leases), amounts, tuple(lacking))

    def settle(self, hold: Hold, spend: Spend | None) -> None:
        """The call ended, and cost so much. What is unknown counts as the most that it could have been."""
        if not hold.open:
            return
        if hold.lacking:
            self._wait_no_more(hold)
        hold.open = False
        for lease, amount in zip(hold.leases, hold.amounts, strict=True):
            cost = None if spend is None else spend.of(lease.payer.budget.unit)
            lease.held -= amount
            lease.spent += amount if cost is None else cost
            free = lease.granted - lease.spent - lease.held
            if free < 0:
                self.overrun -= free
                lease.granted -= free
                self.due[lease] = None
            elif free > 2 * lease.portion and free > lease.held:
                self.due[lease] = None  # others may need it, and nobody could tell what came of it if this process died

    def release(self, hold: Hold) -> None:
        """The call was not made: nothing was spent."""
        self.settle(hold, Spend(0, 0))

    def standing(self, payer: Payer, now_ms: int) -> Standing | None:
        """How an account stands; `None` where only the store knows."""
        lease = self._current.get(payer.account)
        if lease is None or not lease.known or not lease.begins_ms <= now_ms < lease.until_ms:
            return None
        lease.active = True
        return Standing(payer, lease.used)

    def look(self, payer: Payer, now_ms: int) -> None:
        """Have the next statement ask how an account stands."""
        self.due[self._begin(payer, now_ms)] = None

    def beat(self, now_ms: int) -> None:
        """Make every lease due, so that the store keeps it. What nobody used since the last beat is given back."""
        for lease in tuple(self._open):
            over = not lease.begins_ms <= now_ms < lease.until_ms
            if not lease.held and not lease.waiting and (over or not lease.active):
                self._close(lease)
            lease.active = False
            self.due[lease] = None

    def statement(self, holds: Sequence[Hold]) -> Statement:
        """What to tell the store next, with what these holds lack. Where no answer comes (`heard`), the next beat says it again."""
        places: dict[Lease, int] = {}
        for hold in holds:
            for at, _ in hold.lacking:
                places.setdefault(hold.leases[at], len(places))
        for lease in islice(tuple(self.due), max(0, _LINES - len(places))):
            places.setdefault(lease, len(places))
        for lease in places:
            self.due.pop(lease, None)
        asks = tuple(tuple((places[hold.leases[at]], amount) for at, amount in hold.lacking) for hold in holds)
        return Statement(tuple(_line(lease) for lease in places), asks, tuple(places))

    def heard(self, statement: Statement, reply: Reply) -> None:
        """The store answered. What it granted is there; `complete` takes it for a hold."""
        for lease, line, balance in zip(statement.leases, statement.lines, reply.balances, strict=True):
            if line.closed:
                self._open.pop(lease, None)
                continue
            lease.granted += balance.granted - line.granted
            lease.others, lease.certain, lease.portion, lease.known = balance.others, balance.spent, balance.portion, True

    def complete(self, hold: Hold) -> None:
        """Take what was lacking, which the store has granted."""
        for at, amount in hold.lacking:
            hold.leases[at].held += amount
            hold.amounts[at] += amount
        self._wait_no_more(hold)

    def _wait_no_more(self, hold: Hold) -> None:
        for at, _ in hold.lacking:
            hold.leases[at].waiting -= 1
        hold.lacking = ()

    def _begin(self, payer: Payer, now_ms: int) -> Lease:
        lease = self._current.get(payer.account)
        if lease is None or not lease.begins_ms <= now_ms < lease.until_ms:
            self._number += 1
            span = payer.budget.window.span(now_ms)
            if payer.budget.scope == "run" and span.ends_ms == NEVER_MS:
                span = span._replace(ends_ms=now_ms + _RUN_MS)
            # Always a new lease, also where the clock went back into a slot: figures are totals of one lease's whole life.
            lease = Lease(f"{self._worker}-{self._number}", payer, span)
            self._current[payer.account] = lease
            self._open[lease] = None
        return lease

    def _close(self, lease: Lease) -> None:
        lease.closed = True
        if self._current.get(lease.payer.account) is lease:
            del self._current[lease.payer.account]


def _line(lease: Lease) -> Line:
    """A lease as the store hears of it. What is given back is gone here before the store can grant it to others."""
    if (surplus := lease.free - (0 if lease.closed else lease.portion)) > 0:
        lease.granted -= surplus
    budget, span = lease.payer.budget, lease.span
    return Line(
        lease=lease.id,
        account=lease.payer.account,
        first=span.first,
        slot=span.slot,
        last=span.last,
        ends_ms=span.ends_ms,
        limit=budget.limit,
        hard=budget.hard,
        granted=lease.granted,
        spent=lease.spent,
        free=lease.free,
        refill=lease.active and not lease.closed,
        closed=lease.closed,
    )
