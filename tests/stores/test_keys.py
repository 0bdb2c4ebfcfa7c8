"""Keys: strict to read, hard to guess, never stored."""

from __future__ import annotations

import asyncio
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.core.request import Caller
from pointsman.core.tenancy import Org, Team
from pointsman.errors import NotFound, RequestError
from pointsman.stores.keys import Key, key_hash, matches, new_key, parse, weak
from pointsman.stores.sqlite import SqliteLog
from pointsman.stores.sqlite_keys import SqliteKeys

GOOD = "pm_abcdefghij23_" + "A" * 43


def test_new_keys_differ_and_hide_their_text():
    made = [new_key() for _ in range(100)]
    assert len({key.id for key in made}) == len({key.text for key in made}) == 100
    for key in made:
        public, secret = parse(key.text)
        assert (public, key_hash(secret)) == (key.id, key.hash)
        assert secret not in repr(key)
        assert weak(key.text) is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "sk-1234",
        GOOD + "A",
        GOOD[:-1],
        GOOD + "\n",
        " " + GOOD,
        GOOD.upper(),
        GOOD.replace("23_", "01_"),
        GOOD.replace("pm_", "sk_"),
        GOOD[:-1] + "=",
        GOOD[:-1] + "é",
        GOOD.replace("_", "-"),
    ],
)
def test_other_texts_are_not_keys(text):
    assert parse(text) is None


@given(st.text())
def test_any_text_can_be_asked_about(text):
    assert parse(text) is None or parse(text)[0] in text
    assert not matches(None, text)
    assert matches(key_hash(text), text)
    weak(text)


def test_a_lone_surrogate_is_a_wrong_key():
    assert not matches(key_hash("good"), "\udc80")


def test_an_unknown_id_never_matches():
    assert not matches(None, "")
    assert not matches(bytes(32), "")


WEAK = {
    "": "is empty",
    "   ": "is empty",
    "sk-1234": "has 7 characters",
    "changeme": "has 8 characters",
    "a" * 40: "has only 1 different",
    "changemechangeme": "has only 7 different",
    "passwordpassword": "has only 7 different",
    "abcdefghijklmnopqrstuvwxyz": "is a run",
    "0123456789abcdef": "is a run",
    "9876543210987654": "is a run",
    "sk-1234-change-me-please": "common words",
    "sk-litellm-master-key-12345678": "common words",
    "my-test-password-here": "common words",
    "MyPassw0rd-Ch@ngeMe!": "common words",
    "your-api-key-here-0000": "common words",
}


@pytest.mark.parametrize("text", WEAK)
def test_weak_operator_keys_are_named(text):
    assert WEAK[text] in (weak(text) or "")


@pytest.mark.parametrize(
    "text",
    ["3f9a1c0b7de24586", "9D2F7A51-0E7C-4A7B-8C35-6E1F20B4D9AA", "correct horse battery staple", "q7#Vd2!mZp9@Lx4&", GOOD[:16] + "x9Q"],
)
def test_decent_operator_keys_pass(text):
    assert weak(text) is None


@pytest.mark.parametrize(
    ("expires", "revoked", "refusal"),
    [
        (None, None, None),
        (11, None, None),
        (10, None, "key `k` has expired"),
        (None, 3, "key `k` was revoked"),
        (1, 3, "key `k` was revoked"),
    ],
)
def test_a_key_says_why_it_opens_nothing(expires, revoked, refusal):
    assert Key("k", b"", 0, expires_at_ns=expires, revoked_at_ns=revoked).refusal(now_ns=10) == refusal


def test_a_key_becomes_a_caller():
    key = Key("k", b"", 0, team="t", routes=("auto",), models=(), labels=("pii",))
    assert key.caller() == Caller(key="k", team="t", routes=("auto",), models=(), labels=("pii",))


KEYS = [
    Key("one", b"\x01" * 32, 5, name="né", org="o", team="t", routes=("auto", "b"), models=(), labels=("pii",), expires_at_ns=2**62),
    Key("two", b"\x02" * 32, 4),
]


def test_keys_come_back_as_added(tmp_path):
    async def scene():
        async with SqliteLog(tmp_path / "log.db") as log:
            store = SqliteKeys(log)
            await store.add_org(Org("o", 1))
            await store.add_team(Team("o", "t", 1))
            for key in KEYS:
                await store.add_key(key)
            with pytest.raises(RequestError, match="key `one` exists already"):
                await store.add_key(KEYS[0])
        async with SqliteLog(tmp_path / "log.db") as log:
            store = SqliteKeys(log)
            return await store.list_keys(), await store.find_key("one"), await store.find_key("none")

    assert asyncio.run(scene()) == ([KEYS[1], KEYS[0]], KEYS[0], None)


def test_a_revocation_holds_at_once_everywhere_and_keeps_its_time(tmp_path):
    async def scene():
        async with (
            SqliteLog(tmp_path / "log.db", clock=iter([1, 2, 3, 4, 5, 6]).__next__) as log,
            SqliteLog(tmp_path / "log.db") as elsewhere,
        ):
            store = SqliteKeys(log)
            other = SqliteKeys(elsewhere)
            await store.add_key(KEYS[1])
            assert (await other.find_key("two")).refusal(0) is None
            await store.revoke_key("two")
            revoked = await other.find_key("two")
            await other.revoke_key("two")
            with pytest.raises(NotFound, match="there is no key `three`"):
                await store.revoke_key("three")
            return revoked, await store.find_key("two"), await log.recent(9, kind="key")

    first, second, records = asyncio.run(scene())
    assert first == second
    assert first.refusal(0) == "key `two` was revoked"
    assert [json.loads(record.body)["event"] for record in records] == ["revoked", "created"]


def test_no_secret_is_in_the_files_and_no_hash_in_the_records(tmp_path):
    made = new_key()
    secret = parse(made.text)[1]

    async def scene():
        async with SqliteLog(tmp_path / "log.db") as log:
            store = SqliteKeys(log)
            await store.add_key(Key(made.id, made.hash, 0, name="n"))
            await store.revoke_key(made.id)
            content = b"".join(file.read_bytes() for file in tmp_path.iterdir() if file.suffix == ".db-wal")
            return content, await log.read(made.id)

    content, records = asyncio.run(scene())
    content += (tmp_path / "log.db").read_bytes()
    assert made.hash in content
    assert secret.encode() not in content
    for record in records:
        assert made.hash.hex().encode() not in record.body
        assert made.hash not in record.body
