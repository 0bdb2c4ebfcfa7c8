"""What budgets cost a call, and how much of a limit is spent and overspent, beside simpler ways of keeping one.

    python benchmarks/budgets.py [--seeds 20] [--folder .] [--out benchmarks/results/budgets.json]

`folder` decides the file system of the store.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import math
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from random import Random

from pointsman.core.budget import Budget, Payer, Spend, Subjects, payers
from pointsman.core.budget_allot import Line
from pointsman.core.budget_leases import Hold
from pointsman.core.budget_window import Window
from pointsman.stores.budget_desk import Desk
from pointsman.stores.memory_budgets import MemoryBudgets
from pointsman.stores.sqlite import SqliteLog
from pointsman.stores.sqlite_budgets import SqliteBudgets

SUBJECTS = Subjects(org="o", team="t", key="k", route="r")
WIDE = [Budget(f"each {scope}", 2**60, scope=scope, window=Window("day")) for scope in ("key", "team", "org", "route")]
CALLS = 20_000
RUNS = 5


def now_ms() -> int:
    return time.time_ns() // 10**6


# What a call pays


async def counter(_: Path) -> float:
    """A number in memory that is raised: what is not safe across processes or deaths."""
    spent, start = {"k": 0}, time.perf_counter()
    for _ in range(CALLS):
        spent["k"] += 900
        spent["k"] -= 400
    return (time.perf_counter() - start) / CALLS * 1e6


async def held(desk: Desk, paid: Sequence[Payer]) -> Hold:
    hold = await desk.hold(paid, Spend(900, 90))
    assert isinstance(hold, Hold)
    return hold


def finding(budgets: int) -> Callable[[Path], Awaitable[float]]:
    """Whom a request is booked on: once a request, however many calls it makes."""

    async def measure(folder: Path) -> float:
        start = time.perf_counter()
        for _ in range(CALLS):
            payers(WIDE[:budgets], SUBJECTS)
        return (time.perf_counter() - start) / CALLS * 1e6

    return measure


def local(budgets: int) -> Callable[[Path], Awaitable[float]]:
    """The most that it can cost held, its cost settled; the lease suffices."""

    async def measure(folder: Path) -> float:
        async with SqliteLog(folder / "log.db") as log:
            desk = Desk(SqliteBudgets(log), now_ms)
            paid = payers(WIDE[:budgets], SUBJECTS)
            desk.release(await held(desk, paid))
            start = time.perf_counter()
            for _ in range(CALLS):
                desk.settle(await held(desk, paid), Spend(500, 50))
            elapsed = time.perf_counter() - start
            assert desk.asked == 1
        return elapsed / CALLS * 1e6

    return measure


def asking(callers: int) -> Callable[[Path], Awaitable[float]]:
    """No leases: the store is told before every call and after it."""

    async def measure(folder: Path) -> float:
        calls = 1_000
        left = iter(range(calls))
        async with SqliteLog(folder / "log.db") as log:
            store, (payer,) = SqliteBudgets(log), payers(WIDE[:1], SUBJECTS)

            async def client() -> None:
                for n in left:
                    for line in (_line(payer, n), _line(payer, n, spent=500)):
                        await store.exchange([line], [] if line.closed else [((0, 900),)], now_ms(), now_ms() + 30_000)

            start = time.perf_counter()
            await asyncio.gather(*(client() for _ in range(callers)))
            elapsed = time.perf_counter() - start
        return elapsed / calls * 1e6

    return measure


def _line(payer: Payer, number: int, spent: int = 0) -> Line:
    span = payer.budget.window.span(now_ms())
    return Line(
        lease=str(number),
        account=payer.account,
        first=span.first,
        slot=span.slot,
        last=span.last,
        ends_ms=span.ends_ms,
        limit=payer.budget.limit,
        hard=True,
        granted=spent,
        spent=spent,
        closed=spent > 0,
    )


COSTS: dict[str, Callable[[Path], Awaitable[float]]] = {
    "baseline: a counter in memory": counter,
    "payers of a request, 4 budgets": finding(4),
    "hold and settle, 1 budget": local(1),
    "hold and settle, 4 budgets": local(4),
    "baseline: the store before and after, 1 caller": asking(1),
    "baseline: the store before and after, 64": asking(64),
}


def measured(folder: Path) -> dict[str, dict[str, float]]:
    results = {}
    for name, measure in COSTS.items():
        found = []
        for _ in range(RUNS):
            with tempfile.TemporaryDirectory(dir=folder) as fresh:
                found.append(asyncio.run(measure(Path(fresh))))
        results[name] = {"us": round(statistics.median(found), 2), "least_us": round(min(found), 2), "most_us": round(max(found), 2)}
        print(f"{name:46} {results[name]['us']:>9.2f} us a call  ({results[name]['least_us']} to {results[name]['most_us']})")
    return results


# What becomes of a limit

LIMIT, MOST, TASKS, REQUESTS = 1_600_000, 1_000, 64, 10_000


async def reserve(desk: Desk, bound: int, cost: int, wait: Callable[[], Awaitable[None]]) -> int:
    """Ours: hold the bound, settle the cost."""
    hold = await desk.hold(payers([Budget("b", LIMIT)], Subjects()), Spend(bound, 0), patience_s=5)
    if not isinstance(hold, Hold):
        return 0
    await wait()
    desk.settle(hold, Spend(cost, 0))
    return cost


class Naive:
    """A shared counter, asked before and told after: `estimate` is held meanwhile."""

    def __init__(self, estimate: int) -> None:
        self.estimate, self.spent = estimate, 0

    async def call(self, cost: int, wait: Callable[[], Awaitable[None]]) -> int:
        if self.spent + self.estimate > LIMIT or self.spent >= LIMIT:
            return 0
        self.spent += self.estimate
        await wait()
        self.spent += cost - self.estimate
        return cost


async def share(way: str, seed: int) -> float:
    """Part of the limit that was really spent, two workers together."""
    chance, total, left = Random(seed), 0, iter(range(REQUESTS))
    store = MemoryBudgets()
    desks = [Desk(store, now_ms) for _ in range(2)]
    naive = Naive({"charged after the answer": 0, "a flat estimate": MOST // 3}.get(way, 0))

    async def wait() -> None:
        for _ in range(chance.randrange(4)):
            await asyncio.sleep(0)

    async def client(desk: Desk) -> None:
        nonlocal total
        for _ in left:
            bound = chance.randrange(1, MOST + 1)
            cost = bound if chance.random() < 0.2 else chance.randrange(bound + 1)
            spent = await (reserve(desk, bound, cost, wait) if way == "ours" else naive.call(cost, wait))
            total += spent

    async def beats() -> None:
        while True:
            await asyncio.sleep(0.05)
            await asyncio.gather(*(desk.tend() for desk in desks))

    beating = asyncio.create_task(beats())
    await asyncio.gather(*(client(desks[at % 2]) for at in range(TASKS)))
    beating.cancel()
    await asyncio.gather(beating, return_exceptions=True)
    return total / LIMIT


def shares(seeds: int) -> dict[str, dict[str, float]]:
    results = {}
    print(f"\n{TASKS} tasks, {REQUESTS:,} calls of twice the limit; share of the limit spent")
    for way in ("charged after the answer", "a flat estimate", "ours"):
        found = [asyncio.run(share(way, seed)) for seed in range(seeds)]
        half = 1.96 * statistics.stdev(found) / math.sqrt(seeds)
        results[way] = {
            "mean": round(statistics.mean(found), 5),
            "interval": [round(statistics.mean(found) - half, 5), round(statistics.mean(found) + half, 5)],
            "least": round(min(found), 5),
            "most": round(max(found), 5),
            "seeds_overspent": sum(part > 1 for part in found),
        }
        said = results[way]
        print(
            f"{way:26} mean {said['mean']:.4f}, {said['least']:.4f} to {said['most']:.4f}, too much in {said['seeds_overspent']} of {seeds}"
        )
    return results


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--seeds", type=int, default=20)
    options.add_argument("--folder", type=Path, default=Path())
    options.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "budgets.json")
    chosen = options.parse_args()
    report = {
        "machine": {"cpus": os.cpu_count(), "system": f"{platform.system()} {platform.machine()}", "python": platform.python_version()},
        "cost_of_a_call": measured(chosen.folder),
        "share_of_the_limit": {"seeds": chosen.seeds, **shares(chosen.seeds)},
    }
    chosen.out.parent.mkdir(parents=True, exist_ok=True)
    chosen.out.write_text(json.dumps(report, indent=2) + "\n")


if __name__ == "__main__":
    main()
