"""Orgs, teams and keys in the store: what requests find in memory, how soon a change is seen, what the trail says, old files."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import apsw
import pytest

from pointsman.core.rate import Owner
from pointsman.core.tenancy import Org, Scope, Team
from pointsman.errors import NotFound, RecordError, RequestError
from pointsman.stores.database import APPLICATION_ID
from pointsman.stores.keys import FRESH_S, Key, key_hash
from pointsman.stores.keys_schema import OF_TENANCY, TENANCY
from pointsman.stores.logfile import verify
from pointsman.stores.migrations import MIGRATIONS
from pointsman.stores.sqlite import SqliteLog
from pointsman.stores.sqlite_keys import By, SqliteKeys, secret_mark

SECRET = "s" * 43
HASH = key_hash(SECRET)


class Clock:
    """A monotonic clock that stands still until it is moved."""

    now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


def scene(tmp_path: Path, play: Callable[[SqliteLog, SqliteKeys, SqliteKeys, Clock], Awaitable[None]]) -> None:
    """Two processes' views of one file: the first writes, the second serves with a clock of its own."""

    async def run() -> None:
        async with SqliteLog(tmp_path / "log.db") as log, SqliteLog(tmp_path / "log.db") as elsewhere:
            clock = Clock()
            here, there = SqliteKeys(log), SqliteKeys(elsewhere, clock)
            await here.add_org(Org("acme", 1, routes=("auto", "fast"), labels=("internal",), requests_per_minute=100))
            await here.add_team(Team("acme", "ml", 1, routes=("auto",), tokens_per_minute=1_000))
            await here.add_key(Key("k", HASH, 1, org="acme", team="ml", labels=("pii",), models=("m",)))
            await play(log, here, there, clock)

    asyncio.run(run())


def opens(keys: SqliteKeys, id: str = "k", now_ns: int = 10) -> bool:
    holder = keys.look_up(id)
    return holder is not None and holder.opens(SECRET, now_ns)


def test_a_key_has_what_it_its_team_and_its_org_have_in_common(tmp_path):
    async def play(log, here, there, clock):
        holder = there.look_up("k")
        caller = holder.caller
        assert (caller.routes, caller.models, set(caller.labels)) == (("auto",), ("m",), {"pii", "internal"})
        assert (caller.key, caller.team, caller.org, caller.role) == ("k", "ml", "acme", "caller")
        assert holder.owners == there.owners("k") == (Owner("team", "acme/ml", None, 1_000), Owner("org", "acme", 100, None))
        assert there.look_up("unknown") is None

    scene(tmp_path, play)


