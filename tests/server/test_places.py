"""Who holds his places back keeps nobody else out, and least of all those who could put an end to it."""

from __future__ import annotations

import pytest

from pointsman.server.admission import MOST_BESIDE
from pointsman.server.app import Limits
from tests.server.conftest import Serve
from tests.server.coroutines import soon
from tests.server.raw import Answered, Connection
from tests.server.served import Served, chat, model
from tests.server.tenants import tenants

CHAT = "/v1/chat/completions"


async def held(gateway: Served, path: str, key: str | None, method: str = "POST") -> Connection:
    """A request whose body never comes."""
    connection = await gateway.connect()
    await connection.request(path, key=key, method=method, content_length="10")
    return connection


async def refused(connection: Connection) -> Answered:
    answer = await connection.answered()
    assert (answer.status, answer.error["code"], answer.headers["retry-after"]) == (429, "rate_limit_exceeded", "1")
    return answer


async def test_one_key_leaves_places_to_others_and_administration_goes_on(serve: Serve):
    async with serve(limits=Limits(max_concurrent=8)) as gateway:
        greedy, other, admin = await gateway.key(), await gateway.key(), await gateway.key(role="admin")
        for _ in range(6):
            await held(gateway, CHAT, greedy)
        assert "of the key" in (await refused(await held(gateway, CHAT, greedy))).error["message"]
        assert (await gateway.ask(body=chat("inside"), key=other)).status == 200
        for _ in range(2):
            await held(gateway, CHAT, other)
        for key in (greedy, other):
            assert "8 requests are" in (await refused(await held(gateway, "/v1/explain", key))).error["message"]
        for path in ("/v1/models", "/v1/models/inside", "/v1/decisions/x", "/v1/responses/resp_x"):
            assert (await gateway.ask(path, key=other)).status in (200, 404)
        for path in ("/v1/admin/keys", "/v1/reviews"):
            assert (await gateway.ask(path, key=admin)).status in (200, 403)
        assert (await gateway.ask(f"/v1/admin/keys/{greedy.split('_')[1]}/revoke", {}, key=admin)).status == 200
        for connection in gateway.connections:
            connection.close()
        await gateway.quiet()
        assert (await gateway.ask(body=chat("inside"), key=other)).status == 200
        assert (gateway.app._asking._taken, gateway.app._beside._taken) == (0, 0)


async def test_what_asks_no_model_is_bounded_by_itself_and_one_key_leaves_places_there_too(serve: Serve):
    async with tenants(serve) as stage:
        gateway, greedy, other = stage.gateway, stage.texts["ml caller"], stage.texts["ops caller"]
        share = MOST_BESIDE - MOST_BESIDE // 4
        for _ in range(share):
            await held(gateway, "/v1/admin/me", greedy, "GET")
        await refused(await held(gateway, "/v1/models", greedy, "GET"))
        assert (await stage.ask("gateway admin", "POST", "keys/{ml caller}/revoke")).status == 200
        for _ in range(MOST_BESIDE - share):
            await held(gateway, "/v1/admin/me", other, "GET")
        assert "that ask no model" in (await refused(await held(gateway, "/v1/models", other, "GET"))).error["message"]
        assert (await gateway.chat("inside")).status == 200
        assert (await gateway.ask("/livez", key=None)).status == 200


@pytest.mark.parametrize("path", [CHAT, "/v1/admin/keys", "/v1/reviews"])
async def test_without_a_key_nobody_holds_a_place(serve: Serve, path):
    async with serve(limits=Limits(max_concurrent=1)) as gateway:
        for key in (None, "pm_abcdefghijkl_" + "A" * 43):
            assert (await (await held(gateway, path, key)).answered()).status == 401
        await soon(lambda: gateway.app._in_progress == 0)
        assert (await gateway.chat("inside")).status == 200


async def test_a_saved_limit_holds_for_what_comes_then(serve: Serve):
    async with serve([model("inside", "hang")], limits=Limits(max_concurrent=1)) as gateway:
        key = await gateway.key()
        await held(gateway, CHAT, key)
        await refused(await held(gateway, CHAT, key))
        gateway.app.limits = Limits(max_concurrent=4)
        for _ in range(2):
            await held(gateway, CHAT, key)
        assert "3 requests of the key" in (await refused(await held(gateway, CHAT, key))).error["message"]
