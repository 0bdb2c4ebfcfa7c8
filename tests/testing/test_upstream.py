"""The scripted upstream plays what its manual says."""

from __future__ import annotations

import asyncio
import gzip
import re
from email.utils import parsedate_to_datetime

import pytest

from pointsman.testing import ScriptedUpstream, scripts
from tests.testing.wire import CHAT, Caller, body, playing

BOTH_LOOPS = True

DONE = b"data: [DONE]\n\n"
PLAYED: dict[str, tuple[object, object]] = {
    # what a caller gets of a stream, and of a whole answer: the last bytes, a status, or `None` for a connection that is dropped
    "ok": (DONE, 200),
    "able": (DONE, 200),
    "says": (DONE, 200),
    "no-usage": (DONE, 200),
    "wrong-usage": (DONE, 200),
    "huge-answer-1": (DONE, 200),
    "empty-content": (DONE, 200),
    "refusal": (DONE, 200),
    "length-cut": (DONE, 200),
    "content-filter": (DONE, 200),
    "not-json": (DONE, 200),
    "reasoning": (DONE, 200),
    "cached": (DONE, 200),
    "tools": (DONE, 200),
    "bad-arguments": (DONE, 200),
    "error-429": (429, 429),
    "error-html-502": (502, 502),
    "ratelimit-50": (429, 429),
    "ratelimit-date-5": (429, 429),
    "ratelimit-reset-50": (429, 429),
    "quota": (429, 429),
    "context-length": (400, 400),
    "filtered": (400, 400),
    "unavailable-for-2": (503, 503),
    "flaky-2": (DONE, 200),
    "hang": (None, None),
    "reset": (None, None),
    "close": (None, None),
    "close-after-headers": (None, None),
    "slow-1": (DONE, 200),
    "slow-first-token": (DONE, 200),
    "stall-after-2": (DONE, 200),
    "drip-1": (DONE, 200),
    "slow-body-1": (DONE, 200),
    "ragged-7": (DONE, 200),
    "cut-after-2": (None, None),
    "cut-after-99": (None, None),
    "reset-after-2": (None, None),
    "fin-after-2": (b'"finish_reason":null}]}\n\n', None),
    "error-event-after-2": (b'"code":"scripted_500"}}\n\n', 200),
    "error-first-event": (b'"code":"scripted_500"}}\n\n', 200),
    "malformed-after-2": (DONE, 200),
    "wrong-shape": (200, 200),
    "empty": (200, 200),
    "bad-gzip": (DONE, 200),
    "remaining-3": (DONE, 200),
    "tools+cut-after-2": (None, None),
}
ENDLESS = {"giant-line", "comments-only"}
UNREADABLE = {"tls-close", "bad-chunking"}
SILENT = {"hang", "reset", "close"}


def names(examples: object) -> set[str]:
    return {re.sub(r"-\d+$", "", example) for example in examples}


def test_the_manual_is_complete():
    told = [example for example, _ in scripts.table()]
    assert names(told) == set(scripts.names())
    assert len(told) == len(set(scripts.names())) == len(scripts.names())
    assert names(told) == names(example for example in PLAYED if "+" not in example) | ENDLESS | UNREADABLE


@pytest.mark.parametrize("stream", [True, False], ids=["stream", "whole"])
@pytest.mark.parametrize("script", PLAYED)
async def test_each_script_is_played_as_the_manual_has_it(script, stream):
    async with playing() as call:
        answer = await call(CHAT, body(CHAT, f"{script}@whatever", stream=stream))
        expected = PLAYED[script][0 if stream else 1]
        if expected is None:
            assert answer is None
        elif isinstance(expected, int):
            assert answer.status == expected
        else:
            assert answer.status == 200
            assert answer.body.endswith(expected)
        [exchange] = call.upstream.ledger
        assert (exchange.model, exchange.authorization, exchange.url_path) == (f"{script}@whatever", "Bearer k", CHAT)
        assert exchange.json["messages"][0]["content"] == "one two three"
        assert exchange.answered
        assert (exchange.bytes_sent > 0) is (script not in SILENT)
        assert exchange.left_at is None


@pytest.mark.parametrize("number", [0, 1, 2, 3, 4, 5])
@pytest.mark.parametrize("script", ["cut-after", "reset-after", "fin-after", "error-event-after", "malformed-after", "stall-after"])
async def test_faults_come_after_so_many_events(script, number):
    async with ScriptedUpstream(hold_faults=True) as upstream:
        call = Caller(upstream)
        whole = (await call(CHAT, body(CHAT, f"ok@{script}-{number}", stream=True))).events
        connection = await call.send(CHAT, body(CHAT, f"{script}-{number}", stream=True))
        await connection.head()
        got = [(await connection.piece())[6:-2] for _ in range(number)]
        # All but the model's name is alike.
        assert [re.sub(rb'"model":"[^"]*"', b"", one) for one in got] == [re.sub(rb'"model":"[^"]*"', b"", one) for one in whole[:number]]
        connection.close()


