"""Three clocks of a call and one of the chain, by the loop's own clock; what is slow but alive goes on."""

from __future__ import annotations

import asyncio
import contextlib
import os

import pytest

from tests.faults.clients import CLIENTS, TEXT
from tests.faults.pools import guarded, route
from tests.server.conftest import Serve
from tests.server.served import model

ALL_APIS = ["chat", "responses", "messages"]
SET_S, EARLY_S = 0.3, 0.05
LATE_S = 0.25 if "POINTSMAN_FAULT_REQUESTS" in os.environ else 2.0
"""With the slow suite what is promised of a machine that is not busy; else so much that a busy one passes, too."""
LONG = {"timeout_s": 60, "first_token_timeout_s": 60, "idle_timeout_s": 60}
FIRST, IDLE, TOTAL = ({**LONG, name: SET_S} for name in ("first_token_timeout_s", "idle_timeout_s", "timeout_s"))

CLOCKS = {
    "first token, no headers": ("hang", FIRST, True),
    "first token, headers only": ("slow-first-token", FIRST, True),
    "first token, a role only": ("stall-after-1", FIRST, True),
    "first token, comments": ("comments-only-20", FIRST, True),
    "idle": ("stall-after-5", IDLE, True),
    "total of a stream": ("drip-100", TOTAL, True),
    "total of a stream, no headers": ("hang", TOTAL, True),
    "idle of a whole answer": ("stall-after-1", IDLE, False),
    "total of a whole answer, no headers": ("hang", TOTAL, False),
    "total of a whole answer, half of it": ("stall-after-1", TOTAL, False),
    "total of a whole answer, drop by drop": ("drip-100", TOTAL, False),
    "total of a whole answer, white space": ("comments-only-20", TOTAL, False),
}


