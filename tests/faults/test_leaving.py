"""A client may leave at any point of any path: the upstream hears of it within half a second, each call is recorded once, nothing is left."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import pytest

from pointsman.server.app import Limits
from tests.faults.clients import CLIENTS, TEXT, Client
from tests.faults.pools import guarded, route
from tests.server.conftest import Serve
from tests.server.coroutines import soon
from tests.server.raw import Connection
from tests.server.served import OPERATOR, Served, model

ALL_APIS = ["chat", "responses", "messages"]
WITHIN_S = 0.5
MANY = 1_000

Reached = Callable[[Served, Connection, bool], Awaitable[None]]


async def called(gateway: Served, connection: Connection, stream: bool) -> None:
    """The last model of the chain has been asked."""
    await gateway.upstream.until(lambda: gateway.ledger and "@last" in gateway.ledger[-1].model)


async def both_called(gateway: Served, connection: Connection, stream: bool) -> None:
    await gateway.upstream.until(lambda: len(gateway.ledger) == 2)


async def sending(gateway: Served, connection: Connection, stream: bool) -> None:
    """Something of an answer has left the upstream."""
    await called(gateway, connection, stream)
    await gateway.upstream.until(lambda: gateway.ledger[-1].bytes_sent)


async def read(gateway: Served, connection: Connection, stream: bool) -> None:
    """The client has read the beginning of its stream; a whole answer has not come yet."""
    await sending(gateway, connection, stream)
    if stream:
        await connection.head()
        await connection.piece()


async def beating(gateway: Served, connection: Connection, stream: bool) -> None:
    """The stream was begun with a sign of life, before there is an answer."""
    await called(gateway, connection, stream)
    if stream:
        await connection.head()
        await connection.piece()


async def failed(gateway: Served, connection: Connection, stream: bool) -> None:
    """The first call has failed and is on record; the next is waited for."""
    while not await gateway.outcomes():
        await asyncio.sleep(0)
    for _ in range(10):
        await asyncio.sleep(0)


def turns(count: int) -> Reached:
    async def turned(gateway: Served, connection: Connection, stream: bool) -> None:
        for _ in range(count):
            await asyncio.sleep(0)

    return turned


@dataclass(frozen=True)
class Point:
    """Where a client leaves: what the models of its chain do, and what has happened by then."""

    scripts: tuple[str, ...]
    reached: Reached
    settings: Mapping[str, object] = field(default_factory=dict)
    text: str = TEXT


FAILS = "error-503"
SLOW_HEDGE, QUICK_HEDGE = ({"plan": "hedge", "hedge": {"after_s": after_s, "models": 2}} for after_s in (30, 0.01))
POINTS = {
    "at once": Point(("hang",), turns(0)),
    "after 3 turns": Point(("hang",), turns(3)),
    "after 10 turns": Point(("hang",), turns(10)),
    "a large request being read": Point(("hang",), turns(6), text="word " * 60_000),
    "waiting for headers": Point(("hang",), called),
    "waiting for headers, told that it is alive": Point(("hang",), beating),
    "waiting for the first token": Point(("slow-first-token",), sending),
    "waiting for the first token, told that it is alive": Point(("slow-first-token",), beating),
    "after the first event": Point(("stall-after-1",), sending),
    "while comments come": Point(("comments-only-20",), sending),
    "mid-stream": Point(("stall-after-5",), read),
    "mid-stream, drop by drop": Point(("drip-50",), read),
    "mid-stream, cut anywhere": Point(("slow-body-50",), sending),
    "mid-stream, more than it reads": Point(("huge-answer-8",), read),
    "waiting to ask again": Point((FAILS,), failed, {"retry": {"attempts": 3, "base_s": 60, "longest_s": 60}}),
    "the second model's headers": Point((FAILS, "hang"), called),
    "the second model's first token": Point((FAILS, "slow-first-token"), sending),
    "the second model's stream": Point((FAILS, "stall-after-5"), read),
    "before the hedge": Point(("hang", "ok"), turns(40), SLOW_HEDGE),
    "both hedged": Point(("hang", "hang"), both_called, QUICK_HEDGE),
    "the hedge's first token": Point(("hang", "slow-first-token"), sending, QUICK_HEDGE),
    "the hedge's stream": Point(("hang", "stall-after-5"), read, QUICK_HEDGE),
}
WAYS = ["closed", "reset", "half-closed"]


def pool(point: Point) -> list[dict[str, object]]:
    ids = ["first", "last"] if len(point.scripts) == 2 else ["last"]
    best = iter([0.9, 0.5])
    scripts = zip(ids, point.scripts, strict=True)
    return [model(name, script, apis=ALL_APIS, context_tokens=1_000_000, quality={"general": next(best)}) for name, script in scripts]


@pytest.mark.parametrize("point", [pytest.param(point, id=name) for name, point in POINTS.items()])
async def test_the_upstream_hears_of_it_and_every_call_is_on_record_once(serve: Serve, point: Point):
    models = pool(point)
    ids = [str(found["id"]) for found in models]
    auto = route(ids[0], *ids[1:], dial=1, **({"models": ["forbidden", *ids], "fallback": ids} if "plan" in point.settings else {}))
    async with guarded(serve, models, {"auto": {**auto, **point.settings}}, limits=Limits(keep_alive_s=0.02)) as gateway:
        for at, (client, stream) in enumerate((client, stream) for client in CLIENTS.values() for stream in (False, True)):
            await left(gateway, client, stream, point, WAYS[at % 3])
        await settled(gateway)
        assert gateway.app._in_progress == 0
        assert not gateway.app._gateway._clocks


async def left(gateway: Served, client: Client, stream: bool, point: Point, how: str) -> None:
    gateway.ledger.clear()
    before = {(outcome.decision, outcome.attempt) for outcome in await gateway.outcomes()}
    connection = await gateway.connect()
    await connection.request(client.path, {**client.body("auto", point.text), "stream": stream}, key=OPERATOR)
    await point.reached(gateway, connection, stream)
    loop = asyncio.get_running_loop()
    left_at = loop.time()
    connection.leave(how)
    async with asyncio.timeout(3):
        await gateway.quiet()
        await gateway.upstream.until(lambda: all(found.answered or found.left_at for found in gateway.ledger))
    late = [found.left_at - left_at for found in gateway.ledger if found.left_at and found.left_at > left_at + WITHIN_S]
    assert not late
    outcomes = [found for found in await gateway.outcomes() if (found.decision, found.attempt) not in before]
    assert {found.attempt for found in outcomes} == set(range(1, len(outcomes) + 1))
    assert len(outcomes) >= len(gateway.ledger)
    # Only where a stream was already the client's can another call have been put aside for it.
    hedged = {"superseded"} if stream and point.reached is read else set()
    for outcome in outcomes:
        assert outcome.status == "error" or (outcome.status == "aborted" and outcome.error in {"client_disconnected"} | hedged)
        assert outcome.usage_source in ("estimated", "reported") or outcome.status == "error"
    assert len([outcome for outcome in outcomes if outcome.error == "superseded"]) < max(len(outcomes), 1)
    connection.close()


async def test_a_thousand_that_leave_at_odd_moments_leave_nothing_behind(serve: Serve):
    scripts = ("ok", "stall-after-3", "hang", "slow-first-token", "error-503", "drip-5")
    chance = Random(23)
    pool = [model(script, script, apis=ALL_APIS) for script in scripts]
    routes = {f"to-{script}": route("error-503", script) for script in scripts}
    async with guarded(serve, pool, routes) as gateway:
        limit = asyncio.Semaphore(40)

        async def come_and_go(number: int) -> None:
            async with limit:
                client = list(CLIENTS.values())[number % 3]
                wanted = chance.choice([*scripts, *routes])
                connection = await gateway.connect()
                await connection.request(client.path, {**client.body(wanted, TEXT), "stream": number % 2 > 0}, key=OPERATOR)
                for _ in range(chance.randrange(chance.choice([60, 400]))):
                    await asyncio.sleep(0)
                connection.leave(WAYS[number % 3])
                await asyncio.sleep(0)

        await come_and_go(0)
        await settled(gateway)
        tasks, files = len(asyncio.all_tasks()), open_files()
        await asyncio.gather(*map(come_and_go, range(1, MANY)))
        await settled(gateway)
        kept = sum(len(idle) for idle in gateway.service._pool._idle.values())
        assert gateway.app._in_progress == 0
        assert not gateway.app._gateway._clocks
        assert gateway.service._pool._open == {found for idle in gateway.service._pool._idle.values() for found in idle}
        assert len(asyncio.all_tasks()) <= tasks + 2 * kept  # the scripted upstream has two for each connection
        assert open_files() <= files + 2 * kept
        calls = await gateway.outcomes()
        assert len({(call.decision, call.attempt) for call in calls}) == len(calls) >= len(gateway.ledger)
        assert {"ok", "error", "aborted"} == set(Counter(call.status for call in calls))
        assert all(call.usage_source in ("estimated", "reported") for call in calls if call.status == "aborted")
        assert (await gateway.service.log.verify()).ok


async def settled(gateway: Served) -> None:
    for connection in gateway.connections:
        connection.close()
    await gateway.upstream.until(lambda: all(found.answered or found.left_at for found in gateway.ledger))
    await gateway.quiet()
    await soon(lambda: not gateway.state.connections)
    gateway.connections.clear()
    for _ in range(20):
        await asyncio.sleep(0)


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))
