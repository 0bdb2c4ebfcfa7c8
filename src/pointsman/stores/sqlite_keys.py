"""The key store, in the file of the decision log and written by the log's writer."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import apsw

from pointsman.errors import NotFound, RequestError
from pointsman.stores.keys import Key
from pointsman.stores.sqlite import SqliteLog, json_bytes

_KEY = "SELECT id, hash, created_at_ns, name, team, routes, models, labels, expires_at_ns, revoked_at_ns FROM keys"
_INSERT = (
    "INSERT INTO keys(id, hash, created_at_ns, name, team, routes, models, labels, expires_at_ns, revoked_at_ns)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)


class SqliteKeys:
    """`KeyStore` in the file of a log, written by the log's writer."""

    def __init__(self, log: SqliteLog) -> None:
        self._log = log
        self._file = log.reader()

    async def add_key(self, key: Key) -> None:
        """Keep a new key."""

        def insert(connection: apsw.Connection) -> bool:
            if connection.execute("SELECT 1 FROM keys WHERE id = ?", (key.id,)).get is not None:
                raise RequestError(f"key `{key.id}` exists already")
            connection.execute(_INSERT, _row(key))
            return True

        told = {name: getattr(key, name) for name in ("name", "team", "routes", "models", "labels", "expires_at_ns")}
        await self._log.write("key", key.id, json_bytes(event="created", key=key.id, **told), insert)

    async def find_key(self, id: str) -> Key | None:
        """The key of that id. A look-up by primary key on the caller's thread: cheaper than handing it to another."""
        rows = self._file.rows(f"{_KEY} WHERE id = ?", (id,))
        return _key(rows[0]) if rows else None

    async def list_keys(self) -> list[Key]:
        """Every key, oldest first."""
        rows = await asyncio.to_thread(self._file.rows, f"{_KEY} ORDER BY created_at_ns, id")
        return [_key(row) for row in rows]

    async def revoke_key(self, id: str) -> None:
        """Revoke it from now on."""
        now_ns = self._log.clock()

        def update(connection: apsw.Connection) -> bool:
            found = connection.execute("SELECT revoked_at_ns IS NOT NULL FROM keys WHERE id = ?", (id,)).get
            if found is None:
                raise NotFound(f"there is no key `{id}`")
            connection.execute("UPDATE keys SET revoked_at_ns = ? WHERE id = ? AND revoked_at_ns IS NULL", (now_ns, id))
            return not found

        await self._log.write("key", id, json_bytes(event="revoked", key=id), update)


def _row(key: Key) -> tuple[Any, ...]:
    names = (_names_text(key.routes), _names_text(key.models), _names_text(key.labels))
    return (key.id, key.hash, key.created_at_ns, key.name, key.team, *names, key.expires_at_ns, key.revoked_at_ns)


def _key(row: tuple[Any, ...]) -> Key:
    public, secret_hash, created_at_ns, name, team, routes, models, labels, expires_at_ns, revoked_at_ns = row
    limits = (_names(routes), _names(models), _names(labels) or ())
    return Key(public, secret_hash, created_at_ns, name, team, *limits, expires_at_ns, revoked_at_ns)


def _names_text(names: tuple[str, ...] | None) -> str | None:
    return None if names is None else json.dumps(names)


def _names(text: str | None) -> tuple[str, ...] | None:
    return None if text is None else tuple(json.loads(text))
