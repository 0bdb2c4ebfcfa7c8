"""Orgs, teams and keys, in the file of the decision log and written by the log's writer, each change with its record in the log's chain."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import fields
from hashlib import sha256
from typing import Any, Literal, NamedTuple, TypeVar

import apsw

from pointsman.core.authority import no_such_place
from pointsman.core.rate import Owner
from pointsman.core.tenancy import EVERYWHERE, Org, Scope, Team
from pointsman.errors import NotFound, RecordError, RequestError
from pointsman.stores.keys import FRESH_S, Holder, Key
from pointsman.stores.keys_schema import OF_TENANCY
from pointsman.stores.sqlite import SqliteLog, json_bytes
from pointsman.stores.sqlite_rows import Row, Table

T = TypeVar("T", Key, Team, Org)
Kind = Literal["key", "team", "org"]

KEYS, TEAMS, ORGS = Table("keys", Key, ("id",)), Table("teams", Team, ("org", "id")), Table("orgs", Org, ("id",))
Rows = dict[tuple[str, ...], tuple[Any, ...]]
"""What the store holds of a table, by ids."""

_SECRET = {"hash": "secret_mark", "old_hash": "old_secret_mark"}
"""Fields that are never told, and what stands for them: it betrays neither, and says whether one was changed."""
_SAID_ANYWAY = frozenset({"id", "org", "team", "created_by", "created_at_ns"})
_TRIES = 8
_TRAIL = "SELECT seq, at_ns, kind, CAST(body AS TEXT) FROM log WHERE " + OF_TENANCY  # noqa: S608  a constant


class By(NamedTuple):
    """Who changes something."""

    key: str
    role: str


GATEWAY = By("gateway", "root")
"""The program itself: the first key."""


class Event(NamedTuple):
    """An entry of the trail: who did what, when. `number` is that of the log's record, in whose chain it stands."""

    number: int
    at_ns: int
    kind: str
    body: Mapping[str, Any]


