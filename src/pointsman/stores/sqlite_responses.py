"""Responses in the file of the decision log: sealed as contents are, for a while, found by every process that has the file open."""

from __future__ import annotations

from pointsman.stores.content_keys import ContentKeys
from pointsman.stores.sqlite import SqliteLog
from pointsman.stores.sqlite_rows import changed

_AT_ONCE = 64  # rows deleted in one transaction: the log's records wait meanwhile, and what is deleted is overwritten

_FIND = "SELECT body FROM responses WHERE id = ? AND until_ns > ?"
_KEEP = "INSERT OR REPLACE INTO responses(id, until_ns, body) VALUES (?, ?, ?)"
_DELETE = "DELETE FROM responses WHERE id = ? AND until_ns > ?"
_PURGE = "DELETE FROM responses WHERE id IN (SELECT id FROM responses WHERE until_ns <= ? LIMIT ?)"


class SqliteResponses:
    """By an id of 32 bytes. Times are nanoseconds since the epoch. Every method raises `RecordError` when the store cannot do its part."""

    def __init__(self, log: SqliteLog, keys: ContentKeys) -> None:
        self._log, self._keys = log, keys
        self._file = log.reader()

    def find(self, id: bytes, now_ns: int) -> bytes | None:
        """What was kept; `None` where nothing is, its time is over, or the key that it was sealed with is destroyed. Reads the disk."""
        rows = self._file.rows(_FIND, (id, now_ns))
        return self._keys.open(_bound_to(id), rows[0][0]) if rows else None

    async def keep(self, id: bytes, subject: str, body: bytes, now_ns: int, until_ns: int) -> None:
        """Keep it until then, sealed with the key of its subject and day."""
        sealed = await self._keys.seal(subject, _bound_to(id), body, now_ns)
        await changed(self._log, _KEEP, (id, until_ns, sealed))

    async def delete(self, id: bytes, now_ns: int) -> bool:
        """Delete it; whether there was one."""
        return await changed(self._log, _DELETE, (id, now_ns)) > 0

    async def purge(self, now_ns: int) -> None:
        """Delete those whose time is over."""
        while await changed(self._log, _PURGE, (now_ns, _AT_ONCE)) == _AT_ONCE:
            pass


def _bound_to(id: bytes) -> str:
    """What a content is sealed for, so that no row opens in another's place."""
    return f"response {id.hex()}"
