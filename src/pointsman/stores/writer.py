"""The writer: it commits together what waits together, and wakes the waiters once a batch.

Two may write, by turns. The **event loop** does so itself, at the end of the iteration in which records came, where that cannot take long:
durability `crash` (no sync), small records, nobody else at it. Handing them to a thread and back costs more than writing them. The
**thread** does the rest: whatever syncs, waits for another process's lock, runs a statement of its own, is large, or comes behind such.
"""

from __future__ import annotations

import asyncio
import logging
import os
import queue
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache

import apsw

from pointsman.errors import PointsmanError, RecordError
from pointsman.stores.chain import START, link
from pointsman.stores.database import reason
from pointsman.stores.log import Durability

logger = logging.getLogger(__name__)

#: Rows a transaction; above it waiters would wait for others rather than for the disk.
_BATCH = 512
#: Rows a statement: each one costs the interpreter's lock once.
_ROWS = 64
#: Bytes of a body above which the event loop leaves it to the thread.
_SMALL = 65_536
#: How long a record without a waiter waits for company.
_LINGER_S = 0.02
#: Pages written between checkpoints, which sync: the thread's business.
_CHECKPOINT_PAGES = 2_000
_PAGE = 4_096

_LAST = "SELECT seq, hash FROM log ORDER BY seq DESC LIMIT 1"
_ROW = "(?, ?, ?, ?, ?, ?, ?)"
_INSERT = "INSERT INTO log(seq, kind, decision, at_ns, body, prev, hash) VALUES " + _ROW  # noqa: S608  question marks

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
    """Owns the writing connection. Event loops of several threads may submit; an entry's waiter belongs to the loop that does."""

    def __init__(
        self,
        connection: apsw.Connection,
        checkpointer: apsw.Connection,
        path: str,
        durability: Durability,
        limit: int,
        busy_timeout_s: float,
        retry_s: float,
    ) -> None:
        """`checkpointer`: another connection to the same file, which writes nothing of its own."""
        self.failure: str | None = None
        self._connection, self._checkpointer = connection, checkpointer
        connection.wal_autocheckpoint(0)  # it would come within a commit
        checkpointer.wal_autocheckpoint(0)
        self._path = path
        self._identity = _identity(path)
        self._here = durability == "crash"
        self._linger_s = _LINGER_S if durability == "async" else 0.0
        self._limit = limit
        self._busy_timeout_s = busy_timeout_s
        self._retry_s = retry_s
        self._head = (START.seq, START.hash)  # as this process left it
        self._alone = False  # nobody else wrote lately: the head is still the last record
        self._pages = 0  # since the last checkpoint
        self._lock = threading.Lock()  # over the next five
        self._gathered: list[Entry] = []  # for the event loop to write
        self._loop: asyncio.AbstractEventLoop | None = None  # which one
        self._queue: queue.SimpleQueue[Entry | None] = queue.SimpleQueue()  # for the thread
        self._handed = 0  # entries queued and not yet done with
        self._turn = threading.Lock()  # over the connection
        self._urgent = threading.Event()
        self._closed = False
        self._closing = threading.Event()  # the same for the thread, which waits for it
        self._checkpoint()  # else processes that die young, one after the other, would let the WAL grow without end
        self._thread = threading.Thread(target=self._run, name="pointsman-log", daemon=True)
        self._thread.start()

    @property
    def full(self) -> bool:
        """Whether as many records wait as may."""
        return self._handed + len(self._gathered) >= self._limit

    def submit(self, entry: Entry) -> None:
        """Take an entry. Raises `RecordError` when too many wait or the log is closed."""
        # The lock keeps an entry from being queued behind the end mark, where nobody would answer it.
        with self._lock:
            if self._closed:
                raise RecordError("the decision log is closed")
            if self._handed + len(self._gathered) >= self._limit and entry.also is not _nothing:
                raise RecordError(f"the decision log is behind: {self._limit:,} records wait for the disk")
            loop = None if entry.waiter is None else entry.waiter.get_loop()
            if not self._here or self._handed or loop is None or entry.also is not None or len(entry.body) > _SMALL:
                self._hand(entry)
            elif not self._gathered:
                self._gathered, self._loop = [entry], loop
                loop.call_soon(self._write_here)
            elif self._loop is loop:
                self._gathered.append(entry)
            else:
                self._hand(entry)

    def flush(self, waiter: asyncio.Future[None]) -> None:
        """Resolve the waiter once everything submitted before is written."""
        self.submit(Entry("", "", 0, b"", waiter, _nothing))

    def finish(self) -> None:
        """Write what is queued and end the thread."""
        with self._turn, self._lock:  # whatever the event loop is writing has been written, or handed over
            first, self._closed = not self._closed, True
            self._closing.set()
            self._hand()
            if first:
                self._queue.put(None)
        self._thread.join()

    def close(self) -> None:
        """Finish, and close the connection."""
        self.finish()
        self._checkpointer.close()
        self._connection.close()

    # --- the event loop's turn

    def _write_here(self) -> None:
        with self._lock:
            batch, self._gathered = self._gathered, []
            if not batch:  # handed to the thread meanwhile
                return
            if not self._turn.acquire(blocking=False):
                self._gathered = batch
                self._hand()
                return
        try:
            self._connection.set_busy_timeout(0)
            self._write(batch)
        except apsw.BusyError:
            with self._lock:
                self._gathered = [*batch, *self._gathered]
                self._hand()
            return
        finally:
            self._turn.release()
        _resolve(batch)
        if self._pages >= _CHECKPOINT_PAGES:
            with self._lock:
                self._hand(Entry("", "", 0, b"", None, _nothing))

    def _hand(self, *entries: Entry) -> None:
        """Leave these to the thread, and before them what was gathered. Called with the lock."""
        for entry in (*self._gathered, *entries):
            self._queue.put(entry)
            if entry.waiter is not None:
                self._urgent.set()
        self._handed += len(self._gathered) + len(entries)
        self._gathered = []

    # --- the thread's turn

    def _run(self) -> None:
        kept: list[Entry] = []
        running = True
        while running:
            if kept:
                self._closing.wait(self._retry_s)
            batch = kept
            running = self._take(batch, wait=not kept)
            with self._turn:
                written = not batch or self._write_patiently(batch)
            # Those who wait get their error; what nobody waits for is kept and tried again.
            kept = [] if written else [entry for entry in batch if entry.waiter is None and entry.also is None]
            with self._lock:
                self._handed -= len(batch) - len(kept)
            _answer(batch)
            if self._pages >= _CHECKPOINT_PAGES:
                self._checkpoint()
        if kept:
            logger.error("the decision log was closed with %d records not written", len(kept))

    def _take(self, batch: list[Entry], wait: bool) -> bool:
        """Add what is queued to the batch, waiting for the first entry if asked; false at the end mark."""
        room = _BATCH
        try:
            while room and (entry := self._queue.get(block=wait)) is not None:
                batch.append(entry)
                room -= 1
                if wait and self._linger_s and self._queue.qsize() < _ROWS and not self._closing.is_set():
                    self._urgent.wait(self._linger_s)
                    self._urgent.clear()
                wait = False
        except queue.Empty:
            return True
        return room == 0

    def _write_patiently(self, batch: Sequence[Entry]) -> bool:
        """Commit a batch, waiting for other processes; whether it was written."""
        self._connection.set_busy_timeout(int(self._busy_timeout_s * 1000))
        try:
            written = self._write(batch)
        except apsw.BusyError as error:
            written = self._failed(batch, error)
        return written

    def _checkpoint(self) -> None:
        """Fold the WAL into the file: most of it while writing goes on, then the rest, so that the next record can begin it anew."""
        self._pages = 0
        try:
            self._checkpointer.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)
            with self._turn:
                self._checkpointer.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)
        except apsw.BusyError:
            return  # another process is at it
        except apsw.Error as error:  # nothing is lost: the WAL grows on, and the next one tries again
            logger.warning("a checkpoint of the decision log `%s` failed: %s", self._path, reason(error))

    # --- either

    def _write(self, batch: Sequence[Entry]) -> bool:
        """Commit a batch; whether it was written, or which error each entry got. Raises `BusyError` while another process writes."""
        for entry in batch:
            entry.error = None
        try:
            self._commit(batch)
        except apsw.BusyError:
            self._roll_back()
            raise
        except Exception as error:  # noqa: BLE001  whatever it is, those who wait must hear of it
            self._roll_back()
            return self._failed(batch, error)
        if self.failure is not None:
            self._note(None)
        return True

    def _failed(self, batch: Sequence[Entry], error: Exception) -> bool:
        failure = reason(error)
        for entry in batch:
            entry.error = RecordError(f"the decision log cannot be written: {failure}")
            entry.error.__cause__ = error
        self._note(failure)
        return False

    def _commit(self, batch: Sequence[Entry]) -> None:
        if _identity(self._path) != self._identity:
            raise RecordError("its file was moved or replaced: put it back or restart")
        further = [entry for entry in batch if entry.also is not None]
        if not (self._alone and len(batch) <= _ROWS and not further and self._commit_at_once(batch)):
            self._commit_under_lock(batch)
        self._pages += 4 + sum([len(entry.body) for entry in batch]) // _PAGE

    def _commit_at_once(self, batch: Sequence[Entry]) -> bool:
        """One statement, its own transaction, behind the last record we know; false if it is not the last: the file refuses a fork."""
        rows, head = _rows(batch, *self._head)
        try:
            self._connection.execute(_insert(len(batch)), rows)
        except apsw.ConstraintError:
            return False
        self._head = head
        return True

    def _commit_under_lock(self, batch: Sequence[Entry]) -> None:
        execute = self._connection.execute
        execute("BEGIN IMMEDIATE")
        # Other processes write as well: only under the lock is the last record known.
        head = execute(_LAST).get or (START.seq, START.hash)
        self._alone = head == self._head
        recorded = [entry for entry in batch if entry.also is None or self._recorded(entry, entry.also)]
        for start in range(0, len(recorded), _ROWS):
            some = recorded[start : start + _ROWS]
            rows, head = _rows(some, *head)
            execute(_insert(len(some)), rows)
        execute("COMMIT")
        self._head = head

    def _recorded(self, entry: Entry, also: Also) -> bool:
        try:
            return also(self._connection)
        except PointsmanError as refusal:
            entry.error = refusal
            return False

    def _roll_back(self) -> None:
        self._alone = False
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


def _rows(batch: Sequence[Entry], seq: int, prev: bytes) -> tuple[list[object], tuple[int, bytes]]:
    """The values of records that continue the one given, and the last of them."""
    values: list[object] = []
    for entry in batch:
        seq += 1
        digest = link(prev, seq, entry.kind.encode(), entry.decision.encode(), entry.at_ns, entry.body)
        values += (seq, entry.kind, entry.decision, entry.at_ns, entry.body, prev, digest)
        prev = digest
    return values, (seq, prev)


@cache
def _insert(rows: int) -> str:
    return _INSERT + f", {_ROW}" * (rows - 1)


def _nothing(_: apsw.Connection) -> bool:
    """There is nothing to record: a mark in the queue."""
    return False


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
