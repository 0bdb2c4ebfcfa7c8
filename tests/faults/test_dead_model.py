"""A model that is dead gets hardly more calls than requests, its breaker opens and probes, and the last legal one is tried all the same."""

from __future__ import annotations

import asyncio
import os

import pytest

from pointsman.upstream.health import Health
from tests.faults.clients import CHAT
from tests.faults.pools import NEVER, guarded, route
from tests.server.conftest import Serve
from tests.server.served import Served, model

REQUESTS = int(os.environ.get("POINTSMAN_FAULT_REQUESTS", "100"))
FLOOR = 10
BREAKERS = {"on": {"failures": 5, "cooldown_s": 0.05}, "off": {"failures": NEVER, "window": NEVER}}


@pytest.mark.parametrize(
    ("breaker", "chain", "script"),
    [("on", (), "error-500"), ("off", (), "close"), ("on", ("also",), "close"), ("off", ("also",), "error-500")],
)
async def test_a_dead_model_gets_at_most_a_tenth_more_calls_than_requests_and_the_floor(serve: Serve, breaker, chain, script):
    pool = [model("dead", script), *(model(name, script) for name in chain)]
    routes = {"auto": route("dead", *chain, retry={"attempts": 5, "base_s": 0.001, "longest_s": 0.002})}
    async with guarded(serve, pool, routes, health={**BREAKERS[breaker], "retry_share": 0.1, "retry_floor": FLOOR}) as gateway:
        limit = asyncio.Semaphore(30)

        async def one(number: int) -> int:
            async with limit:
                failed = await CHAT.ask(gateway, "auto", stream=number % 2 > 0)
                assert failed.headers.get("x-should-retry") == "false" or failed.error["code"] == "no_eligible_model"
                return failed.status

        statuses = set(await asyncio.gather(*map(one, range(REQUESTS))))
        assert statuses <= {502, 503, 500}
        for name in ("dead", *chain):
            calls = sum(exchange.model.endswith(f"@{name}") for exchange in gateway.ledger)
            assert calls <= 1.1 * REQUESTS + FLOOR
        assert len(gateway.ledger) >= REQUESTS  # the last legal one is always tried


async def verdicts(gateway: Served, decision: str, name: str = "dying") -> list[str]:
    told = (await gateway.ask(f"/v1/decisions/{decision}")).json
    candidate = next(found for found in told["candidates"] if found["model"] == name)
    return [verdict["gate"] for verdict in candidate["verdicts"]]


async def out_of_service(gateway: Served, name: str = "dying") -> None:
    while name not in gateway.app._gateway.world.snapshot.health:
        await asyncio.sleep(0)


async def back_in_service(gateway: Served, name: str = "dying") -> None:
    while name in gateway.app._gateway.world.snapshot.health:
        await asyncio.sleep(0)


def called(gateway: Served, name: str = "dying") -> int:
    return sum(exchange.model.endswith(f"@{name}") for exchange in gateway.ledger)


