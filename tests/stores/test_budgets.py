"""Budget stores keep what they promise, and calls at a desk never spend more than their budgets, nor leave much of them unused."""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from pathlib import Path
from random import Random

import apsw
import pytest

from pointsman.core.budget import Budget, Spend, Subjects, Threshold, payers, pressure
from pointsman.core.budget_allot import Ask, Line, Reply
from pointsman.core.budget_leases import Hold
from pointsman.core.budget_window import Window
from pointsman.errors import RecordError
from pointsman.stores.budget_desk import Desk, Refusal
from pointsman.stores.budgets import BudgetStore
from pointsman.stores.memory_budgets import MemoryBudgets
from pointsman.stores.sqlite import SqliteLog
from pointsman.stores.sqlite_budgets import SqliteBudgets
from pointsman.testing.budgets import check_budget_store

NOW_MS = 1_800_000_000_000
SEEDS = int(os.environ.get("POINTSMAN_BUDGET_SEEDS", "2"))
Open = Callable[[], AbstractAsyncContextManager[BudgetStore]]


@asynccontextmanager
async def sqlite(path: Path) -> AsyncIterator[SqliteBudgets]:
    async with SqliteLog(path) as log:
        yield SqliteBudgets(log)


@asynccontextmanager
async def memory() -> AsyncIterator[MemoryBudgets]:
    yield MemoryBudgets()


@pytest.fixture(params=["sqlite", "memory"])
def opened(request: pytest.FixtureRequest, tmp_path: Path) -> Open:
    return memory if request.param == "memory" else lambda: sqlite(tmp_path / "log.db")


class Clock:
    now_ms = NOW_MS

    def __call__(self) -> int:
        return self.now_ms


def test_a_store_conforms(opened):
    async def scene():
        async with opened() as store:
            await check_budget_store(store)

    asyncio.run(scene())


def test_what_was_granted_and_spent_survives_a_restart(tmp_path):
    async def scene():
        for _ in range(3):
            async with sqlite(tmp_path / "log.db") as store:
                desk = Desk(store, Clock())
                for _ in range(2):
                    desk.settle(await desk.hold(PAYER, Spend(100, 0)), Spend(60, 0))
                await desk.close()
        async with sqlite(tmp_path / "log.db") as store:
            return await store.positions(NOW_MS)

    (position,) = asyncio.run(scene())
    assert (position.spent, position.presumed, position.leased) == (360, 0, 0)


def test_an_amount_beyond_the_column_does_not_break_the_log(tmp_path):
    async def scene():
        async with SqliteLog(tmp_path / "log.db") as log:
            desk = Desk(SqliteBudgets(log), Clock())
            soft = payers([Budget("soft", 10, hard=False)], Subjects())
            for _ in range(3):
                desk.settle(await desk.hold(soft, Spend(2**63, 0)), None)
                await asyncio.gather(desk.tend(), log.append("decision", "d", b""))
            return await log.count(), (await SqliteBudgets(log).positions(NOW_MS))[0].spent

    assert asyncio.run(scene()) == (3, 2**63 - 1)


# The desk

PAYER = payers([Budget("b", 1_000)], Subjects())


@pytest.mark.parametrize(
    ("budget", "spend", "reason"),
    [
        (Budget("none left", 0), Spend(1, 1), "budget `none left` has 0 USD left, and this call could take 0.000000000001 USD"),
        (
            Budget("day", 10**12, scope="key"),
            Spend(2 * 10**12, 1),
            "budget `day` of key `new` has 1 USD left, and this call could take 2 USD",
        ),
        (Budget("trial", 5, unit="tokens"), Spend(None, 6), "budget `trial` has 5 tokens left, and this call could take 6 tokens"),
        (Budget("money", 10), Spend(None, 6), "budget `money` cannot cover a call of unknown price"),
    ],
)
def test_the_first_call_of_an_unknown_key_is_refused_as_any_other(opened, budget, spend, reason):
    async def scene():
        async with opened() as store:
            return await Desk(store, Clock()).hold(payers([budget], Subjects(key="new")), spend, patience_s=60)

    refusal = asyncio.run(scene())
    assert isinstance(refusal, Refusal)
    assert (refusal.reason, refusal.waiting_helps) == (reason, False)


