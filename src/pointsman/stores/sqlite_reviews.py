"""Reviews in the file of the decision log, written by the log's writer: each change with its record in the log's chain.

The words of a ticket are sealed with the content keys of their subject: with the keys they are erased.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import astuple
from hashlib import sha256
from typing import Any, Final, TypeVar, cast

import apsw

from pointsman.core.codec import from_json, to_json
from pointsman.core.request import Caller
from pointsman.core.review import STATES, TIMEKEEPER, Action, Contents, Resolution, Ticket, act, no_such_review, resolve
from pointsman.errors import RecordError, ReviewConflict
from pointsman.stores.content_keys import ContentKeys
from pointsman.stores.reviews import FIRST, WAITING, Delivery, Filter, Rank, change_record, delivery_of, event_of, is_told, opened_record
from pointsman.stores.sqlite import SqliteLog, json_bytes
from pointsman.stores.writer import Also

T = TypeVar("T")

_TABLES = """
CREATE TABLE IF NOT EXISTS reviews(
    id TEXT PRIMARY KEY,
    org TEXT NOT NULL,
    team TEXT NOT NULL,
    route TEXT NOT NULL,
    why TEXT NOT NULL,
    labels TEXT NOT NULL,
    state TEXT NOT NULL,
    assignee TEXT NOT NULL,
    urgency INTEGER NOT NULL,  -- the lower, the sooner
    created_at_ns INTEGER NOT NULL,
    deadline_at_ns INTEGER NOT NULL,
    version INTEGER NOT NULL,
    ticket TEXT NOT NULL,  -- all that is known of it without words of it
    contents BLOB NOT NULL,  -- sealed
    resolution BLOB  -- sealed
) STRICT;
CREATE INDEX IF NOT EXISTS reviews_queue ON reviews(urgency, deadline_at_ns, id) WHERE state IN ('open', 'claimed');
CREATE INDEX IF NOT EXISTS reviews_all ON reviews(urgency, deadline_at_ns, id);
CREATE INDEX IF NOT EXISTS reviews_due ON reviews(deadline_at_ns) WHERE state IN ('open', 'claimed');
CREATE INDEX IF NOT EXISTS reviews_age ON reviews(created_at_ns);
CREATE TABLE IF NOT EXISTS review_messages(
    id TEXT PRIMARY KEY,
    ticket TEXT NOT NULL,
    decision TEXT NOT NULL,
    route TEXT NOT NULL,
    event TEXT NOT NULL,
    at_ns INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    due_at_ns INTEGER NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS review_messages_due ON review_messages(due_at_ns);
"""
_TRIES: Final = 16
_AT_ONCE = 256  # rows changed in one transaction: the log's records wait meanwhile

_INSERT = "INSERT OR IGNORE INTO reviews VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, NULL)"
_UPDATE = """
UPDATE reviews SET state = ?, assignee = ?, urgency = ?, deadline_at_ns = ?, version = ?, ticket = ?, resolution = ?
    WHERE id = ? AND version = ?
"""
#: With the states written out: only then can the index of those that wait be used.
_LIST = """
SELECT ticket FROM reviews
    WHERE (urgency, deadline_at_ns, id) > (:urgency, :deadline, :id)
    AND state IN ({states})
    AND :org IN ('', org) AND :team IN ('', team)
    AND coalesce(:route, route) = route AND coalesce(:why, why) = why AND coalesce(:assignee, assignee) = assignee
    AND (:labels IS NULL OR NOT EXISTS (
        SELECT 1 FROM json_each(reviews.labels) AS carried WHERE carried.value NOT IN (SELECT value FROM json_each(:labels))))
    ORDER BY urgency, deadline_at_ns, id LIMIT :limit
"""
_EXPIRED = f"SELECT id FROM reviews WHERE state IN {WAITING} AND deadline_at_ns <= ? ORDER BY deadline_at_ns LIMIT {_AT_ONCE}"  # noqa: S608
_PURGE = f"""
DELETE FROM reviews WHERE id IN
    (SELECT id FROM reviews WHERE created_at_ns < ? AND state NOT IN {WAITING} ORDER BY created_at_ns LIMIT {_AT_ONCE})
"""  # noqa: S608  constants
_SEND = "INSERT OR REPLACE INTO review_messages VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
_DUE = "SELECT id, ticket, decision, route, event, at_ns, attempts FROM review_messages WHERE due_at_ns <= ? ORDER BY due_at_ns LIMIT ?"


class SqliteReviews:
    """`ReviewStore` for every process that has the log's file open."""

    def __init__(self, log: SqliteLog, keys: ContentKeys) -> None:
        self._log, self._keys = log, keys
        self._file = log.reader()
        self._made = False

    async def open(self, ticket: Ticket, contents: Contents) -> None:
        """Keep a new ticket; durable when this returns."""
        body = await self._keys.seal(ticket.subject, ticket.id, to_json(contents).encode(), ticket.created_at_ns)
        row = (*_place(ticket), *_standing(ticket, created_at_ns=ticket.created_at_ns), body)

        def insert(connection: apsw.Connection) -> bool:
            connection.execute(_INSERT, row)
            if not connection.changes():
                raise RecordError(f"review `{ticket.id}` exists already")
            _tell(connection, ticket, "opened", ticket.created_at_ns)
            return True

        await self._write(insert, ticket, {**opened_record(ticket), "sealed_sha256": sha256(body).hexdigest()})

    async def get(self, id: str) -> Ticket:
        """The ticket as it stands now."""
        found = await self._rows("SELECT ticket FROM reviews WHERE id = ?", (id,))
        if not found:
            raise no_such_review(id)
        return from_json(Ticket, found[0][0])

    async def contents(self, ticket: Ticket) -> Contents | None:
        """Its words; `None` where they were erased."""
        return await self._opened(Contents, "contents", ticket.id, ticket.id)

    async def resolution(self, ticket: Ticket) -> Resolution | None:
        """What came of it; `None` while it has not ended, or where that was erased."""
        return await self._opened(Resolution, "resolution", ticket.id, _end(ticket.id))

    async def queue(self, chosen: Filter, limit: int, after: Rank = FIRST) -> list[Ticket]:
        """Tickets in the order of the queue."""
        labels = None if chosen.labels is None else json.dumps(chosen.labels)
        wanted = {
            **dict(zip(("urgency", "deadline", "id"), after, strict=True)),
            **chosen.within._asdict(),
            **{name: getattr(chosen, name) for name in ("route", "why", "assignee")},
            "labels": labels,
            "limit": limit,
        }
        query = _LIST.format(states=", ".join(f"'{state}'" for state in STATES if state in chosen.states))
        return [from_json(Ticket, row[0]) for row in await self._rows(query, wanted)]

    async def act(self, id: str, action: Action, by: Caller, now_ns: int) -> Ticket:
        """Do it, unless somebody else was faster: then what they left decides whether it can still be done."""
        for _ in range(_TRIES):
            before = await self.get(id)
            after = act(before, action, by, now_ns)
            if after == before or await self._replaced(before, after, action, by, now_ns):
                return after
        raise RecordError(f"review `{id}` is being changed by others: try again")

    async def expire_due(self, now_ns: int) -> list[Ticket]:
        """Let tickets expire whose time is over; those that did by this."""
        expired = []
        while due := await self._rows(_EXPIRED, (now_ns,)):
            for row in due:
                try:
                    expired.append(await self.act(row[0], Action("expire"), TIMEKEEPER, now_ns))
                except ReviewConflict:  # somebody else let it expire
                    continue
        return expired

    async def due(self, now_ns: int, again_at_ns: int, limit: int) -> list[Delivery]:
        """Messages to send now; for the others they are due again later."""
        taken: list[Delivery] = []

        def take(connection: apsw.Connection) -> bool:
            taken.extend(Delivery(*cast("Any", row)) for row in connection.execute(_DUE, (now_ns, limit)))
            again = [(again_at_ns, delivery.id) for delivery in taken]
            connection.executemany("UPDATE review_messages SET due_at_ns = ? WHERE id = ?", again)
            return False

        if await self._rows(_DUE, (now_ns, 1)):
            await self._change(take)
        return taken

    async def delivered(self, id: str) -> None:
        """The message was taken, or is given up."""
        await self._execute("DELETE FROM review_messages WHERE id = ?", (id,))

    async def postpone(self, id: str, due_at_ns: int) -> None:
        """The message could not be delivered; try again then."""
        await self._execute("UPDATE review_messages SET attempts = attempts + 1, due_at_ns = ? WHERE id = ?", (due_at_ns, id))

    async def purge(self, before_ns: int) -> int:
        """Delete tickets that were made before then and have ended."""
        purged = 0
        while changed := await self._execute(_PURGE, (before_ns,)):
            purged += changed
        return purged

    async def _replaced(self, before: Ticket, after: Ticket, action: Action, by: Caller, now_ns: int) -> bool:
        resolution, body = None, None
        if after.ended:
            resolution = resolve(after, action, await self._words(before, action), by)
            body = await self._keys.seal(after.subject, _end(after.id), to_json(resolution).encode(), now_ns)
        event, done = event_of(action, after), False

        def update(connection: apsw.Connection) -> bool:
            nonlocal done
            connection.execute(_UPDATE, (*_standing(after), body, before.id, before.version))
            done = connection.changes() > 0
            if done:
                _tell(connection, after, event, now_ns)
            return done

        told = change_record(event, after, by, resolution)
        await self._write(update, after, told if body is None else {**told, "sealed_sha256": sha256(body).hexdigest()})
        return done

    async def _words(self, ticket: Ticket, action: Action) -> Contents | None:
        """As far as an action needs them."""
        if action.deed in ("approve", "edit"):
            return await self.contents(ticket)
        if action.deed != "expire" or ticket.on_expiry != "release":
            return None
        try:
            return await self.contents(ticket)
        except RecordError:  # what cannot be read is not released: and the others must not wait for it
            return None

    async def _opened(self, kind: type[T], column: str, id: str, bound_to: str) -> T | None:
        found = await self._rows(f"SELECT {column} FROM reviews WHERE id = ?", (id,))  # noqa: S608  a name of ours
        if not found or found[0][0] is None:
            return None
        text = await asyncio.to_thread(self._keys.open, bound_to, found[0][0])
        return None if text is None else from_json(kind, text)

    async def _rows(self, query: str, bindings: Any) -> Sequence[tuple[Any, ...]]:
        if not self._made:
            await self._change(_nothing)
        return await asyncio.to_thread(self._file.rows, query, bindings)

    async def _execute(self, statement: str, bindings: tuple[Any, ...]) -> int:
        changed = 0

        def run(connection: apsw.Connection) -> bool:
            nonlocal changed
            connection.execute(statement, bindings)
            changed = connection.changes()
            return False

        await self._change(run)
        return changed

    async def _write(self, also: Also, ticket: Ticket, told: dict[str, Any]) -> None:
        await self._change(also, "review", ticket.decision, json_bytes(**told))

    async def _change(self, also: Also, kind: str = "", decision: str = "", body: bytes = b"") -> None:
        def run(connection: apsw.Connection) -> bool:
            if not self._made:
                connection.execute(_TABLES)
            return also(connection)

        await self._log.write(kind, decision, body, run)
        self._made = True


def _nothing(_: apsw.Connection) -> bool:
    return False


def _end(id: str) -> str:
    """What a resolution is bound to: it cannot be taken for a ticket's contents, nor for another's."""
    return f"{id}/resolution"


def _place(ticket: Ticket) -> tuple[Any, ...]:
    return (ticket.id, ticket.org, ticket.team, ticket.route, ticket.why, json.dumps(ticket.labels))


def _standing(ticket: Ticket, **more: int) -> tuple[Any, ...]:
    """The columns that change, in their order, and those between them that do not."""
    return (ticket.state, ticket.assignee, -ticket.priority, *more.values(), ticket.deadline_at_ns, ticket.version, to_json(ticket))


def _tell(connection: apsw.Connection, ticket: Ticket, event: str, at_ns: int) -> None:
    if is_told(ticket, event):
        connection.execute(_SEND, (*astuple(delivery_of(ticket, event, at_ns)), at_ns))