@contextlib.contextmanager
def taking(seconds: float):
    """What is done takes so long: late by less than any other clock of these tests, and never early."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    yield
    assert seconds - EARLY_S <= loop.time() - began <= seconds + LATE_S


@pytest.mark.parametrize(("script", "clocks", "stream"), CLOCKS.values(), ids=CLOCKS)
async def test_a_clock_fires_when_it_is_set_to(serve: Serve, script, clocks, stream):
    pool = [model("slow", script, apis=ALL_APIS, **clocks)]
    async with guarded(serve, pool, {"auto": route("slow")}) as gateway:
        with taking(SET_S):
            answers = await asyncio.gather(*(client.ask(gateway, "auto", stream=stream) for client in CLIENTS.values()))
        for client, answer in zip(CLIENTS.values(), answers, strict=True):
            assert not client.ended_well(answer.body)
            assert answer.status == 504 or answer.headers["content-type"].startswith("text/event-stream")
            told = client.failure(answer)
            assert "upstream_timeout" in (told.get("code"), "upstream_timeout" if client.api == "messages" else "")
        await gateway.upstream.until(lambda: all(exchange.left_at for exchange in gateway.ledger))
        assert {(call.status, call.fault) for call in await gateway.outcomes()} == {("error", "timeout")}
        assert {call.usage_source for call in await gateway.outcomes()} <= {"estimated", "reported"}


@pytest.mark.parametrize("script", ["drip-100", "slow-body-60"])
async def test_what_is_slow_but_alive_goes_on(serve: Serve, script):
    """It takes three times as long as it may be silent."""
    pool = [model("slow", script, apis=ALL_APIS, idle_timeout_s=0.3, first_token_timeout_s=5)]
    async with guarded(serve, pool, {}) as gateway:
        answers = await asyncio.gather(*(client.ask(gateway, "slow", stream=True) for client in CLIENTS.values()))
        assert [client.said(answer) for client, answer in zip(CLIENTS.values(), answers, strict=True)] == [TEXT] * 3
        assert [call.status for call in await gateway.outcomes()] == ["ok"] * 3


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
async def test_a_chains_deadline_ends_it_whatever_is_left_to_ask(serve: Serve, stream):
    pool = [model("slow", "hang", quality={"general": 0.9}), *(model(f"slow{at}", "hang") for at in range(4))]
    auto = route("slow", *(f"slow{at}" for at in range(4)), deadline_s=SET_S)
    async with guarded(serve, pool, {"auto": auto}) as gateway:
        with taking(SET_S):
            failed = await gateway.chat("auto", stream=stream)
        assert (failed.status, failed.error["code"]) == (504, "upstream_timeout")
        assert 2 <= len(gateway.ledger) <= 5, "each had half of what was left"


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("plan", [{}, {"plan": "cascade"}, {"plan": "escalate"}], ids=["fallback", "cascade", "escalate"])
async def test_a_model_that_hangs_leaves_half_of_the_deadline_to_those_after_it(serve: Serve, plan, stream):
    """Its own clocks are longer."""
    pool = [
        model("slow", "hang", quality={"general": 0.9}, timeout_s=0.5, first_token_timeout_s=60),
        model("good", quality={"general": 0.2}),
    ]
    health = {"failures": 1, "cooldown_s": 60}
    async with guarded(serve, pool, {"auto": route("slow", "good", deadline_s=2 * SET_S, **plan)}, health=health) as gateway:
        with taking(SET_S):
            answer = await CLIENTS["chat"].ask(gateway, "auto", stream=stream)
        assert (CLIENTS["chat"].said(answer), answer.headers["x-pointsman-model"]) == (TEXT, "good")
        state = gateway.service.gateway.live.watch.health.state("slow")
        assert state == ("closed" if stream else "open"), "half of its own time speaks against it"


@pytest.mark.parametrize("chain", [(), ("human",)], ids=["nobody", "a person"])
async def test_with_no_other_model_to_ask_the_last_one_has_all_the_time(serve: Serve, chain):
    async with guarded(serve, [model("slow", "slow-300")], {"auto": route("slow", *chain, deadline_s=0.5)}) as gateway:
        assert (await gateway.chat("auto")).status == 200


async def test_a_whole_answer_that_stands_still_speaks_against_its_model(serve: Serve):
    pool = [model("slow", "stall-after-1", **IDLE)]
    async with guarded(serve, pool, {}, health={"failures": 1, "cooldown_s": 60}) as gateway:
        assert (await gateway.chat("slow")).status == 504
        assert gateway.service.gateway.live.watch.health.state("slow") == "open"


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
async def test_the_deadline_cuts_the_last_call_and_no_wait_goes_beyond_it(serve: Serve, stream):
    pool = [model("first", "slow-200", timeout_s=0.15, quality={"general": 0.9}), model("second", "hang"), model("third", "hang")]
    async with guarded(serve, pool, {"auto": route("first", "second", "third", deadline_s=SET_S)}) as gateway:
        with taking(SET_S):
            assert (await gateway.chat("auto", stream=stream)).status == 504
        assert len(gateway.ledger) == 3
    pool = [model("first", "ratelimit-5000")]
    async with guarded(serve, pool, {"auto": route("first", deadline_s=SET_S)}) as gateway:
        with taking(0.0):
            assert (await gateway.chat("auto", stream=stream)).status == 429


async def test_a_streams_deadline_is_over_once_it_has_begun(serve: Serve):
    async with guarded(serve, [model("slow", "drip-100")], {"auto": route("slow", deadline_s=0.45)}) as gateway:
        answer = await gateway.chat("auto", TEXT, stream=True)
        assert answer.text == TEXT
        assert answer.events[-1] == b"[DONE]"


async def test_with_another_to_ask_a_routes_patience_with_the_first_token_is_shorter(serve: Serve):
    pool = [model("slow", "comments-only-20", quality={"general": 0.9}), model("good")]
    async with guarded(serve, pool, {"auto": route("slow", "good", first_token_s=SET_S)}) as gateway:
        with taking(SET_S):
            assert (await gateway.chat("auto", TEXT, stream=True)).text == TEXT


async def test_a_hedge_is_asked_when_it_is_set_to_and_the_slower_one_is_told(serve: Serve):
    pool = [model("slow", "hang", quality={"general": 0.9}), model("good")]
    auto = {"models": ["forbidden", "slow", "good"], "plan": "hedge", "hedge": {"after_s": SET_S}, "dial": 1}
    async with guarded(serve, pool, {"auto": auto}) as gateway:
        for stream in (False, True):
            with taking(SET_S):
                assert (await gateway.chat("auto", TEXT, stream=stream)).headers["x-pointsman-model"] == "good"
        await gateway.upstream.until(lambda: all(exchange.left_at or exchange.answered for exchange in gateway.ledger))
        assert sorted((call.model, call.status, call.error) for call in await gateway.outcomes()) == [
            *[("good", "ok", None)] * 2,
            *[("slow", "aborted", "superseded")] * 2,
        ]
