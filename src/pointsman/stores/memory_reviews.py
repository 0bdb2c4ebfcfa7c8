"""Reviews in this process's memory: for tests, and gateways that keep nothing."""

from __future__ import annotations

import json
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Any

from pointsman.core.request import Caller
from pointsman.core.review import TIMEKEEPER, Action, Contents, Resolution, Ticket, act, no_such_review, resolve
from pointsman.errors import NotFound, RecordError, ReviewConflict
from pointsman.stores.reviews import (
    FIRST,
    WAITING,
    Change,
    Delivery,
    Filter,
    Rank,
    again_record,
    change_record,
    delivery_of,
    event_of,
    is_told,
    opened_record,
)

_log = logging.getLogger("pointsman.reviews")

Record = Callable[[str, str, bytes], Awaitable[None]]
"""Appends to a decision log: kind, decision, body."""


class MemoryReviews:
    """`ReviewStore` without a file. `record` is a log's `append`; without it nothing is recorded."""

    def __init__(self, record: Record | None = None) -> None:
        self._record = record
        self._tickets: dict[str, Ticket] = {}
        self._contents: dict[str, Contents] = {}
        self._asked: dict[str, str] = {}
        self._resolutions: dict[str, Resolution] = {}
        self._changes: dict[str, list[Change]] = {}
        self._messages: dict[str, tuple[int, Delivery]] = {}  # with the time they are due

    async def open(self, ticket: Ticket, contents: Contents, sealed_with: str | None = None) -> Ticket:
        """Keep a new ticket, unless one waits for the same."""
        if ticket.id in self._tickets:
            raise RecordError(f"review `{ticket.id}` exists already")
        waits = self._tickets.get(self._asked.get(ticket.asked, "")) if ticket.asked else None
        if waits is not None and not waits.ended and ticket.created_at_ns < waits.deadline_at_ns:
            await self._log(ticket.decision, again_record(waits, ticket))
            return waits
        self._tickets[ticket.id], self._contents[ticket.id] = ticket, contents
        self._asked[ticket.asked] = ticket.id
        await self._note(ticket, "opened", ticket.created_at_ns, opened_record(ticket))
        return ticket

    async def get(self, id: str) -> Ticket:
        """The ticket as it stands now."""
        if (ticket := self._tickets.get(id)) is None:
            raise no_such_review(id)
        return ticket

    async def contents(self, ticket: Ticket) -> Contents | None:
        """Its words."""
        return self._contents.get(ticket.id)

    async def resolution(self, ticket: Ticket) -> Resolution | None:
        """What came of it."""
        return self._resolutions.get(ticket.id)

    async def history(self, ticket: Ticket) -> list[Change]:
        """What was done with it."""
        return list(self._changes.get(ticket.id, ()))

    async def queue(self, chosen: Filter, limit: int, after: Rank = FIRST) -> list[Ticket]:
        """Tickets in the order of the queue."""
        found = [ticket for ticket in self._tickets.values() if ticket.rank > after and _is_chosen(ticket, chosen)]
        return sorted(found, key=lambda ticket: ticket.rank)[:limit]

    async def act(self, id: str, action: Action, by: Caller, now_ns: int) -> Ticket:
        """Do it."""
        before = await self.get(id)
        after = act(before, action, by, now_ns)
        if after == before:
            return after
        resolution = resolve(after, action, self._contents.get(id), by) if after.ended else None
        self._tickets[id] = after
        if resolution is not None:
            self._resolutions[id] = resolution
        event = event_of(action, after)
        await self._note(after, event, now_ns, change_record(event, after, by, resolution), by.key)
        return after

    async def expire_due(self, now_ns: int) -> list[Ticket]:
        """Let tickets expire whose time is over."""
        due = [ticket.id for ticket in self._tickets.values() if ticket.state in WAITING and ticket.deadline_at_ns <= now_ns]
        expired = []
        for found in due:
            try:
                expired.append(await self.act(found, Action("expire"), TIMEKEEPER, now_ns))
            except (NotFound, ReviewConflict):  # decided or deleted meanwhile
                continue
            except RecordError as error:
                _log.warning("review `%s` cannot expire: %s", found, error)
        return expired

    async def due(self, now_ns: int, again_at_ns: int, limit: int) -> list[Delivery]:
        """Messages to send now."""
        found = [delivery for due_at_ns, delivery in self._messages.values() if due_at_ns <= now_ns][:limit]
        self._messages.update({delivery.id: (again_at_ns, delivery) for delivery in found})
        return found

    async def delivered(self, id: str) -> None:
        """The message was taken, or is given up."""
        self._messages.pop(id, None)

    async def postpone(self, id: str, due_at_ns: int) -> None:
        """Try again then."""
        if id in self._messages:
            delivery = self._messages[id][1]
            self._messages[id] = (due_at_ns, replace(delivery, attempts=delivery.attempts + 1))

    async def purge(self, before_ns: int) -> int:
        """Delete tickets that ended before then."""
        old = [ticket.id for ticket in self._tickets.values() if ticket.ended and ticket.ended_at_ns < before_ns]
        self._asked = {asked: named for asked, named in self._asked.items() if named not in old}
        for each in old:
            del self._tickets[each], self._contents[each], self._changes[each]
            self._resolutions.pop(each, None)
        return len(old)

    async def _note(self, ticket: Ticket, event: str, at_ns: int, told: Mapping[str, Any], by: str = "") -> None:
        self._changes.setdefault(ticket.id, []).append(Change(event, at_ns, by))
        if is_told(ticket, event):
            delivery = delivery_of(ticket, event, at_ns)
            self._messages[delivery.id] = (at_ns, delivery)
        await self._log(ticket.decision, told)

    async def _log(self, decision: str, told: Mapping[str, Any]) -> None:
        if self._record is not None:
            await self._record("review", decision, json.dumps(told, ensure_ascii=False, separators=(",", ":")).encode())


def _is_chosen(ticket: Ticket, chosen: Filter) -> bool:
    if not chosen.within.covers(ticket.scope) or ticket.state not in chosen.states:
        return False
    if chosen.label is not None and chosen.label not in ticket.labels:
        return False
    if chosen.labels is not None and not set(ticket.labels) <= set(chosen.labels):
        return False
    wanted = ((chosen.route, ticket.route), (chosen.why, ticket.why), (chosen.assignee, ticket.assignee))
    return all(asked in (None, has) for asked, has in wanted)