@pytest.mark.parametrize("stream", [True, False], ids=["stream", "whole"])
@pytest.mark.parametrize("script", ["reset", "reset-after-1", "close", "close-after-headers"])
async def test_a_reset_is_a_reset_and_a_close_is_none(script, stream):
    async with ScriptedUpstream(hold_faults=True) as upstream:
        connection = await Caller(upstream).send(CHAT, body(CHAT, script, stream=stream))
        if script not in SILENT:
            assert (await connection.head())[0] == 200
        upstream.release.set()
        if script.startswith("reset"):
            with pytest.raises(ConnectionResetError):
                await connection.reader.read()
        else:
            assert await connection.reader.read() == b""
        connection.close()


@pytest.mark.parametrize("stream", [True, False], ids=["stream", "whole"])
async def test_bytes_that_are_no_http(stream):
    async with playing() as call:
        connection = await call.send(CHAT, body(CHAT, "tls-close", stream=stream))
        assert await connection.reader.read() == b"\x15\x03\x03\x00\x02\x01\x00"
        connection.close()
        connection = await call.send(CHAT, body(CHAT, "bad-chunking", stream=stream))
        assert (await connection.head())[1]["transfer-encoding"] == "chunked"
        assert await connection.piece()
        with pytest.raises(ValueError, match="not a length"):
            await connection.piece()
        connection.close()


@pytest.mark.parametrize("stream", [True, False], ids=["stream", "whole"])
@pytest.mark.parametrize("script", sorted(ENDLESS))
async def test_what_does_not_end_goes_on_until_its_reader_leaves(script, stream):
    async with playing() as call:
        if (script, stream) == ("giant-line", False):
            assert (await call(CHAT, body(CHAT, script))).status == 200
            return
        connection = await call.send(CHAT, body(CHAT, f"{script}-2" if script == "giant-line" else f"{script}-1", stream=stream))
        assert (await connection.head())[0] == 200
        for number in range(20):
            piece = await connection.piece()
            if script == "giant-line":  # after two events
                assert piece.startswith(b'data: {"id"') if number < 2 else piece == (b"x" * 65_536 if number > 2 else b"data: ")
            else:
                assert piece == (b": keep-alive\n\n" if stream else b"\n")
        connection.writer.transport.abort()
        [exchange] = call.upstream.ledger
        await call.upstream.until(lambda: exchange.left_at)
        assert exchange.left_at >= exchange.arrived_at > 0
        assert not exchange.answered


@pytest.mark.parametrize("model", ["GPT 5", "nothing", "ok+nothing", "nothing+ok", ""])
async def test_an_unknown_script_is_an_unknown_model(model):
    async with playing() as call:
        assert (await call(CHAT, body(CHAT, model))).status == (404 if model else 400)


@pytest.mark.parametrize(
    ("path", "request_body", "status"),
    [
        (CHAT, b"no JSON", 400),
        (CHAT, [], 400),
        (CHAT, {}, 400),
        (CHAT, {"model": "ok"}, 400),
        (CHAT, {"model": "ok", "messages": []}, 400),
        (CHAT, {"model": "ok", "messages": [{"role": "user", "content": "x"}], "tools": 1, "stop": {}, "response_format": 3}, 400),
        ("/v1/images/generations", {"model": "ok"}, 404),
        ("/v1/chat/completions?api-version=1", {"model": "ok", "messages": [{"role": "user", "content": "x"}]}, 200),
        ("/openai/deployments/x/chat/completions", {"model": "ok", "messages": [{"role": "user", "content": None}]}, 200),
    ],
)
async def test_what_cannot_be_read_is_refused(path, request_body, status):
    async with playing() as call:
        answer = await call(path, request_body)
        assert answer.status == status
        assert answer.json.get("error", {}).keys() in (set(), {"message", "type", "param", "code"})
        assert call.upstream.ledger[0].url_path == path


async def test_the_models_are_the_scripts():
    async with playing() as call:
        listed = (await call("/v1/models", None)).json
        assert listed["object"] == "list"
        assert [model["id"] for model in listed["data"]] == scripts.names()


async def test_failures_come_when_their_turn_comes():
    async with playing() as call:

        async def statuses(model: str, times: int) -> list[int]:
            return [(await call(CHAT, body(CHAT, model))).status for _ in range(times)]

        assert await statuses("flaky-2", 5) == [200, 500, 200, 500, 200]
        assert await statuses("flaky-3", 4) == [200, 200, 500, 200]
        assert await statuses("unavailable-for-2", 4) == [503, 503, 200, 200]
        assert await statuses("unavailable-for-1@other", 2) == [503, 200]


