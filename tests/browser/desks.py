"""A gateway whose reviews, and their page, are there to be looked at."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pointsman.core.review import Contents, Offered, Ticket
from pointsman.gateway.reviews import Desk
from tests.server.served import Served, serving
from tests.tickets import CONTENTS, ticket

HOUR_NS = 3_600 * 10**9


@dataclass
class Desked:
    """A running gateway, and its desk."""

    gateway: Served

    @property
    def desk(self) -> Desk:
        return self.gateway.service.reviews

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self.gateway.port}"

    @property
    def url(self) -> str:
        return f"{self.origin}/ui/reviews"

    async def reviewer(self, **more: Any) -> str:
        """A new reviewer's key."""
        return await self.gateway.key(role="reviewer", **more)

    async def opened(self, id: str = "rev_1", contents: Contents = CONTENTS, **more: Any) -> Ticket:
        """A new ticket, due in an hour."""
        now_ns = time.time_ns()
        offered = tuple(Offered(found.call, found.model, found.confidence) for found in contents.proposals)
        made = ticket(id, **{"created_at_ns": now_ns, "deadline_at_ns": now_ns + HOUR_NS, "offered": offered, **more})
        await self.desk.store.open(made, contents)
        return made


@asynccontextmanager
async def desked(folder: Path) -> AsyncIterator[Desked]:
    async with serving(folder) as gateway:
        yield Desked(gateway)
