"""Answer stores: one attempt at a time, whoever asks, and the answer to everybody after it."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from pathlib import Path

import pytest

from pointsman.errors import IdempotencyConflict, IdempotencyMismatch
from pointsman.stores.log import LEASE_NS, AnswerStore, Claim, StoredAnswer
from pointsman.stores.logfile import verify
from pointsman.stores.memory_answers import MemoryAnswers
from pointsman.stores.sqlite import SqliteLog
from pointsman.stores.sqlite_answers import SqliteAnswers
from tests.stores import claimant

NOW = 1_700_000_000 * 10**9
LATER = NOW + 3600 * 10**9
ANSWER = StoredAnswer(200, {"content-type": "application/json", "x-é": "ü"}, b'{"said": "\xff"}')

Open = Callable[[], AbstractAsyncContextManager[AnswerStore]]


@asynccontextmanager
async def sqlite(path: Path) -> AsyncIterator[SqliteAnswers]:
    async with SqliteLog(path) as log:
        answers = SqliteAnswers(log)
        yield answers
        answers.close()


@asynccontextmanager
async def memory() -> AsyncIterator[MemoryAnswers]:
    yield MemoryAnswers()


@pytest.fixture(params=["sqlite", "memory"])
def opened(request: pytest.FixtureRequest, tmp_path: Path) -> Open:
    return memory if request.param == "memory" else lambda: sqlite(tmp_path / "log.db")


def test_an_answer_is_given_again_and_to_the_same_request_only(opened):
    async def scene():
        async with opened() as answers:
            claim = await answers.claim(b"id", b"request", NOW)
            await answers.complete(claim, ANSWER, LATER)
            assert [await answers.claim(b"id", b"request", at) for at in (NOW, LATER - 1)] == [ANSWER, ANSWER]
            with pytest.raises(IdempotencyMismatch) as refused:
                await answers.claim(b"id", b"another", NOW)
            assert (refused.value.status, refused.value.code) == (422, "idempotency_key_reused")
            assert isinstance(await answers.claim(b"other id", b"another", NOW), Claim)

    asyncio.run(scene())


def test_nobody_else_begins_while_one_is_at_it(opened):
    async def scene():
        async with opened() as answers:
            await answers.claim(b"id", b"request", NOW)
            with pytest.raises(IdempotencyConflict) as refused:
                await answers.claim(b"id", b"request", NOW)
            assert (refused.value.status, refused.value.code, refused.value.headers()) == (409, "request_in_progress", {"retry-after": "1"})
            with pytest.raises(IdempotencyMismatch):
                await answers.claim(b"id", b"another", NOW)

    asyncio.run(scene())


def test_of_fifty_at_once_one_begins(opened):
    async def scene():
        async with opened() as answers:
            got = await asyncio.gather(*(answers.claim(b"id", b"request", NOW) for _ in range(50)), return_exceptions=True)
            return sorted(type(each).__name__ for each in got)

    assert asyncio.run(scene()) == ["Claim"] + ["IdempotencyConflict"] * 49


def test_what_is_abandoned_can_begin_again_even_with_another_request(opened):
    async def scene():
        async with opened() as answers:
            claim = await answers.claim(b"id", b"request", NOW)
            await answers.abandon(claim)
            await answers.abandon(claim)
            assert isinstance(await answers.claim(b"id", b"another", NOW), Claim)

    asyncio.run(scene())


@pytest.mark.parametrize("purge", [False, True])
def test_an_answer_is_kept_until_its_time_is_over(opened, purge):
    async def scene():
        async with opened() as answers:
            for name in (b"id", b"longer"):
                await answers.complete(await answers.claim(name, b"request", NOW), ANSWER, LATER + (name == b"longer"))
            if purge:
                await answers.purge(LATER)
            assert await answers.claim(b"longer", b"request", LATER) == ANSWER
            assert isinstance(await answers.claim(b"id", b"another", LATER), Claim)

    asyncio.run(scene())


def test_a_lease_ends_and_who_held_it_cannot_disturb_the_next(opened):
    async def scene():
        async with opened() as answers:
            first = await answers.claim(b"id", b"request", NOW)
            with pytest.raises(IdempotencyConflict):
                await answers.claim(b"id", b"request", NOW + LEASE_NS - 1)
            second = await answers.claim(b"id", b"another", NOW + LEASE_NS)
            await answers.complete(first, ANSWER, LATER)
            await answers.abandon(first)
            with pytest.raises(IdempotencyConflict):
                await answers.claim(b"id", b"another", NOW + LEASE_NS)
            await answers.complete(second, ANSWER, LATER)
            await answers.abandon(second)
            assert await answers.claim(b"id", b"another", NOW) == ANSWER

    asyncio.run(scene())


def test_a_caller_who_is_cancelled_holds_nothing(opened):
    async def scene():
        async with opened() as answers:
            waiting = asyncio.create_task(answers.claim(b"id", b"request", NOW))
            await asyncio.sleep(0)
            waiting.cancel()
            await asyncio.gather(waiting, return_exceptions=True)
            if waiting.cancelled():  # memory has answered before it could be
                assert isinstance(await answers.claim(b"id", b"request", NOW), Claim)

    asyncio.run(scene())


def test_answers_outlive_the_process_and_the_log_records_nothing_of_them(tmp_path):
    path = tmp_path / "log.db"

    async def write():
        async with sqlite(path) as answers:
            await answers.complete(await answers.claim(b"id", b"request", NOW), ANSWER, LATER)

    async def read():
        async with sqlite(path) as answers:
            return await answers.claim(b"id", b"request", NOW)

    asyncio.run(write())
    assert asyncio.run(read()) == ANSWER
    assert verify(path).records == 0


def test_what_was_purged_is_gone_from_the_disk(tmp_path):
    async def scene():
        async with sqlite(tmp_path / "log.db") as answers:
            for n in range(600):  # more than one transaction deletes
                claim = await answers.claim(b"%d" % n, b"request", NOW)
                await answers.complete(claim, StoredAnswer(200, {}, b"Xylophonic " * 20), LATER)
            await answers.purge(LATER)

    asyncio.run(scene())
    assert not [file for file in tmp_path.iterdir() if b"Xylophonic" in file.read_bytes()]


def test_memory_forgets_the_oldest_answers_first_and_no_claim():
    async def scene():
        answers = MemoryAnswers(most_bytes=25)
        held = await answers.claim(b"held", b"request", NOW)
        for name in (b"a", b"b", b"c"):
            await answers.complete(await answers.claim(name, b"request", NOW), StoredAnswer(200, {}, b"x" * 10), LATER)
        kinds = [type(await answers.claim(name, b"request", NOW)).__name__ for name in (b"c", b"b", b"a")]
        await answers.complete(held, StoredAnswer(200, {}, b"x" * 26), LATER)
        return [*kinds, type(await answers.claim(b"c", b"request", NOW)).__name__]

    assert asyncio.run(scene()) == ["StoredAnswer", "StoredAnswer", "Claim", "Claim"]


@contextmanager
def claiming(path: Path, *ids: str):
    """Another process that holds what it could claim."""
    command = [sys.executable, claimant.__file__, str(path), str(NOW), *ids]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield process


def test_between_two_processes_each_request_begins_once(tmp_path):
    ids = [f"id{n}" for n in range(200)]
    with claiming(tmp_path / "log.db", *ids) as one, claiming(tmp_path / "log.db", *ids) as other:
        got = [process.stdout.readline().strip() for process in (one, other)]
        assert {a + b for a, b in zip(*got, strict=True)} <= {"10", "01"}
        for process in (one, other):
            process.stdin.close()


def test_what_a_killed_process_was_at_can_begin_again_at_once(tmp_path):
    async def scene(process):
        async with sqlite(tmp_path / "log.db") as answers:
            with pytest.raises(IdempotencyConflict):
                await answers.claim(b"id", b"same", NOW)
            process.kill()
            process.wait()
            return await answers.claim(b"id", b"same", NOW)

    with claiming(tmp_path / "log.db", "id") as process:
        assert process.stdout.readline() == "1\n"
        assert isinstance(asyncio.run(scene(process)), Claim)