async def test_limits_are_told_in_headers():
    async with playing() as call:
        assert (await call(CHAT, body(CHAT, "ratelimit-50"))).headers["retry-after-ms"] == "50"
        assert (await call(CHAT, body(CHAT, "error-429"))).headers["retry-after"] == "7"
        assert parsedate_to_datetime((await call(CHAT, body(CHAT, "ratelimit-date-5"))).headers["retry-after"])
        for script, remaining, reset in [("ratelimit-reset-50", "0", "50ms"), ("remaining-3", "3", "60000ms")]:
            for stream in (False, True):
                headers = (await call(CHAT, body(CHAT, script, stream=stream))).headers
                assert headers["x-ratelimit-remaining-requests"] == headers["anthropic-ratelimit-requests-remaining"] == remaining
                assert headers["x-ratelimit-reset-requests"] == reset
                assert re.fullmatch(r"\d{4}-\d\d-\d\dT[\d:.]+Z", headers["anthropic-ratelimit-requests-reset"])


async def test_what_says_that_it_is_gzip_is_none():
    async with playing() as call:
        for stream in (False, True):
            answer = await call(CHAT, body(CHAT, "bad-gzip", stream=stream))
            assert answer.headers["content-encoding"] == "gzip"
            with pytest.raises(gzip.BadGzipFile):
                gzip.decompress(answer.body)


async def test_pieces_of_a_ragged_body_are_of_the_size_asked_for():
    async with playing() as call:
        connection = await call.send(CHAT, body(CHAT, "ragged-5", stream=True))
        await connection.head()
        pieces = []
        while piece := await connection.piece():
            pieces.append(piece)
        assert {len(piece) for piece in pieces[:-1]} == {5}
        assert b"".join(pieces).endswith(DONE)
        connection.close()


async def test_a_huge_answer_is_as_long_as_its_name_says():
    async with playing() as call:
        [choice] = (await call.json(CHAT, "huge-answer-2"))["choices"]
        assert len(choice["message"]["content"]) == 2 * 2**20
        said = [event["choices"][0]["delta"].get("content") or "" for event in await call.events(CHAT, "huge-answer-2")]
        assert sum(map(len, said)) == 2 * 2**20


@pytest.mark.parametrize("script", ["cut-after-2", "reset-after-2", "fin-after-2", "error-event-after-2", "malformed-after-2"])
async def test_held_faults_wait_until_what_came_before_is_seen(script):
    async with ScriptedUpstream(hold_faults=True) as upstream:
        call = Caller(upstream)
        connection = await call.send(CHAT, body(CHAT, script, stream=True))
        await connection.head()
        for _ in range(2):
            assert b'"delta"' in await connection.piece()
        assert not upstream.ledger[0].answered
        upstream.release.set()
        await upstream.until(lambda: upstream.ledger[0].answered)
        connection.close()


async def test_the_ledger_keeps_the_last_calls_and_tells_of_each_that_is_over():
    over = []
    async with playing(keep=3, finished=over.append) as call:
        for number in range(5):
            await call(CHAT, body(CHAT, f"ok@{number}"))
        await call.upstream.until(lambda: len(over) == 5)
        assert [exchange.model for exchange in call.upstream.ledger] == ["ok@2", "ok@3", "ok@4"]
        assert [exchange.model for exchange in over] == [f"ok@{number}" for number in range(5)]
        assert all(exchange.answered and exchange.bytes_sent for exchange in over)


@pytest.mark.parametrize("stream", [True, False], ids=["stream", "whole"])
@pytest.mark.parametrize("script", ["hang", "slow-60000", "slow-first-token", "stall-after-2", "drip-60000", "slow-body-60000"])
async def test_who_leaves_is_noted_whatever_the_script_was_doing(script, stream):
    async with ScriptedUpstream() as upstream:
        connection = await Caller(upstream).send(CHAT, body(CHAT, script, stream=stream))
        await upstream.until(lambda: upstream.ledger and (script in ("hang", "slow-60000") or upstream.ledger[0].bytes_sent))
        connection.close()
        await upstream.until(lambda: upstream.ledger[0].left_at)
        assert not upstream.ledger[0].answered


async def test_an_address_can_be_chosen():
    async with ScriptedUpstream(host="::1") as upstream:
        assert re.fullmatch(r"http://\[::1\]:\d+/v1", upstream.base_url)


async def test_many_calls_at_once_are_kept_apart():
    async with playing() as call:
        texts = [f"text {number}" for number in range(50)]
        said = await asyncio.gather(*(call.json(CHAT, said=text) for text in texts))
        assert [answer["choices"][0]["message"]["content"] for answer in said] == texts
