"""The SQLite log under faults: whoever was told "written" was told the truth, the others got an error, and the chain holds."""

from __future__ import annotations

import asyncio
import logging
import shutil
import stat
import threading

import apsw
import pytest

from pointsman.errors import ConfigError, RecordError
from pointsman.stores.database import APPLICATION_ID, open_writer, require_safe_sqlite
from pointsman.stores.logfile import LogFile, verify
from pointsman.stores.migrations import MIGRATIONS
from pointsman.stores.sqlite import SqliteLog


async def queued(*appends) -> list[asyncio.Task]:
    """The appends as tasks, run as far as their wait for the disk."""
    tasks = [asyncio.create_task(append) for append in appends]
    await asyncio.sleep(0)
    return tasks


def decisions(path) -> list[str]:
    file = LogFile(path)
    try:
        return [record.decision for record in reversed(file.recent(100_000, kind=None))]
    finally:
        file.close()


def test_concurrent_appends_share_their_syncs(tmp_path, disk, lock):
    async def scene():
        async with SqliteLog(tmp_path / "log.db", "power", vfs=disk.name) as log:
            await log.append("decision", "first", b"")
            before = disk.syncs()
            held = lock(log.path)
            tasks = await queued(*(log.append("decision", f"d{n}", b"") for n in range(64)))
            held.close()
            await asyncio.gather(*tasks)
            return disk.syncs() - before, await log.count()

    syncs, count = asyncio.run(scene())
    assert count == 65
    # The writer may have left with the first few before the rest arrived; then those share one.
    assert 1 <= syncs <= 2


@pytest.mark.parametrize("durability", ["crash", "power"])
def test_power_syncs_before_it_acknowledges_and_crash_does_not(tmp_path, disk, durability):
    async def scene():
        async with SqliteLog(tmp_path / "log.db", durability, vfs=disk.name) as log:
            await log.append("decision", "first", b"")  # the first one also syncs a fresh WAL's header
            seen = []
            for n in range(10):
                before = disk.syncs()
                await log.append("decision", f"d{n}", b"")
                seen.append(disk.syncs() - before)
            return seen

    assert asyncio.run(scene()) == [1 if durability == "power" else 0] * 10


@pytest.mark.parametrize(("durability", "synchronous"), [("crash", 1), ("power", 2), ("async", 1)])
def test_the_writing_connection_has_the_settings_it_claims(tmp_path, durability, synchronous):
    connection = open_writer(tmp_path / "log.db", durability, 5.0, 2**28, None)
    assert connection.pragma("synchronous") == synchronous
    assert connection.pragma("journal_mode") == "wal"
    assert connection.pragma("application_id") == APPLICATION_ID
    assert connection.pragma("user_version") == len(MIGRATIONS)
    connection.close()


FAULTS = {
    "disk full": (apsw.FullError("no space"), "full"),
    "read-only": (apsw.ReadOnlyError("remounted"), "readonly"),
    "i/o error": (apsw.IOError("broken"), "io"),
}


@pytest.mark.parametrize("durability", ["crash", "power"])
@pytest.mark.parametrize("name", FAULTS)
def test_when_the_disk_fails_everyone_hears_of_it_and_the_log_recovers(tmp_path, disk, name, durability):
    fault, word = FAULTS[name]
    path = tmp_path / "log.db"

    async def scene():
        async with SqliteLog(path, durability, vfs=disk.name) as log:
            await log.append("decision", "before", b"")
            disk.fault = fault
            results = await asyncio.gather(*(log.append("decision", f"lost{n}", bytes(5000)) for n in range(64)), return_exceptions=True)
            assert {type(result) for result in results} == {RecordError}
            assert all(f"the decision log cannot be written: {word}" in str(result) for result in results)
            assert log.failure is not None
            disk.fault = None
            await log.append("decision", "after", b"")
            assert log.failure is None

    asyncio.run(scene())
    assert decisions(path) == ["before", "after"]
    assert verify(path).ok


