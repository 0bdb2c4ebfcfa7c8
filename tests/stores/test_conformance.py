"""What every decision log promises, whatever it is stored in. `open_log` (conftest.py) opens the same log again each time."""

from __future__ import annotations

import asyncio
import threading

import pytest

from pointsman.errors import ConfigError, RecordError
from pointsman.stores.log import DecisionLog, Head


def test_records_come_back_as_written_and_in_order(open_log):
    async def scene():
        async with open_log() as log:
            await log.append("decision", "d1", b"one")
            await log.append("decision", "d2", b"\x00\xff")
            await log.append("outcome", "d1", b"")
        async with open_log() as log:
            return await log.read("d1"), await log.read("d2"), await log.read("d3"), await log.count()

    first, second, none, count = asyncio.run(scene())
    assert [(r.seq, r.kind, r.body) for r in first] == [(1, "decision", b"one"), (3, "outcome", b"")]
    assert [(r.seq, r.decision, r.body) for r in second] == [(2, "d2", b"\x00\xff")]
    assert (none, count) == ([], 3)
    assert first[1].prev == second[0].hash


def test_recent_gives_pages_of_a_kind_newest_first(open_log):
    async def scene():
        async with open_log() as log:
            for n in range(6):
                await log.append("decision" if n % 2 else "outcome", f"d{n}", b"")
            page = await log.recent(2)
            return page, await log.recent(2, before_seq=page[-1].seq), await log.recent(10, kind=None)

    page, rest, everything = asyncio.run(scene())
    assert [r.decision for r in page] == ["d5", "d3"]
    assert [r.decision for r in rest] == ["d1"]
    assert [r.seq for r in everything] == [6, 5, 4, 3, 2, 1]


def test_appends_of_many_tasks_are_all_there_once(open_log):
    async def client(log: DecisionLog, name: str):
        for n in range(20):
            await log.append("decision", f"{name}-{n}", name.encode())

    async def scene():
        async with open_log() as log:
            await asyncio.gather(*(client(log, f"task{n}") for n in range(64)))
            return await log.recent(10_000), await log.verify()

    records, verification = asyncio.run(scene())
    assert {r.decision for r in records} == {f"task{t}-{n}" for t in range(64) for n in range(20)}
    assert len(records) == 64 * 20
    assert verification.ok
    for task in range(64):
        numbers = [int(r.decision.split("-")[1]) for r in reversed(records) if r.body == f"task{task}".encode()]
        assert numbers == list(range(20)), "a caller's own order is kept"


def test_several_threads_with_their_own_loops_share_a_log(open_log):
    async def scene():
        async with open_log() as log:

            async def client(name: str):
                await asyncio.gather(*(log.append("decision", f"{name}-{n}", b"") for n in range(50)))

            threads = [threading.Thread(target=lambda name=name: asyncio.run(client(name))) for name in "abc"]
            for thread in threads:
                thread.start()
            await client("d")
            for thread in threads:
                await asyncio.to_thread(thread.join)
            return await log.count(), await log.verify()

    count, verification = asyncio.run(scene())
    assert count == 200
    assert verification.ok


def test_snapshots_are_kept_once(open_log):
    async def scene():
        async with open_log() as log:
            await log.put_snapshot("s1", b"policy")
            await log.put_snapshot("s1", b"policy")
            with pytest.raises(RecordError, match="`s1` is already kept with another content"):
                await log.put_snapshot("s1", b"other")
        async with open_log() as log:
            return await log.get_snapshot("s1"), await log.get_snapshot("s2"), await log.recent(9, kind=None), await log.verify()

    kept, unknown, records, verification = asyncio.run(scene())
    assert (kept, unknown) == (b"policy", None)
    assert [(r.kind, r.decision) for r in records] == [("snapshot", "s1")], "that it was kept is in the chain, once"
    assert verification.ok


def test_one_bad_call_does_not_harm_the_others(open_log):
    async def scene():
        async with open_log() as log:
            good = [log.append("decision", f"d{n}", b"") for n in range(3)]
            bad = [log.append("decision", "d", "text"), log.append("decision", "\udc80", b""), log.append("decision", "d", bytearray())]
            results = await asyncio.gather(*good, *bad, return_exceptions=True)
            return results, await log.count(), await log.verify()

    results, count, verification = asyncio.run(scene())
    assert results[:3] == [None] * 3
    assert [type(error) for error in results[3:]] == [TypeError, UnicodeEncodeError, TypeError]
    assert (count, verification.ok) == (3, True)


def test_the_head_is_a_checkpoint(open_log):
    async def scene():
        async with open_log() as log:
            empty = await log.head()
            await log.append("decision", "d1", b"")
            head = await log.head()
            await log.append("decision", "d2", b"")
            wrong = Head(head.seq, bytes(32))
            ahead = Head(head.seq + 5, bytes(32))
            return empty, head, await log.verify(empty), await log.verify(head), await log.verify(wrong), await log.verify(ahead)

    empty, head, since_empty, since_head, wrong, ahead = asyncio.run(scene())
    assert (empty.seq, head.seq) == (0, 1)
    assert since_empty.ok
    assert since_head.ok
    assert since_head.head.seq == 2
    assert wrong.broken.seq == 1
    assert "differs from the checkpoint" in wrong.broken.reason
    assert ahead.broken.seq == 3
    assert "the log ends before its checkpoint" in ahead.broken.reason


def test_close_writes_what_is_waiting_and_then_refuses(open_log):
    async def scene():
        log = await open_log().__aenter__()
        waiting = [asyncio.create_task(log.append("decision", f"d{n}", b"")) for n in range(100)]
        await asyncio.sleep(0)
        await log.close()
        await asyncio.gather(*waiting)
        await log.close()
        with pytest.raises(RecordError, match="closed"):
            await log.append("decision", "late", b"")
        async with open_log() as log:
            return await log.count()

    assert asyncio.run(scene()) == 100


@pytest.mark.parametrize("text", ["", "1", "1:ab", "-1:" + "0" * 64, "01:" + "0" * 64, "1:" + "G" * 64, "1:" + "0" * 64 + "\n"])
def test_a_checkpoint_text_is_read_strictly(text):
    with pytest.raises(ConfigError, match="is not a checkpoint"):
        Head.parse(text)
