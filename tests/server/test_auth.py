"""From a header to a caller: what is found in memory, what never opens anything."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from pointsman.core.rate import Rates
from pointsman.core.request import Caller
from pointsman.errors import AuthenticationError, RateLimited
from pointsman.server.auth import Authenticator, operator_key
from pointsman.stores.keys import OPERATOR_ID, Key, key_hash, new_key
from pointsman.stores.sqlite import SqliteLog
from pointsman.stores.sqlite_keys import SqliteKeys

ROOT = "an operator's key, long enough"


def scene(tmp_path: Path, play: Callable[[SqliteKeys, Authenticator], Awaitable[None]], operator: str = ROOT) -> None:
    async def run() -> None:
        async with SqliteLog(tmp_path / "log.db") as log:
            keys = SqliteKeys(log)
            await play(keys, Authenticator(keys, operator_key(operator), Rates(lambda: 1.0)))

    asyncio.run(run())


def bearer(text: str) -> dict[str, str]:
    return {"authorization": f"Bearer {text}"}


async def test_keys_are_found_by_their_whole_text(tmp_path):
    async with SqliteLog(tmp_path / "log.db") as log:
        keys = SqliteKeys(log)
        one, two = new_key(), new_key()
        for made in (one, two):
            await keys.add_key(Key(made.id, made.hash, 1, org=""))
        opened = Authenticator(keys)
        assert await opened.caller(bearer(one.text)) == Caller(key=one.id)
        assert await opened.caller({"x-api-key": two.text}) == Caller(key=two.id)
        swapped = f"pm_{one.id}_{two.text.removeprefix(f'pm_{two.id}_')}"
        for wrong in (swapped, one.text[:-1], one.text + "A", one.text.upper(), one.text[:-1] + ("A" if one.text[-1] != "A" else "B")):
            with pytest.raises(AuthenticationError, match="not one of this gateway's, or it is no longer valid"):
                await opened.caller(bearer(wrong))


def test_the_operators_key_is_root(tmp_path):
    async def play(keys: SqliteKeys, opened: Authenticator) -> None:
        assert await opened.caller(bearer(ROOT)) == Caller(key=OPERATOR_ID, role="root")

    scene(tmp_path, play)


@pytest.mark.parametrize("state", ["good", "revoked", "expired", "rotated", "another secret"])
def test_a_stored_key_that_is_also_the_operators_is_never_root(tmp_path, state):
    made = new_key()

    async def play(keys: SqliteKeys, opened: Authenticator) -> None:
        kept = key_hash("another") if state == "another secret" else made.hash
        await keys.add_key(Key(made.id, kept, 1, expires_at_ns=time.time_ns() if state == "expired" else None))
        if state == "revoked":
            await keys.revoke_key(made.id)
        if state == "rotated":
            await keys.change_key(made.id, "rotated", lambda key: key.rotated(bytes(32), 1))
        if state == "good":
            assert (await opened.caller(bearer(made.text))).role == "caller"
            return
        with pytest.raises(AuthenticationError):
            await opened.caller(bearer(made.text))

    scene(tmp_path, play, operator=made.text)


def test_requests_over_the_limit_are_refused_and_wrong_secrets_use_up_nothing(tmp_path):
    made = new_key()

    async def play(keys: SqliteKeys, opened: Authenticator) -> None:
        await keys.add_key(Key(made.id, made.hash, 1, requests_per_minute=2))
        for _ in range(5):
            with pytest.raises(AuthenticationError):
                await opened.caller(bearer(made.text[:-4] + "AAAA"))
        for _ in range(2):
            await opened.caller(bearer(made.text))
        with pytest.raises(RateLimited, match=f"key `{made.id}` has reached its limit of 2 requests"):
            await opened.caller(bearer(made.text))

    scene(tmp_path, play)


INJECTIONS = [
    "' OR '1'='1",
    '" OR 1=1 --',
    "pm_' OR 1=1--_x",
    "'; DROP TABLE keys; --",
    "pm_abcdefghijkl_" + "'" * 43,
    "%27%20OR%201=1",
    "\x00",
    "${7*7}",
]


@pytest.mark.parametrize("text", INJECTIONS)
def test_what_looks_like_sql_is_a_wrong_key(tmp_path, text):
    async def play(keys: SqliteKeys, opened: Authenticator) -> None:
        for headers in (bearer(text), {"x-api-key": text}, {"authorization": text}):
            with pytest.raises(AuthenticationError):
                await opened.caller(headers)
        assert await keys.list_keys() == []

    scene(tmp_path, play)
