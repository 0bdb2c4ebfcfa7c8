"""Too much is refused early and in words while health is still told; a provider's limits are kept before it has to say so."""

from __future__ import annotations

import asyncio

import pytest

from pointsman.server.admission import MOST_WAITING, Admission
from pointsman.server.app import Limits
from pointsman.upstream.lag import Lag
from tests.faults.clients import CLIENTS, TEXT, Client
from tests.faults.pools import guarded, route
from tests.server.conftest import Serve
from tests.server.served import OPERATOR, chat, model

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


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("client", CLIENTS.values(), ids=CLIENTS)
async def test_a_good_answer_that_says_it_was_the_last_for_a_minute_sends_the_rest_to_the_next_model(serve: Serve, client: Client, stream):
    pool = [model("spent", "remaining-0", quality={"general": 0.9}, apis=ALL_APIS), model("next", apis=ALL_APIS)]
    async with guarded(serve, pool, {"auto": route("spent", "next")}) as gateway:
        assert client.said(await client.ask(gateway, "auto", stream=stream)) == TEXT
        assert gateway.service.gateway.live.watch.health.out_of_service() == {"spent": "rate limited for 60 s"}
        for _ in range(3):
            answer = await client.ask(gateway, "auto", stream=stream)
            assert (client.said(answer), answer.headers["x-pointsman-model"]) == (TEXT, "next")
        assert [exchange.model for exchange in gateway.ledger] == ["remaining-0@spent", *["ok@next"] * 3]


@pytest.mark.parametrize("script", ["remaining-3", "ok"])
async def test_with_some_left_nothing_is_held_back(serve: Serve, script):
    async with guarded(serve, [model("good", script, quality={"general": 0.9}), model("next")], {"auto": route("good", "next")}) as gateway:
        assert [(await gateway.chat("auto")).headers["x-pointsman-model"] for _ in range(3)] == ["good"] * 3


async def test_with_nobody_else_to_ask_the_last_answer_is_not_the_last_request(serve: Serve):
    async with guarded(serve, [model("spent", "remaining-0")], {"auto": route("spent")}) as gateway:
        assert [(await gateway.chat("auto")).status for _ in range(3)] == [200] * 3


async def test_at_four_times_what_it_takes_all_is_answered_one_way_or_the_other_and_health_always(serve: Serve):
    """Everybody tries again until the end, ten at a time get through: the rest hears so at once, with the time to wait."""
    async with guarded(serve, [model("slow", "stall-after-1")], {}, limits=Limits(max_concurrent=10)) as gateway:
        statuses: list[int] = []

        async def client() -> None:
            good = 0
            while good < 3:
                answer = await gateway.chat("slow")
                statuses.append(answer.status)
                good += answer.status == 200
                if answer.status != 200:
                    assert (answer.status, int(answer.headers["retry-after"])) == (429, 1)
                    assert (await gateway.ask("/livez", key=None)).status == 200

        clients = [asyncio.create_task(client()) for _ in range(40)]
        await gateway.upstream.until(lambda: len(gateway.ledger) == 10)
        while len(statuses) < 30:
            await asyncio.sleep(0)
        assert set(statuses) == {429}
        gateway.upstream.release.set()
        await asyncio.gather(*clients)
        assert statuses.count(200) == len(gateway.ledger) == 120
        assert {(call.status, call.fault) for call in await gateway.outcomes()} == {("ok", None)}


@pytest.mark.parametrize("client", CLIENTS.values(), ids=CLIENTS)
async def test_while_the_gateway_is_behind_the_crowd_is_refused_unbegun_but_health_and_administration(serve: Serve, client: Client):
    """What is in progress is answered, and so is the next request once there is room again."""
    async with guarded(serve, [model("slow", "stall-after-1", apis=ALL_APIS)], {}) as gateway:
        asking = [asyncio.create_task(client.ask(gateway, "slow", stream=True)) for _ in range(MOST_WAITING)]
        await gateway.upstream.until(lambda: len(gateway.ledger) == MOST_WAITING)
        gateway.app.admission = Admission(late_lag())
        gateway.app.admission.waiting = MOST_WAITING
        for _ in range(3):
            refused = await client.ask(gateway, "slow", stream=True)
            assert (refused.status, refused.headers["retry-after"]) == (429, "1")
            assert "behind" in client.failure(refused)["message"]
        for path in ("/livez", "/readyz", "/healthz"):
            assert (await gateway.ask(path, key=None)).status == 200
        assert (await gateway.ask("/v1/admin/keys")).status == 200
        gateway.app.admission.waiting = 0
        gateway.upstream.release.set()
        assert {(await answer).status for answer in asking} == {200}
        assert client.said(await client.ask(gateway, "slow", stream=True)) == TEXT
        assert len(gateway.ledger) == MOST_WAITING + 1


async def test_a_connection_goes_on_after_its_request_was_refused(serve: Serve):
    """Its body is read away, however it comes; who waits to be told to send it is told at once, and the connection ends."""
    async with guarded(serve, [model("m", "ok")], {}) as gateway:
        gateway.app.admission = Admission(late_lag())
        gateway.app.admission.waiting = MOST_WAITING
        gateway.app._in_progress += MOST_WAITING
        connection = await gateway.connect()
        for body in (chat("m"), chat("m", "word " * 50_000)):
            await connection.request("/v1/chat/completions", body, key=OPERATOR)
            assert (await connection.answered()).status == 429
        await connection.request("/v1/chat/completions", chat("m"), key=OPERATOR, expect="100-continue")
        last = await connection.answered()
        assert (last.status, last.headers["retry-after"], last.headers["connection"]) == (429, "1", "close")
        gateway.app.admission.waiting = 0
        connection = await gateway.connect()
        await connection.request("/v1/chat/completions", chat("m"), key=OPERATOR)
        assert (await connection.answered()).status == 200
        gateway.app._in_progress -= MOST_WAITING


def late_lag() -> Lag:
    lag = Lag()
    lag.is_late = True
    return lag