def test_a_call_of_unknown_price_is_told_apart_where_only_soft_budgets_pay():
    async def scene():
        desk = Desk(MemoryBudgets(), Clock())
        desk.settle(await desk.hold(payers([Budget("soft", 10, hard=False)], Subjects()), Spend(None, 6)), Spend(None, 6))
        return desk.unpriced

    assert asyncio.run(scene()) == 1


def test_a_call_waits_for_those_that_run_and_not_for_what_is_spent(opened):
    async def scene():
        async with opened() as store:
            first, second = Desk(store, Clock()), Desk(store, Clock())
            running = await first.hold(PAYER, Spend(900, 0))
            refused = await second.hold(PAYER, Spend(200, 0))
            assert isinstance(refused, Refusal)
            assert refused.waiting_helps
            waiting = asyncio.create_task(second.hold(PAYER, Spend(200, 0), patience_s=60))
            await asyncio.sleep(0)
            first.settle(running, Spend(790, 0))
            assert isinstance(await waiting, Hold)
            spent = await second.hold(PAYER, Spend(211, 0), patience_s=60)
            assert isinstance(spent, Refusal)
            assert not spent.waiting_helps

    asyncio.run(scene())


def test_standings_tell_of_other_workers_and_make_the_pressure(opened):
    thresholds = (Threshold(0.8, "downgrade"), Threshold(1, "cheapest"))
    group = payers([Budget("soft", 1_000, hard=False, thresholds=thresholds), Budget("hard", 2_000)], Subjects())

    async def stands(desk: Desk) -> tuple[str, str, int]:
        found = pressure(await desk.standings(group))
        return found.does, found.budget, -(-found.left_picousd // 50) * 50  # others may carry half a percent of the limit

    async def scene():
        async with opened() as store:
            first, second = Desk(store, Clock()), Desk(store, Clock())
            assert await stands(second) == ("nothing", "", 2_000)
            running = await first.hold(group, Spend(850, 0))
            assert await stands(first) == ("downgrade", "budget `soft`", 1_150)
            await second.tend()
            assert await stands(second) == ("downgrade", "budget `soft`", 1_150)
            first.settle(running, Spend(1_050, 0))
            assert await stands(first) == ("cheapest", "budget `soft`", 950)

    asyncio.run(scene())


def test_a_caller_that_is_cancelled_holds_nothing(opened):
    async def scene():
        async with opened() as store:
            desk = Desk(store, Clock())
            for turns in range(12):
                task = asyncio.create_task(desk.hold(PAYER, Spend(1_000, 0)))
                for _ in range(turns):
                    await asyncio.sleep(0)
                task.cancel()
                found = (await asyncio.gather(task, return_exceptions=True))[0]
                if isinstance(found, Hold):
                    desk.release(found)
            assert isinstance(await desk.hold(PAYER, Spend(1_000, 0), patience_s=5), Hold)

    asyncio.run(scene())


def test_a_caller_that_leaves_while_the_store_is_asked_harms_no_other():
    async def scene():
        desk = Desk(Unreliable(MemoryBudgets(), Random(1)), Clock())
        leaving, staying = (asyncio.create_task(desk.hold(PAYER, Spend(amount, 0))) for amount in (400, 900))
        await asyncio.sleep(0)
        await asyncio.sleep(0)  # the store is being asked for both
        leaving.cancel()
        assert isinstance(await staying, Refusal)
        assert isinstance(await desk.hold(PAYER, Spend(1_000, 0), patience_s=5), Hold)

    asyncio.run(scene())


def test_with_the_store_away_calls_go_on_only_as_far_as_the_leases_reach(tmp_path, lock):
    async def scene():
        async with SqliteLog(tmp_path / "log.db", busy_timeout_s=0.05) as log:
            desk, wide = Desk(SqliteBudgets(log), Clock()), payers([Budget("wide", 200_000)], Subjects())
            running = await desk.hold(wide, Spend(1_000, 0))
            desk.settle(running, None)
            stuck = lock(log.path)
            carried = 0
            with pytest.raises(RecordError):
                while True:
                    desk.settle(await desk.hold(wide, Spend(100, 0)), None)
                    carried += 100
            with pytest.raises(RecordError):
                await desk.tend()
            stuck.close()
            await desk.tend()
            assert isinstance(await desk.hold(wide, Spend(198_900 - carried, 0)), Hold)
            return carried

    assert asyncio.run(scene()) == 1_000


class Unreliable:
    """A store whose answers get lost, before or after they are written down."""

    def __init__(self, store: BudgetStore, chance: Random) -> None:
        self._store, self._chance = store, chance
        self.positions, self.tidy = store.positions, store.tidy

    async def exchange(self, lines: Sequence[Line], asks: Sequence[Ask], now_ms: int, until_ms: int) -> Reply:
        fate = self._chance.random()
        await asyncio.sleep(0)
        if fate < 0.05:
            raise RecordError("not written")
        reply = await self._store.exchange(lines, asks, now_ms, until_ms)
        if fate < 0.1:
            raise RecordError("written, but nobody heard")
        return reply


# 64 tasks, 10,000 requests, two workers

MOST = 1_000  # a call
LIMIT = 1_600 * MOST  # half of what these calls would cost
TEAMS = ("red", "blue")


BUDGETS = (
    Budget("all", LIMIT, window=Window("day")),
    Budget("rolling", LIMIT, window=Window("hour", rolling=True)),
    Budget("each team", LIMIT * 3 // 4, scope="team"),
)


class Storm:
    """Two desks on a store that fails, and the ledger of what upstreams really charged, by team."""

    def __init__(self, store: BudgetStore, seed: int) -> None:
        self.store, self.chance, self.ledger, self.left = store, Random(seed), Counter[str](), iter(range(10_000))
        self.desks = [Desk(Unreliable(store, self.chance), Clock()) for _ in range(2)]

    async def client(self, desk: Desk) -> None:
        for _ in self.left:
            with suppress(RecordError):
                await self.call(desk, self.chance.choice(TEAMS), self.chance.randrange(MOST))

    async def call(self, desk: Desk, team: str, most: int) -> None:
        hold = await desk.hold(payers(BUDGETS, Subjects(team=team)), Spend(most, 0), patience_s=10)
        if isinstance(hold, Refusal):
            return
        cost = most if self.chance.random() < 0.3 else self.chance.randrange(most + 1)
        self.ledger[team] += cost
        if self.chance.random() < 0.5:
            await asyncio.sleep(0)
        desk.settle(hold, None if cost == most else Spend(cost, 0))

    async def beats(self) -> None:
        while True:
            await asyncio.sleep(0.01)
            for desk in self.desks:
                with suppress(RecordError):
                    await desk.tend()

    async def run(self) -> None:
        beating = asyncio.create_task(self.beats())
        await asyncio.gather(*(self.client(self.desks[at % 2]) for at in range(64)))
        beating.cancel()
        await asyncio.gather(beating, return_exceptions=True)
        for _ in range(20):  # the store may fail at this as well
            for desk in self.desks:
                await desk.close()


@pytest.mark.parametrize("seed", range(SEEDS))
def test_a_storm_of_calls_overspends_nothing_and_leaves_little(opened, seed):
    async def scene():
        async with opened() as store:
            storm = Storm(store, seed)
            await storm.run()
            return storm, await store.positions(NOW_MS)

    storm, positions = asyncio.run(scene())
    ledger = storm.ledger
    assert 0.9 * LIMIT <= ledger.total() <= LIMIT
    assert max(ledger.values()) <= LIMIT * 3 // 4
    assert sum(desk.leases.overrun for desk in storm.desks) == 0
    told = {(found.account.budget, found.account.subject): (found.spent, found.presumed, found.leased) for found in positions}
    assert told == {
        ("all", "all"): (ledger.total(), 0, 0),
        ("rolling", "all"): (ledger.total(), 0, 0),
        **{("each team", team): (ledger[team], 0, 0) for team in TEAMS},
    }


def test_the_table_is_of_this_file(tmp_path):
    """Accounts lie beside the log, which stays as it was."""

    async def scene():
        async with SqliteLog(tmp_path / "log.db") as log:
            await check_budget_store(SqliteBudgets(log))
            return await log.count(), (await log.verify()).ok

    assert asyncio.run(scene()) == (0, True)
    names = [name for (name,) in apsw.Connection(str(tmp_path / "log.db")).execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]
    assert "budgets" in names
