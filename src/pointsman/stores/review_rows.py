"""Rows of the review tables, and the statements that read and write them."""

from __future__ import annotations

import json
from typing import Any

from pointsman.core.codec import from_json, to_json
from pointsman.core.review import Contents, Resolution, Ticket
from pointsman.errors import RecordError
from pointsman.stores.reviews import WAITING

_AT_ONCE = 256  # rows changed in one transaction: the log's records wait meanwhile

INSERT = "INSERT OR IGNORE INTO reviews VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, NULL)"
UPDATE = """
UPDATE reviews SET state = ?, assignee = ?, urgency = ?, deadline_at_ns = ?, version = ?, ticket = ?, resolution = ?
    WHERE id = ? AND version = ?
"""
#: What was changed to no list at all carries a label that nobody is allowed.
CARRIED = "CASE WHEN json_valid(reviews.labels) THEN reviews.labels ELSE '[null]' END"
#: With the states written out: only then can the index of those that wait be used.
LIST = """
SELECT urgency, deadline_at_ns, id, ticket FROM reviews
    WHERE (urgency, deadline_at_ns, id) > (:urgency, :deadline, :id)
    AND state IN ({states})
    AND :org IN ('', org) AND :team IN ('', team)
    AND coalesce(:route, route) = route AND coalesce(:why, why) = why AND coalesce(:assignee, assignee) = assignee
    AND (:labels IS NULL OR NOT EXISTS (
        SELECT 1 FROM json_each({carried}) AS carried WHERE carried.value NOT IN (SELECT value FROM json_each(:labels))))
    AND (:label IS NULL OR EXISTS (SELECT 1 FROM json_each({carried}) AS carried WHERE carried.value = :label))
    ORDER BY urgency, deadline_at_ns, id LIMIT :limit
"""
EXPIRED = f"""
SELECT deadline_at_ns, id FROM reviews WHERE state IN {WAITING} AND deadline_at_ns <= ? AND (deadline_at_ns, id) > (?, ?)
    ORDER BY deadline_at_ns, id LIMIT {_AT_ONCE}
"""  # noqa: S608  constants
#: From its end; where that is not known, from when it was due at the latest.
PURGE = f"""
DELETE FROM reviews WHERE id IN
    (SELECT id FROM reviews WHERE created_at_ns < ?1 AND state NOT IN {WAITING} AND ?1 >
        coalesce(nullif(CASE WHEN json_valid(ticket) THEN ticket ->> '$.ended_at_ns' END, 0), deadline_at_ns)
    ORDER BY created_at_ns LIMIT {_AT_ONCE})
"""  # noqa: S608  constants
SAME = f"""
SELECT reviews.id FROM review_asked JOIN reviews ON reviews.id = review_asked.review
    WHERE mark IN (SELECT value FROM json_each(?)) AND state IN {WAITING} AND deadline_at_ns > ? LIMIT 1
"""  # noqa: S608  constants
ASKED = "INSERT OR REPLACE INTO review_asked VALUES (?, ?)"
ANSWERED = "DELETE FROM review_asked WHERE review = ?"
SEND = "INSERT OR REPLACE INTO review_messages VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
DUE = "SELECT id, ticket, decision, route, event, at_ns, attempts FROM review_messages WHERE due_at_ns <= ? ORDER BY due_at_ns LIMIT ?"


def ticket_of(row: tuple[Any, ...]) -> Ticket:
    """From its place in the queue and its text, which have to agree. Raises `RecordError`."""
    *place, text = row
    try:
        ticket = from_json(Ticket, text)
        if [*ticket.rank] == place:
            return ticket
    except (ValueError, TypeError, AttributeError, KeyError, RecursionError) as error:
        raise RecordError(f"review `{row[2]}` cannot be read: its row was changed") from error
    raise RecordError(f"review `{row[2]}` does not say what its row says: the row was changed")


def words_of(ticket: Ticket, words: Contents | Resolution) -> bytes:
    """What is to be sealed. Raises `RecordError` for what cannot be written down."""
    try:
        return to_json(words).encode()
    except (ValueError, RecursionError) as error:
        raise RecordError(f"what review `{ticket.id}` says cannot be written down: {type(error).__name__}") from error


def bound_end(id: str) -> str:
    """What a resolution is bound to: it cannot be taken for a ticket's contents, nor for another's."""
    return f"{id}/resolution"


def place_of(ticket: Ticket) -> tuple[Any, ...]:
    """The columns that never change."""
    return (ticket.id, ticket.org, ticket.team, ticket.route, ticket.why, json.dumps(ticket.labels))


def standing_of(ticket: Ticket, **more: int) -> tuple[Any, ...]:
    """The columns that change, in their order, and those between them that do not."""
    return (ticket.state, ticket.assignee, -ticket.priority, *more.values(), ticket.deadline_at_ns, ticket.version, to_json(ticket))
