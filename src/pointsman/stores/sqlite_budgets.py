"""The budget store, in the file of the decision log and written by the log's writer: shared by every process that has it open."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import cast

import apsw

from pointsman.core.budget import Account
from pointsman.core.budget_allot import Ask, Line, Reply, Total, allot
from pointsman.stores.budgets import KEEP_MS, Position
from pointsman.stores.logfile import LogFile
from pointsman.stores.sqlite import SqliteLog
from pointsman.stores.writer import Also

_CLOSED = ""  # the lease whose row stands for all that were closed
_LARGEST = 2**63 - 1  # what fits into a column: 9.2 million USD
_AT_ONCE = 256  # rows changed in one transaction: the log's records wait meanwhile

_ACCOUNT = "budget = ? AND span = ? AND subject = ?"
_KEY = f"{_ACCOUNT} AND slot = ? AND lease = ?"
_KEEP = """
INSERT INTO budgets(budget, span, subject, slot, lease, granted, spent, until_ms, ends_ms) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT DO UPDATE SET spent = max(spent, excluded.spent), granted = max(excluded.granted, spent, excluded.spent),
    until_ms = excluded.until_ms, ends_ms = max(ends_ms, excluded.ends_ms)
"""
_FIND = f"SELECT granted, spent, ends_ms FROM budgets WHERE {_KEY}"  # noqa: S608  constants
_DELETE = f"DELETE FROM budgets WHERE {_KEY}"  # noqa: S608
_GRANT = f"UPDATE budgets SET granted = ? WHERE {_KEY}"  # noqa: S608
_ROWS = f"SELECT granted, spent, until_ms > ? FROM budgets WHERE {_ACCOUNT} AND slot BETWEEN ? AND ?"  # noqa: S608
_GONE = f"SELECT budget, span, subject, slot, lease FROM budgets WHERE lease != '' AND until_ms <= ? LIMIT {_AT_ONCE}"  # noqa: S608
_PURGE = f"""
DELETE FROM budgets WHERE (budget, span, subject, slot, lease) IN
    (SELECT budget, span, subject, slot, lease FROM budgets WHERE ends_ms <= ? LIMIT {_AT_ONCE})
"""  # noqa: S608
_POSITIONS = (
    "SELECT budget, span, subject, slot, granted, spent, until_ms > ? FROM budgets WHERE ? IS NULL OR budget = ? ORDER BY 1, 2, 3, 4"
)

_Key = tuple[str, str, str, int, str]


class SqliteBudgets:
    """`BudgetStore` in the file of a log; what it grants is as durable as the log's durability says, `async` counting as `crash`."""

    def __init__(self, log: SqliteLog) -> None:
        self._log = log
        self._file = log.reader()

    async def exchange(self, lines: Sequence[Line], asks: Sequence[Ask], now_ms: int, until_ms: int) -> Reply:
        """Write down what a worker says, and answer what it asks."""
        reply: Reply | None = None

        def run(connection: apsw.Connection) -> bool:
            nonlocal reply
            for line in lines:
                _write(connection, line, until_ms)
            reply = allot(lines, [_total(connection, line, now_ms) for line in lines], asks)
            for line, balance in zip(lines, reply.balances, strict=True):
                if balance.granted != line.granted and not line.closed:
                    connection.execute(_GRANT, (min(balance.granted, _LARGEST), *_key(line)))
            return False

        await self._execute(run)
        assert reply is not None
        return reply

    async def positions(self, now_ms: int, budget: str | None = None) -> list[Position]:
        """Every account, by account and slot."""
        return await asyncio.to_thread(positions_in, self._file, now_ms, budget)

    async def tidy(self, now_ms: int) -> None:
        """Drop what counts no more, and fold the leases of workers that are gone for good."""
        before_ms, changed = now_ms - KEEP_MS, _AT_ONCE

        def run(connection: apsw.Connection) -> bool:
            nonlocal changed
            connection.execute(_PURGE, (before_ms,))
            changed = connection.changes()
            gone = connection.execute(_GONE, (before_ms,)).fetchall()
            for row in gone:
                _fold(connection, cast("_Key", row), 0, presume=True)
            changed = max(changed, len(gone))
            return False

        while changed == _AT_ONCE:
            await self._execute(run)

    async def _execute(self, also: Also) -> None:
        await self._log.write("", "", b"", also)  # the log itself records nothing of it


def positions_in(file: LogFile, now_ms: int, budget: str | None = None) -> list[Position]:
    """The same from a file that is only read; none where no budget was ever kept in it."""
    if not file.rows("SELECT 1 FROM sqlite_schema WHERE name = 'budgets'"):
        return []
    found: dict[tuple[Account, int], list[int]] = {}
    for *account, slot, granted, spent, live in file.rows(_POSITIONS, (now_ms, budget, budget)):
        figures = found.setdefault((Account(*account), slot), [0, 0, 0])
        figures[0] += spent
        figures[2 if live else 1] += granted - spent
    return [Position(account, slot, *figures) for (account, slot), figures in found.items()]


def _key(line: Line) -> _Key:
    budget, window, subject = line.account
    return budget, window, subject, line.slot, line.lease


def _write(connection: apsw.Connection, line: Line, until_ms: int) -> None:
    if line.closed:
        _fold(connection, _key(line), line.spent, presume=False)
    else:
        amounts = min(line.granted, _LARGEST), min(line.spent, _LARGEST)
        connection.execute(_KEEP, (*_key(line), *amounts, until_ms, line.ends_ms))


def _fold(connection: apsw.Connection, key: _Key, spent: int, *, presume: bool) -> None:
    """Add what a lease spent to the closed ones. One that is not there was folded before."""
    row = connection.execute(_FIND, key).fetchone()
    if row is None:
        return
    granted, known, ends_ms = row
    connection.execute(_DELETE, key)
    closed: _Key = (*key[:4], _CLOSED)
    before = connection.execute(_FIND, closed).fetchone() or (0, 0, 0)
    total = min(before[1] + (granted if presume else max(known, spent)), _LARGEST)
    connection.execute(_KEEP, (*closed, total, total, 0, ends_ms))


def _total(connection: apsw.Connection, line: Line, now_ms: int) -> Total:
    """Added up here rather than there: a sum too large for a column must not fail."""
    granted = spent = holders = 0
    for has, used, live in connection.execute(_ROWS, (now_ms, *line.account, line.first, line.last)):
        granted += has
        spent += used if live else has
        holders += live
    return Total(granted, spent, holders)