CHANGES: dict[str, Callable[[SqliteKeys], Awaitable[object]]] = {
    "key revoked": lambda keys: keys.revoke_key("k"),
    "key expired": lambda keys: keys.change_key("k", "changed", lambda key: replace(key, expires_at_ns=10)),
    "key rotated": lambda keys: keys.change_key("k", "rotated", lambda key: key.rotated(bytes(32), 5)),
    "team closed": lambda keys: keys.change_team("acme", "ml", "closed", lambda team: team.closed(5)),
    "org closed": lambda keys: keys.change_org("acme", "closed", lambda org: org.closed(5)),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_what_another_process_took_away_is_gone_a_moment_later_and_the_store_is_asked_no_sooner(tmp_path, change):
    async def play(log, here, there, clock):
        assert opens(there)
        await change(here)
        assert not opens(here)  # who did it sees it at once
        clock.now_s += FRESH_S * 0.9
        assert opens(there)  # which shows that the store was not asked again
        clock.now_s += FRESH_S * 0.2
        assert not opens(there)

    assert FRESH_S < 1
    scene(tmp_path, play)


def test_a_change_made_with_another_program_is_seen_as_well(tmp_path):
    async def play(log, here, there, clock):
        assert opens(there)
        other = apsw.Connection(str(tmp_path / "log.db"))
        other.execute("UPDATE keys SET revoked_at_ns = 1 WHERE id = 'k'")
        with pytest.raises(apsw.ConstraintError, match="never deleted"):
            other.execute("DELETE FROM keys")
        other.close()
        clock.now_s += FRESH_S
        assert not opens(there)

    scene(tmp_path, play)


def test_where_the_store_cannot_be_asked_no_key_opens_anything(tmp_path):
    async def play(log, here, there, clock):
        assert opens(there)
        there._file.close()
        clock.now_s += FRESH_S
        for _ in range(2):  # the failure is not taken for a look
            with pytest.raises(RecordError):
                opens(there)

    scene(tmp_path, play)


def test_the_old_secret_opens_until_its_time_is_over(tmp_path):
    async def play(log, here, there, clock):
        await here.change_key("k", "rotated", lambda key: key.rotated(key_hash("new"), 10, grace_ns=5))
        holder = there.look_up("k")
        assert [holder.opens(SECRET, now_ns) for now_ns in (10, 14, 15)] == [True, True, False]
        assert holder.opens("new", 15)
        await here.revoke_key("k")
        clock.now_s += FRESH_S
        assert not there.look_up("k").opens("new", 12)
        assert not there.look_up("k").opens(SECRET, 12)
        assert (await here.find_key("k")).old_hash is None

    scene(tmp_path, play)


@pytest.mark.parametrize(
    ("key", "said"),
    [
        (Key("n", HASH, 2, team="ml"), "team `ml` needs an org"),
        (Key("n", HASH, 2, org="nix"), "there is no open org `nix`"),
        (Key("n", HASH, 2, org="acme", team="nix"), "there is no open team `nix` of org `acme`"),
        (Key("k", HASH, 2), "key `k` exists already"),
    ],
)
def test_a_key_needs_a_free_id_and_an_open_place(tmp_path, key, said):
    async def play(log, here, there, clock):
        before = await log.count()
        with pytest.raises(RequestError, match=said):
            await here.add_key(key)
        assert await log.count() == before

    scene(tmp_path, play)


def test_nothing_is_added_to_what_is_closed(tmp_path):
    async def play(log, here, there, clock):
        await here.change_team("acme", "ml", "closed", lambda team: team.closed(5))
        with pytest.raises(RequestError, match="no open team"):
            await there.add_key(Key("n", HASH, 2, org="acme", team="ml"))
        await here.change_org("acme", "closed", lambda org: org.closed(5))
        with pytest.raises(RequestError, match="no open org"):
            await there.add_team(Team("acme", "new", 2))
        with pytest.raises(RequestError, match="org `acme` exists already"):
            await there.add_org(Org("acme", 9))

    scene(tmp_path, play)


def test_changes_at_the_same_time_are_all_made(tmp_path):
    def counted(key: Key) -> Key:
        return replace(key, metadata={"n": str(int(key.metadata.get("n", "0")) + 1)})

    async def play(log, here, there, clock):
        await asyncio.gather(*(keys.change_key("k", "changed", counted) for keys in (here, there) for _ in range(3)))
        assert (await here.find_key("k")).metadata == {"n": "6"}

    scene(tmp_path, play)


def test_a_refused_or_idle_change_leaves_nothing(tmp_path):
    def refuse(key: Key) -> Key:
        raise RequestError("no")

    async def play(log, here, there, clock):
        before = await log.count()
        with pytest.raises(RequestError, match="no"):
            await here.change_key("k", "changed", refuse)
        await here.change_key("k", "changed", lambda key: key)
        with pytest.raises(NotFound, match="there is no key `x`"):
            await here.change_key("x", "changed", lambda key: key)
        assert await log.count() == before

    scene(tmp_path, play)


def test_the_trail_says_who_changed_what_to_what_and_its_scope_sees_only_its_own(tmp_path):
    async def play(log, here, there, clock):
        by = By("boss", "admin")
        await here.add_org(Org("other", 1), by)
        await here.change_key("k", "changed", lambda key: replace(key, name="x", hash=bytes(32)), by)
        await here.note("key", "refused", by, Scope("acme", "ml"), endpoint="POST keys")
        everything = await here.trail(Scope(), 10)
        assert [(event.kind, event.body["event"], event.body["by"]) for event in everything] == [
            ("key", "refused", "boss"),
            ("key", "changed", "boss"),
            ("org", "created", "boss"),
            ("key", "created", "gateway"),
            ("team", "created", "gateway"),
            ("org", "created", "gateway"),
        ]
        marks = {"set": secret_mark(bytes(32)), "was": secret_mark(HASH)}
        assert everything[1].body["set"] == {"name": "x", "secret_mark": marks["set"]}
        assert everything[1].body["was"] == {"name": "", "secret_mark": marks["was"]}
        assert HASH.hex() not in json.dumps([event.body for event in everything])
        assert [event.number for event in await here.trail(Scope(), 2, before=everything[1].number)] == [e.number for e in everything[2:4]]
        assert {event.body["org"] for event in await here.trail(Scope("other"), 10)} == {"other"}
        assert [event.kind for event in await here.trail(Scope("acme", "ml"), 10)] == ["key", "key", "key", "team"]
        plan = " ".join(str(row) for row in here._file.rows("EXPLAIN QUERY PLAN SELECT seq FROM log WHERE " + OF_TENANCY))
        assert "log_tenancy" in plan  # the trail does not walk through the decisions

    scene(tmp_path, play)
    assert verify(tmp_path / "log.db").ok


def test_lists_have_pages_and_stay_in_their_scope(tmp_path):
    async def play(log, here, there, clock):
        await here.add_org(Org("other", 1))
        for n in range(5):
            await here.add_key(Key(f"a{n}", HASH, 2, org="acme"))
            await here.add_key(Key(f"o{n}", HASH, 2, org="other"))
        assert [key.id for key in await here.list_keys(Scope("acme"))] == ["k", "a0", "a1", "a2", "a3", "a4"]
        assert [key.id for key in await here.list_keys(Scope("acme"), 2, (2, "a1"))] == ["a2", "a3"]
        assert [key.id for key in await here.list_keys(Scope("acme", "ml"))] == ["k"]
        assert [org.id for org in await here.list_orgs()] == ["acme", "other"]
        assert [team.id for team in await here.list_teams(Scope("acme"))] == ["ml"]
        assert await here.list_teams(Scope("other")) == []

    scene(tmp_path, play)


def test_a_file_of_an_earlier_version_keeps_its_keys_and_their_teams(tmp_path):
    old = apsw.Connection(str(tmp_path / "log.db"))
    for step in MIGRATIONS[: MIGRATIONS.index(TENANCY)]:
        old.execute(step)
    old.execute(f"PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {MIGRATIONS.index(TENANCY)}; PRAGMA journal_mode = WAL")
    insert = "INSERT INTO keys(id, hash, name, team, routes, models, labels, created_at_ns) VALUES (?, ?, '', ?, ?, NULL, '[]', 7)"
    old.execute(insert, ("k", HASH, "ml", '["auto"]'))
    old.execute(insert, ("l", HASH, "", None))
    old.close()

    async def run() -> None:
        async with SqliteLog(tmp_path / "log.db") as log:
            keys = SqliteKeys(log)
            assert opens(keys, "k")
            assert opens(keys, "l")
            assert (keys.look_up("k").key.scope, keys.look_up("l").key.scope) == (Scope("default", "ml"), Scope())
            assert keys.look_up("k").caller.routes == ("auto",)
            await keys.revoke_key("l")
            assert not opens(keys, "l")

    asyncio.run(run())
