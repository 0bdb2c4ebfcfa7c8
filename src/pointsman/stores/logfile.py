"""Reading a log file, and verifying it, with no writer at hand."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any, TypeVar, cast

import apsw

from pointsman.stores.chain import START, Row
from pointsman.stores.database import border, open_reader, reason, refuse_older
from pointsman.stores.log import Head, LogRecord, Verification
from pointsman.stores.verifying import Mark, UnreadableError, verify_rows

T = TypeVar("T")

_RECORD = "SELECT seq, kind, decision, at_ns, body, prev, hash FROM log"
_ROWS = (
    "SELECT seq, CAST(kind AS BLOB), CAST(decision AS BLOB), at_ns, CAST(body AS BLOB), CAST(prev AS BLOB), CAST(hash AS BLOB)"
    " FROM log WHERE seq > ?1 AND seq <= ?2 {}ORDER BY seq LIMIT ?3"
)
#: Rows a statement.
_PIECE = 50_000


class LogFile:
    """Reads a log file; needs no writer beside it and changes nothing. May be called from any thread.

    Raises `RecordError` where the file is missing or cannot be read.
    """

    def __init__(self, path: str | os.PathLike[str], *, busy_timeout_s: float = 5.0, vfs: str | None = None) -> None:
        self._path = Path(path)
        self._connection = open_reader(self._path, busy_timeout_s, vfs)
        self._lock = threading.Lock()

    def read(self, decision: str) -> list[LogRecord]:
        """Every record of one decision, oldest first."""
        return [LogRecord(*row) for row in self.rows(f"{_RECORD} WHERE decision = ? ORDER BY seq", (decision,))]

    def recent(self, limit: int, before_seq: int | None = None, kind: str | None = "decision") -> list[LogRecord]:
        """The newest records of a kind (`None`: any), newest first."""
        wanted = "" if kind is None else "AND kind = :kind "
        query = f"{_RECORD} WHERE seq < :before {wanted}ORDER BY seq DESC LIMIT :limit"
        before = 2**63 - 1 if before_seq is None else before_seq
        return [LogRecord(*row) for row in self.rows(query, {"before": before, "limit": limit, "kind": kind})]

    def count(self) -> int:
        """How many records the log holds."""
        return self.head().seq

    def head(self) -> Head:
        """Number and hash of the last record."""
        rows = self.rows("SELECT seq, hash FROM log ORDER BY seq DESC LIMIT 1")
        return Head(*rows[0]) if rows else START

    def get_snapshot(self, id: str) -> bytes | None:
        """The snapshot of that id."""
        rows = self.rows("SELECT body FROM snapshots WHERE id = ?", (id,))
        return rows[0][0] if rows else None

    def hash_of(self, seq: int) -> bytes | None:
        """The hash of the record of that number."""
        rows = self.rows("SELECT hash FROM log WHERE seq = ?", (seq,))
        return rows[0][0] if rows else None

    def chain(self, after: int = 0, until: int = 2**63 - 1, kind: str | None = None) -> Iterator[Row]:
        """Records in the order of their numbers, up to the one numbered `until`; of a kind, or all. For one thread at a time."""
        with border("the decision log cannot be read"):
            yield from _rows(self._connection, after, until, kind)

    def hashes(self, first: int, last: int) -> Iterator[bytes]:
        """The hashes of the records with these numbers and of those between them, for one thread at a time."""
        with border("the decision log cannot be read"):
            for (digest,) in self._connection.execute("SELECT hash FROM log WHERE seq BETWEEN ? AND ? ORDER BY seq", (first, last)):
                yield cast("bytes", digest)

    def rows(self, query: str, bindings: tuple[object, ...] | Mapping[str, object] = ()) -> list[tuple[Any, ...]]:
        """All rows of a query."""
        with self._lock, border("the decision log cannot be read"):
            try:
                return self._connection.execute(query, cast("Any", bindings)).fetchall()
            except apsw.SQLError:
                refuse_older(self._connection, self._path)  # what is asked for may not be there yet
                raise

    def verify(self, expected_head: Head | None = None) -> Verification:
        """Walk the chain and compare each snapshot with its record; with a checkpoint, also see what came after it being undone."""
        return verify(self._path, expected_head)

    def close(self) -> None:
        """Let go of the file."""
        with self._lock:
            self._connection.close()


def verify(path: str | os.PathLike[str], expected_head: Head | None = None, marks: Iterable[Mark] = ()) -> Verification:
    """Check a log file from its first record to its last, without changing it.

    Finds the first record that was changed, removed, added between others or moved, and snapshots that are not the recorded ones.
    A log cut short, or rewritten with fresh hashes, shows only against checkpoints taken before. Raises `RecordError` if there is no such
    file.
    """
    known = [*marks] if expected_head is None else [*marks, Mark(expected_head)]
    connection = open_reader(Path(path))
    try:
        return verify_rows(_readable(_rows(connection)), partial(_digests, connection), known)
    finally:
        connection.close()


def _rows(connection: apsw.Connection, after: float = float("-inf"), until: int = 2**63 - 1, kind: str | None = None) -> Iterator[Row]:
    """Rows in the order of their numbers. In pieces: a long read would keep the WAL from being reused.

    By default from below every integer on, so that a record slipped in at number 0 or -1 is met as well.
    """
    query = _ROWS.format("" if kind is None else "AND kind = ?4 ")
    before, last = None, after
    while last != before:
        before = last
        for row in cast("Iterator[Row]", connection.execute(query, (last, until, _PIECE, *(() if kind is None else (kind,))))):
            yield row
            last = row[0]


def _digests(connection: apsw.Connection, last: int) -> Iterator[tuple[str, str]]:
    # While a log is written, snapshots may come whose records come after those that were walked.
    later = "SELECT 1 FROM log WHERE decision = snapshots.id AND kind = 'snapshot' AND seq > ?"
    query = f"SELECT id, body FROM snapshots WHERE NOT EXISTS ({later})"  # noqa: S608  constants
    return _readable((name, sha256(body).hexdigest()) for name, body in connection.execute(query, (last,)))


def _readable(rows: Iterable[T]) -> Iterator[T]:
    try:
        yield from rows
    except apsw.Error as error:
        raise UnreadableError(f"cannot be read: {reason(error)}") from error
