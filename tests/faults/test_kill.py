"""`kill -9` of the whole gateway under load: nothing went out undecided, nothing acknowledged is lost, and the chain is whole."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path
from random import Random

import uvloop

from pointsman.testing import ScriptedUpstream
from tests.faults.clients import CLIENTS
from tests.faults.process import KEY, Running, configuration, started
from tests.server.coroutines import soon
from tests.server.raw import Connection
from tests.server.served import model

ROUNDS = int(os.environ.get("POINTSMAN_FAULT_KILLS", "2"))
CLIENTS_AT_ONCE = 24
ALL_APIS = ["chat", "responses", "messages"]


async def asks(gateway: Running, name: str, acknowledged: set[str]) -> None:
    """Ask until the gateway is gone; note the decisions whose answers came whole."""
    number = 0
    connection = await Connection.open(gateway.port)
    try:
        while True:
            number += 1
            client = list(CLIENTS.values())[number % 3]
            body = {**client.body(["auto", "slow"][number % 2], f"{name}-{number}"), "stream": number % 4 > 1}
            await connection.request(client.path, body, key=KEY)
            answer = await connection.answered()
            if answer.status == 200 and (not body["stream"] or client.ended_well(answer.body)):
                acknowledged.add(answer.headers["x-pointsman-decision-id"])
    except (OSError, asyncio.IncompleteReadError):
        connection.close()


def test_no_call_without_a_decision_and_no_answer_without_an_outcome(tmp_path: Path):
    uvloop.run(kill_again_and_again(tmp_path))


async def kill_again_and_again(tmp_path: Path) -> None:
    chance = Random(9)
    pool = [model("first", "flaky-2", apis=ALL_APIS), model("good", apis=ALL_APIS), model("slow", "drip-1", apis=ALL_APIS)]
    routes = {"auto": {"models": ["forbidden", "first"], "fallback": ["good"], "retry": {"base_s": 0.01}}}
    health = {"failures": 10**6, "window": 10**6, "retry_floor": 10**6}
    acknowledged: set[str] = set()
    async with ScriptedUpstream() as upstream:
        config = configuration(upstream, pool, routes=routes, health=health, store={"content": True})
        for round_ in range(ROUNDS):
            async with started(tmp_path, config) as gateway:
                asking = [asyncio.create_task(asks(gateway, f"r{round_}c{at}", acknowledged)) for at in range(CLIENTS_AT_ONCE)]
                enough = len(acknowledged) + chance.randrange(12, 150)
                async with asyncio.timeout(60):
                    await soon(lambda: len(acknowledged) >= enough)  # noqa: B023  awaited here
                await asyncio.sleep(chance.uniform(0, 0.02))  # not in step with any answer
                gateway.process.kill()
                assert await gateway.ended() == -9
                await asyncio.gather(*asking)
            decisions, outcomes, contents = gateway.log()
            texts = {text_of(json.loads(body)): decision for decision, body in contents.items()}
            called = {text_of(exchange.json) for exchange in upstream.ledger}
            assert called <= texts.keys()
            assert {texts[text] for text in called} <= decisions
            assert acknowledged <= {outcome.decision for outcome in outcomes if outcome.ok}
        assert len(acknowledged) > 10 * ROUNDS
        assert not [exchange for exchange in upstream.ledger if "@forbidden" in exchange.model]


def text_of(body: dict) -> str:
    said = body.get("input") or body["messages"][-1]["content"]
    return said if isinstance(said, str) else said[-1]["text"] if "text" in said[-1] else said[-1]["content"]
