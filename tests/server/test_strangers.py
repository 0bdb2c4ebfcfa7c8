"""Wrong keys leave a trace that names no key and no address, and cannot fill a disk; health tells strangers that something is wrong, not what."""

from __future__ import annotations

import logging
import re

import pytest

from pointsman.server.strangers import Strangers, client_digest
from pointsman.stores.keys import parse
from tests.server.conftest import Serve
from tests.server.tenants import ACTORS, tenants


@pytest.fixture(autouse=True)
def logged(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.WARNING, "pointsman.server.auth")
    return caplog


def said(logged: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in logged.records if record.name == "pointsman.server.auth"]


def test_each_client_is_logged_ever_less_often_and_anew_each_minute(logged):
    now_s = 0.0
    strangers = Strangers(lambda: now_s)
    for _ in range(1_000):
        strangers.note("10.0.0.1")
    strangers.note("10.0.0.2")
    now_s = 60.0
    strangers.note("10.0.0.1")
    one, two = client_digest("10.0.0.1"), client_digest("10.0.0.2")
    wanted = [(one, 1), (one, 10), (one, 100), (one, 1000), (two, 1), (one, 1)]
    assert said(logged) == [f"wrong or missing key: client {client}, {count} in this minute" for client, count in wanted]


def test_many_clients_do_not_fill_the_log(logged):
    strangers = Strangers(lambda: 0.0)
    for at in range(5_000):
        strangers.note(f"2001:db8::{at:x}")
    assert len(said(logged)) == 100 + 4


async def test_wrong_keys_are_logged_and_right_ones_are_not(serve: Serve, logged):
    async with tenants(serve) as stage:
        for text in (*stage.texts.values(),):
            await stage.gateway.ask("/v1/models", key=text)
        assert said(logged) == []
        made = stage.texts["ml caller"]
        await stage.gateway.ask("/v1/models", key=made[:-4] + "AAAA")
        assert said(logged) == [f"wrong or missing key: client {client_digest('127.0.0.1')}, 1 in this minute"]
        for key in ("guess", None, "pm_abcdefghijkl_" + "A" * 43):
            for path in ("/v1/chat/completions", "/v1/admin/keys", "/v1/nowhere"):
                await stage.gateway.ask(path, {}, key=key)
        assert len(said(logged)) == 2
        assert parse(made)[0] not in logged.text
        assert "127.0.0.1" not in "".join(said(logged))


HEALTH = {"config": "promise `stays` is broken\nmodel `secret-model` is unknown", "audit": "no checkpoint is signed: /srv/key"}


async def test_health_tells_strangers_how_much_is_wrong_and_not_what(serve: Serve, logged):
    async with tenants(serve) as stage:
        app = stage.gateway.app
        app.problem, app.audit = lambda: HEALTH["config"], lambda: HEALTH["audit"]
        few = {"gateway admin", "root"}
        for name in ("nobody", "somebody", *stage.texts):
            key = {"nobody": None, "somebody": "guess"}.get(name, stage.texts.get(name))
            told = (await stage.gateway.ask("/readyz", key=key)).json
            shown = {part: told[part] for part in HEALTH}
            assert (shown == HEALTH) is (name in few), name
            if name not in few:
                assert [re.findall(r"\((.*?);", text) for text in shown.values()] == [["2 problems"], ["1 problem"]], name
        assert len(said(logged)) == 1, "guessing at a door that is open is guessing"
        assert set(ACTORS) > few - {"root"}
