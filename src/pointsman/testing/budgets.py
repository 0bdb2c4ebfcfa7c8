"""What every budget store promises, as checks to run against one: `await check_budget_store(store)`."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from secrets import token_hex
from typing import Final

from pointsman.core.budget import LARGEST, Account
from pointsman.core.budget_allot import Ask, Line, Reply
from pointsman.core.budget_window import NEVER_MS
from pointsman.stores.budgets import KEEP_MS, BudgetStore, Position

_NOW_MS: Final = 1_800_000_000_000
_LEASE_MS: Final = 30_000


async def check_budget_store(store: BudgetStore) -> None:
    """Raise AssertionError where a store breaks a promise. It may hold other accounts: the checks use names of their own."""
    for check in _CHECKS:
        await check(_Stage(store))


class _Stage:
    """One account that nobody else uses."""

    def __init__(self, store: BudgetStore) -> None:
        self.store = store
        self.account = Account(f"check {token_hex(8)}", "ever", "all")

    def line(
        self, lease: str, granted: int = 0, spent: int = 0, *, limit: int = 100, slot: int = 0, rolling: int = 0, hard: bool = True,
        closed: bool = False, ends_ms: int = NEVER_MS, account: Account | None = None,
    ) -> Line:  # fmt: skip
        """A line of this account; `rolling`: how much older than its own the oldest slot is that counts."""
        last = NEVER_MS if rolling else slot
        name = f"{self.account.budget} {lease}"
        return Line(name, account or self.account, slot - rolling, slot, last, ends_ms, limit, hard, granted, spent, closed=closed)

    async def say(self, *lines: Line, asks: Sequence[Ask] = (), now_ms: int = _NOW_MS) -> Reply:
        """One exchange."""
        return await self.store.exchange(lines, asks, now_ms, now_ms + _LEASE_MS)

    async def take(self, line: Line, amount: int, now_ms: int = _NOW_MS) -> bool:
        """Whether one line gets so much."""
        return not (await self.say(line, asks=[((0, amount),)], now_ms=now_ms)).short[0]

    async def positions(self, now_ms: int = _NOW_MS) -> list[Position]:
        return await self.store.positions(now_ms, self.account.budget)

    async def counted(self, now_ms: int = _NOW_MS) -> list[tuple[int, int, int]]:
        return [(found.spent, found.presumed, found.leased) for found in await self.positions(now_ms)]


async def _the_limit_is_granted_and_not_one_more(stage: _Stage) -> None:
    assert await stage.take(stage.line("a"), 60)
    assert not await stage.take(stage.line("b"), 41), "two leases together got more than the limit"
    assert await stage.take(stage.line("b"), 40), "what was left was not granted"
    assert await stage.counted() == [(0, 0, 100)]


async def _a_large_limit_is_exact(stage: _Stage) -> None:
    assert await stage.take(stage.line("a", limit=LARGEST), LARGEST - 1)
    assert not await stage.take(stage.line("b", limit=LARGEST), 2), "an amount was rounded"
    assert await stage.take(stage.line("b", limit=LARGEST), 1), "an amount was rounded"


async def _an_ask_gets_all_or_nothing(stage: _Stage) -> None:
    other = stage.account._replace(subject="another")
    lines = stage.line("a"), stage.line("b", limit=10, account=other)
    refused = await stage.say(*lines, asks=[((0, 50), (1, 11))])
    assert refused.short == ((1,),), "the line that lacked was not named"
    assert [balance.granted for balance in refused.balances] == [0, 0], "a refused ask left something behind"
    granted = await stage.say(*lines, asks=[((0, 50), (1, 10)), ((0, 50), (1, 1)), ((0, 50),)])
    assert granted.short == ((), (1,), ()), "asks are answered in their order"
    assert [balance.granted for balance in granted.balances] == [100, 10]


async def _a_statement_may_be_repeated(stage: _Stage) -> None:
    for _ in range(3):
        assert await stage.take(stage.line("a", granted=0), 60), "what an unheard answer had granted was not taken back"
    for _ in range(3):
        await stage.say(stage.line("a", granted=60, spent=20))
    assert await stage.counted() == [(20, 0, 40)], "what was said twice was counted twice"


async def _what_is_given_back_is_there_for_others(stage: _Stage) -> None:
    assert await stage.take(stage.line("a"), 100)
    await stage.say(stage.line("a", granted=30, spent=10))
    assert not await stage.take(stage.line("b"), 71)
    assert await stage.take(stage.line("b"), 70)


async def _balances_tell_of_the_account(stage: _Stage) -> None:
    await stage.take(stage.line("a"), 50)
    await stage.say(stage.line("a", granted=50, spent=20))
    (balance,) = (await stage.say(stage.line("b"), asks=[((0, 10),)])).balances
    assert (balance.granted, balance.others, balance.spent) == (10, 50, 20)


async def _a_closed_lease_leaves_what_it_spent(stage: _Stage) -> None:
    await stage.take(stage.line("a"), 100)
    for _ in range(3):
        await stage.say(stage.line("a", granted=30, spent=30, closed=True))
    assert await stage.counted() == [(30, 0, 0)], "closing twice is closing once"
    assert not await stage.take(stage.line("b"), 71)
    assert await stage.take(stage.line("b"), 70)


async def _a_silent_worker_is_presumed_to_have_spent_all(stage: _Stage) -> None:
    late_ms = _NOW_MS + _LEASE_MS
    await stage.take(stage.line("a"), 60)
    await stage.say(stage.line("a", granted=60, spent=10))
    assert await stage.counted(late_ms) == [(10, 50, 0)], "a lease outlived its time"
    assert not await stage.take(stage.line("b"), 41, late_ms), "what a silent worker may have spent was granted again"
    await stage.say(stage.line("a", granted=10, spent=10), now_ms=late_ms)
    assert await stage.take(stage.line("b"), 90, late_ms), "a worker that came back could not give back"


async def _a_soft_budget_counts_and_grants(stage: _Stage) -> None:
    assert await stage.take(stage.line("a", hard=False), 1_000)
    assert await stage.take(stage.line("a", granted=1_000, spent=1_000, hard=False), 1)
    assert not await stage.take(stage.line("b"), 1), "a limit that became hard was overspent further"


async def _slots_are_separate_unless_they_roll(stage: _Stage) -> None:
    assert await stage.take(stage.line("a", slot=10), 100)
    assert await stage.take(stage.line("b", slot=20), 100), "another slot's spending was counted"
    rolling = _Stage(stage.store)
    assert await rolling.take(rolling.line("a", slot=10, rolling=20), 40)
    assert await rolling.take(rolling.line("b", slot=30, rolling=20), 60)
    assert not await rolling.take(rolling.line("c", slot=20, rolling=20), 1), "a slot between two others had room of its own"
    assert await rolling.take(rolling.line("d", slot=31, rolling=20), 40), "a slot that had rolled out was counted"


async def _leases_of_one_account_share_in_one_exchange(stage: _Stage) -> None:
    reply = await stage.say(stage.line("a"), stage.line("b"), asks=[((0, 60),), ((1, 60),)])
    assert reply.short == ((), (1,)), "two leases of one account got more than the limit in one exchange"


async def _many_at_once_get_no_more_than_there_is(stage: _Stage) -> None:
    takes = [stage.take(stage.line(f"w{n}"), 7) for n in range(40)]
    assert sum(await asyncio.gather(*takes)) == 100 // 7


async def _tidying_changes_nothing_that_counts(stage: _Stage) -> None:
    await stage.take(stage.line("a"), 60)
    await stage.say(stage.line("a", granted=60, spent=10))
    ends_ms = _NOW_MS + 9
    await stage.take(stage.line("b", slot=5, ends_ms=ends_ms), 60)
    await stage.say(stage.line("b", granted=1, spent=1, slot=5, ends_ms=ends_ms, closed=True))
    await stage.store.tidy(ends_ms)
    assert len(await stage.positions()) == 2, "a slot was dropped before clocks can be trusted"
    late_ms = _NOW_MS + KEEP_MS + _LEASE_MS
    for _ in range(2):
        await stage.store.tidy(late_ms)
        ((spent, presumed, leased),) = await stage.counted(late_ms)
        assert (spent + presumed, leased) == (60, 0), "tidying changed what counts, or left a slot that counts no more"


_CHECKS: Final[tuple[Callable[[_Stage], Awaitable[None]], ...]] = (
    _the_limit_is_granted_and_not_one_more,
    _a_large_limit_is_exact,
    _an_ask_gets_all_or_nothing,
    _a_statement_may_be_repeated,
    _what_is_given_back_is_there_for_others,
    _balances_tell_of_the_account,
    _a_closed_lease_leaves_what_it_spent,
    _a_silent_worker_is_presumed_to_have_spent_all,
    _a_soft_budget_counts_and_grants,
    _slots_are_separate_unless_they_roll,
    _leases_of_one_account_share_in_one_exchange,
    _many_at_once_get_no_more_than_there_is,
    _tidying_changes_nothing_that_counts,
)
