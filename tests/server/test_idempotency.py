"""Idempotency keys: what is asked again under the same key is answered again, and nothing else is."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import pytest

from pointsman.errors import IdempotencyConflict, IdempotencyMismatch, RequestError
from pointsman.gateway.idempotency import LARGEST_BYTES, Pending, Replays, request_digest
from pointsman.stores.log import StoredAnswer
from pointsman.stores.sqlite import SqliteLog
from pointsman.stores.sqlite_answers import SqliteAnswers
from tests.server.conftest import Serve
from tests.server.coroutines import soon
from tests.server.served import OPERATOR, chat, model

NOW = 1_700_000_000.0
DAY = 86_400.0
ASK = request_digest("/v1/chat/completions", b"{}")
HEADERS = {"content-type": "application/json"}

Open = Callable[[], AbstractAsyncContextManager[Replays]]


@pytest.fixture
def opened(tmp_path: Path) -> Open:
    @asynccontextmanager
    async def opened() -> AsyncIterator[Replays]:
        async with SqliteLog(tmp_path / "log.db") as log:
            answers = SqliteAnswers(log)
            yield Replays(answers, DAY)
            answers.close()

    return opened


KEYS = pytest.mark.parametrize("key", ["order-1", "stainless-python-retry-7f4c0e8e"])


@KEYS
async def test_a_whole_answer_is_replayed_and_says_so(opened: Open, key):
    async with opened() as replays:
        pending = await replays.begin("pm_a", key, ASK, NOW)
        assert await pending.complete(200, HEADERS, b"said")
        await pending.abandon()
        replayed = await replays.begin("pm_a", key, ASK, NOW + DAY - 1)
        assert replayed == StoredAnswer(200, {**HEADERS, "idempotent-replayed": "true"}, b"said")
        assert isinstance(await replays.begin("pm_a", key, ASK, NOW + DAY), Pending)


@KEYS
async def test_a_stream_is_replayed_as_it_was_sent(opened: Open, key):
    async with opened() as replays:
        pending = await replays.begin("pm_a", key, ASK, NOW)
        for piece in (b"data: 1\n\n", b": keep-alive\n\n", b"data: [DONE]\n\n"):
            pending.add(piece)
        assert await pending.complete(200, HEADERS)
        assert (await replays.begin("pm_a", key, ASK, NOW)).body == b"data: 1\n\n: keep-alive\n\ndata: [DONE]\n\n"


@KEYS
async def test_of_fifty_at_once_one_is_answered(opened: Open, key):
    async with opened() as replays:
        got = await asyncio.gather(*(replays.begin("pm_a", key, ASK, NOW) for _ in range(50)), return_exceptions=True)
        assert sorted(type(each).__name__ for each in got) == ["IdempotencyConflict"] * 49 + ["Pending"]


@KEYS
async def test_keys_of_other_callers_are_other_keys(opened: Open, key):
    async with opened() as replays:
        for caller, name in (("pm_a", key), ("pm_", f"a{key}"), ("pm_a:", key), ("", f"pm_a{key}")):
            assert await (await replays.begin(caller, name, ASK, NOW)).complete(200, {}, b"a's own")
        assert isinstance(await replays.begin("pm_b", key, ASK, NOW), Pending)


@KEYS
@pytest.mark.parametrize("answered", [False, True])
@pytest.mark.parametrize("other", [("/v1/chat/completions", b"{ }"), ("/v1/responses", b"{}")])
async def test_a_key_belongs_to_one_request(opened: Open, key, answered, other):
    async with opened() as replays:
        pending = await replays.begin("pm_a", key, ASK, NOW)
        if answered:
            await pending.complete(200, {}, b"")
        with pytest.raises(IdempotencyMismatch):
            await replays.begin("pm_a", key, request_digest(*other), NOW)


async def test_what_failed_or_is_too_large_is_not_kept(opened: Open):
    async with opened() as replays:
        for status, body in ((503, b"{}"), (206, b"{}"), (200, b"x" * (LARGEST_BYTES + 1))):
            assert not await (await replays.begin("pm_a", "k", ASK, NOW)).complete(status, {}, body)
        pending = await replays.begin("pm_a", "k", ASK, NOW)
        for _ in range(5):
            pending.add(b"x" * (LARGEST_BYTES // 4))
        assert not await pending.complete(200, {})
        await (await replays.begin("pm_a", "k", ASK, NOW)).abandon()
        assert await (await replays.begin("pm_a", "k", ASK, NOW)).complete(200, {}, b"x" * LARGEST_BYTES)
        with pytest.raises(IdempotencyConflict):
            await asyncio.gather(*(replays.begin("pm_a", "another", ASK, NOW) for _ in range(2)))


async def test_answers_to_keys_that_a_client_library_made_up_never_reach_the_disk(opened: Open, tmp_path: Path):
    async with opened() as replays:
        for key in ("stainless-node-retry-1", "stainless-ruby-retry-1"):
            assert await (await replays.begin("pm_a", key, ASK, NOW)).complete(200, {"x": "Xylophonic"}, b"Xylophonic")
        assert await (await replays.begin("pm_a", "mine", ASK, NOW)).complete(200, {}, b"Zirconium")
    kept = content(tmp_path)
    assert b"Zirconium" in kept
    assert b"Xylophonic" not in kept
    assert b"mine" not in kept


def content(folder: Path) -> bytes:
    return b"".join(file.read_bytes() for file in folder.iterdir())


async def test_purging_goes_on_until_it_is_cancelled(opened: Open, tmp_path: Path):
    clock = iter([NOW, NOW + DAY])
    turns: asyncio.Queue[float] = asyncio.Queue()
    async with opened() as replays:
        assert await (await replays.begin("pm_a", "k", ASK, NOW)).complete(200, {}, b"Xylophonic")
        go_on = asyncio.Event()

        async def sleep(seconds: float) -> None:
            turns.put_nowait(seconds)
            await go_on.wait()
            go_on.clear()

        purging = asyncio.create_task(replays.keep_purged(lambda: next(clock), sleep))
        await turns.get()
        assert isinstance(await replays.begin("pm_a", "k", ASK, NOW), StoredAnswer)
        go_on.set()
        await turns.get()
        assert isinstance(await replays.begin("pm_a", "k", ASK, NOW), Pending)
        purging.cancel()
        await asyncio.wait({purging})


@pytest.mark.parametrize(
    ("ttl_s", "headers", "key"), [(DAY, {}, None), (DAY, {"idempotency-key": "k"}, "k"), (0, {"idempotency-key": "k"}, None)]
)
async def test_the_header_is_heard_where_answers_are_kept(opened: Open, ttl_s, headers, key):
    async with opened() as replays:
        replays.ttl_s = ttl_s
        assert replays.key(headers) == key


@pytest.mark.parametrize("given", ["", "x" * 256])
async def test_a_key_has_a_length(opened: Open, given):
    async with opened() as replays:
        with pytest.raises(RequestError, match="1 to 255 characters"):
            replays.key({"idempotency-key": given})


PATH = "/v1/chat/completions"


async def test_of_fifty_duplicates_one_reaches_the_upstream(serve: Serve):
    async with serve([model("inside", "stall-after-2")]) as gateway:
        asked = [asyncio.create_task(gateway.ask(body=chat("inside"), idempotency_key="k")) for _ in range(50)]
        await soon(lambda: sum(task.done() for task in asked) == 49)
        gateway.upstream.release.set()
        answers = sorted(await asyncio.gather(*asked), key=lambda answer: answer.status)
        assert [answer.status for answer in answers] == [200] + [409] * 49
        assert {(answer.error["code"], answer.headers["retry-after"]) for answer in answers[1:]} == {("request_in_progress", "1")}
        again = await gateway.ask(body=chat("inside"), idempotency_key="k")
        assert again.body == answers[0].body
        first = answers[0].headers
        assert {name: again.headers[name] for name in first if name != "date"} == {name: first[name] for name in first if name != "date"}
        assert again.headers["idempotent-replayed"] == "true"
        assert "idempotent-replayed" not in first
        assert len(gateway.ledger) == 1
        assert (await gateway.ask(body=chat("inside", "something else"), idempotency_key="k")).error["code"] == "idempotency_key_reused"
        assert "idempotent-replayed" not in (await gateway.ask(body=chat("inside"), key=await gateway.key(), idempotency_key="k")).headers


async def test_a_stream_is_replayed_to_the_byte(serve: Serve):
    async with serve() as gateway:
        body = chat("inside", "one two three", stream=True, stream_options={"include_usage": True})
        first, again = [await gateway.ask(body=body, idempotency_key="k") for _ in range(2)]
        assert first.events[-1] == b"[DONE]"
        assert again.body == first.body
        assert again.headers["content-type"] == first.headers["content-type"]
        assert len(gateway.ledger) == 1


@pytest.mark.parametrize(("script", "stream"), [("error-400", False), ("error-400", True), ("cut-after-2", True), ("fin-after-2", True)])
async def test_what_failed_is_tried_again(serve: Serve, script, stream):
    async with serve([model("inside", script)]) as gateway:
        for calls in (1, 2):
            answer = await gateway.ask(body=chat("inside", "one two three", stream=stream), idempotency_key="k")
            assert b"[DONE]" not in answer.body
            assert "idempotent-replayed" not in answer.headers
            assert len(gateway.ledger) == calls


@pytest.mark.parametrize("stream", [False, True])
async def test_who_left_before_the_end_can_ask_again(serve: Serve, stream):
    async with serve([model("inside", "stall-after-2")]) as gateway:
        body = chat("inside", "one two three", stream=stream)
        connection = await gateway.connect()
        await connection.request(PATH, body, key=OPERATOR, idempotency_key="k")
        await gateway.upstream.until(lambda: gateway.ledger)
        connection.close()
        await gateway.quiet()
        gateway.upstream.release.set()
        assert (await gateway.ask(body=body, idempotency_key="k")).status == 200
        assert len(gateway.ledger) == 2
