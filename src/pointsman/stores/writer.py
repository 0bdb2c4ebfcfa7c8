"""The one thread that writes: it takes whatever is waiting, commits it together, and wakes the waiters once a batch."""

from __future__ import annotations

import asyncio
import logging
import os
import queue
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import apsw

from pointsman.errors import PointsmanError, RecordError
from pointsman.stores.chain import START, link
from pointsman.stores.database import reason

logger = logging.getLogger(__name__)

#: Rows a transaction; above it waiters would wait for others rather than for the disk.
_BATCH = 512

_LAST = "SELECT seq, hash FROM log ORDER BY seq DESC LIMIT 1"
_INSERT = "INSERT INTO log(seq, kind, decision, at_ns, body, prev, hash) VALUES (?, ?, ?, ?, ?, ?, ?)"

Also = Callable[[apsw.Connection], bool]
"""A statement of the same transaction. Returns whether there is something to record; a `PointsmanError` refuses this entry alone."""


@dataclass(slots=True, eq=False)
class Entry:
    """A record on its way into the log. Without a waiter nobody hears how it went."""

    kind: str
    decision: str
    at_ns: int
    body: bytes
    waiter: asyncio.Future[None] | None = None
    also: Also | None = None
    error: PointsmanError | None = None


class Writer:
    """Owns the writing connection. `submit` may be called from any thread."""

    def __init__(self, connection: apsw.Connection, path: str, limit: int, retry_s: float) -> None:
        self.failure: str | None = None
        self._connection = connection
        self._path = path
        self._identity = _identity(path)
        self._limit = limit
        self._retry_s = retry_s
        self._kept = 0
        self._queue: queue.SimpleQueue[Entry | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="pointsman-log", daemon=True)
        self._thread.start()

    def submit(self, entry: Entry) -> None:
        """Queue an entry. Raises `RecordError` when too many wait or the log is closed."""
        # The lock keeps an entry from being queued behind the end mark, where nobody would answer it.
        with self._lock:
            if self._closing.is_set():
                raise RecordError("the decision log is closed")
            if self._queue.qsize() + self._kept >= self._limit:
                raise RecordError(f"the decision log is behind: {self._limit:,} records wait for the disk")
            self._queue.put(entry)

    def finish(self) -> None:
        """Write what is queued and end the thread."""
        with self._lock:
            first = not self._closing.is_set()
            self._closing.set()
            if first:
                self._queue.put(None)
        self._thread.join()

    def close(self) -> None:
        """Finish, and close the connection."""
        self.finish()
        self._connection.close()

    def _run(self) -> None:
        kept: list[Entry] = []
        running = True
        while running:
            if kept:
                self._closing.wait(self._retry_s)
            batch = kept
            running = self._take(batch, wait=not kept)
            # Those who wait get their error; what nobody waits for is kept and tried again.
            kept = [] if not batch or self._write(batch) else [entry for entry in batch if entry.waiter is None]
            self._kept = len(kept)
        if kept:
            logger.error("the decision log was closed with %d records not written", len(kept))

    def _take(self, batch: list[Entry], wait: bool) -> bool:
        """Add what is queued to the batch, waiting for the first entry if asked; false at the end mark."""
        room = _BATCH
        try:
            while room and (entry := self._queue.get(block=wait)) is not None:
                batch.append(entry)
                room -= 1
                wait = False
        except queue.Empty:
            return True
        return room == 0

    def _write(self, batch: Sequence[Entry]) -> bool:
        """Commit a batch and tell its waiters; whether it was written."""
        failure = None
        try:
            self._commit(batch)
        except Exception as error:  # noqa: BLE001  whatever it is, those who wait must hear of it
            self._roll_back()
            failure = reason(error)
            for entry in batch:
                entry.error = RecordError(f"the decision log cannot be written: {failure}")
                entry.error.__cause__ = error
        self._note(failure)
        _answer(batch)
        return failure is None

    def _commit(self, batch: Sequence[Entry]) -> None:
        if _identity(self._path) != self._identity:
            raise RecordError("its file was moved or replaced: put it back or restart")
        execute = self._connection.execute
        execute("BEGIN IMMEDIATE")
        # Other processes write as well: only under the lock is the last record known.
        seq, prev = execute(_LAST).get or (START.seq, START.hash)
        rows = []
        for entry in batch:
            entry.error = None
            if entry.also is not None and not self._recorded(entry, entry.also):
                continue
            seq += 1
            digest = link(prev, seq, entry.kind.encode(), entry.decision.encode(), entry.at_ns, entry.body)
            rows.append((seq, entry.kind, entry.decision, entry.at_ns, entry.body, prev, digest))
            prev = digest
        self._connection.executemany(_INSERT, rows)
        execute("COMMIT")

    def _recorded(self, entry: Entry, also: Also) -> bool:
        try:
            return also(self._connection)
        except PointsmanError as refusal:
            entry.error = refusal
            return False

    def _roll_back(self) -> None:
        if self._connection.in_transaction:
            try:
                self._connection.execute("ROLLBACK")
            except apsw.Error:
                logger.exception("rolling back failed")

    def _note(self, failure: str | None) -> None:
        if failure is not None and self.failure is None:
            logger.error("the decision log `%s` cannot be written: %s", self._path, failure)
        elif failure is None and self.failure is not None:
            logger.warning("the decision log `%s` is written again", self._path)
        self.failure = failure


def _identity(path: str) -> tuple[int, int]:
    """Which file a name stands for: SQLite would go on writing to one that was deleted."""
    found = os.stat(path)  # noqa: PTH116  called for every batch
    return found.st_dev, found.st_ino


def _answer(batch: Sequence[Entry]) -> None:
    """One wake-up for each event loop that waits for some of the batch."""
    waiting: dict[asyncio.AbstractEventLoop, list[Entry]] = {}
    for entry in batch:
        if entry.waiter is not None:
            waiting.setdefault(entry.waiter.get_loop(), []).append(entry)
    for loop, entries in waiting.items():
        try:
            loop.call_soon_threadsafe(_resolve, entries)
        except RuntimeError:
            logger.warning("an event loop ended before %d of its records were acknowledged", len(entries))


def _resolve(entries: Sequence[Entry]) -> None:
    for entry in entries:
        waiter = entry.waiter
        if waiter is None or waiter.done():  # cancelled: the record stays
            continue
        if entry.error is None:
            waiter.set_result(None)
        else:
            waiter.set_exception(entry.error)
