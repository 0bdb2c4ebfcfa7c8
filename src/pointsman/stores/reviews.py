"""The seam of the review stores: tickets, their sealed words, and who is still to be told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

from pointsman.core.codec import to_builtins
from pointsman.core.request import Caller
from pointsman.core.review import Action, Contents, Resolution, State, Ticket, Why
from pointsman.core.tenancy import EVERYWHERE, Scope

WAITING: Final[tuple[State, ...]] = ("open", "claimed")
FIRST: Final = (-(2**63), 0, "")
"""The place before every ticket of the queue."""

Rank = tuple[int, int, str]
"""A place in the queue: `Ticket.rank`."""


@dataclass(frozen=True, slots=True)
class Filter:
    """Which tickets to list."""

    within: Scope = EVERYWHERE
    labels: tuple[str, ...] | None = None  #: those that a ticket may carry; `None`: any
    states: tuple[State, ...] = WAITING
    route: str | None = None
    why: Why | None = None
    assignee: str | None = None
    label: str | None = None  #: that they carry


@dataclass(frozen=True, slots=True)
class Change:
    """What somebody did with a ticket, as the log keeps it."""

    event: str
    at_ns: int
    by: str = ""  #: id of the key that did it; empty: the request itself, which opened the ticket


@dataclass(frozen=True, slots=True)
class Delivery:
    """A message of a ticket's change that a route's webhook has yet to take."""

    id: str  #: of the ticket, and the event: the same however often it is sent
    ticket: str
    decision: str
    route: str
    event: str
    at_ns: int  #: of the change
    attempts: int = 0  #: that failed


class ReviewStore(Protocol):
    """Tickets for people. Every change leaves a record of kind `review` in the decision log, in the same transaction and without words.

    Times are wall-clock nanoseconds. Every method raises `RecordError` when the store cannot do its part. A ticket that cannot be read
    keeps no other from its place in the queue, nor from expiring.
    """

    async def open(self, ticket: Ticket, contents: Contents, sealed_with: str | None = None) -> Ticket:
        """Keep a new ticket, durable when this returns; or give back the one that waits already for the same that was `asked`.

        `sealed_with`: the content key that these words were sealed with before; where it is destroyed, they are not sealed again.
        """

    async def get(self, id: str) -> Ticket:
        """The ticket as it stands now. Raises `NotFound`."""

    async def contents(self, ticket: Ticket) -> Contents | None:
        """Its words; `None` where they were erased."""

    async def resolution(self, ticket: Ticket) -> Resolution | None:
        """What came of it; `None` while it has not ended, or where that was erased."""

    async def history(self, ticket: Ticket) -> list[Change]:
        """What was done with it, oldest first; empty where no log is kept."""

    async def queue(self, chosen: Filter, limit: int, after: Rank = FIRST) -> list[Ticket]:
        """Tickets in the order of the queue, after that place."""

    async def act(self, id: str, action: Action, by: Caller, now_ns: int) -> Ticket:
        """Do it as `core.review.act` says; a ticket ends once, whoever else is at it. Raises what that raises, and `NotFound`."""

    async def expire_due(self, now_ns: int) -> list[Ticket]:
        """Let tickets expire whose time is over; those that did."""

    async def due(self, now_ns: int, again_at_ns: int, limit: int) -> list[Delivery]:
        """Messages to send now. Whoever takes one has it until `again_at_ns`; then it is due again."""

    async def delivered(self, id: str) -> None:
        """The message was taken, or is given up."""

    async def postpone(self, id: str, due_at_ns: int) -> None:
        """The message could not be delivered; try again then."""

    async def purge(self, before_ns: int) -> int:
        """Delete tickets that ended before then; how many. The log keeps its records of them."""


def event_of(action: Action, after: Ticket) -> str:
    """What an action amounts to, as the log and webhooks call it."""
    if after.ended:
        return after.state
    return {"claim": "claimed", "release": "released", "expire": "escalated"}[action.deed]


def is_told(ticket: Ticket, event: str) -> bool:
    """Whether a webhook hears of this."""
    return ticket.notify and (ticket.ended or event in ("opened", "escalated"))


def delivery_of(ticket: Ticket, event: str, at_ns: int) -> Delivery:
    """The message of a change."""
    return Delivery(f"{ticket.id}.{event}", ticket.id, ticket.decision, ticket.route, event, at_ns)


def opened_record(ticket: Ticket) -> dict[str, Any]:
    """What the log keeps of a new ticket."""
    return {"event": "opened", **to_builtins(ticket)}


def again_record(waits: Ticket, again: Ticket) -> dict[str, Any]:
    """What the log keeps of a request for which a ticket waits already."""
    return {"event": "asked_again", "id": waits.id, "by": again.key, "decision": again.decision, "route": again.route}


def change_record(event: str, ticket: Ticket, by: Caller, resolution: Resolution | None) -> dict[str, Any]:
    """What the log keeps of a change: who did what, and to which model's answer."""
    told: Mapping[str, Any] = {"event": event, "id": ticket.id, "by": by.key, "as_role": by.role, "org": by.org, "team": by.team}
    stands = {"state": ticket.state, "version": ticket.version}
    if event == "escalated":
        stands |= {"priority": ticket.priority, "deadline_at_ns": ticket.deadline_at_ns}
    if resolution is None:
        return {**told, **stands}
    verdict = {"call": resolution.call, "model": resolution.model, "edited": resolution.edited, "released": resolution.released}
    return {**told, **stands, "task": ticket.task, "route": ticket.route, **verdict}


_FOR_ASKERS = ("event", "id", "decision", "route", "state", "created_at_ns", "deadline_at_ns", "released")


def for_asker(record: Mapping[str, Any]) -> dict[str, Any]:
    """As much of a record of kind `review` as concerns the key that asked: not who reviews, nor what reviewers are told.

    >>> for_asker({"event": "approved", "id": "rev_1", "by": "k_9", "state": "approved", "released": True})
    {'event': 'approved', 'id': 'rev_1', 'state': 'approved', 'released': True}
    """
    return {name: record[name] for name in _FOR_ASKERS if name in record}
