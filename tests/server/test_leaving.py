"""A client that leaves takes its call with it: the upstream hears of it, and one outcome says so."""

from __future__ import annotations

import asyncio

import pytest

from tests.server.conftest import Serve
from tests.server.coroutines import soon
from tests.server.served import ONCE, OPERATOR, Served, chat, model

FIRST, SECOND = {"quality": {"general": 0.9}}, {"quality": {"general": 0.1}}


async def arrived(gateway: Served, script: str) -> None:
    await gateway.upstream.until(lambda: gateway.ledger and (script == "hang" or gateway.ledger[0].bytes_sent))


@pytest.mark.parametrize("how", ["closed", "reset", "half-closed"])
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("script", ["hang", "slow-first-token", "stall-after-0", "stall-after-1", "stall-after-3"])
async def test_the_upstream_hears_of_it_whatever_it_was_doing(serve: Serve, script, stream, how):
    async with serve([model("inside", script)]) as gateway:
        connection = await gateway.connect()
        await connection.request("/v1/chat/completions", chat("inside", "one two three", stream=stream), key=OPERATOR)
        await arrived(gateway, script)
        if stream and script == "stall-after-3":
            await connection.head()
            for _ in range(3):
                assert await connection.piece()
        connection.leave(how)
        await gateway.upstream.until(lambda: gateway.ledger[0].left_at)
        await gateway.quiet()
        [outcome] = await gateway.outcomes()
        assert (outcome.status, outcome.error, outcome.finish_reason, outcome.fault) == (
            "aborted",
            "client_disconnected",
            None,
            None,
        )
        assert outcome.usage_source == "estimated"
        assert outcome.usage.input_tokens > 0
        assert outcome.usage.output_tokens == (2 if stream and script == "stall-after-3" else 0)
        assert outcome.cost_picousd > 0
        assert len(gateway.ledger) == 1
        assert gateway.app._in_progress == 0


async def test_no_further_model_is_asked_for_a_client_that_left(serve: Serve):
    pool = [model("first", "hang", **FIRST), model("second", **SECOND)]
    async with serve(pool, routes={"auto": {"dial": 1, "fallback": ["second"]}}) as gateway:
        connection = await gateway.connect()
        await connection.request("/v1/chat/completions", chat("auto"), key=OPERATOR)
        await arrived(gateway, "hang")
        connection.close()
        await gateway.upstream.until(lambda: gateway.ledger[0].left_at)
        await gateway.quiet()
        assert len(gateway.ledger) == 1
        assert [outcome.status for outcome in await gateway.outcomes()] == ["aborted"]


async def test_leaving_during_the_second_call_ends_the_second(serve: Serve):
    pool = [model("first", "error-500", **FIRST), model("second", "stall-after-1", **SECOND)]
    async with serve(pool, routes={"auto": {"dial": 1, "fallback": ["second"], "retry": ONCE}}) as gateway:
        connection = await gateway.connect()
        await connection.request("/v1/chat/completions", chat("auto", stream=True), key=OPERATOR)
        await gateway.upstream.until(lambda: len(gateway.ledger) == 2 and gateway.ledger[1].bytes_sent)
        connection.close()
        await gateway.upstream.until(lambda: gateway.ledger[1].left_at)
        await gateway.quiet()
        assert [(outcome.attempt, outcome.status) for outcome in await gateway.outcomes()] == [(1, "error"), (2, "aborted")]


async def test_many_that_leave_at_odd_moments_leave_nothing_behind(serve: Serve):
    scripts = ("ok", "stall-after-2", "hang", "slow-first-token")
    async with serve([model(script, script) for script in scripts]) as gateway:

        async def come_and_go(n: int) -> None:
            connection = await gateway.connect()
            await connection.request("/v1/chat/completions", chat(scripts[n % 4], stream=n % 3 > 0), key=OPERATOR)
            for _ in range(n * 3 % 97):
                await asyncio.sleep(0)
            connection.leave(("closed", "reset", "half-closed")[n % 3])

        await asyncio.gather(*map(come_and_go, range(160)))
        await gateway.quiet()
        await gateway.upstream.until(lambda: all(exchange.answered or exchange.left_at for exchange in gateway.ledger))
        outcomes = await gateway.outcomes()
        assert len({outcome.decision for outcome in outcomes}) == len(outcomes) >= len(gateway.ledger)
        assert gateway.app._in_progress == 0


async def test_leaving_while_sending_the_body_is_no_request(serve: Serve):
    async with serve() as gateway:
        for sent in (b"", b"{", b'{"model":"inside"'):
            connection = await gateway.connect()
            await connection.send(
                f"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {OPERATOR}\r\ncontent-length: 50\r\n\r\n".encode()
                + sent
            )
            await soon(lambda: gateway.state.tasks)
            connection.close()
            await gateway.quiet()
        assert await gateway.kinds() == ["snapshot"]
        assert gateway.app._in_progress == 0
