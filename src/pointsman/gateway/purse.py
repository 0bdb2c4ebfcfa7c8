"""Who pays for a request: budgets, and the token limits of its key. Held before each call, settled after it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from pointsman.core.budget import Budget, Payer, Pressure, Spend, Subjects, payers, pressure, team_subject
from pointsman.core.budget_body import Unsaid, unsaid
from pointsman.core.budget_bound import Size, upper_bound
from pointsman.core.budget_leases import Hold
from pointsman.core.decision import Decision
from pointsman.core.model import Model
from pointsman.core.outcome import Outcome
from pointsman.core.rate import Owner, Rates, Reservation
from pointsman.core.request import Request
from pointsman.errors import OverBudget
from pointsman.stores.budget_desk import Desk, Refusal
from pointsman.upstream.client import Letter

_PATIENCE_S = 1.0  # for calls that run, and may turn out to cost less than they hold
_UNSURE = frozenset({502, 504, 520, 522, 524})  # said by a proxy that heard nothing more of a call it had passed on


@dataclass(frozen=True, slots=True)
class Till:
    """What is kept of money and token limits between requests; one for a process."""

    desk: Desk
    rates: Rates
    owners: Callable[[str], Sequence[Owner]]  #: of a key: whose limits bear on it
    budgets: tuple[Budget, ...] = ()

    async def pressure(self, request: Request, route: str, task: str) -> Pressure | None:
        """What the budgets of a request ask of its decision; `None` where it has none."""
        paying = payers(self.budgets, _subjects(request, route, task)) if self.budgets else ()
        return pressure(await self.desk.standings(paying)) if paying else None

    def purse(self, decision: Decision) -> Purse | None:
        """Who pays for the calls of a decision; `None`: nobody counts them."""
        request = decision.request
        paying = payers(self.budgets, _subjects(request, decision.route, decision.ruling.task)) if self.budgets else ()
        owners = tuple(owner for owner in self.owners(request.caller.key) if owner.tokens is not None)
        return Purse(self, paying, owners) if paying or owners else None


@dataclass(frozen=True, slots=True)
class Purse:
    """Who pays for one request."""

    till: Till
    payers: tuple[Payer, ...]
    owners: tuple[Owner, ...] = field(default=())

    async def hold(self, request: Request, model: Model, letter: Letter, longest_s: float) -> Held:
        """Hold the most that a call can cost. Raises `OverBudget`, `RateLimited`, and `RecordError` where the store is needed and away."""
        if letter.output_tokens is None:
            raise ValueError("a letter that somebody pays for says how long its answer may be")
        beside = Unsaid() if request.content is None else unsaid(request.content.body)
        self._refuse_boundless(model, beside)
        size = Size(
            input_bytes=len(letter.body),
            output_tokens=letter.output_tokens,
            context_tokens=model.context_tokens,
            choices=max(request.choices, beside.answers),
            images=max(request.images, beside.images),
            tools=bool(request.tools),
            seconds=longest_s,
            whole_context=beside.whole_context,
        )
        bound = upper_bound(model.price, size)
        reserved = self.till.rates.reserve(self.owners, bound.tokens) if self.owners else None
        hold = None
        try:
            if self.payers:
                found = await self.till.desk.hold(self.payers, bound, _PATIENCE_S)
                if isinstance(found, Refusal):
                    raise OverBudget(f"`{model.id}` was not called: {found.reason}")
                hold = found
        except BaseException:
            if reserved is not None:
                reserved.settle(0)
            raise
        return Held(self.till.desk, hold, reserved)

    def _refuse_boundless(self, model: Model, beside: Unsaid) -> None:
        hard = next((payer for payer in self.payers if payer.budget.hard), None) if beside.boundless else None
        if hard is not None:
            raise OverBudget(
                f"`{model.id}` was not called: {hard.name} is a hard one and cannot cover {beside.boundless}: "
                "nobody can tell what it costs at most, leave it out"
            )


class Held(NamedTuple):
    """What is held for one call. Settled or released once; again does nothing to the budgets."""

    desk: Desk
    hold: Hold | None
    reserved: Reservation | None

    def settle(self, outcome: Outcome) -> None:
        """The call ended."""
        spend = _spend(outcome)
        if self.hold is not None:
            self.desk.settle(self.hold, spend)
        if self.reserved is not None:
            self.reserved.settle(self.reserved.tokens if spend is None else spend.tokens)

    def release(self) -> None:
        """The call was not made."""
        if self.hold is not None:
            self.desk.release(self.hold)
        if self.reserved is not None:
            self.reserved.settle(0)


def _subjects(request: Request, route: str, task: str) -> Subjects:
    caller = request.caller
    return Subjects(org=caller.org, team=team_subject(caller.org, caller.team), key=caller.key, route=route, task=task)


def _spend(outcome: Outcome) -> Spend | None:
    """What a call cost; `None`, which counts as the most that it could have cost, where nobody can know.

    What was reported counts only of an answer that came whole: until then the figures grow, and the upstream may go on after we left.
    """
    whole = outcome.ok or outcome.fault == "invalid_output"
    if whole and outcome.usage is not None and outcome.usage_source == "reported":
        return Spend(outcome.cost_picousd, outcome.usage.input_tokens + outcome.usage.output_tokens)
    status = outcome.http_status or 0
    refused = status >= 400 and status not in _UNSURE
    return Spend(0, 0) if refused or not outcome.sent else None