def test_a_failed_sync_is_not_acknowledged(tmp_path, disk):
    path = tmp_path / "log.db"

    async def scene():
        async with SqliteLog(path, "power", vfs=disk.name) as log:
            await log.append("decision", "before", b"")
            disk.sync_fault = apsw.IOError("the drive said no")
            with pytest.raises(RecordError):
                await log.append("decision", "lost", b"")
            disk.sync_fault = None
            await log.append("decision", "after", b"")

    asyncio.run(scene())
    assert decisions(path) == ["before", "after"]
    assert verify(path).ok


def test_a_lock_held_too_long_is_an_error_and_then_over(tmp_path, lock):
    async def scene():
        async with SqliteLog(tmp_path / "log.db", busy_timeout_s=0.01) as log:
            held = lock(log.path)
            with pytest.raises(RecordError, match="busy"):
                await log.append("decision", "d1", b"")
            held.close()
            await log.append("decision", "d2", b"")

    asyncio.run(scene())
    assert decisions(tmp_path / "log.db") == ["d2"]


def test_a_log_file_moved_away_is_noticed(tmp_path):
    path = tmp_path / "log.db"

    async def scene():
        async with SqliteLog(path) as log:
            await log.append("decision", "d1", b"")
            aside = path.rename(tmp_path / "aside.db")
            with pytest.raises(RecordError, match="No such file"):
                await log.append("decision", "d2", b"")
            path.touch()
            with pytest.raises(RecordError, match="moved or replaced"):
                await log.append("decision", "d3", b"")
            aside.rename(path)
            await log.append("decision", "d4", b"")

    asyncio.run(scene())
    assert decisions(path) == ["d1", "d4"]


def test_a_cancelled_caller_takes_nothing_back(tmp_path, lock):
    async def scene():
        async with SqliteLog(tmp_path / "log.db") as log:
            held = lock(log.path)
            tasks = await queued(*(log.append("decision", f"d{n}", b"") for n in range(10)))
            for task in tasks[::2]:
                task.cancel()
            await asyncio.sleep(0)
            held.close()
            return await asyncio.gather(*tasks, return_exceptions=True)

    results = asyncio.run(scene())
    assert [type(result) for result in results[:2]] == [asyncio.CancelledError, type(None)]
    assert results[1::2] == [None] * 5
    assert decisions(tmp_path / "log.db") == [f"d{n}" for n in range(10)]


def test_an_event_loop_that_ends_early_leaves_its_records_and_the_writer_alive(tmp_path, lock):
    async def leave(log: SqliteLog):
        await queued(log.append("decision", "left behind", b""))

    async def scene():
        async with SqliteLog(tmp_path / "log.db") as log:
            held = lock(log.path)
            thread = threading.Thread(target=lambda: asyncio.run(leave(log)))
            thread.start()
            thread.join()
            held.close()
            await log.append("decision", "goes on", b"")

    asyncio.run(scene())
    assert decisions(tmp_path / "log.db") == ["left behind", "goes on"]


def test_too_many_waiting_is_an_error_at_once(tmp_path, lock):
    async def scene():
        async with SqliteLog(tmp_path / "log.db", queue_limit=10) as log:
            held = lock(log.path)
            tasks = await queued(*(log.append("decision", f"d{n}", b"") for n in range(1000)))
            refused = [task for task in tasks if task.done()]
            held.close()
            results = await asyncio.gather(*tasks, return_exceptions=True)
            return len(refused), [str(result) for result in results if result is not None]

    refused, errors = asyncio.run(scene())
    assert refused == len(errors) >= 1000 - 512 - 10
    assert set(errors) == {"the decision log is behind: 10 records wait for the disk"}
    assert len(decisions(tmp_path / "log.db")) == 1000 - refused


