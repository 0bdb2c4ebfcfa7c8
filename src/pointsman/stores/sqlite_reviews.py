"""Reviews in the file of the decision log, written by the log's writer: each change with its record in the log's chain.

The words of a ticket are sealed with a content key of their subject, what came of it with the same: with the key they are erased. Who the
subject is stands nowhere else.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Sequence
from dataclasses import astuple, replace
from hashlib import sha256
from typing import Any, Final, TypeVar, cast

import apsw

from pointsman.core.codec import from_json
from pointsman.core.request import Caller
from pointsman.core.review import STATES, TIMEKEEPER, Action, Contents, Resolution, Ticket, act, no_such_review, resolve
from pointsman.errors import NotFound, RecordError, ReviewConflict
from pointsman.stores.content_keys import ContentKeys
from pointsman.stores.review_rows import (
    ANSWERED,
    ASKED,
    CARRIED,
    DUE,
    EXPIRED,
    INSERT,
    LIST,
    PURGE,
    SAME,
    SEND,
    UPDATE,
    bound_end,
    place_of,
    standing_of,
    ticket_of,
    words_of,
)
from pointsman.stores.reviews import (
    FIRST,
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
from pointsman.stores.sqlite import SqliteLog, json_bytes
from pointsman.stores.sqlite_rows import changed
from pointsman.stores.writer import Also

T = TypeVar("T")
_log = logging.getLogger("pointsman.reviews")

_TRIES: Final = 16


class SqliteReviews:
    """`ReviewStore` for every process that has the log's file open."""

    def __init__(self, log: SqliteLog, keys: ContentKeys) -> None:
        self._log, self._keys = log, keys
        self._file = log.reader()
        self._skipped: dict[str, str] = {}  #: tickets that cannot be dealt with, and why, as the program's log has heard

    async def open(self, ticket: Ticket, contents: Contents, sealed_with: str | None = None) -> Ticket:
        """Keep a new ticket, unless one waits for the same; durable when this returns."""
        body = await self._keys.seal_again(ticket.subject, ticket.id, words_of(ticket, contents), ticket.created_at_ns, sealed_with)
        if body is None:
            raise RecordError(f"no ticket for decision `{ticket.decision}`: what was asked was erased meanwhile: ask again")
        row = (*place_of(ticket), *standing_of(ticket, created_at_ns=ticket.created_at_ns), body)
        marks = await self._keys.marks(ticket.subject, ticket.asked) if ticket.asked else []
        waits = ""

        def insert(connection: apsw.Connection) -> bool:
            nonlocal waits
            if marks and (waits := connection.execute(SAME, (json.dumps(marks), ticket.created_at_ns)).get or ""):
                return False
            connection.execute(INSERT, row)
            if not connection.changes():
                raise RecordError(f"review `{ticket.id}` exists already")
            if marks:
                connection.execute(ASKED, (marks[0], ticket.id))
            _tell(connection, ticket, "opened", ticket.created_at_ns)
            return True

        await self._write(insert, ticket, {**opened_record(ticket), "sealed_sha256": sha256(body).hexdigest()})
        return await self._again(waits, ticket) if waits else ticket

    async def get(self, id: str) -> Ticket:
        """The ticket as it stands now."""
        found = await self._rows("SELECT urgency, deadline_at_ns, id, ticket FROM reviews WHERE id = ?", (id,))
        if not found:
            raise no_such_review(id)
        return ticket_of(found[0])

    async def contents(self, ticket: Ticket) -> Contents | None:
        """Its words; `None` where they were erased."""
        return await self._opened(Contents, "contents", ticket.id, ticket.id)

    async def resolution(self, ticket: Ticket) -> Resolution | None:
        """What came of it; `None` while it has not ended, or where that was erased."""
        return await self._opened(Resolution, "resolution", ticket.id, bound_end(ticket.id))

    async def history(self, ticket: Ticket) -> list[Change]:
        """What was done with it."""
        kept = await self._log.read(ticket.decision)
        told = [(entry.at_ns, json.loads(entry.body)) for entry in kept if entry.kind == "review"]
        return [Change(body["event"], at_ns, body.get("by", "")) for at_ns, body in told if body["id"] == ticket.id]

    async def queue(self, chosen: Filter, limit: int, after: Rank = FIRST) -> list[Ticket]:
        """Tickets in the order of the queue."""
        labels = None if chosen.labels is None else json.dumps(chosen.labels)
        wanted = {
            **dict(zip(("urgency", "deadline", "id"), after, strict=True)),
            **chosen.within._asdict(),
            **{name: getattr(chosen, name) for name in ("route", "why", "assignee", "label")},
            "labels": labels,
        }
        query = LIST.format(carried=CARRIED, states=", ".join(f"'{state}'" for state in STATES if state in chosen.states))
        found: list[Ticket] = []
        while rows := await self._rows(query, {**wanted, "limit": limit - len(found)}) if len(found) < limit else ():
            found += filter(None, map(self._readable, rows))
            wanted |= dict(zip(("urgency", "deadline", "id"), rows[-1], strict=False))
        return found

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
        expired, after = [], (FIRST[0], "")
        while due := await self._rows(EXPIRED, (now_ns, *after)):
            for row in due:
                try:
                    expired.append(await self.act(row[1], Action("expire"), TIMEKEEPER, now_ns))
                except (ReviewConflict, NotFound):  # somebody else let it expire, or deleted it
                    continue
                except Exception as error:  # noqa: BLE001  whatever is wrong with one, the others must not wait for it
                    self._skip(row[1], error)
            after = due[-1]
        return expired

    async def due(self, now_ns: int, again_at_ns: int, limit: int) -> list[Delivery]:
        """Messages to send now; for the others they are due again later."""
        taken: list[Delivery] = []

        def take(connection: apsw.Connection) -> bool:
            taken.extend(Delivery(*cast("Any", row)) for row in connection.execute(DUE, (now_ns, limit)))
            again = [(again_at_ns, delivery.id) for delivery in taken]
            connection.executemany("UPDATE review_messages SET due_at_ns = ? WHERE id = ?", again)
            return False

        if await self._rows(DUE, (now_ns, 1)):
            await self._log.write("", "", b"", take)
        return taken

    async def delivered(self, id: str) -> None:
        """The message was taken, or is given up."""
        await changed(self._log, "DELETE FROM review_messages WHERE id = ?", (id,))

    async def postpone(self, id: str, due_at_ns: int) -> None:
        """The message could not be delivered; try again then."""
        await changed(self._log, "UPDATE review_messages SET attempts = attempts + 1, due_at_ns = ? WHERE id = ?", (due_at_ns, id))

    async def purge(self, before_ns: int) -> int:
        """Delete tickets that ended before then."""
        purged = 0
        while count := await changed(self._log, PURGE, (before_ns,)):
            purged += count
        return purged

    async def _replaced(self, before: Ticket, after: Ticket, action: Action, by: Caller, now_ns: int) -> bool:
        resolution, body = None, None
        if after.ended:
            resolution, body = await self._sealed(after, resolve(after, action, await self._words(before, action), by))
        event, done = event_of(action, after), False

        def update(connection: apsw.Connection) -> bool:
            nonlocal done
            connection.execute(UPDATE, (*standing_of(after), body, before.id, before.version))
            done = connection.changes() > 0
            if done:
                _tell(connection, after, event, now_ns)
                if after.ended:
                    connection.execute(ANSWERED, (after.id,))
            return done

        told = change_record(event, after, by, resolution)
        await self._write(update, after, told if body is None else {**told, "sealed_sha256": sha256(body).hexdigest()})
        return done

    async def _again(self, id: str, ticket: Ticket) -> Ticket:
        waits = await self.get(id)
        await self._log.write("review", ticket.decision, json_bytes(**again_record(waits, ticket)))
        return waits

    async def _sealed(self, ticket: Ticket, resolution: Resolution) -> tuple[Resolution, bytes | None]:
        """What came of a ticket, sealed as its words are; where they were erased, there is nothing to seal and no word of it is kept."""
        found = await self._rows("SELECT contents FROM reviews WHERE id = ?", (ticket.id,))
        if not found:
            raise no_such_review(ticket.id)
        body = await self._keys.seal_alike(found[0][0], bound_end(ticket.id), words_of(ticket, resolution))
        return (resolution, body) if body is not None else (replace(resolution, text="", refusal="", tool_calls=(), note=""), None)

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

    def _readable(self, row: tuple[Any, ...]) -> Ticket | None:
        try:
            return ticket_of(row)
        except RecordError as error:
            self._skip(row[2], error)
            return None

    def _skip(self, id: str, error: Exception) -> None:
        """Say once what is wrong with a ticket."""
        if self._skipped.get(id) != str(error):
            self._skipped[id] = str(error)
            _log.warning("review `%s` is passed over: %s", id, error)

    async def _opened(self, kind: type[T], column: str, id: str, bound_to: str) -> T | None:
        found = await self._rows(f"SELECT {column} FROM reviews WHERE id = ?", (id,))  # noqa: S608  a name of ours
        if not found or found[0][0] is None:
            return None
        text = await asyncio.to_thread(self._keys.open, bound_to, found[0][0])
        return None if text is None else from_json(kind, text)

    async def _rows(self, query: str, bindings: Any) -> Sequence[tuple[Any, ...]]:
        return await asyncio.to_thread(self._file.rows, query, bindings)

    async def _write(self, also: Also, ticket: Ticket, told: dict[str, Any]) -> None:
        await self._log.write("review", ticket.decision, json_bytes(**told), also)


def _tell(connection: apsw.Connection, ticket: Ticket, event: str, at_ns: int) -> None:
    if is_told(ticket, event):
        connection.execute(SEND, (*astuple(delivery_of(ticket, event, at_ns)), at_ns))
