"""The scripted upstream plays what its manual says."""

from __future__ import annotations

import asyncio
import re

import pytest

from pointsman.testing import ScriptedUpstream, upstream
from tests.server.raw import Answered, Connection
from tests.server.served import chat

BOTH_LOOPS = True

SCRIPTS = re.findall(r"^\| `([a-z0-9-]+)` \|", upstream.__doc__, re.MULTILINE)
PLAYED: dict[str, tuple[object, object]] = {
    # what a caller gets of a stream, and of a whole answer: the last bytes, a status, or `None` for a connection that is dropped
    "ok": (b"data: [DONE]\n\n", 200),
    "no-usage": (b"data: [DONE]\n\n", 200),
    "slow-first-token": (b"data: [DONE]\n\n", 200),
    "stall-after-2": (b"data: [DONE]\n\n", 200),
    "hang": (None, None),
    "error-429": (429, 429),
    "error-html-502": (502, 502),
    "cut-after-2": (None, None),
    "fin-after-2": (b'"finish_reason":null}]}\n\n', None),
    "error-event-after-2": (b'"code": "scripted_500"}}\n\n', 200),
    "malformed-after-2": (b"data: [DONE]\n\n", 200),
    "wrong-shape": (200, 200),
    "empty": (200, 200),
}


async def call(port: int, script: str, stream: bool) -> Answered | None:
    connection = await Connection.open(port)
    try:
        await connection.request("/v1/chat/completions", chat(script, "one two three", stream=stream), key="k")
        return await connection.answered()
    except (asyncio.IncompleteReadError, ConnectionError):
        return None
    finally:
        connection.close()


def test_the_manual_is_complete():
    assert set(SCRIPTS) == {*PLAYED, "giant-line"}


@pytest.mark.parametrize("stream", [True, False], ids=["stream", "whole"])
@pytest.mark.parametrize("script", PLAYED)
async def test_each_script_is_played_as_the_manual_has_it(script, stream):
    async with ScriptedUpstream() as played:
        played.release.set()
        answer = await call(int(re.search(r":(\d+)/", played.base_url)[1]), f"{script}@whatever", stream)
        expected = PLAYED[script][0 if stream else 1]
        if expected is None:
            assert answer is None
        elif isinstance(expected, int):
            assert answer.status == expected
        else:
            assert answer.status == 200
            assert answer.body.endswith(expected)
        [exchange] = played.ledger
        assert (exchange.model, exchange.authorization, exchange.url_path) == (f"{script}@whatever", "Bearer k", "/v1/chat/completions")
        assert exchange.json["messages"][0]["content"] == "one two three"
        assert exchange.answered
        assert (exchange.bytes_sent > 0) is (script != "hang")
        assert exchange.left_at is None


async def test_an_endless_line_goes_on_until_its_reader_leaves():
    async with ScriptedUpstream() as played:
        connection = await Connection.open(int(re.search(r":(\d+)/", played.base_url)[1]))
        await connection.request("/v1/chat/completions", chat("giant-line", stream=True))
        await connection.head()
        for _ in range(100):
            assert b"\n" not in await connection.piece()
        connection.writer.transport.abort()
        await played.until(lambda: played.ledger[0].left_at)
        assert not played.ledger[0].answered


async def test_an_unknown_script_is_an_unknown_model():
    async with ScriptedUpstream() as played:
        assert (await call(int(re.search(r":(\d+)/", played.base_url)[1]), "GPT 5", False)).status == 404
