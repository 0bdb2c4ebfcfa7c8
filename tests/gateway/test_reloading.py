"""What is kept in mind of upstreams over a reload: all of it where a model is reached as before, nothing where it is not."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from pointsman.config.models import LimitsConfig
from tests.server.conftest import Serve
from tests.server.served import Served, model

ROUTES = {"auto": {"models": ["first"], "fallback": ["second"], "retry": {"attempts": 1}}}
BREAKERS = {"failures": 1, "cooldown_s": 60, "retry_floor": 0, "retry_share": 0}


async def reload(gateway: Served, name: str, **changed: object) -> None:
    """Put a configuration in force in which one model is said otherwise."""
    config = gateway.service._config
    await gateway.service.reload(replace(config, models=tuple(replace(one, **changed) if one.id == name else one for one in config.models)))


async def out_of_service(gateway: Served) -> set[str]:
    while gateway.service._following is not None and not gateway.service._following.done():
        await asyncio.sleep(0)
    return set(gateway.service.gateway.world.snapshot.health)


ELSEWHERE = {
    "another address": lambda gateway: {"base_url": gateway.upstream.base_url.replace("127.0.0.1", "localhost")},
    "another name": lambda _: {"model": "ok@first"},
    "another key": lambda _: {"api_key": "sk-another"},
}


@pytest.mark.parametrize("changed", ELSEWHERE)
async def test_a_breaker_is_about_the_endpoint_and_ends_with_it(serve: Serve, changed):
    pool = [model("first", "error-500", quality={"general": 0.9}), model("second", "error-500")]
    async with serve(pool, routes=ROUTES, health=BREAKERS) as gateway:
        assert (await gateway.chat("auto")).status == 500
        assert await out_of_service(gateway) == {"first", "second"}
        await reload(gateway, "first", approved=True)
        assert await out_of_service(gateway) == {"first", "second"}, "it is where it was"
        await reload(gateway, "first", **ELSEWHERE[changed](gateway))
        assert await out_of_service(gateway) == {"second"}
        watch = gateway.service.gateway.live.watch
        assert (watch.health.state("first"), watch.health.state("second")) == ("closed", "open")


async def test_what_an_earlier_endpoint_comes_to_is_not_held_against_the_new_one(serve: Serve):
    pool = [model("first", "hang", quality={"general": 0.9}), model("second", "hang")]
    async with serve(pool, routes=ROUTES, health=BREAKERS) as gateway:
        asking = [asyncio.ensure_future(gateway.chat(name)) for name in ("first", "second")]
        await gateway.upstream.until(lambda: len(gateway.ledger) == 2)
        await reload(gateway, "first", model="ok@first")
        gateway.upstream.release.set()
        await asyncio.gather(*asking)
        watch = gateway.service.gateway.live.watch
        assert (watch.health.state("first"), watch.health.state("second")) == ("closed", "open")
        assert (await gateway.chat("first")).status == 200


async def test_retries_of_an_earlier_endpoint_are_not_counted_against_the_new_one(serve: Serve):
    async with serve([model("first"), model("second")], routes=ROUTES, health={"retry_floor": 1, "retry_share": 0}) as gateway:
        for name in ("first", "second"):
            assert gateway.service.gateway.live.watch.retries.take(name)
        await reload(gateway, "first", model="ok@another")
        retries = gateway.service.gateway.live.watch.retries
        assert (retries.take("first"), retries.take("second")) == (True, False)


LIMIT = {"limits": {"requests_per_minute": 1}}


async def test_other_limits_of_one_model_leave_those_of_the_others_as_full_as_they_are(serve: Serve):
    async with serve([model("first", **LIMIT), model("second", **LIMIT)], routes=ROUTES) as gateway:
        for name in ("first", "second"):
            assert (await gateway.chat(name)).status == 200
        await reload(gateway, "second", limits=LimitsConfig(requests_per_minute=2))
        assert [(await gateway.chat(name)).status for name in ("first", "second")] == [503, 200]


async def test_a_call_in_flight_gives_its_place_back_after_a_reload(serve: Serve):
    pool = [model("first", "slow-first-token", limits={"concurrent": 1}), model("second", limits={"concurrent": 1})]
    async with serve(pool, routes=ROUTES) as gateway:
        asking = asyncio.ensure_future(gateway.chat("first", stream=True))
        await gateway.upstream.until(lambda: len(gateway.ledger) == 1)
        await reload(gateway, "second", limits=LimitsConfig(concurrent=2))
        assert (await gateway.chat("first")).status == 503, "its one place is taken"
        gateway.upstream.release.set()
        assert (await asking).status == 200
        await gateway.quiet()
        assert (await gateway.chat("first")).status == 200