def test_async_returns_at_once_and_keeps_trying(tmp_path, lock):
    path = tmp_path / "log.db"

    async def scene():
        async with SqliteLog(path, "async", busy_timeout_s=0.01, retry_s=0.001) as log:
            held = lock(log.path)
            for n in range(5):
                await log.append("decision", f"d{n}", b"")
            with pytest.raises(RecordError, match="busy"):
                await log.flush()
            await log.append("decision", "d5", b"")
            held.close()
            await log.flush()
            return decisions(path)

    assert asyncio.run(scene()) == [f"d{n}" for n in range(6)]
    assert verify(path).ok


def test_async_slows_a_producer_that_outruns_the_disk(tmp_path):
    path = tmp_path / "log.db"

    async def scene():
        async with SqliteLog(path, "async", queue_limit=10) as log:
            for n in range(1_000):
                await log.append("decision", f"d{n}", b"")

    asyncio.run(scene())
    assert decisions(path) == [f"d{n}" for n in range(1_000)]


def test_the_event_loop_never_waits_for_a_lock(tmp_path, lock):
    async def scene():
        async with SqliteLog(tmp_path / "log.db", busy_timeout_s=3600) as log:
            await log.append("decision", "before", b"")
            held = lock(log.path)
            waiting = [asyncio.ensure_future(log.append("decision", f"d{n}", b"")) for n in range(3)]
            for _ in range(50):
                await asyncio.sleep(0)  # goes on, or nobody would let go of the lock
            assert not any(task.done() for task in waiting)
            held.close()
            await asyncio.gather(*waiting)

    asyncio.run(scene())
    assert decisions(tmp_path / "log.db") == ["before", "d0", "d1", "d2"]


@pytest.mark.parametrize("durability", ["crash", "power"])
def test_small_and_large_records_and_marks_keep_their_order(tmp_path, durability):
    async def scene():
        async with SqliteLog(tmp_path / "log.db", durability) as log:
            for first in range(0, 400, 100):
                sizes = [100_000 if n % 7 == 3 else 10 for n in range(first, first + 100)]
                tasks = await queued(*(log.append("decision", f"d{first + n}", bytes(size)) for n, size in enumerate(sizes)))
                await log.flush()
                assert all(task.done() for task in tasks)

    asyncio.run(scene())
    assert decisions(tmp_path / "log.db") == [f"d{n}" for n in range(400)]
    assert verify(tmp_path / "log.db").ok


def test_the_wal_is_folded_into_the_file_while_records_come(tmp_path):
    async def scene():
        async with SqliteLog(tmp_path / "log.db") as log:
            for n in range(2_000):
                await log.append("decision", f"d{n}", bytes(20_000))
            return (tmp_path / "log.db-wal").stat().st_size

    assert asyncio.run(scene()) < 20_000_000, "of 40 MB"


def test_the_wal_does_not_grow_over_the_deaths_of_processes(tmp_path):
    """Each dies long before it would fold what it wrote."""
    before, sizes = tmp_path / "0", []
    before.mkdir()
    for life in range(1, 6):
        after = tmp_path / str(life)

        async def scene(before=before, after=after, life=life):
            async with SqliteLog(before / "log.db") as log:
                for n in range(50):
                    await log.append("decision", f"d{life}-{n}", bytes(4_000))
                shutil.copytree(before, after)  # what a process that is killed now leaves behind

        asyncio.run(scene())
        sizes.append((after / "log.db-wal").stat().st_size)
        before = after
    assert max(sizes) < 1.5 * sizes[0]
    assert len(decisions(before / "log.db")) == 250
    assert verify(before / "log.db").ok


def test_a_log_that_was_written_whole_closes_without_a_word(tmp_path, caplog):
    async def scene():
        async with SqliteLog(tmp_path / "log.db") as log:
            await log.append("decision", "d1", b"")

    asyncio.run(scene())
    assert caplog.text == ""


def test_async_is_bounded_while_the_disk_fails(tmp_path, lock):
    async def scene():
        async with SqliteLog(tmp_path / "log.db", "async", queue_limit=10, busy_timeout_s=0.001, retry_s=0.001) as log:
            lock(log.path)
            for n in range(10_000):
                await log.append("decision", f"d{n}", b"")

    with pytest.raises(RecordError, match="behind"):
        asyncio.run(scene())