class SqliteKeys:
    """`KeyStore` and `KeyLookup` in the file of a log, written by the log's writer. To be used from one thread."""

    def __init__(self, log: SqliteLog, clock: Callable[[], float] = time.monotonic) -> None:
        """`clock` is monotonic, in seconds."""
        self._log = log
        self._file = log.reader()
        self._clock = clock
        self._look_at_s = float("-inf")  # when to look into the store again
        self._generation = -1
        self._keys: Rows = {}
        self._teams: Rows = {}
        self._orgs: Rows = {}
        self._holders: dict[str, Holder] = {}  # of keys that were asked for

    # --- for requests

    def look_up(self, id: str) -> Holder | None:
        """The key of that id, ready for requests, at most `FRESH_S` behind the store: it is looked into as often as that."""
        if (now_s := self._clock()) >= self._look_at_s:
            self._refresh()
            self._look_at_s = now_s + FRESH_S
        return self._holders.get(id) or self._ready(id)

    def owners(self, id: str) -> tuple[Owner, ...]:
        """Whose rate limits the requests of that key count against."""
        holder = self.look_up(id)
        return () if holder is None else holder.owners

    def _ready(self, id: str) -> Holder | None:
        if (row := self._keys.get((id,))) is None:
            return None
        key = KEYS.value(row)
        team, org = self._teams.get((key.org, key.team)), self._orgs.get((key.org,))
        self._holders[id] = Holder.of(key, None if team is None else TEAMS.value(team), None if org is None else ORGS.value(org))
        return self._holders[id]

    def _refresh(self) -> None:
        generation = self._file.rows("SELECT generation FROM tenancy")[0][0]
        if generation != self._generation:
            for known, table in ((self._orgs, ORGS), (self._teams, TEAMS), (self._keys, KEYS)):
                known.update(table.changed_since(self._file, self._generation))
            self._holders.clear()
            self._generation = generation

    # --- reading

    async def find_key(self, id: str) -> Key | None:
        """The key of that id, as the store has it now."""
        return _value(KEYS.find(self._file, id))

    async def find_team(self, org: str, id: str) -> Team | None:
        """The team of that id in that org."""
        return _value(TEAMS.find(self._file, org, id))

    async def find_org(self, id: str) -> Org | None:
        """The org of that id."""
        return _value(ORGS.find(self._file, id))

    async def list_keys(self, within: Scope = EVERYWHERE, limit: int = -1, after: tuple[int, str] = (-1, "")) -> list[Key]:
        """Keys within a scope, revoked ones included, oldest first; `after`: time and id of the last one seen."""
        where, place = _within(within, "org", "team")
        rest = f"WHERE (created_at_ns, id) > (?, ?) {where} ORDER BY created_at_ns, id LIMIT ?"
        return [row.value for row in await asyncio.to_thread(KEYS.select, self._file, rest, (*after, *place, limit))]

    async def list_teams(self, within: Scope, limit: int = -1, after: str = "") -> list[Team]:
        """Teams of an org, or the one of a scope, by their ids."""
        where, place = _within(within, "org", "id")
        rest = f"WHERE id > ? {where} ORDER BY org, id LIMIT ?"
        return [row.value for row in await asyncio.to_thread(TEAMS.select, self._file, rest, (after, *place, limit))]

    async def list_orgs(self, within: Scope = EVERYWHERE, limit: int = -1, after: str = "") -> list[Org]:
        """Orgs, by their ids."""
        where, place = _within(Scope(within.org), "id", "")
        rest = f"WHERE id > ? {where} ORDER BY id LIMIT ?"
        return [row.value for row in await asyncio.to_thread(ORGS.select, self._file, rest, (after, *place, limit))]

    async def trail(self, within: Scope, limit: int, before: int | None = None) -> list[Event]:
        """What was changed within a scope, newest first."""
        where, place = _within(within, "json_extract(CAST(body AS TEXT), '$.org')", "json_extract(CAST(body AS TEXT), '$.team')")
        query = f"{_TRAIL} AND seq < ? {where} ORDER BY seq DESC LIMIT ?"
        rows = await asyncio.to_thread(self._file.rows, query, (2**63 - 1 if before is None else before, *place, limit))
        return [Event(seq, at_ns, kind, json.loads(body)) for seq, at_ns, kind, body in rows]

    # --- writing

    async def add_key(self, key: Key, by: By = GATEWAY) -> None:
        """Keep a new key. Its team and org must be there, and open."""
        await self._add(KEYS, "key", key, by, key.scope)

    async def add_team(self, team: Team, by: By = GATEWAY) -> None:
        """Keep a new team. Its org must be there, and open."""
        await self._add(TEAMS, "team", team, by, Scope(team.org))

    async def add_org(self, org: Org, by: By = GATEWAY) -> None:
        """Keep a new org."""
        await self._add(ORGS, "org", org, by, EVERYWHERE)

    async def change_key(self, id: str, event: str, change: Callable[[Key], Key], by: By = GATEWAY) -> Key:
        """Put `change(key)` in the place of the key; it may raise `PointsmanError`, and is asked again where another process was faster.

        Raises `NotFound` for an unknown id.
        """
        return await self._change(KEYS, "key", (id,), event, change, by)

    async def change_team(self, org: str, id: str, event: str, change: Callable[[Team], Team], by: By = GATEWAY) -> Team:
        """The same for a team."""
        return await self._change(TEAMS, "team", (org, id), event, change, by)

    async def change_org(self, id: str, event: str, change: Callable[[Org], Org], by: By = GATEWAY) -> Org:
        """The same for an org."""
        return await self._change(ORGS, "org", (id,), event, change, by)

    async def revoke_key(self, id: str, by: By = GATEWAY) -> None:
        """Revoke it from now on."""
        await self.change_key(id, "revoked", lambda key: key.revoked(self._log.clock()), by)

    async def note(self, kind: Kind, event: str, by: By, place: Scope, **said: object) -> None:
        """Write into the trail what changed nothing: what was tried with something of that kind, and where whoever tried it stands."""
        body = json_bytes(event=event, by=by.key, as_role=by.role, org=place.org, team=place.team, **said)
        await self._log.append(kind, by.key, body)

    async def _add(self, table: Table[T], kind: str, value: T, by: By, place: Scope) -> None:
        def insert(connection: apsw.Connection) -> bool:
            _require_open(connection, place)
            if not table.insert(connection, value):
                raise RequestError(f"{kind} `{value.id}` exists already")
            return True

        told = {name: told for name, told in told_of(value).items() if told not in (None, "", (), {}, 0)}
        body = json_bytes(**_head("created", kind, value, by), set=told)
        await self._log.write(kind, value.id, body, insert)
        self._look_at_s = float("-inf")

    async def _change(self, table: Table[T], kind: str, id: tuple[str, ...], event: str, change: Callable[[T], T], by: By) -> T:
        for _ in range(_TRIES):
            found = table.find(self._file, *id)
            if found is None:
                raise NotFound(f"there is no {kind} `{id[-1][:100]}`")
            wanted = change(found.value)
            if wanted == found.value:
                return wanted
            body = json_bytes(**_head(event, kind, wanted, by), **_changes(found.value, wanted))
            if await self._written(table, kind, found, wanted, body):
                return wanted
        raise RecordError(f"{kind} `{id[-1]}` is being changed by others: try again")

    async def _written(self, table: Table[T], kind: str, found: Row[T], wanted: T, body: bytes) -> bool:
        done = True

        def update(connection: apsw.Connection) -> bool:
            nonlocal done
            done = table.update(connection, found, wanted)
            return done

        await self._log.write(kind, wanted.id, body, update)
        self._look_at_s = float("-inf")
        return done


