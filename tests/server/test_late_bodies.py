"""A body that comes late is judged by what its sender may do when it has come, not by what he might when he began."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from tests.server.conftest import Serve
from tests.server.raw import Answered, Connection
from tests.server.served import chat, model
from tests.server.tenants import Tenants, tenants


async def begun(stage: Tenants, name: str, method: str, path: str, body: Mapping[str, Any]) -> tuple[Connection, bytes]:
    """A request that was let in, with the first byte of its body; and the rest."""
    connection, content = await stage.gateway.connect(), json.dumps(body).encode()
    head = f"{method} {path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {stage.texts[name]}\r\ncontent-length: {len(content)}\r\n\r\n"
    await connection.send(head.encode() + content[:1])
    # Another request's answer: by then the first one has been let in, for one loop serves both.
    await stage.gateway.ask("/v1/admin/me")
    assert stage.gateway.app._in_progress == 1
    return connection, content[1:]


async def finished(request: tuple[Connection, bytes]) -> Answered:
    await request[0].send(request[1])
    return await request[0].answered()


async def test_who_was_revoked_meanwhile_makes_no_key(serve: Serve):
    async with tenants(serve) as stage:
        request = await begun(stage, "gateway admin", "POST", "/v1/admin/keys", {"name": "a way back in", "role": "admin"})
        await stage.ask("root", "POST", "keys/{gateway admin}/revoke")
        assert (await finished(request)).status == 401
        assert "a way back in" not in [key.name for key in await stage.gateway.service.keys.list_keys()]


@pytest.mark.parametrize("role", ["caller", "auditor", "operator"])
async def test_who_was_demoted_meanwhile_does_not_promote_himself(serve: Serve, role: str):
    async with tenants(serve) as stage:
        own = stage.id("gateway admin")
        request = await begun(stage, "gateway admin", "PATCH", f"/v1/admin/keys/{own}", {"role": "admin"})
        assert (await stage.ask("root", "PATCH", f"keys/{own}", {"role": role})).status == 200
        assert (await finished(request)).status == 403
        assert (await stage.gateway.service.keys.find_key(own)).role == role


async def test_rights_that_shrank_meanwhile_are_not_handed_on(serve: Serve):
    async with tenants(serve) as stage:
        request = await begun(stage, "ml admin", "POST", "/v1/admin/keys", {"name": "wide"})
        await stage.ask("root", "PATCH", "keys/{ml admin}", {"routes": ["auto"]})
        made = await finished(request)
        assert (made.status, made.json["routes"]) == (200, ["auto"])


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/explain", "/v1/messages/count_tokens"])
@pytest.mark.parametrize("event", ["revoke", "close", "rotate", "demote"])
async def test_a_key_that_is_good_no_more_when_the_body_comes_asks_no_model(serve: Serve, path: str, event: str):
    async with tenants(serve) as stage:
        request = await begun(stage, "ml caller", "POST", path, {**chat("inside"), "max_tokens": 5})
        match event:
            case "close":
                await stage.ask("root", "POST", "orgs/acme/teams/ml/close")
            case "demote":
                await stage.ask("root", "PATCH", "keys/{ml caller}", {"role": "auditor"})
            case _:
                await stage.ask("root", "POST", f"keys/{{ml caller}}/{event}")
        assert (await finished(request)).status == (403 if event == "demote" else 401)
        assert stage.gateway.ledger == []


async def test_a_floor_of_labels_that_was_raised_meanwhile_holds(serve: Serve):
    outside = model("outside", perimeter="external", quality={"general": 0.9})
    inside = model("inside", perimeter="on_prem", quality={"general": 0.1})
    policy = {"name": "kept in", "when": '"phi" in labels', "require": {"perimeter": ["on_prem"]}}
    async with serve([inside, outside], routes={"auto": {"dial": 1}}, policies=[policy]) as gateway:
        stage = Tenants(gateway, {"root": (await gateway.key(role="admin")), "k": await gateway.key()}, await gateway.connect())
        assert (await gateway.ask(body=chat("auto"), key=stage.texts["k"])).headers["x-pointsman-model"] == "outside"
        request = await begun(stage, "k", "POST", "/v1/chat/completions", chat("auto"))
        assert (await stage.ask("root", "PATCH", "keys/{k}", {"labels": ["phi"]})).status == 200
        answer = await finished(request)
        assert (answer.status, answer.headers["x-pointsman-model"]) == (200, "inside")


async def test_a_late_body_counts_as_one_request(serve: Serve):
    async with tenants(serve) as stage:
        await stage.ask("root", "PATCH", "keys/{ml caller}", {"requests_per_minute": 2})
        statuses = [(await finished(await begun(stage, "ml caller", "POST", "/v1/explain", chat("inside")))).status for _ in range(2)]
        assert statuses == [200, 200]
        assert (await stage.gateway.ask("/v1/models", key=stage.texts["ml caller"])).status == 429
