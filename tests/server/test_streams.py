"""Streams to the byte: order, endings, and no ending that the upstream did not give."""

from __future__ import annotations

import asyncio
import json

import pytest

from pointsman.server.protocol import Protocol
from pointsman.testing.answers import events
from tests.server.conftest import Serve
from tests.server.served import ONCE, OPERATOR, UNBREAKABLE, chat, model

TEXT = "one two three"
ROUTES = {"once": {"models": ["inside"], "retry": ONCE}}


def direct(script: str, **fields: object) -> bytes:
    """What a client would get that calls the upstream itself."""
    return "".join(events(chat(f"{script}@inside", TEXT, stream=True, **fields), usage=True)).encode()


@pytest.mark.parametrize(
    "options",
    [{}, {"stream_options": None}, {"stream_options": {"include_usage": False}}, {"stream_options": {"include_usage": True}}, {"n": 3}],
)
async def test_a_stream_is_byte_for_byte_what_a_direct_call_gives(serve: Serve, options):
    async with serve() as gateway:
        answer = await gateway.chat("inside", TEXT, stream=True, **options)
        assert answer.body == direct("ok", **options)
        assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
        assert answer.headers["cache-control"] == "no-cache"
        assert gateway.ledger[0].json["stream_options"]["include_usage"] is True
        [outcome] = await gateway.outcomes()
        assert (outcome.status, outcome.finish_reason, outcome.usage_source) == ("ok", "stop", "reported")
        assert outcome.usage.output_tokens == 3 * options.get("n", 1)
        assert 0 < outcome.ttft_ms <= outcome.total_ms


async def test_events_arrive_when_they_come_and_not_at_the_end(serve: Serve):
    async with serve([model("inside", "stall-after-3")]) as gateway:
        connection = await gateway.connect()
        await connection.request("/v1/chat/completions", chat("inside", TEXT, stream=True), key=OPERATOR)
        assert (await connection.head())[0] == 200
        got = b"".join([await connection.piece() for _ in range(3)])
        assert got == b"".join(event + b"\n\n" for event in direct("stall-after-3").split(b"\n\n")[:3])
        gateway.upstream.release.set()
        while piece := await connection.piece():
            got += piece
        assert got == direct("stall-after-3")


@pytest.mark.parametrize("at", range(2, 6))
@pytest.mark.parametrize(
    ("script", "code"),
    [
        ("cut-after", "upstream_error"),
        ("fin-after", "upstream_stream_broken"),
        ("error-event-after", "scripted_500"),
        ("malformed-after", "upstream_stream_broken"),
    ],
)
@pytest.mark.parametrize("held", [True, False], ids=["slow", "at once"])
async def test_a_stream_that_breaks_ends_in_an_error_and_never_as_if_it_were_whole(serve: Serve, script, code, at, held):
    async with serve([model("inside", f"{script}-{at}")], routes=ROUTES) as gateway:
        gateway.upstream.hold_faults = held
        gateway.upstream.release.set()
        answer = await gateway.chat("once", TEXT, stream=True)
        if script == "fin-after" and at == 5:  # its finish reason had come
            assert answer.body == direct("fin-after-5")
            return
        if answer.status == 200:
            *events, last = answer.events
            said = direct(f"{script}-{at}").split(b"\n\n")
            assert [b"data: " + event for event in events] == said[: len(events)]
            assert json.loads(last)["error"]["code"] == code
            assert set(json.loads(last)["error"]) == {"message", "type", "param", "code"}
        else:  # everything came at once: there was still time for an honest status
            assert (answer.status, answer.error["code"]) == (502, code)
        assert b"[DONE]" not in answer.body
        [outcome] = await gateway.outcomes()
        assert (outcome.status, outcome.error, outcome.finish_reason) == ("error", code, None)
        assert outcome.usage_source == "estimated"
        assert outcome.usage.output_tokens <= 3


@pytest.mark.parametrize(
    ("script", "status", "code"),
    [
        ("fin-after-0", 502, "upstream_stream_broken"),
        ("fin-after-1", 502, "upstream_stream_broken"),
        ("cut-after-0", 502, "upstream_error"),
        ("cut-after-1", 502, "upstream_error"),
        ("error-event-after-0", 502, "scripted_500"),
        ("malformed-after-0", 502, "upstream_stream_broken"),
        ("giant-line", 502, "upstream_stream_broken"),
        ("empty", 502, "upstream_stream_broken"),
        ("wrong-shape", 502, "upstream_stream_broken"),
        ("error-429", 429, "scripted_429"),
        ("error-400", 400, "scripted_400"),
        ("error-html-502", 502, None),
        ("error-302", 502, "upstream_refused"),
        ("error-204", 502, "upstream_refused"),
        ("error-html-200", 502, "upstream_stream_broken"),
    ],
)
async def test_a_stream_that_never_begins_is_an_honest_status(serve: Serve, script, status, code):
    async with serve([model("inside", script)], routes=ROUTES) as gateway:
        failed = await gateway.chat("once", TEXT, stream=True)
        assert (failed.status, failed.error["code"]) == (status, code)
        assert failed.headers["content-type"] == "application/json"
        [outcome] = await gateway.outcomes()
        assert (outcome.status, outcome.usage_source, outcome.ttft_ms) == ("error", "none", None)


@pytest.mark.parametrize(
    ("script", "said", "status"),
    [
        ("error-302", 302, 502),
        ("error-204", 204, 502),
        ("error-201", 201, 400),  # what its error object says counts
        ("error-html-200", 200, 502),
        ("empty", 200, 502),
        ("wrong-shape", 200, 502),
        ("cut-after-0", 200, 502),
    ],
)
async def test_a_whole_answer_is_a_completion_or_an_error(serve: Serve, script, said, status):
    async with serve([model("inside", script)], routes=ROUTES) as gateway:
        failed = await gateway.chat("once", TEXT)
        assert failed.status == status
        assert set(failed.error) == {"message", "type", "param", "code", "attempts"}
        [outcome] = await gateway.outcomes()
        assert (outcome.status, outcome.http_status) == ("error", said)


class Impatient(Protocol):
    send_timeout_s = 0.3


async def test_a_client_that_takes_nothing_has_left(serve: Serve):
    """Its call ends, though its connection stays open."""
    pool = [model("inside", context_tokens=100_000_000)]
    async with serve(pool, protocol=Impatient) as gateway:
        connection = await gateway.connect()
        text = f"{'x' * 20_000} " * 600
        await connection.request("/v1/chat/completions", chat("inside", text, stream=True), key=OPERATOR)
        await gateway.upstream.until(lambda: gateway.ledger and gateway.ledger[0].left_at)
        await gateway.quiet()
        [outcome] = await gateway.outcomes()
        assert (outcome.status, outcome.error) == ("aborted", "client_disconnected")
        assert gateway.app._in_progress == 0


async def test_the_connection_can_be_used_again_after_any_ending(serve: Serve):
    scripts = ("ok", "cut-after-3", "fin-after-3", "error-400", "error-event-after-0", "empty")
    routes = {f"to {script}": {"models": [script], "retry": ONCE} for script in scripts}
    async with serve([model(script, script) for script in scripts], routes=routes, health=UNBREAKABLE) as gateway:
        connection = await gateway.connect()
        for name in (*routes, "unknown", *routes):
            for stream in (True, False):
                await connection.request("/v1/chat/completions", chat(name, TEXT, stream=stream), key=OPERATOR)
                answer = await connection.answered()
                assert answer.status in (200, 400, 404, 502)
        await asyncio.sleep(0)
