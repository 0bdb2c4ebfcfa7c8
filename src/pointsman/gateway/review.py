"""The last hop of a chain: a person."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from pointsman.core.decision import Decision
from pointsman.errors import Failure, ReviewRequired
from pointsman.stores.log import DecisionLog


@dataclass(frozen=True, slots=True)
class Ticket:
    """What the log keeps of a request that waits for a person; of kind `review`."""

    id: str
    decision: str
    reason: str
    failures: tuple[Failure, ...]  #: the calls that led here
    state: str = "open"


async def ask_a_person(decision: Decision, failures: Sequence[Failure], log: DecisionLog) -> ReviewRequired:
    """Write a ticket; the error that tells the client of it. Raises `RecordError` when the ticket cannot be kept."""
    reason = "no model answered" if failures else _unmet(decision)
    ticket = Ticket(f"rev_{secrets.token_hex(12)}", decision.request.id, reason, tuple(failures))
    await log.append("review", ticket.decision, msgspec.json.encode(ticket))
    error = ReviewRequired(f"{reason}: a person has to, as review `{ticket.id}`", ticket.id)
    error.failures = ticket.failures
    return error


def _unmet(decision: Decision) -> str:
    missed = () if decision.plan is None else (flag.removesuffix("_missed") for flag in decision.plan.flags)
    return f"no model keeps {' and '.join(missed)}"
