"""The decision log on one SQLite file (WAL), shared by any number of processes of one machine."""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from hashlib import sha256
from pathlib import Path
from types import TracebackType

import apsw

from pointsman.errors import RecordError
from pointsman.stores.database import open_checkpointer, open_writer
from pointsman.stores.log import Durability, Head, LogRecord, Verification
from pointsman.stores.logfile import LogFile, verify
from pointsman.stores.writer import Also, Entry, Writer


class SqliteLog:
    """`DecisionLog` on a file. Opening may take a while (a check of the file): do it before serving.

    Open it after forking, never before. `queue_limit` bounds the records that wait for the disk; files of `check_below_bytes` or more
    are opened without `quick_check`. `clock` gives nanoseconds since the epoch; `vfs` names an SQLite VFS.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        durability: Durability = "crash",
        *,
        queue_limit: int = 10_000,
        busy_timeout_s: float = 5.0,
        retry_s: float = 0.25,
        check_below_bytes: int = 256 * 2**20,
        clock: Callable[[], int] = time.time_ns,
        vfs: str | None = None,
    ) -> None:
        self.path = Path(path)
        self.clock = clock
        self._waits = durability != "async"
        connection = open_writer(self.path, durability, busy_timeout_s, check_below_bytes, vfs)
        self._new_reader = partial(LogFile, self.path, busy_timeout_s=busy_timeout_s, vfs=vfs)
        self._readers: list[LogFile] = []
        self._file = self.reader()
        checkpointer = open_checkpointer(self.path, vfs)
        self._writer = Writer(connection, checkpointer, os.fspath(self.path), durability, queue_limit, busy_timeout_s, retry_s)

    @property
    def failure(self) -> str | None:
        """Why the latest write failed, `None` while writes succeed."""
        return self._writer.failure

    async def append(self, kind: str, decision: str, body: bytes) -> None:
        """Add a record; returns once it is durable.

        Durability `async`: at once, or once there is room for it; a failed write is tried again until `close`.
        """
        if self._waits:
            await self.write(kind, decision, body)
            return
        if self._writer.full:
            with suppress(RecordError):  # if the disk fails there is still no room
                await self.flush()
        self._writer.submit(_entry(kind, decision, self.clock(), body))

    def write(self, kind: str, decision: str, body: bytes, also: Also | None = None) -> Awaitable[None]:
        """Add a record once `also` has run in the same transaction; to be waited for whatever the durability.

        `also` runs in the writer's thread; where it returns false there is nothing to record, where it raises nothing is written.
        """
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._writer.submit(_entry(kind, decision, self.clock(), body, waiter, also))
        return waiter

    async def flush(self) -> None:
        """Return once everything appended before is written."""
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._writer.flush(waiter)
        await waiter

    async def read(self, decision: str) -> list[LogRecord]:
        """Every record of one decision, oldest first."""
        return await asyncio.to_thread(self._file.read, decision)

    async def recent(self, limit: int, before_seq: int | None = None, kind: str | None = "decision") -> list[LogRecord]:
        """The newest records of a kind (`None`: any), newest first; `before_seq` gives the next page."""
        return await asyncio.to_thread(self._file.recent, limit, before_seq, kind)

    async def count(self) -> int:
        """How many records the log holds."""
        return await asyncio.to_thread(self._file.count)

    async def put_snapshot(self, id: str, body: bytes) -> None:
        """Keep a snapshot, and the fact in the chain; again with the same body changes nothing."""
        at_ns = self.clock()

        def insert(connection: apsw.Connection) -> bool:
            stored = connection.execute("SELECT body FROM snapshots WHERE id = ?", (id,)).get
            if stored is None:
                connection.execute("INSERT INTO snapshots(id, body, at_ns) VALUES (?, ?, ?)", (id, body, at_ns))
            elif stored != body:
                raise RecordError(f"snapshot `{id}` is already kept with another content")
            return stored is None

        await self.write("snapshot", id, json_bytes(snapshot=id, sha256=sha256(body).hexdigest(), bytes=len(body)), insert)

    async def get_snapshot(self, id: str) -> bytes | None:
        """The snapshot of that id."""
        return await asyncio.to_thread(self._file.get_snapshot, id)

    async def head(self) -> Head:
        """Number and hash of the last record."""
        return await asyncio.to_thread(self._file.head)

    async def verify(self, expected_head: Head | None = None) -> Verification:
        """Check every record, on a connection of its own."""
        return await asyncio.to_thread(verify, self.path, expected_head)

    def reader(self) -> LogFile:
        """A further read-only connection, closed with the log."""
        self._readers.append(self._new_reader())
        return self._readers[-1]

    async def close(self) -> None:
        """Write out what is waiting and close the file; again does nothing."""
        await asyncio.to_thread(self._close)

    def _close(self) -> None:
        # The writer goes last: the last connection to leave folds the WAL into the file, which a reader may not.
        self._writer.finish()
        for reader in self._readers:
            reader.close()
        self._writer.close()

    async def __aenter__(self) -> SqliteLog:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.close()


def _entry(
    kind: str, decision: str, at_ns: int, body: bytes, waiter: asyncio.Future[None] | None = None, also: Also | None = None
) -> Entry:
    """An entry that cannot fail for its content: in the writer's thread it would take its whole batch with it."""
    if type(body) is not bytes:
        raise TypeError(f"a record's body is bytes, not {type(body).__name__}")
    kind.encode(), decision.encode()
    return Entry(kind, decision, at_ns, body, waiter, also)


def json_bytes(**fields: object) -> bytes:
    """A record's body."""
    return json.dumps(fields, ensure_ascii=False, separators=(",", ":")).encode()
