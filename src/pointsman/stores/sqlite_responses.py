"""Responses in the file of the decision log: sealed as contents are, for a while, found by every process that has the file open."""

from __future__ import annotations

import asyncio
from typing import cast

import apsw

from pointsman.stores.content_keys import ContentKeys, sealing_key
from pointsman.stores.sqlite import SqliteLog
from pointsman.stores.sqlite_rows import changed

_AT_ONCE, _AT_ONCE_BYTES = 64, 4_000_000  # deleted in one transaction: the log's records wait meanwhile, and what is deleted is overwritten

_FIND = "SELECT body FROM responses WHERE id = ? AND until_ns > ?"
_HEAD = "SELECT substr(body, 1, 256) FROM responses WHERE id = ?"
_DROP = "DELETE FROM responses WHERE id = ?"
_KEEP = "INSERT INTO responses(id, key, until_ns, bytes, body) VALUES (?, ?, ?, ?, ?)"
_DELETE = "DELETE FROM responses WHERE id = ? AND until_ns > ?"
_HELD = "SELECT bytes FROM responses_held WHERE key = ?"
_OVER = "SELECT id, bytes FROM responses WHERE until_ns <= ? ORDER BY until_ns LIMIT ?"
_OLDEST = "SELECT id, bytes FROM responses WHERE key = ? ORDER BY until_ns LIMIT ?"


class SqliteResponses:
    """By an id of 32 bytes. Times are nanoseconds since the epoch. Every method raises `RecordError` when the store cannot do its part."""

    def __init__(self, log: SqliteLog, keys: ContentKeys, most_bytes: int = 256_000_000) -> None:
        """`most_bytes`: of one gateway key's; of more its oldest are given up."""
        self._log, self._keys, self._most_bytes = log, keys, most_bytes
        self._file = log.reader()

    def find(self, id: bytes, now_ns: int) -> bytes | None:
        """What was kept; `None` where nothing is, its time is over, or the key that it was sealed with is destroyed. Reads the disk."""
        rows = self._file.rows(_FIND, (id, now_ns))
        return self._keys.open(_bound_to(id), rows[0][0]) if rows else None

    def sealed_with(self, id: bytes) -> str | None:
        """Id of the key that it was sealed with, destroyed or not; `None` where nothing was kept. Reads the disk."""
        rows = self._file.rows(_HEAD, (id,))
        return sealing_key(rows[0][0]) if rows else None

    async def key_of(self, subject: str, now_ns: int) -> str:
        """Id of the key that a subject's responses of that day are sealed with; made where there is none."""
        return await self._keys.key_of(subject, now_ns)

    async def keep(
        self,
        id: bytes,
        key: str,
        subject: str,
        body: bytes,
        now_ns: int,
        until_ns: int,
        previous: bytes | None = None,
        sealed_with: str | None = None,
    ) -> bool:
        """Keep it until then, sealed with the key of its subject and day; whether it was kept.

        `previous`: what it goes on from. It is sealed with the very key of that, so that both are erased together, and not kept where that
        one is gone or its key destroyed. `sealed_with`: the key of what was asked; where it is destroyed nothing is kept either.
        """
        if previous is None:
            sealed = await self._keys.seal_again(subject, _bound_to(id), body, now_ns, sealed_with)
        else:
            rows = await asyncio.to_thread(self._file.rows, _FIND, (previous, 0))
            sealed = await self._keys.seal_alike(rows[0][0], _bound_to(id), body) if rows else None
        if sealed is None:
            return False
        row = id, key, until_ns, len(sealed), sealed
        over = 0

        def insert(connection: apsw.Connection) -> bool:
            nonlocal over
            connection.execute(_DROP, (id,))
            connection.execute(_KEEP, row)
            over = cast("int", connection.execute(_HELD, (key,)).get) - self._most_bytes
            return False

        await self._log.write("", "", b"", insert)
        while over > 0 and (dropped := await self._drop(_OLDEST, key, over)):
            over -= dropped
        return True

    async def delete(self, id: bytes, now_ns: int) -> bool:
        """Delete it; whether there was one."""
        return await changed(self._log, _DELETE, (id, now_ns)) > 0

    async def purge(self, now_ns: int) -> None:
        """Delete those whose time is over."""
        while await self._drop(_OVER, now_ns):
            pass

    async def _drop(self, which: str, bound: object, most_bytes: int = _AT_ONCE_BYTES) -> int:
        """Delete the first of those in a transaction of its own, until they are so many bytes or many enough; how many bytes they were."""
        dropped, enough = 0, min(most_bytes, _AT_ONCE_BYTES)

        def run(connection: apsw.Connection) -> bool:
            nonlocal dropped
            dropped = 0
            for name, size in connection.execute(which, (bound, _AT_ONCE)).fetchall():
                if dropped < enough:
                    connection.execute(_DROP, (name,))
                    dropped += cast("int", size)
            return False

        await self._log.write("", "", b"", run)
        return dropped


def _bound_to(id: bytes) -> str:
    """What a content is sealed for, so that no row opens in another's place."""
    return f"response {id.hex()}"
