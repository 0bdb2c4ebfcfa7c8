"""Role x endpoint x field, walked from the table that the router is made of, and from nothing else."""

from __future__ import annotations

import itertools
import json
import time
from typing import Any

import pytest

from pointsman.core.role import STANDINGS
from pointsman.core.tenancy import Org, Team
from pointsman.server.admin_endpoints import ENDPOINTS, PREFIX
from pointsman.server.admin_fields import EVENT, KEY, ORG, TEAM
from pointsman.server.administration import Administration
from pointsman.server.tables import Endpoint
from pointsman.stores.keys import Key, new_key
from tests.server.conftest import Serve
from tests.server.served import OPERATOR, Served

SAMPLES: dict[str, Any] = {
    "name": "n",
    "org": "acme",
    "team": "ml",
    "role": "caller",
    "routes": ["auto"],
    "models": ["inside"],
    "labels": ["pii"],
    "allowed_labels": ["restricted", "pii"],
    "requests_per_minute": 10_000,
    "tokens_per_minute": 10_000,
    "metadata": {"cost-centre": "7"},
    "expires_at": int(time.time()) + 3_600,
    "grace_s": 1,
}
FIELDS = sorted({*KEY, *TEAM, *ORG, *EVENT, "grace_s", "key", "hash", "secret", "rights", "is_admin", "Name", "__class__"})


async def keys_of(gateway: Served) -> dict[str, str]:
    """A key of each role that stands above every tenant."""
    texts = {"root": OPERATOR}
    for role in STANDINGS[1:]:
        made = new_key()
        await gateway.service.keys.add_key(Key(made.id, made.hash, 1, role=role))
        texts[role] = made.text
    return texts


async def target(gateway: Served, endpoint: Endpoint[Administration], role: str) -> str:
    """A path of the endpoint's, with things of its own to be managed."""
    org, made, keys = f"org-of-{role}", new_key(), gateway.service.keys
    if "{" in endpoint.path:
        await keys.add_org(Org(org, 1))
        await keys.add_team(Team(org, "t", 1))
        await keys.add_key(Key(made.id, made.hash, 1, org=org, team="t"))
    return PREFIX + endpoint.path.format(key=made.id, org=org, team="t")


def expected(endpoint: Endpoint[Administration], role: str, field: str | None) -> int:
    """What the table says."""
    if role not in endpoint.roles:
        return 403
    if field is None:
        return 200
    givers = endpoint.givers()
    return 400 if field not in givers else 200 if role in givers[field] else 403


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda endpoint: f"{endpoint.method} {endpoint.path}")
async def test_each_role_may_call_give_and_see_what_the_table_says(serve: Serve, endpoint: Endpoint[Administration]):
    async with serve(routes={"auto": {}}) as gateway:
        await gateway.service.keys.add_org(Org("acme", 1))
        await gateway.service.keys.add_team(Team("acme", "ml", 1))
        texts, connection, numbers = await keys_of(gateway), await gateway.connect(), itertools.count()
        paths = {role: await target(gateway, endpoint, role) for role in STANDINGS}
        for role, field in itertools.product(STANDINGS, [None, *FIELDS]):
            path, body = paths[role], {"id": f"x{next(numbers)}"} if "id" in endpoint.required else {}
            if field is not None:
                placed = {"org": "acme"} if field == "team" and "org" in endpoint.givers() else {}
                body = {**body, **placed, field: SAMPLES.get(field, body.get(field))}
            await connection.request(path, body if endpoint.method != "GET" or field else None, key=texts[role], method=endpoint.method)
            answer = await connection.answered()
            what = f"{role} {endpoint.method} {path} {json.dumps(body)}"
            assert answer.status == expected(endpoint, role, field), f"{what}: {answer.body!r}"
            assert OPERATOR.encode() not in answer.body
            if answer.status != 200:
                assert answer.error["param"] in (field, None), what
                assert (answer.error["code"] == "forbidden") is (answer.status == 403), what
                continue
            entries = answer.json["data"] if endpoint.listing else [answer.json]
            seen = {name for name, roles in endpoint.readers().items() if role in roles}
            for entry in entries:
                assert set(entry) <= seen, what
                assert set(entry) == seen or (endpoint.path == "me" and role == "root"), what


async def test_what_the_table_does_not_hold_does_not_exist(serve: Serve):
    table = {(endpoint.method, endpoint.path.format(key="k", org="o", team="t")) for endpoint in ENDPOINTS}
    paths = {path for _, path in table}
    async with serve() as gateway:
        for method, path in itertools.product(("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"), sorted(paths)):
            status = (await gateway.ask(PREFIX + path, {}, method=method)).status
            assert (status == 405) is ((method, path) not in table), (method, path)
        for path in (
            "",
            "keys/",
            "keys//revoke",
            "keys/k/delete",
            "config",
            "users",
            "../keys",
            "keys/k/revoke/",
            "KEYS",
            "orgs/o/teams/t/keys",
        ):
            answer = await gateway.ask(PREFIX + path)
            assert (answer.status, answer.error["code"]) == (404, "unknown_url"), path


def test_every_field_that_can_be_given_has_a_check_and_a_sample():
    for endpoint in ENDPOINTS:
        for name in endpoint.givers():
            assert (endpoint.gives or {})[name].check is not None, (endpoint.path, name)
            assert name in SAMPLES or name in endpoint.required, (endpoint.path, name)
        assert endpoint.required <= set(endpoint.givers())
        assert set(endpoint.reads) <= set(FIELDS) | {"effective"}
