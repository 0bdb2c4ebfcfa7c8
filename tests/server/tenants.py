"""A gateway with two tenants and keys of every role."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Any

from pointsman.core.tenancy import Org, Team
from pointsman.stores.keys import Key, new_key, parse
from tests.server.raw import Answered, Connection
from tests.server.served import OPERATOR, Served

ROUTES: dict[str, Any] = {"auto": {}, "other": {}}
HOUR_NS = 3_600 * 10**9
ACTORS: dict[str, dict[str, Any]] = {
    "gateway admin": {"role": "admin"},
    "acme admin": {"org": "acme", "role": "admin"},
    "ml admin": {"org": "acme", "team": "ml", "role": "admin"},
    "narrow admin": {
        "org": "acme",
        "team": "ml",
        "role": "admin",
        "routes": ("auto",),
        "models": ("inside",),
        "labels": ("internal",),
        "allowed_labels": ("confidential",),
        "requests_per_minute": 10_000,
        "tokens_per_minute": 10_000,
        "expires_at_ns": time.time_ns() + HOUR_NS,
    },
    "ml operator": {"org": "acme", "team": "ml", "role": "operator"},
    "ml auditor": {"org": "acme", "team": "ml", "role": "auditor"},
    "ml reviewer": {"org": "acme", "team": "ml", "role": "reviewer"},
    "ml caller": {"org": "acme", "team": "ml"},
    "ops caller": {"org": "acme", "team": "ops"},
    "acme caller": {"org": "acme"},
    "gateway caller": {},
    "rival admin": {"org": "rival", "role": "admin"},
    "rival caller": {"org": "rival", "team": "ml"},
}


@dataclass
class Tenants:
    """The gateway, and the keys' texts by what they are called."""

    gateway: Served
    texts: dict[str, str]
    connection: Connection

    def id(self, name: str) -> str:
        found = parse(self.texts[name])
        assert found is not None
        return found[0]

    async def ask(self, name: str, method: str, path: str, body: object = None) -> Answered:
        """One request to the admin API; names in braces stand for the ids of these keys."""
        for other in self.texts:
            path = path.replace(f"{{{other}}}", self.id(other) if other != "root" else "env")
        shown = body if body is not None or method in ("GET", "HEAD") else {}
        await self.connection.request(f"/v1/admin/{path}", shown, key=self.texts[name], method=method)
        return await self.connection.answered()


@asynccontextmanager
async def tenants(serve: Callable[..., AbstractAsyncContextManager[Served]]) -> AsyncIterator[Tenants]:
    async with serve(routes=ROUTES) as gateway:
        keys = gateway.service.keys
        for org in ("acme", "rival"):
            await keys.add_org(Org(org, 1))
            for team in ("ml", "ops"):
                await keys.add_team(Team(org, team, 1))
        texts = {"root": OPERATOR}
        for at, (name, fields) in enumerate(ACTORS.items()):
            made = new_key()
            await keys.add_key(Key(made.id, made.hash, at + 1, name=name, **fields))
            texts[name] = made.text
        yield Tenants(gateway, texts, await gateway.connect())
