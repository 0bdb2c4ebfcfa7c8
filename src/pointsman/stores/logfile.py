"""Reading a log file, and verifying it, with no writer at hand."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any, cast

import apsw

from pointsman.stores.chain import START, Row, walk
from pointsman.stores.database import border, open_reader, reason
from pointsman.stores.log import Broken, Head, LogRecord, Verification

_RECORD = "SELECT seq, kind, decision, at_ns, body, prev, hash FROM log"
_ROWS = (
    "SELECT seq, CAST(kind AS BLOB), CAST(decision AS BLOB), at_ns, CAST(body AS BLOB), CAST(prev AS BLOB), CAST(hash AS BLOB)"
    " FROM log WHERE seq > ? ORDER BY seq LIMIT 50000"
)


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

    def rows(self, query: str, bindings: tuple[object, ...] | Mapping[str, object] = ()) -> list[tuple[Any, ...]]:
        """All rows of a query."""
        with self._lock, border("the decision log cannot be read"):
            return self._connection.execute(query, cast("Any", bindings)).fetchall()

    def verify(self, expected_head: Head | None = None) -> Verification:
        """Walk the chain and compare each snapshot with its record; with a checkpoint, also see what came after it being undone."""
        return verify(self._path, expected_head)

    def close(self) -> None:
        """Let go of the file."""
        with self._lock:
            self._connection.close()


def verify(path: str | os.PathLike[str], expected_head: Head | None = None) -> Verification:
    """Check a log file from its first record to its last, without changing it.

    Finds the first record that was changed, removed, added between others or moved, and snapshots that are not the recorded ones.
    A log cut short, or rewritten with fresh hashes, shows only against a checkpoint taken before. Raises `RecordError` if there is no such
    file.
    """
    connection = open_reader(Path(path))
    snapshots: dict[str, tuple[int, str]] = {}
    found = Verification(0, START)
    try:
        while True:
            start = found.head
            found = walk(_noting(_chunk(connection, start), snapshots), start, expected_head)
            if found.broken or found.head == start:
                break
        if found.broken is None and expected_head is not None and found.head.seq < expected_head.seq:
            found = _broken(found, found.head.seq + 1, f"is missing: the log ends before its checkpoint at record {expected_head.seq}")
        return found if found.broken else _check_snapshots(connection, found, snapshots)
    except apsw.Error as error:
        return _broken(found, found.head.seq + 1, f"cannot be read: {reason(error)}")
    finally:
        connection.close()


def _chunk(connection: apsw.Connection, after: Head) -> Iterator[Row]:
    """Rows after that one. In pieces: a long read would keep the WAL from being reused."""
    # Below every integer at first, so that a record slipped in at number 0 or -1 is met as well.
    first = after.seq or float("-inf")
    return cast("Iterator[Row]", connection.execute(_ROWS, (first,)))


def _noting(rows: Iterator[Row], snapshots: dict[str, tuple[int, str]]) -> Iterator[Row]:
    """The same rows; snapshot records leave their number and digest."""
    for row in rows:
        if row[1] == b"snapshot":
            snapshots[row[2].decode(errors="replace")] = row[0], _recorded_digest(row[4])
        yield row


def _recorded_digest(body: bytes) -> str:
    try:
        return str(json.loads(body)["sha256"])
    except (ValueError, KeyError, TypeError):
        return "unreadable"


def _check_snapshots(connection: apsw.Connection, found: Verification, recorded: dict[str, tuple[int, str]]) -> Verification:
    for name, body in connection.execute("SELECT id, body FROM snapshots"):
        seq, digest = recorded.pop(name, (found.head.seq, None))
        if sha256(body).hexdigest() != digest:
            return _broken(found, seq, f"snapshot `{name}` is not the recorded one" if digest else f"snapshot `{name}` has no record")
    for name, (seq, _) in recorded.items():
        return _broken(found, seq, f"snapshot `{name}` is missing")
    return found


def _broken(found: Verification, seq: int, why: str) -> Verification:
    return Verification(found.records, found.head, Broken(seq, why))