def _value(row: Row[T] | None) -> T | None:
    return None if row is None else row.value


def _within(scope: Scope, org: str, team: str) -> tuple[str, tuple[str, ...]]:
    """A condition, which continues others, and what to put into it."""
    wanted = [(column, value) for column, value in ((org, scope.org), (team, scope.team)) if value]
    return " ".join(f"AND {column} = ?" for column, _ in wanted), tuple(value for _, value in wanted)


def _require_open(connection: apsw.Connection, place: Scope) -> None:
    if place.team and not place.org:
        raise RequestError(f"team `{place.team}` needs an org: say which", param="org")
    if place.org and not connection.execute("SELECT 1 FROM orgs WHERE id = ? AND closed_at_ns IS NULL", (place.org,)).get:
        raise no_such_place(Scope(place.org))
    if place.team and not connection.execute("SELECT 1 FROM teams WHERE org = ? AND id = ? AND closed_at_ns IS NULL", place).get:
        raise no_such_place(place)


def told_of(value: Key | Team | Org) -> dict[str, Any]:
    """Its fields as the log keeps them: marks in place of hashes, and without what the record says anyway."""
    told = {name: getattr(value, name) for name in (field.name for field in fields(value)) if name not in _SAID_ANYWAY}
    return {_SECRET.get(name, name): secret_mark(found) if name in _SECRET else found for name, found in told.items()}


def secret_mark(hash: bytes | None) -> str | None:
    """What stands in the log for the hash of a secret: 128 bits of its own hash, from which nothing can be had.

    >>> secret_mark(bytes(32)), secret_mark(None)
    ('66687aadf862bd776c8fc18b8e9f8e20', None)
    """
    return None if hash is None else sha256(hash).hexdigest()[:32]


def _head(event: str, kind: str, value: Key | Team | Org, by: By) -> dict[str, str]:
    place = {"org": value.scope.org, "team": value.scope.team}
    return {"event": event, **place, kind: value.id, "by": by.key, "as_role": by.role}


def _changes(before: T, after: T) -> dict[str, Any]:
    old, new = told_of(before), told_of(after)
    changed = [name for name in old if old[name] != new[name]]
    return {"set": {name: new[name] for name in changed}, "was": {name: old[name] for name in changed}}
