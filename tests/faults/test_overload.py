"""Too much is refused early and in words while health is still told; a provider's limits are kept before it has to say so."""

from __future__ import annotations

import asyncio

import pytest

from pointsman.server.app import Limits
from tests.faults.clients import CLIENTS, TEXT, Client
from tests.faults.pools import guarded, route
from tests.server.conftest import Serve
from tests.server.served import OPERATOR, model

ALL_APIS = ["chat", "responses", "messages"]


@pytest.mark.parametrize("client", CLIENTS.values(), ids=CLIENTS)
async def test_what_is_too_much_is_refused_at_once_and_health_is_told_meanwhile(serve: Serve, client: Client):
    async with guarded(serve, [model("slow", "stall-after-1", apis=ALL_APIS)], {}, limits=Limits(max_concurrent=5)) as gateway:
        for stream in (False, True):
            gateway.ledger.clear()
            gateway.upstream.release.clear()
            asking = [asyncio.create_task(client.ask(gateway, "slow", stream=stream)) for _ in range(5)]
            await gateway.upstream.until(lambda: len(gateway.ledger) == 5)
            for _ in range(20):
                refused = await client.ask(gateway, "slow", stream=stream)
                assert refused.status == 429
                assert int(refused.headers["retry-after"]) >= 1
                client.failure(refused)
            for path in ("/livez", "/readyz", "/healthz"):
                assert (await gateway.ask(path, key=None)).status == 200
            assert len(gateway.ledger) == 5
            gateway.upstream.release.set()
            assert [client.said(await answer) for answer in asking] == [TEXT] * 5
            assert client.said(await client.ask(gateway, "slow", stream=stream)) == TEXT


async def test_a_limit_of_requests_sends_the_rest_to_the_next_model(serve: Serve):
    """Ten seconds' worth may go out at once."""
    limited = model("limited", limits={"requests_per_minute": 60}, quality={"general": 0.9}, apis=ALL_APIS)
    async with guarded(serve, [limited, model("next", apis=ALL_APIS)], {"auto": route("limited", "next")}) as gateway:
        asked = [list(CLIENTS.values())[at % 3].ask(gateway, "auto", stream=at % 2 > 0) for at in range(40)]
        answers = await asyncio.gather(*asked)
        assert {answer.status for answer in answers} == {200}
        models = [answer.headers["x-pointsman-model"] for answer in answers]
        assert 10 <= models.count("limited") <= 12
        assert {outcome.status for outcome in await gateway.outcomes()} == {"ok"}
        assert len(gateway.ledger) == 40


async def test_a_limit_of_calls_at_once_is_kept_and_places_are_given_back_however_calls_end(serve: Serve):
    pool = [model("limited", "stall-after-3", limits={"concurrent": 3}, quality={"general": 0.9}), model("next")]
    async with guarded(serve, pool, {"auto": route("limited", "next")}) as gateway:
        for ending in ("left", "whole", "left"):
            gateway.ledger.clear()
            gateway.upstream.release.clear()
            connections = [await gateway.connect() for _ in range(3)]
            for connection in connections:
                await connection.request("/v1/chat/completions", CLIENTS["chat"].body("auto", TEXT) | {"stream": True}, key=OPERATOR)
            await gateway.upstream.until(lambda: len(gateway.ledger) == 3)
            for _ in range(5):
                assert (await gateway.chat("auto")).headers["x-pointsman-model"] == "next"
            if ending == "left":
                for connection in connections:
                    connection.close()
            else:
                gateway.upstream.release.set()
                assert [(await connection.answered()).status for connection in connections] == [200] * 3
            await gateway.quiet()
            assert [exchange.model for exchange in gateway.ledger].count("stall-after-3@limited") == 3


async def test_with_nobody_else_to_ask_a_limit_is_told_with_the_time_to_wait(serve: Serve):
    limited = model("limited", limits={"requests_per_minute": 6})
    async with guarded(serve, [limited], {"auto": route("limited")}) as gateway:
        assert (await gateway.chat("auto")).status == 200
        refused = await gateway.chat("auto")
        assert (refused.status, refused.error["code"]) == (503, "upstream_unavailable")
        assert 1 <= int(refused.headers["retry-after"]) <= 10
        assert len(gateway.ledger) == 1


async def test_a_limit_of_tokens_counts_what_was_used_not_what_was_feared(serve: Serve):
    limited = model("limited", limits={"tokens_per_minute": 4000}, quality={"general": 0.9})
    async with guarded(serve, [limited, model("next")], {"auto": route("limited", "next")}) as gateway:
        models = [(await gateway.chat("auto", max_tokens=1000)).headers["x-pointsman-model"] for _ in range(20)]
        assert models == ["limited"] * 20
        large = [(await gateway.chat("auto", "word " * 1500, max_tokens=1000)).headers["x-pointsman-model"] for _ in range(4)]
        assert large.count("next") >= 2
