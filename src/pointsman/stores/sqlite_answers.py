"""The answer store, in the file of the decision log and written by the log's writer."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import apsw

from pointsman.stores.database import border
from pointsman.stores.log import LEASE_NS, Claim, StoredAnswer, refuse_other
from pointsman.stores.presence import Presence
from pointsman.stores.sqlite import SqliteLog
from pointsman.stores.sqlite_rows import changed

_AT_ONCE = 256  # rows deleted in one transaction: the log's records wait meanwhile

_FIND = "SELECT request, owner, until_ns, status, headers, body FROM answers WHERE id = ?"
_CLAIM = "INSERT OR REPLACE INTO answers(id, request, owner, until_ns) VALUES (?, ?, ?, ?)"
_COMPLETE = "UPDATE answers SET owner = NULL, until_ns = ?, status = ?, headers = ?, body = ? WHERE id = ? AND owner = ? AND until_ns = ?"
_ABANDON = "DELETE FROM answers WHERE id = ? AND owner = ? AND until_ns = ?"
_PURGE = "DELETE FROM answers WHERE id IN (SELECT id FROM answers WHERE until_ns <= ? LIMIT ?)"


class SqliteAnswers:
    """`AnswerStore` for every process that has the log's file open. Claims of a process that died are free at once."""

    def __init__(self, log: SqliteLog) -> None:
        self._log = log
        with border("the answer store cannot be opened"):
            self._presence = Presence(log.path.with_name(f"{log.path.name}-processes"))

    async def claim(self, id: bytes, request: bytes, now_ns: int) -> StoredAnswer | Claim:
        """The answer, or the claim to make one."""
        claim = Claim(id, now_ns + LEASE_NS)
        found: StoredAnswer | None = None

        def take(connection: apsw.Connection) -> bool:
            nonlocal found
            found = self._found(connection.execute(_FIND, (id,)).fetchone(), request, now_ns)
            if found is None:
                connection.execute(_CLAIM, (id, request, self._presence.id, claim.until_ns))
            return False

        try:
            await self._log.write("", "", b"", take)  # the log itself records nothing of it
        except asyncio.CancelledError:
            await self.abandon(claim)  # behind the claim in the writer's queue
            raise
        return claim if found is None else found

    async def complete(self, claim: Claim, answer: StoredAnswer, until_ns: int) -> None:
        """Keep the answer until then."""
        held = (claim.id, self._presence.id, claim.until_ns)
        await changed(self._log, _COMPLETE, (until_ns, answer.status, json.dumps(dict(answer.headers)), answer.body, *held))

    async def abandon(self, claim: Claim) -> None:
        """Give the claim back."""
        await changed(self._log, _ABANDON, (claim.id, self._presence.id, claim.until_ns))

    async def purge(self, now_ns: int) -> None:
        """Delete the answers whose time is over."""
        while await changed(self._log, _PURGE, (now_ns, _AT_ONCE)) == _AT_ONCE:
            pass

    def close(self) -> None:
        """Give back every claim of this process. The log is closed by who opened it."""
        self._presence.leave()

    def _found(self, row: tuple[Any, ...] | None, request: bytes, now_ns: int) -> StoredAnswer | None:
        if row is None:
            return None
        known, owner, until_ns, status, headers, body = row
        if until_ns <= now_ns or (owner is not None and not self._presence.there(owner)):
            return None
        refuse_other(known == request, answered=owner is None)
        return StoredAnswer(status, json.loads(headers), body)
