"""Leases under any order of holding, settling, asking, losing answers, dying and turning back the clock: no limit is overspent."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from pointsman.core.budget import Account, Budget, Payer, Spend, Subjects, payers
from pointsman.core.budget_allot import Reply
from pointsman.core.budget_leases import Hold, Leases, Statement
from pointsman.core.budget_window import Window
from pointsman.stores.memory_budgets import MemoryBudgets
from tests.conftest import EXAMPLES

HOUR_MS = 3_600_000
LEASE_MS = 30_000
START_MS = 1_790_000_000_000
LENGTH_MS = {"day": 24 * HOUR_MS, "hour": HOUR_MS}

BUDGETS = (
    Budget("all", 2_000, window=Window("day")),
    Budget("rolling", 900, window=Window("hour", rolling=True)),
    Budget("keys", 500, scope="key", window=Window("hour")),
    Budget("ever", 6_000, unit="tokens", scope="team"),
    Budget("soft", 300, scope="route", window=Window("day"), hard=False),
    Budget("nothing", 0, scope="task"),
)
SUBJECTS = st.builds(
    Subjects,
    key=st.sampled_from(["k1", "k1", "k2"]),
    team=st.sampled_from(["", "red"]),
    route=st.sampled_from(["", "auto"]),
    task=st.sampled_from([""] * 7 + ["forbidden"]),
)
AMOUNTS = st.sampled_from([0, 1, 10, 150, 300, 400])
SPENDS = st.builds(Spend, AMOUNTS, AMOUNTS)
FATES = st.sampled_from(["heard", "heard", "heard", "heard", "lost", "undelivered"])


def now(awaited: Coroutine[Any, Any, Any]) -> Any:
    """The result of a coroutine that waits for nothing."""
    with pytest.raises(StopIteration) as stop:
        awaited.send(None)
    return stop.value.value


@dataclass
class Worker:
    leases: Leases
    holds: list[tuple[Hold, Spend]] = field(default_factory=list)  #: that may have gone out
    waiting: list[tuple[Hold, Spend]] = field(default_factory=list)
    sent: tuple[Statement, list[tuple[Hold, Spend]], Reply | None] | None = None  #: without a reply: it was lost


class Books(RuleBasedStateMachine):
    """Two workers on one store, and beside it the ledger of the upstreams, which nobody can fool."""

    def __init__(self) -> None:
        super().__init__()
        self.numbers = itertools.count()
        self.store = MemoryBudgets()
        self.now_ms = START_MS
        self.workers = [self.new() for _ in range(2)]
        self.ledger: Counter[tuple[Budget, Account, int]] = Counter()
        self.died = False

    def new(self) -> Worker:
        return Worker(Leases(f"w{next(self.numbers)}"))

    def charge(self, hold: Hold, spend: Spend) -> None:
        for lease in hold.leases:
            self.ledger[lease.payer.budget, lease.payer.account, lease.span.slot] += spend.of(lease.payer.budget.unit) or 0

    @rule(at=st.integers(0, 1), subjects=SUBJECTS, spend=SPENDS)
    def hold(self, at: int, subjects: Subjects, spend: Spend) -> None:
        worker = self.workers[at]
        hold = worker.leases.hold(payers(BUDGETS, subjects), spend, self.now_ms)
        (worker.waiting if hold.lacking else worker.holds).append((hold, spend))

    @rule(at=st.integers(0, 1), which=st.integers(0, 99), share=st.sampled_from([0.0, 0.3, 1.0, 1.0, None]))
    def end(self, at: int, which: int, share: float | None) -> None:
        worker = self.workers[at]
        if worker.holds:
            hold, most = worker.holds.pop(which % len(worker.holds))
            cost = most if share is None else Spend(int((most.picousd or 0) * share), int(most.tokens * share))
            self.charge(hold, cost)
            worker.leases.settle(hold, None if share is None else cost)
            worker.leases.settle(hold, most)  # again changes nothing

    @rule(at=st.integers(0, 1), fate=FATES)
    def send(self, at: int, fate: str) -> None:
        worker = self.workers[at]
        if worker.sent is None:
            asking, worker.waiting = worker.waiting, []
            statement = worker.leases.statement([hold for hold, _ in asking])
            reply = None
            if fate != "undelivered":
                reply = now(self.store.exchange(statement.lines, statement.asks, self.now_ms, self.now_ms + LEASE_MS))
            worker.sent = statement, asking, reply if fate == "heard" else None

    @rule(at=st.integers(0, 1))
    def receive(self, at: int) -> None:
        worker = self.workers[at]
        if worker.sent is None:
            return
        (statement, asking, reply), worker.sent = worker.sent, None
        if reply is not None:
            worker.leases.heard(statement, reply)
        for (hold, spend), short in zip(asking, reply.short if reply else itertools.repeat((0,)), strict=reply is not None):
            if short:
                worker.leases.release(hold)
            else:
                worker.leases.complete(hold)
                worker.holds.append((hold, spend))

    @rule(at=st.integers(0, 1), calls=st.lists(st.tuples(SUBJECTS, SPENDS), min_size=1, max_size=4), fate=FATES)
    def ask_at_once(self, at: int, calls: list[tuple[Subjects, Spend]], fate: str) -> None:
        for subjects, spend in calls:
            self.hold(at, subjects, spend)
        self.send(at, fate)
        self.receive(at)

    @rule(at=st.integers(0, 1))
    def beat(self, at: int) -> None:
        self.workers[at].leases.beat(self.now_ms)

    @rule(at=st.integers(0, 1))
    def leave_the_queue(self, at: int) -> None:
        worker = self.workers[at]
        while worker.waiting:
            worker.leases.release(worker.waiting.pop()[0])

    @rule(at=st.integers(0, 1))
    def die(self, at: int) -> None:
        """Every call that had gone out is charged in full, and nobody settles it."""
        for hold, spend in self.workers[at].holds:
            self.charge(hold, spend)
        self.workers[at] = self.new()
        self.died = True

    @rule(ms=st.sampled_from([1, LEASE_MS, 120_000, HOUR_MS, -120_000, -HOUR_MS, 5 * HOUR_MS]))
    def pass_time(self, ms: int) -> None:
        self.now_ms += ms

    @invariant()
    def no_hard_limit_is_overspent(self) -> None:
        booked = Counter(self.ledger)
        for worker in self.workers:
            for hold, spend in worker.holds:
                for lease in hold.leases:
                    booked[lease.payer.budget, lease.payer.account, lease.span.slot] += spend.of(lease.payer.budget.unit) or 0
        for budget, account, slot in booked:
            length_ms = LENGTH_MS[budget.window.per] if budget.window.rolling else 0
            within = sum(amount for (_, name, at), amount in booked.items() if name == account and slot - length_ms <= at <= slot)
            assert not budget.hard or within <= budget.limit

    @invariant()
    def no_lease_is_overdrawn(self) -> None:
        for worker in self.workers:
            assert worker.leases.overrun == 0
            assert all(lease.free >= 0 <= lease.held for lease in worker.leases._open)

    def teardown(self) -> None:
        """Once everything has ended and been said, the store knows to the last unit what was spent."""
        for at, worker in enumerate(self.workers):
            self.receive(at)
            self.leave_the_queue(at)
            while worker.holds:
                self.end(at, 0, 0.3)
            for _ in range(2):
                worker.leases.beat(self.now_ms)
                while worker.leases.due:
                    self.send(at, "heard")
                    self.receive(at)
        found = {(position.account, position.slot): position for position in now(self.store.positions(self.now_ms))}
        for (_, account, slot), amount in self.ledger.items():
            position = found.get((account, slot))
            known = 0 if position is None else position.spent + position.presumed + position.leased
            assert known == amount or (self.died and known >= amount)
        assert self.died or not any(position.presumed or position.leased for position in found.values())
        later_ms = max(self.now_ms, START_MS) + 10**12
        assert not any(position.leased for position in now(self.store.positions(later_ms)))


TestBooks = Books.TestCase
TestBooks.settings = settings(max_examples=EXAMPLES, stateful_step_count=50, deadline=None)


# One worker, one account


def one(limit: int, **settings: Any) -> tuple[Payer, ...]:
    return payers([Budget("b", limit, **settings)], Subjects())


def ask(leases: Leases, store: MemoryBudgets, hold: Hold, now_ms: int = START_MS) -> bool:
    statement = leases.statement([hold])
    reply = now(store.exchange(statement.lines, statement.asks, now_ms, now_ms + LEASE_MS))
    leases.heard(statement, reply)
    if hold.lacking and not reply.short[0]:
        leases.complete(hold)
    elif hold.lacking:
        leases.release(hold)
    return hold.open


@given(st.integers(0, 3_000), st.lists(st.tuples(st.integers(0, 700), st.booleans(), st.floats(0, 1)), max_size=40))
@settings(deadline=None)
def test_a_call_is_refused_only_if_it_does_not_fit(limit, calls):
    leases, store, running, spent = Leases("w"), MemoryBudgets(), [], 0
    for amount, ends, share in calls:
        hold = leases.hold(one(limit), Spend(amount, 0), START_MS)
        fits = spent + sum(most for _, most, _ in running) + amount <= limit
        assert ask(leases, store, hold) == fits
        running += [(hold, amount, share)] * fits
        if ends and running:
            first, most, part = running.pop(0)
            spent += int(most * part)
            leases.settle(first, Spend(int(most * part), 0))


@pytest.mark.parametrize("limit", [0, 1, 199, 10**6, 2**62])
def test_all_of_a_limit_can_be_spent_and_not_one_more(limit):
    leases, store = Leases("w"), MemoryBudgets()
    for amount in (limit // 3, limit - limit // 3):
        hold = leases.hold(one(limit), Spend(amount, 0), START_MS)
        assert ask(leases, store, hold)
        leases.settle(hold, None)
    assert not ask(leases, store, leases.hold(one(limit), Spend(1, 0), START_MS))
    assert ask(leases, store, leases.hold(one(limit), Spend(0, 0), START_MS)), "what costs nothing is never refused"


def test_one_budget_that_lacks_keeps_every_other_whole():
    wide, narrow = Budget("wide", 1_000), Budget("narrow", 10, scope="key")
    leases, store = Leases("w"), MemoryBudgets()
    both = payers([wide, narrow], Subjects(key="k"))
    assert not ask(leases, store, leases.hold(both, Spend(11, 0), START_MS))
    assert [lease.used for lease in leases._open] == [0, 0]
    assert ask(leases, store, leases.hold(both[:1], Spend(1_000, 0), START_MS))


def test_most_calls_need_no_store():
    leases, store, asked = Leases("w"), MemoryBudgets(), 0
    for _ in range(10_000):
        hold = leases.hold(one(10_000_000), Spend(800, 0), START_MS)
        asked += bool(hold.lacking)
        assert ask(leases, store, hold) if hold.lacking or leases.due else True
        leases.settle(hold, Spend(500, 0))
    assert asked == 1


def test_two_workers_that_differ_on_the_slot_share_a_rolling_limit():
    window = Window("hour", rolling=True)
    store, ahead, behind = MemoryBudgets(), Leases("ahead"), Leases("behind")
    assert ask(ahead, store, ahead.hold(one(10, window=window), Spend(10, 0), START_MS + 300_000), START_MS + 300_000)
    assert not ask(behind, store, behind.hold(one(10, window=window), Spend(1, 0), START_MS))


def test_a_clock_that_goes_back_finds_its_window_as_it_was():
    leases, store = Leases("w"), MemoryBudgets()
    payer = one(10, window=Window("hour"))
    for at_ms, granted in [(START_MS, True), (START_MS + HOUR_MS, True), (START_MS, False), (START_MS + HOUR_MS, False)]:
        hold = leases.hold(payer, Spend(10, 0), at_ms)
        assert ask(leases, store, hold, at_ms) == granted
        leases.settle(hold, None)
        leases.beat(at_ms)


def test_an_upstream_that_exceeds_its_bound_is_counted_and_told():
    leases, store = Leases("w"), MemoryBudgets()
    hold = leases.hold(one(100), Spend(90, 0), START_MS)
    assert ask(leases, store, hold)
    leases.settle(hold, Spend(130, 0))
    assert leases.overrun > 0
    assert not ask(leases, store, leases.hold(one(100), Spend(1, 0), START_MS))
    (position,) = now(store.positions(START_MS))
    assert position.spent == 130


def test_an_excess_noticed_while_the_store_is_asked_is_not_forgotten():
    leases, store = Leases("w"), MemoryBudgets()
    payer = one(1_000)
    running = leases.hold(payer, Spend(100, 0), START_MS)
    assert ask(leases, store, running)
    leases.beat(START_MS)
    statement = leases.statement([])
    leases.settle(running, Spend(400, 0))
    leases.heard(statement, now(store.exchange(statement.lines, statement.asks, START_MS, START_MS + LEASE_MS)))
    assert ask(leases, store, leases.hold(payer, Spend(600, 0), START_MS))
    other = Leases("other")
    assert not ask(other, store, other.hold(payer, Spend(1, 0), START_MS))


def test_what_a_dead_worker_held_is_presumed_spent_and_what_it_carried_is_small():
    leases, store = Leases("w"), MemoryBudgets()
    holds = [leases.hold(one(100_000), Spend(700, 0), START_MS) for _ in range(3)]
    assert all(ask(leases, store, hold) for hold in holds)
    leases.settle(holds[0], Spend(100, 0))
    (position,) = now(store.positions(START_MS + LEASE_MS))
    assert position.leased == 0
    assert 1_500 <= position.spent + position.presumed <= 1_500 + 600 + 500  # what it gave to calls, and half a percent


def test_a_worker_that_wakes_up_late_gets_back_what_it_did_not_spend():
    leases, store = Leases("w"), MemoryBudgets()
    hold = leases.hold(one(1_000), Spend(900, 0), START_MS)
    assert ask(leases, store, hold)
    late_ms = START_MS + 10 * LEASE_MS
    other = Leases("other")
    assert not ask(other, store, other.hold(one(1_000), Spend(500, 0), late_ms), late_ms)
    leases.settle(hold, Spend(1, 0))
    leases.beat(late_ms)
    ask(leases, store, Hold((), [], ()), late_ms)
    assert ask(other, store, other.hold(one(1_000), Spend(500, 0), late_ms), late_ms)
