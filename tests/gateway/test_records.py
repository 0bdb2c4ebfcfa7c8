"""A decision is durable before anything goes out, an outcome before its answer is complete; cancelled or not, once."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Mapping
from dataclasses import replace

import pytest

from pointsman.core.clearance import Clearance
from pointsman.core.request import Caller
from pointsman.core.snapshot import Route
from pointsman.errors import ClearanceError
from pointsman.gateway import Gateway, Inquiry, decide_request
from pointsman.upstream.client import Egress, Endpoint
from pointsman.upstream.transport import Reply
from tests.gateway.logs import Around, Failing, Holding, Kept
from tests.server.conftest import Serve
from tests.server.served import ONCE, OPERATOR, Served, chat, model

STREAMS = pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])


@STREAMS
async def test_the_order_is_content_decision_call_outcome(serve: Serve, stream):
    kept = Kept(Around)
    pool = [model("first", "error-500", quality={"general": 0.9}), model("second", quality={"general": 0.1})]
    routes = {"auto": {"dial": 1, "fallback": ["second"], "retry": ONCE}}
    async with serve(pool, routes=routes, store={"content": True}, log=kept) as gateway:
        assert (await gateway.chat("auto", stream=stream)).status == 200
        assert kept.log.seen == [("content", 0), ("decision", 0), ("outcome", 1), ("outcome", 2)]


@STREAMS
@pytest.mark.parametrize("kind", ["content", "decision"])
async def test_nothing_goes_out_unrecorded(serve: Serve, kind, stream):
    async with serve(store={"content": True}, log=Kept(Failing, kind)) as gateway:
        failed = await gateway.chat("inside", stream=stream)
        assert (failed.status, failed.error["code"]) == (503, "record_unavailable")
        assert not gateway.ledger


@STREAMS
async def test_nothing_goes_out_before_the_decision_is_durable(serve: Serve, stream):
    kept = Kept(Holding, "decision")
    async with serve(log=kept) as gateway:
        asking = asyncio.ensure_future(gateway.chat("inside", stream=stream))
        await kept.log.asked.wait()
        for _ in range(20):
            await asyncio.sleep(0)
        assert not gateway.ledger
        kept.log.release.set()
        assert (await asking).status == 200


@STREAMS
async def test_no_answer_is_complete_before_its_outcome_is_durable(serve: Serve, stream):
    kept = Kept(Holding, "outcome")
    async with serve(log=kept) as gateway:
        connection = await gateway.connect()
        await connection.request("/v1/chat/completions", chat("inside", "one two", stream=stream), key=OPERATOR)
        await kept.log.asked.wait()
        if stream:
            await connection.head()
            got = b"".join([await connection.piece() for _ in range(4)])
            assert got.count(b"data: ") == 4
            rest = asyncio.ensure_future(connection.piece())
        else:
            rest = asyncio.ensure_future(connection.head())
        for _ in range(20):
            await asyncio.sleep(0)
        assert not rest.done()
        kept.log.release.set()
        assert await rest == b"data: [DONE]\n\n" if stream else (await rest)[0] == 200


async def test_a_stream_gives_its_connection_back_though_its_last_bytes_come_after_done(serve: Serve):
    """An abandoned connection is a new one, with its handshakes, for every stream."""
    kept = Kept(Holding, "outcome")
    async with serve([model("inside", "stall-after-6")], log=kept) as gateway:  # role, two words, finish, usage, [DONE]
        asking = asyncio.ensure_future(gateway.chat("inside", "one two", stream=True))
        await kept.log.asked.wait()
        gateway.upstream.release.set()
        await gateway.upstream.until(lambda: gateway.ledger[0].answered)
        kept.log.release.set()
        assert (await asking).events[-1] == b"[DONE]"
        assert (await gateway.chat("inside", "one two", stream=True)).status == 200
        assert [exchange.connection for exchange in gateway.ledger] == [1, 1]


async def test_an_answer_whose_outcome_cannot_be_recorded_is_no_answer(serve: Serve):
    async with serve(log=Kept(Failing, "outcome")) as gateway:
        failed = await gateway.chat("inside", "one two")
        assert (failed.status, failed.error["code"]) == (503, "record_unavailable")
        stream = await gateway.chat("inside", "one two", stream=True)
        assert (stream.status, stream.text) == (200, "one two")
        assert json.loads(stream.events[-1])["error"]["code"] == "record_unavailable"
        assert b"[DONE]" not in stream.body


async def test_a_failed_call_whose_outcome_cannot_be_recorded_is_not_followed_by_another(serve: Serve):
    pool = [model("first", "error-500", quality={"general": 0.9}), model("second", quality={"general": 0.1})]
    async with serve(pool, routes={"auto": {"dial": 1, "fallback": ["second"]}}, log=Kept(Failing, "outcome")) as gateway:
        assert (await gateway.chat("auto")).error["code"] == "record_unavailable"
        assert len(gateway.ledger) == 1


async def test_a_refused_request_is_recorded_as_well(serve: Serve):
    async with serve() as gateway:
        key = await gateway.key(models=("other",))
        refused = await gateway.ask(body=chat("inside"), key=key)
        assert refused.error["code"] == "policy_denied"
        assert await gateway.kinds() == ["snapshot", "key", "decision"]


def direct(gateway: Served) -> Gateway:
    return gateway.app._gateway


def inquiry(raw: bytes) -> Inquiry:
    return Inquiry(raw, Caller("k"), {})


async def drain(gateway: Gateway, raw: bytes) -> None:
    """A client of the library: reads its answer to the end."""
    answer = await gateway.answer(await gateway.decide(inquiry(raw)))
    try:
        if not isinstance(answer.body, bytes):
            async for _ in answer.body:
                pass
    finally:
        await answer.aclose()


@STREAMS
@pytest.mark.parametrize("script", ["ok", "stall-after-3", "cut-after-3", "error-500", "hang", "malformed-after-2"])
async def test_a_client_that_leaves_at_any_moment_leaves_one_outcome_a_call_and_no_open_connection(serve: Serve, script, stream):
    """Cancelled after so many steps of the event loop; sometimes twice, as a server does that shuts down."""
    async with serve([model("m", script)], routes={"once": {"retry": ONCE}}) as served:
        gateway, raw = direct(served), json.dumps(chat("once", "one two three four", stream=stream)).encode()
        for steps in range(40):
            asking = asyncio.ensure_future(drain(gateway, raw))
            for _ in range(steps):
                await asyncio.sleep(0)
            asking.cancel()
            if steps % 2:
                await asyncio.sleep(0)
                asking.cancel()
            await asyncio.wait({asking})
        await served.upstream.until(lambda: all(exchange.answered or exchange.left_at for exchange in served.ledger))
        decisions = {record.decision for record in await served.service.log.recent(1_000)}
        outcomes = await served.outcomes()
        assert len(outcomes) == len({outcome.decision for outcome in outcomes})
        assert len(outcomes) >= len(served.ledger) > 0
        assert {outcome.decision for outcome in outcomes} <= decisions
        for outcome in outcomes:
            assert outcome.status in ("ok", "error", "aborted")
            assert (outcome.error == "client_disconnected") is (outcome.status == "aborted")


async def test_an_answer_that_nobody_reads_is_ended_by_closing_it(serve: Serve):
    async with serve([model("m", "stall-after-3")]) as served:
        gateway = direct(served)
        answer = await gateway.answer(await gateway.decide(inquiry(json.dumps(chat("m", "one two three", stream=True)).encode())))
        await answer.aclose()
        await answer.aclose()
        await served.upstream.until(lambda: served.ledger[0].left_at)
        [outcome] = await served.outcomes()
        assert (outcome.status, outcome.error, outcome.usage_source) == ("aborted", "client_disconnected", "estimated")


class Faulty:
    """A transport with a fault in it."""

    async def send(self, url_path: str, headers: Mapping[str, str], body: bytes) -> Reply:
        raise ZeroDivisionError

    async def aclose(self) -> None:
        pass


async def test_a_fault_of_our_own_is_recorded_as_one(serve: Serve):
    """Neither the client's leaving nor the upstream's fault."""
    async with serve() as served:
        gateway = direct(served)
        gateway.live = replace(gateway.live, egress=Egress({"inside": Endpoint(Faulty(), "inside")}))
        with pytest.raises(ZeroDivisionError):
            await drain(gateway, json.dumps(chat("inside")).encode())
        [outcome] = await served.outcomes()
        assert (outcome.status, outcome.error, outcome.fault, outcome.usage) == ("error", "internal", None, None)


async def test_without_a_clearance_nothing_goes_out(serve: Serve):
    async with serve() as served:
        egress, world = direct(served).live.egress, direct(served).world
        mine, other = (decide_request(inquiry(json.dumps(chat("inside")).encode()), world) for _ in range(2))
        letter = egress.write("inside", mine.request)
        for clearance in (None, "inside", other.clear("inside")):
            with pytest.raises(ClearanceError):
                await egress.call(clearance, mine.request, letter)
        with pytest.raises(ClearanceError):
            Clearance(object(), mine.request.id, "inside", "x")
        with pytest.raises(ClearanceError):
            mine.clear("outside")
        assert not served.ledger
        assert world.snapshot.route("inside") == Route("inside", ("inside",))


async def test_hundreds_of_requests_with_faults_of_every_kind_leave_nothing_behind(serve: Serve):
    scripts = [
        "ok",
        "ok",
        "ok",
        "no-usage",
        "error-500",
        "error-429",
        "error-html-502",
        "cut-after-2",
        "fin-after-1",
        "error-event-after-3",
        "malformed-after-2",
        "wrong-shape",
        "empty",
        "hang",
        "stall-after-2",
    ]
    pool = [{**model(f"m{at}", script), "timeout_s": 0.3} for at, script in enumerate(scripts)]
    seeded = random.Random(7)
    async with serve(pool, routes={"auto": {"fallback": [f"m{at}" for at in range(len(scripts))]}}) as gateway:

        async def one(n: int) -> None:
            body = chat(seeded.choice(["auto", f"m{n % len(scripts)}"]), "one two three", stream=bool(n % 2))
            asking = asyncio.ensure_future(gateway.ask(body=body))
            if n % 5 == 0:
                for _ in range(seeded.randrange(60)):
                    await asyncio.sleep(0)
                asking.cancel()
            await asyncio.wait({asking})
            if not asking.cancelled():
                assert asking.result().status < 600

        await asyncio.gather(*map(one, range(220)))
        await gateway.quiet()
        assert gateway.app._in_progress == 0
        calls = await gateway.outcomes()
        assert len({(call.decision, call.attempt) for call in calls}) == len(calls) >= len(gateway.ledger)
        assert (await gateway.service.log.verify()).ok
        pool = gateway.service.gateway.live.egress._endpoints["m0"].transport._pool
        assert {connection for idle in pool._idle.values() for connection in idle} >= {c for c in pool._open if c.usable}
