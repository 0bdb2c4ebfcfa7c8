"""The budget store of one process, in its memory."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from pointsman.core.budget import Account
from pointsman.core.budget_allot import Ask, Line, Reply, Total, allot
from pointsman.stores.budgets import KEEP_MS, Position


@dataclass(slots=True)
class _Row:
    granted: int
    spent: int
    until_ms: int


@dataclass(slots=True)
class _Slot:
    ends_ms: int
    settled: int  # by leases that were closed
    leases: dict[str, _Row]


class MemoryBudgets:
    """`BudgetStore` for the workers of one process; it ends with it."""

    def __init__(self) -> None:
        self._accounts: defaultdict[Account, dict[int, _Slot]] = defaultdict(dict)

    async def exchange(self, lines: Sequence[Line], asks: Sequence[Ask], now_ms: int, until_ms: int) -> Reply:
        """Write down what a worker says, and answer what it asks."""
        rows = [self._write(line, until_ms) for line in lines]
        reply = allot(lines, [self._total(line, now_ms) for line in lines], asks)
        for row, balance in zip(rows, reply.balances, strict=True):
            row.granted = balance.granted
        return reply

    async def positions(self, now_ms: int, budget: str | None = None) -> list[Position]:
        """Every account, by account and slot."""
        found = []
        for account, slots in sorted(self._accounts.items()):
            for start, slot in sorted(slots.items()) if budget in (None, account.budget) else ():
                lapsed = [row for row in slot.leases.values() if row.until_ms <= now_ms]
                live = [row for row in slot.leases.values() if row.until_ms > now_ms]
                spent = slot.settled + sum(row.spent for row in slot.leases.values())
                presumed, leased = (sum(row.granted - row.spent for row in rows) for rows in (lapsed, live))
                found.append(Position(account, start, spent, presumed, leased))
        return found

    async def tidy(self, now_ms: int) -> None:
        """Drop what counts no more. Leases of this process need no folding."""
        for account, slots in tuple(self._accounts.items()):
            for start in [start for start, slot in slots.items() if slot.ends_ms + KEEP_MS <= now_ms]:
                del slots[start]
            if not slots:
                del self._accounts[account]

    def _write(self, line: Line, until_ms: int) -> _Row:
        slot = self._accounts[line.account].setdefault(line.slot, _Slot(line.ends_ms, 0, {}))
        slot.ends_ms = max(slot.ends_ms, line.ends_ms)
        if line.closed:
            row = slot.leases.pop(line.lease, None)
            slot.settled += 0 if row is None else max(row.spent, line.spent)
            return _Row(0, 0, 0)
        row = slot.leases.setdefault(line.lease, _Row(0, 0, 0))
        row.spent = max(row.spent, line.spent)
        row.granted, row.until_ms = max(line.granted, row.spent), until_ms
        return row

    def _total(self, line: Line, now_ms: int) -> Total:
        slots = [slot for start, slot in self._accounts[line.account].items() if line.first <= start <= line.last]
        rows = [row for slot in slots for row in slot.leases.values()]
        settled = sum(slot.settled for slot in slots)
        return Total(
            granted=settled + sum(row.granted for row in rows),
            spent=settled + sum(row.spent if row.until_ms > now_ms else row.granted for row in rows),
            holders=sum(row.until_ms > now_ms for row in rows),
        )
