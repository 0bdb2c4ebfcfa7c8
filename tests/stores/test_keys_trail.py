"""What was changed in the tables of keys, teams and orgs past the program shows against the log's records, which it left as they were."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import apsw
import pytest

from pointsman.core.tenancy import Org, Team
from pointsman.stores.keys import Key, key_hash
from pointsman.stores.keys_trail import compare
from pointsman.stores.logfile import verify
from pointsman.stores.sqlite import SqliteLog
from pointsman.stores.sqlite_keys import GATEWAY, SqliteKeys

HASH, SECOND, FOREIGN = (key_hash(text) for text in ("secret", "second secret", "an intruder's secret"))


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """Keys with a history of every event."""
    path = tmp_path / "log.db"

    async def scene() -> None:
        async with SqliteLog(path) as log:
            keys = SqliteKeys(log)
            await keys.add_org(Org("acme", 1, name="Acme", routes=("auto",)))
            await keys.add_team(Team("acme", "ml", 1, labels=("internal",), metadata={"a": "b"}))
            await keys.add_team(Team("acme", "old", 1))
            await keys.change_team("acme", "old", "closed", lambda team: team.closed(9))
            await keys.add_key(Key("plain", HASH, 1))
            await keys.add_key(Key("rich", HASH, 1, org="acme", team="ml", models=("m",), requests_per_minute=5, expires_at_ns=10**19 // 2))
            await keys.add_key(Key("gone", HASH, 1))
            await keys.change_key("rich", "changed", lambda key: replace(key, requests_per_minute=None, labels=("pii",)))
            await keys.change_key("rich", "rotated", lambda key: key.rotated(SECOND, 5, grace_ns=10**18))
            await keys.revoke_key("gone")
            await keys.note("key", "refused", GATEWAY, Org("acme", 1).scope, endpoint="POST keys", aimed={"key": "plain"})

    asyncio.run(scene())
    return path


def change(path: Path, *statements: str) -> None:
    """As somebody who has the file."""
    connection = apsw.Connection(str(path))
    for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger' AND tbl_name != 'log'").fetchall():
        connection.execute(f"DROP TRIGGER {name}")
    for statement in statements:
        connection.execute(statement, {"foreign": FOREIGN} if ":foreign" in statement else None)
    connection.close()


def test_what_the_program_did_is_as_its_records_say(store):
    assert (compare(store).compared, compare(store).wrong) == (6, ())


CHANGES = {
    "promoted": ("UPDATE keys SET role = 'admin' WHERE id = 'plain'", "key `plain`: `role` not as the last record about it"),
    "another secret": ("UPDATE keys SET hash = :foreign WHERE id = 'plain'", "key `plain`: `secret_mark` not as"),
    "another secret after a rotation": ("UPDATE keys SET hash = :foreign WHERE id = 'rich'", "key `rich`: `secret_mark` not as"),
    "another old secret": ("UPDATE keys SET old_hash = :foreign WHERE id = 'rich'", "key `rich`: `old_secret_mark` not as"),
    "a second secret": ("UPDATE keys SET old_hash = :foreign, old_until_ns = 1 << 62 WHERE id = 'plain'", "`old_secret_mark`"),
    "a longer grace": ("UPDATE keys SET old_until_ns = 1 << 62 WHERE id = 'rich'", "`old_until_ns`"),
    "revocation undone": ("UPDATE keys SET revoked_at_ns = NULL WHERE id = 'gone'", "key `gone`: `revoked_at_ns`"),
    "moved to another org": ("UPDATE keys SET org = '', team = '' WHERE id = 'rich'", "`org`, `team`"),
    "a longer life": ("UPDATE keys SET expires_at_ns = NULL WHERE id = 'rich'", "`expires_at_ns`"),
    "a floor lowered": ("UPDATE keys SET labels = '[]' WHERE id = 'rich'", "`labels`"),
    "more models": ("UPDATE keys SET models = NULL WHERE id = 'rich'", "`models`"),
    "a limit lifted": ("UPDATE orgs SET routes = NULL", "org `acme`: `routes`"),
    "a team's floor lowered": ("UPDATE teams SET labels = '[]' WHERE id = 'ml'", "team `acme/ml`: `labels`"),
    "a team opened again": ("UPDATE teams SET closed_at_ns = NULL", "team `acme/old`: `closed_at_ns`"),
    "a key made": (
        "INSERT INTO keys(id, hash, name, team, labels, created_at_ns, role) VALUES ('new', :foreign, '', '', '[]', 1, 'admin')",
        "key `new`: is there, and no record says who made it",
    ),
    "a key called as an org": (
        "INSERT INTO keys(id, hash, name, team, labels, created_at_ns) VALUES ('default', :foreign, '', '', '[]', 1)",
        "key `default`: is there",
    ),
    "a key made away with": ("DELETE FROM keys WHERE id = 'gone'", "key `gone`: record "),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_past_the_program_is_found(store, name):
    statement, said = CHANGES[name]
    change(store, statement)
    assert verify(store).ok, "the chain alone does not show it"
    found = compare(store)
    assert not found.ok
    assert len(found.wrong) == 1
    assert said in found.wrong[0]


def test_a_change_that_was_undone_by_a_later_one_is_found_between_the_two(store):
    async def scene() -> None:
        async with SqliteLog(store) as log:
            await SqliteKeys(log).change_key("plain", "changed", lambda key: replace(key, role="caller"))

    change(store, "UPDATE keys SET role = 'admin' WHERE id = 'plain'")
    asyncio.run(scene())
    (wrong,) = compare(store).wrong
    assert wrong.startswith("key `plain`: record ")
    assert wrong.endswith("found `role` changed, and no record says by whom")


@pytest.mark.parametrize("body", [b"\xff", b"[1]", b"7", b'{"event":"created","set":7}', b'{"event":"changed","was":"x"}'])
def test_a_record_that_makes_no_sense_is_a_finding_and_no_crash(store, body):
    async def scene() -> None:
        async with SqliteLog(store) as log:
            await log.append("key", "odd", body)

    asyncio.run(scene())
    (wrong,) = compare(store).wrong
    assert wrong.startswith("key `odd`: record ")


def test_records_that_told_less_are_believed(store):
    """Of a version that recorded neither fields nor marks of secrets."""

    async def scene() -> None:
        async with SqliteLog(store) as log:
            await log.append("key", "early", b'{"event":"created","name":"n","team":""}')
            await log.append("key", "middle", b'{"event":"created","org":"","team":"","key":"middle","set":{"role":"caller"}}')

    asyncio.run(scene())
    insert = "INSERT INTO keys(id, hash, name, team, labels, created_at_ns) VALUES ('{}', :foreign, 'n', '', '[]', 1)"
    change(store, insert.format("early"), insert.format("middle").replace("'n'", "''"))
    assert compare(store).wrong == ()
    change(store, "UPDATE keys SET role = 'admin' WHERE id = 'middle'")
    assert len(compare(store).wrong) == 1
