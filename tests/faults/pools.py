"""Pools for tests of faults. One healthy model is forbidden by policy in each: whatever fails, it is never called."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

from tests.server.conftest import Serve
from tests.server.served import Served, model

FORBIDDEN = model("forbidden", quality={"general": 1.0}, apis=["chat", "responses", "messages"], context_tokens=1_000_000)
POLICY = {"name": "not that one", "forbid": {"model": ["forbidden"]}}
NEVER = 1_000_000
PATIENT = {"failures": NEVER, "window": NEVER, "retry_floor": NEVER, "slow_factor": 1e9}
"""Breakers that never open, and retries without a budget: each fault is met every time."""
QUICK = {"attempts": 2, "base_s": 0.002, "longest_s": 0.01}


def route(first: str, *rest: str, **more: object) -> dict[str, object]:
    """Ask `first`, then the forbidden model and the rest."""
    return {"models": ["forbidden", first], "fallback": ["forbidden", *rest], "retry": QUICK, **more}


@asynccontextmanager
async def guarded(
    serve: Serve, models: Sequence[Mapping[str, object]], routes: Mapping[str, object], *, health: object = PATIENT, **more: Any
) -> AsyncIterator[Served]:
    """A gateway with these models and a forbidden one, which must not have been called at the end."""
    policies = [POLICY, *more.pop("policies", [])]
    async with serve([FORBIDDEN, *models], routes=routes, policies=policies, health=health, **more) as gateway:
        yield gateway
        assert not [exchange for exchange in gateway.ledger if "@forbidden" in exchange.model]