def test_async_says_on_close_what_it_lost(tmp_path, lock, caplog):
    async def scene():
        log = SqliteLog(tmp_path / "log.db", "async", busy_timeout_s=0.001)
        lock(log.path)
        for n in range(3):
            await log.append("decision", f"d{n}", b"")
        await log.close()

    with caplog.at_level(logging.ERROR):
        asyncio.run(scene())
    assert "closed with 3 records not written" in caplog.text


def test_the_clock_is_an_argument(tmp_path):
    async def scene():
        async with SqliteLog(tmp_path / "log.db", clock=iter([7, 5]).__next__) as log:
            await log.append("decision", "d1", b"")
            await log.append("decision", "d2", b"")
            return await log.recent(9)

    assert [record.at_ns for record in asyncio.run(scene())] == [5, 7]


def test_only_the_owner_may_read_the_files(tmp_path):
    folder = tmp_path / "state" / "log"

    async def scene():
        async with SqliteLog(folder / "log.db") as log:
            await log.append("decision", "d1", b"")
            return {file.name: stat.S_IMODE(file.stat().st_mode) for file in folder.iterdir()}

    assert asyncio.run(scene()) == {"log.db": 0o600, "log.db-wal": 0o600, "log.db-shm": 0o600}
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_close_folds_the_wal_into_the_file(tmp_path):
    async def scene():
        async with SqliteLog(tmp_path / "log.db") as log:
            await log.append("decision", "d1", b"")

    asyncio.run(scene())
    assert [file.name for file in tmp_path.iterdir()] == ["log.db"]


@pytest.mark.parametrize("version", ["3.7.0", "3.40.1", "3.50.4", "3.51.2"])
def test_an_unsafe_sqlite_is_refused(version):
    with pytest.raises(ConfigError, match=f"SQLite {version} can corrupt"):
        require_safe_sqlite(version)


@pytest.mark.parametrize("version", ["3.6.23", "3.51.3", "3.53.0", "3.54.1", "4.0.0"])
def test_a_safe_sqlite_is_taken(version):
    require_safe_sqlite(version)


@pytest.mark.parametrize(
    ("statement", "error", "words"),
    [
        ("CREATE TABLE theirs(x)", ConfigError, "database of another program"),
        (f"PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = 99", ConfigError, "newer Pointsman"),
    ],
)
def test_a_foreign_file_is_refused(tmp_path, statement, error, words):
    connection = apsw.Connection(str(tmp_path / "log.db"))
    connection.execute(statement)
    connection.close()
    with pytest.raises(error, match=words):
        SqliteLog(tmp_path / "log.db")


def test_a_damaged_file_is_refused_at_the_start(tmp_path):
    path = tmp_path / "log.db"

    async def scene():
        async with SqliteLog(path) as log:
            for n in range(100):
                await log.append("decision", f"d{n}", bytes(1000))

    asyncio.run(scene())
    content = bytearray(path.read_bytes())
    content[4096 * 8 : 4096 * 9] = b"\xff" * 4096
    path.write_bytes(content)
    with pytest.raises(RecordError, match=r"is damaged: .*: restore a backup"):
        SqliteLog(path)
    path.write_text("not a database at all, but long enough to be asked " * 20)
    with pytest.raises(RecordError, match="not a database"):
        SqliteLog(path)


def test_a_missing_log_is_told_with_the_place_of_the_gateway_s(tmp_path):
    with pytest.raises(RecordError, match="no such log: the gateway's is `store.path`, by default `.pointsman/pointsman.db`"):
        LogFile(tmp_path / "pointsman.db")
    assert not any(tmp_path.iterdir())


def test_a_folder_in_place_of_the_file_is_an_error(tmp_path):
    with pytest.raises(RecordError, match="cannot be opened"):
        SqliteLog(tmp_path)
