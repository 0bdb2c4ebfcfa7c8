"""Where one worker holds what its calls may cost: from its leases where these suffice, else from the store."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Sequence
from secrets import token_hex
from typing import NamedTuple

from pointsman.core.budget import Payer, Spend, Standing
from pointsman.core.budget_leases import Hold, Lease, Leases, Statement
from pointsman.errors import PointsmanError
from pointsman.stores.budgets import LEASE_MS, BudgetStore

logger = logging.getLogger(__name__)

_ASKS = 64  # a statement
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.005, 0.2  # between two tries of a call that waits for others to end
_TIDY_BEATS = 60


class Refusal(NamedTuple):
    """Why a call may not go out. `waiting_helps`: what it lacks is held by calls that run, which may cost less than they hold."""

    payer: Payer
    amount: int | None  #: needed; `None`: the price is unknown
    left: int
    waiting_helps: bool

    @property
    def reason(self) -> str:
        """A sentence for whoever asked."""
        if self.amount is None:
            return f"{self.payer.name} cannot cover a call of unknown price"
        said = self.payer.budget.said
        return f"{self.payer.name} has {said(self.left)} left, and this call could take {said(self.amount)}"


class Desk:
    """One for a process. `clock_ms` gives wall-clock milliseconds.

    `hold` before each call, then `settle` or `release` once, whatever becomes of it. `run` belongs beside it as a task.
    """

    def __init__(self, store: BudgetStore, clock_ms: Callable[[], int], *, lease_ms: int = LEASE_MS) -> None:
        self.leases = Leases(token_hex(8))
        self.asked = 0  #: calls that had to ask the store, since the start
        self.unpriced = 0  #: calls of unknown price that only soft money budgets paid for, and did not count
        self._store, self._clock_ms, self._lease_ms = store, clock_ms, lease_ms
        self._waiting: list[tuple[Hold, asyncio.Future[Lease | None]]] = []
        self._clerk: asyncio.Task[None] | None = None

    async def hold(self, payers: Sequence[Payer], spend: Spend, patience_s: float = 0.0) -> Hold | Refusal:
        """Take what a call may cost at most from all who pay for it, or from none.

        With patience it waits for calls that run. Raises `RecordError` where the store is needed and does not answer.
        """
        if spend.picousd is None and (refusal := self._unpriced(payers)) is not None:
            return refusal
        give_up_at, pause_s = None, _FIRST_PAUSE_S
        while True:
            hold = self.leases.hold(payers, spend, self._clock_ms())
            if self.leases.due:
                self._wake()
            if not hold.lacking or (short := await self._ask(hold)) is None:
                return hold
            refusal = self._refusal(short, spend)
            now_s = asyncio.get_running_loop().time()
            give_up_at = now_s + patience_s if give_up_at is None else give_up_at
            if not refusal.waiting_helps or now_s >= give_up_at:
                return refusal
            await asyncio.sleep(min(pause_s, give_up_at - now_s))
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)

    def settle(self, hold: Hold, spend: Spend | None) -> None:
        """The call ended and cost so much; unknown counts as the most that it could have been. Once: again changes nothing."""
        self.leases.settle(hold, spend)
        if self.leases.due:
            self._wake()

    def release(self, hold: Hold) -> None:
        """The call was not made."""
        self.settle(hold, Spend(0, 0))

    async def standings(self, payers: Sequence[Payer]) -> tuple[Standing, ...]:
        """How these accounts stand. The store is asked for those that this worker meets for the first time in their slot."""
        now_ms = self._clock_ms()
        found = [self.leases.standing(payer, now_ms) for payer in payers]
        while None in found:
            for payer, standing in zip(payers, found, strict=True):
                if standing is None:
                    self.leases.look(payer, now_ms)
            await self._ask(Hold((), [], ()))
            found = [self.leases.standing(payer, now_ms) for payer in payers]
        return tuple(standing for standing in found if standing is not None)

    async def tend(self) -> None:
        """Report what was spent, keep what is in use, give back what is not."""
        self.leases.beat(self._clock_ms())
        while self.leases.due:
            await self._ask(Hold((), [], ()))

    async def run(self) -> None:
        """Tend the leases for ever, three times in the time that they last; a store that fails is tried again."""
        beats = 0
        while True:
            await asyncio.sleep(self._lease_ms / 3000)
            beats += 1
            try:
                await self.tend()
                if beats % _TIDY_BEATS == 0:
                    await self._store.tidy(self._clock_ms())
            except PointsmanError as error:
                logger.warning("leases on budgets could not be renewed: %s", error)

    async def close(self) -> None:
        """Give back everything that no call holds. Call it twice a process at most: before the store is closed."""
        with contextlib.suppress(PointsmanError):  # what is not given back is presumed spent
            await self.tend()
            await self.tend()  # what nobody has used since
        if self._clerk is not None:
            await self._clerk

    # --- the store

    async def _ask(self, hold: Hold) -> Lease | None:
        """Have the clerk get what a hold lacks; else nothing is held, and the lease is named that has too little."""
        self.asked += bool(hold.lacking)
        answer: asyncio.Future[Lease | None] = asyncio.get_running_loop().create_future()
        self._waiting.append((hold, answer))
        self._wake()
        try:
            short = await answer
        except BaseException:
            self.leases.release(hold)
            raise
        if short is not None:
            self.leases.release(hold)
        return short

    def _wake(self) -> None:
        if self._clerk is None or self._clerk.done():
            self._clerk = asyncio.get_running_loop().create_task(self._serve())

    async def _serve(self) -> None:
        """The clerk: one statement at a time, with everybody who came while the last one was on its way."""
        while self._waiting or self.leases.due:
            batch = [(hold, answer) for hold, answer in self._waiting[:_ASKS] if not answer.done()]
            del self._waiting[:_ASKS]
            statement = self.leases.statement([hold for hold, _ in batch])
            try:
                await self._exchange(statement, batch)
            except Exception as error:  # noqa: BLE001  whatever it is, those who wait must hear of it
                for _, answer in batch:
                    if not answer.done():
                        answer.set_exception(error)
                if not batch:
                    logger.warning("the budget store does not answer: %s", error)
                if not self._waiting:
                    return  # the next beat says it again

    async def _exchange(self, statement: Statement, batch: Sequence[tuple[Hold, asyncio.Future[Lease | None]]]) -> None:
        now_ms = self._clock_ms()
        reply = await self._store.exchange(statement.lines, statement.asks, now_ms, now_ms + self._lease_ms)
        self.leases.heard(statement, reply)
        for (hold, answer), short in zip(batch, reply.short, strict=True):
            if answer.done():  # cancelled meanwhile: what was granted for it is free
                continue
            if not short:
                self.leases.complete(hold)
            answer.set_result(statement.leases[short[0]] if short else None)

    # --- refusals

    def _unpriced(self, payers: Sequence[Payer]) -> Refusal | None:
        paid = [payer for payer in payers if payer.budget.unit == "usd"]
        for payer in paid:
            if payer.budget.hard:
                return Refusal(payer, None, 0, waiting_helps=False)
        self.unpriced += bool(paid)
        return None

    @staticmethod
    def _refusal(short: Lease, spend: Spend) -> Refusal:
        payer = short.payer
        amount, limit = spend.of(payer.budget.unit) or 0, payer.budget.limit
        return Refusal(payer, amount, max(0, limit - short.used), waiting_helps=amount <= limit - short.certain)
