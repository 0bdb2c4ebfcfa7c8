"""Streams survive SIGTERM, or hear why they do not; reloads, sound and broken, fail nobody."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from pathlib import Path
from random import Random

import pytest
import uvloop

from pointsman.config.load import load_file
from pointsman.core.codec import from_json
from pointsman.core.record import DecisionRecord
from pointsman.server.reload import Reloader
from pointsman.testing import ScriptedUpstream
from tests.faults.clients import CLIENTS, events
from tests.faults.pools import FORBIDDEN, POLICY
from tests.faults.process import configuration, started
from tests.server.conftest import Serve
from tests.server.raw import Connection
from tests.server.served import PRICE, model

STREAMS = 50
STREAM_S = float(os.environ.get("POINTSMAN_FAULT_STREAM_S", "1.0"))
RELOADS = int(os.environ.get("POINTSMAN_FAULT_RELOADS", "50"))
WORDS = " ".join(f"word{at}" for at in range(20))
ALL_APIS = ["chat", "responses", "messages"]


def dripping() -> dict[str, object]:
    """About so long for the words, whatever the API."""
    return model("slow", f"drip-{int(STREAM_S * 1000 / 20)}", apis=ALL_APIS)


@pytest.mark.parametrize("drain_s", [60.0, 0.3], ids=["in time", "too late"])
async def test_streams_end_whole_or_with_an_error_and_none_goes_unrecorded(tmp_path: Path, drain_s):
    clients = [list(CLIENTS.values())[at % 3] for at in range(STREAMS)]
    async with (
        ScriptedUpstream() as upstream,
        started(tmp_path, configuration(upstream, [dripping()], server={"drain_s": drain_s})) as gateway,
    ):
        streams = [await gateway.ask(client.path, {**client.body("slow", WORDS), "stream": True}) for client in clients]

        async def begun(connection: Connection) -> bytes:
            assert (await connection.head())[0] == 200
            return await connection.piece()

        bodies = list(await asyncio.gather(*map(begun, streams)))
        told_at = asyncio.get_running_loop().time()
        gateway.process.send_signal(signal.SIGTERM)

        async def rest(at: int) -> None:
            while piece := await streams[at].piece():
                bodies[at] += piece
            streams[at].close()

        await asyncio.gather(*map(rest, range(STREAMS)))
        assert await gateway.ended() == 0
        took_s = asyncio.get_running_loop().time() - told_at
        decisions, outcomes, _ = gateway.log()
        assert len(decisions) == len(outcomes) == STREAMS
        for client, body in zip(clients, bodies, strict=True):
            if drain_s > 1:
                assert client.ended_well(body)
                assert "".join(client.delta(event) for event in events(body)) == WORDS
            else:
                assert not client.ended_well(body)
                assert "stopped" in events(body)[-1]["error"]["message"]
        assert {outcome.status for outcome in outcomes} == ({"ok"} if drain_s > 1 else {"error"})
        assert took_s <= drain_s + 1
        assert all(outcome.usage_source in ("reported", "estimated") for outcome in outcomes)
        assert {exchange.model for exchange in upstream.ledger} == {f"drip-{int(STREAM_S * 1000 / 20)}@slow"}


def test_reloads_under_load_fail_no_request_and_every_decision_names_what_was_in_force(serve: Serve, tmp_path: Path):
    uvloop.run(reload_again_and_again(serve, tmp_path))


async def reload_again_and_again(serve: Serve, tmp_path: Path) -> None:
    chance, file, stop = Random(5), tmp_path / "pointsman.yaml", asyncio.Event()
    pool = [model("first", "flaky-3", apis=ALL_APIS), model("good", apis=ALL_APIS)]
    route = {"models": ["forbidden", "first"], "fallback": ["forbidden", "good"], "retry": {"base_s": 0.001}}
    health = {"failures": 10**6, "window": 10**6, "retry_floor": 10**6, "slow_factor": 1e9}
    async with serve([FORBIDDEN, *pool], routes={"auto": route}, policies=[POLICY], health=health) as gateway:

        def text(number: int) -> str:
            models = [{**found, "base_url": gateway.upstream.base_url} for found in (FORBIDDEN, *pool)]
            models[1]["price"] = {**PRICE, "input": 1 + number}
            said = {"version": 1, "models": models, "routes": {"auto": route}, "policies": [POLICY], "health": health}
            return json.dumps({**said, "store": {"path": str(gateway.folder / "log.db")}})

        file.write_text(text(0))
        reloader = Reloader(file, load_file(file, {}), gateway.service.reload, env={})
        published = {gateway.service.gateway.world.snapshot.id}
        statuses: list[int] = []

        async def client(number: int) -> None:
            asking = list(CLIENTS.values())[number % 3]
            while not stop.is_set():
                answer = await asking.ask(gateway, "auto", stream=number % 2 > 0)
                asking.said(answer)
                statuses.append(answer.status)
                assert answer.headers["x-pointsman-model"] in ("first", "good")

        clients = [asyncio.create_task(client(number)) for number in range(6)]
        for number in range(1, RELOADS + 1):
            broken = chance.random() < 0.3
            file.write_text(
                chance.choice(["version: 1\nmodels: 3\n", "{", text(number)[:-40], text(number).replace("good", "bad", 1)])
                if broken
                else text(number)
            )
            before = gateway.service.gateway.world.snapshot.id
            await reloader.check()
            assert (reloader.problem is not None) is broken, reloader.problem
            assert (gateway.service.gateway.world.snapshot.id == before) is broken, number
            published.add(gateway.service.gateway.world.snapshot.id)
        stop.set()
        await asyncio.gather(*clients)
        records = [from_json(DecisionRecord, entry.body) for entry in await gateway.service.log.recent(10**6, kind="decision")]
        assert len(records) == len(statuses) > RELOADS / 5
        assert {record.snapshot for record in records} <= published
        assert len({record.snapshot for record in records}) > RELOADS / 20
        assert not [exchange for exchange in gateway.ledger if "@forbidden" in exchange.model]
