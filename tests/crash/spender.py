"""Makes calls that budgets pay for; what they really cost goes to a ledger, as an upstream would write it. A process to be killed.

spender.py STORE LEDGER SEED TASKS CALLS LIMIT MOST LEASE_MS
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from pathlib import Path
from random import Random

from pointsman.core.budget import Budget, Spend, Subjects, payers
from pointsman.core.budget_window import Window
from pointsman.stores.budget_desk import Desk, Refusal
from pointsman.stores.sqlite import SqliteLog
from pointsman.stores.sqlite_budgets import SqliteBudgets

PATIENCE_S = 2.0


def now_ms() -> int:
    return time.time_ns() // 10**6


def budgets(limit: int) -> list[Budget]:
    return [Budget("all", limit), Budget("each key", limit, scope="key", window=Window("hour", rolling=True))]


async def call(desk: Desk, chance: Random, ledger: int, limit: int, most: int) -> None:
    bound = Spend(chance.randrange(1, most + 1), 0)
    hold = await desk.hold(payers(budgets(limit), Subjects(key="k")), bound, PATIENCE_S)
    if isinstance(hold, Refusal):
        return
    assert bound.picousd is not None
    cost = bound.picousd if chance.random() < 0.2 else chance.randrange(bound.picousd + 1)
    if chance.random() < 0.05:  # the client left before anything went out
        desk.release(hold)
        return
    os.write(ledger, f"{cost}\n".encode())  # from here on it is owed, whatever becomes of this process
    await asyncio.sleep(chance.random() * 0.002)
    aborted = chance.random() < 0.1
    desk.settle(hold, None if aborted and cost == bound.picousd else Spend(cost, 0))


async def main(store: str, ledger: str, seed: str, tasks: int, calls: int, limit: int, most: int, lease_ms: int) -> None:
    chance, left = Random(seed), iter(range(calls))
    file = os.open(ledger, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    async with SqliteLog(Path(store)) as log:
        desk = Desk(SqliteBudgets(log), now_ms, lease_ms=lease_ms)
        tending = asyncio.create_task(desk.run())

        async def client() -> None:
            for _ in left:
                await call(desk, chance, file, limit, most)

        await asyncio.gather(*(client() for _ in range(tasks)))
        tending.cancel()
        await asyncio.gather(tending, return_exceptions=True)
        await desk.close()
        assert desk.leases.overrun == 0


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:4], *map(int, sys.argv[4:])))
