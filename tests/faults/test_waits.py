"""When an upstream says how long to wait it is asked again then, not before, and not much later."""

from __future__ import annotations

import asyncio

import pytest

from tests.faults.clients import CLIENTS, TEXT, Client
from tests.faults.pools import guarded, route
from tests.server.conftest import Serve
from tests.server.served import model

WITHIN_S = 0.1
ALL_APIS = ["chat", "responses", "messages"]
AGAIN = {"attempts": 2, "base_s": 0.04, "longest_s": 1.0}


@pytest.mark.parametrize("client", CLIENTS.values(), ids=CLIENTS)
@pytest.mark.parametrize(
    ("script", "least_s", "most_s"), [("ratelimit-250", 0.25, 0.25), ("ratelimit-reset-250", 0.25, 0.25), ("ratelimit-date-1", 0.0, 1.0)]
)
async def test_a_wait_that_was_asked_for_is_kept(serve: Serve, client: Client, script, least_s, most_s):
    """A date has whole seconds."""
    async with guarded(serve, [model("limited", script, apis=ALL_APIS)], {"auto": route("limited", retry=AGAIN)}) as gateway:
        failed = await client.ask(gateway, "auto", stream=True)
        assert failed.status == 429
        first, second = gateway.ledger
        waited_s = second.arrived_at - first.arrived_at
        assert least_s <= waited_s <= most_s + AGAIN["base_s"] / 4 + WITHIN_S
        assert failed.headers["x-pointsman-attempts"] == "2"


async def test_with_another_to_ask_nobody_waits(serve: Serve):
    pool = [model("limited", "ratelimit-5000", quality={"general": 0.9}), model("good")]
    async with guarded(serve, pool, {"auto": route("limited", "good", retry=AGAIN)}) as gateway:
        began = asyncio.get_running_loop().time()
        assert (await gateway.chat("auto", TEXT, stream=True)).text == TEXT
        assert asyncio.get_running_loop().time() - began < WITHIN_S * 2
        while "limited" not in gateway.app._gateway.world.snapshot.health:
            await asyncio.sleep(0)
        assert (await gateway.chat("auto")).headers["x-pointsman-attempts"] == "1"