async def test_a_breaker_opens_is_seen_by_decisions_probes_once_a_cooldown_and_recovers(serve: Serve):
    # As many failures as open it, and two failed probes.
    dying = model("dying", "unavailable-for-7", quality={"general": 0.9})
    health = {"failures": 5, "cooldown_s": 0.7, "longest_cooldown_s": 0.7}
    routes = {"auto": route("dying", "good", retry={"attempts": 1})}
    async with guarded(serve, [dying, model("good")], routes, health=health) as gateway:
        for _ in range(5):
            answer = await gateway.chat("auto")
            assert (answer.status, answer.headers["x-pointsman-attempts"]) == (200, "2")
        await out_of_service(gateway)
        for _ in range(10):
            answer = await gateway.chat("auto")
            assert (answer.status, answer.headers["x-pointsman-model"], answer.headers["x-pointsman-attempts"]) == (200, "good", "1")
        assert called(gateway) == 5
        assert await verdicts(gateway, answer.headers["x-pointsman-decision-id"]) == ["health"]
        for probes in (6, 7, 8):
            await back_in_service(gateway)
            answers = await asyncio.gather(*(gateway.chat("auto") for _ in range(20)))
            assert {answer.status for answer in answers} == {200}
            if probes < 8:
                assert called(gateway) == probes  # one at a time
                await out_of_service(gateway)
        assert called(gateway) >= 8
        answer = await gateway.chat("auto")
        assert answer.headers["x-pointsman-model"] == "dying"
        assert await verdicts(gateway, answer.headers["x-pointsman-decision-id"]) == []


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
async def test_the_last_legal_model_is_tried_though_its_breaker_is_open(serve: Serve, stream):
    dying = model("dying", "unavailable-for-6")
    health = {"failures": 5, "cooldown_s": 60}
    async with guarded(serve, [dying], {"auto": route("dying", retry={"attempts": 1})}, health=health) as gateway:
        for _ in range(5):
            assert (await gateway.chat("auto", stream=stream)).status == 503
        await out_of_service(gateway)
        assert (await gateway.chat("auto", stream=stream)).status == 503
        assert (await gateway.chat("auto", stream=stream)).status == 200
        assert called(gateway) == 7


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("plan", [{}, {"plan": "cascade"}], ids=["fallback", "cascade"])
async def test_a_model_whose_breaker_is_open_is_tried_where_the_others_have_reached_their_limits(serve: Serve, stream, plan):
    pool = [
        model("dying", "unavailable-for-5", quality={"general": 0.9}),
        model("limited", limits={"requests_per_minute": 1}, quality={"general": 0.2}),
    ]
    routes = {"auto": route("dying", "limited", retry={"attempts": 1}, **plan), "alone": route("dying", retry={"attempts": 1})}
    async with guarded(serve, pool, routes, health={"failures": 5, "cooldown_s": 60}) as gateway:
        for _ in range(5):
            assert (await gateway.chat("alone", stream=stream)).status == 503
        await out_of_service(gateway)
        answer = await gateway.chat("auto", stream=stream)
        assert (answer.status, answer.headers["x-pointsman-model"]) == (200, "limited")
        answer = await gateway.chat("auto", stream=stream)
        assert (answer.status, answer.headers["x-pointsman-model"]) == (200, "dying"), "its endpoint is up again"
        assert (called(gateway), called(gateway, "limited")) == (6, 1)
        assert await verdicts(gateway, answer.headers["x-pointsman-decision-id"]) == ["health"]


async def test_with_every_legal_model_out_of_service_they_are_tried_and_never_the_forbidden_one(serve: Serve):
    pool = [model("dying", "error-500", quality={"general": 0.9}), model("dead", "error-500")]
    health = {"failures": 2, "cooldown_s": 60}
    async with guarded(serve, pool, {"auto": route("dying", "dead", retry={"attempts": 1})}, health=health) as gateway:
        for _ in range(12):
            failed = await gateway.chat("auto")
            assert failed.status in (500, 503)
        assert len(gateway.ledger) >= 12
        key = await gateway.key(models=("forbidden",))
        refused = await gateway.ask(body={"model": "auto", "messages": [{"role": "user", "content": "hi"}]}, key=key)
        assert (refused.status, refused.error["code"]) == (403, "policy_denied")


def test_a_few_milliseconds_more_are_not_slow():
    health = Health(lambda: 0.0)
    for ttft_ms in [1.0] * 40 + [6.0] * 20:
        health.observe("near", None, ttft_ms)
    assert health.out_of_service() == {}


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
async def test_a_model_that_turns_slow_is_left_whatever_its_clients_ask_for(serve: Serve, stream):
    pool = [
        model("dying", "slow-first-token", quality={"general": 0.9}),
        model("good", quality={"general": 0.2}),
        model("timer", "slow-400"),
    ]
    async with guarded(serve, pool, {"auto": route("dying", "good")}, health={"cooldown_s": 60, "slow_factor": 3}) as gateway:
        gateway.upstream.release.set()
        for _ in range(28):
            assert (await gateway.chat("auto", stream=stream)).headers["x-pointsman-model"] == "dying"
        while "dying" not in gateway.app._gateway.world.snapshot.health:  # times measured while this machine is busy say nothing
            gateway.upstream.release.clear()
            asking = [asyncio.ensure_future(gateway.chat("auto", stream=stream)) for _ in range(8)]
            await gateway.chat("timer")
            gateway.upstream.release.set()
            assert {(await answer).status for answer in asking} == {200}
        what = "first token" if stream else "a whole answer"
        assert gateway.app._gateway.world.snapshot.health["dying"].startswith(f"{what} takes 0.")
        assert (await gateway.chat("auto", stream=stream)).headers["x-pointsman-model"] == "good"


async def test_a_quota_that_is_used_up_takes_the_model_out_at_once(serve: Serve):
    pool = [model("dying", "quota", quality={"general": 0.9}), model("good")]
    async with guarded(serve, pool, {"auto": route("dying", "good")}, health={"cooldown_s": 60}) as gateway:
        assert (await gateway.chat("auto")).status == 200
        await out_of_service(gateway)
        for _ in range(5):
            assert (await gateway.chat("auto")).headers["x-pointsman-attempts"] == "1"
        assert called(gateway) == 1
