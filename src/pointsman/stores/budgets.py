"""The seam of the budget stores: where workers share out what may be spent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from pointsman.core.budget import Account
from pointsman.core.budget_allot import Ask, Line, Reply

LEASE_MS: Final = 30_000
"""How long a worker may be silent before what it holds is presumed spent."""

KEEP_MS: Final = 86_400_000
"""How long slots are kept after they count no more, and leases of workers that are gone stand by themselves: clocks may go back."""


@dataclass(frozen=True, slots=True)
class Position:
    """One account in one slot. `spent + presumed + leased` is what counts against the limit."""

    account: Account
    slot: int  #: its start, in milliseconds since the epoch
    spent: int  #: reported by the workers
    presumed: int  #: of workers that are gone: held when they were last heard of, and counted as spent
    leased: int  #: with workers, for calls that run and calls to come


class BudgetStore(Protocol):
    """Leases on accounts. Times are wall-clock milliseconds. Every method raises `RecordError` when the store cannot do its part."""

    async def exchange(self, lines: Sequence[Line], asks: Sequence[Ask], now_ms: int, until_ms: int) -> Reply:
        """Write down what a worker says of its leases, keep them until then, and answer what it asks; in one transaction.

        `core.budget_allot.allot` decides. A lease's `granted` and `spent` are totals of its whole life, so a statement may be repeated when
        its answer was lost; no lease stands in two lines or in two exchanges at once, and an exchange that failed may have been done but
        must not be done later. A closed lease leaves what it spent.
        """

    async def positions(self, now_ms: int, budget: str | None = None) -> list[Position]:
        """Every account of a budget (`None`: of all) in every slot that is kept, by account and slot."""

    async def tidy(self, now_ms: int) -> None:
        """Drop slots that count no more, and fold the leases of workers that are gone for good."""
