"""The log as one file: JSON Lines that verify without a database, CSV and Parquet for other tools.

JSON Lines hold a record a line, always spelt the same, its body as it was hashed:

    {"seq":1,"kind":"decision","decision":"dec_…","at_ns":…,"body":{…},"prev":"…","hash":"…"}

`body_base64` stands in place of `body` where that is not JSON. After the record of a snapshot, and nowhere else, comes its content:

    {"snapshot":"sha256:…","body":{…}}
"""

from __future__ import annotations

import base64
import csv
import json
import re
from binascii import Error as Base64Error
from binascii import unhexlify
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from itertools import islice
from pathlib import Path
from typing import IO, TextIO

import msgspec

from pointsman.errors import ConfigError
from pointsman.stores.chain import Row
from pointsman.stores.log import Head, Verification
from pointsman.stores.verifying import Mark, UnreadableError, verify_rows

_TEXT = rb'"([^"\\\x00-\x1f]*+(?:\\.[^"\\\x00-\x1f]*+)*+)"'
_RECORD = re.compile(rb'\{"seq":(-?\d{1,19}+),"kind":%s,"decision":%s,"at_ns":(-?\d{1,19}+),"body(_base64)?":' % (_TEXT, _TEXT))
_SNAPSHOT = re.compile(rb'\{"snapshot":%s,"body(_base64)?":' % _TEXT)
_TAIL = re.compile(rb',"prev":"([0-9a-f]{64})","hash":"([0-9a-f]{64})"\}\n')
_TAIL_BYTES = len(b',"prev":"","hash":""}\n') + 128

_READ_BYTES = 1 << 18

_CONTROL = re.compile(rb"[\x00-\x1f]")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_GROUP = 10_000


def line(row: Row) -> bytes:
    """A record as its line."""
    seq, kind, decision, at_ns, body, prev, digest = row
    head = b'{"seq":%d,"kind":%s,"decision":%s,"at_ns":%d,' % (seq, _quoted(kind), _quoted(decision), at_ns)
    return b'%s%s,"prev":"%s","hash":"%s"}\n' % (head, _body(body), prev.hex().encode(), digest.hex().encode())


def read_line(text: bytes) -> Row | tuple[str, bytes]:
    """The record of a line, or id and content of a snapshot. Raises `ValueError` for a line of another form than `line`'s."""
    start, end = _RECORD.match(text), _TAIL.match(text, len(text) - _TAIL_BYTES)
    if start is not None and end is not None:
        seq, kind, decision, at_ns, encoded = start.groups()
        prev, digest = end.groups()
        body = text[start.end() : -_TAIL_BYTES]
        if encoded is not None:
            body = _decoded(body)
        if b"\\" in kind or b"\\" in decision:
            kind, decision = _plain(kind), _plain(decision)
        return int(seq), kind, decision, int(at_ns), body, unhexlify(prev), unhexlify(digest)
    start = _SNAPSHOT.match(text)
    if start is None or not text.endswith(b"}\n"):
        raise ValueError("it is not a record as `audit export` writes it")
    body = text[start.end() : -2]
    return _plain(start[1]).decode(), body if start[2] is None else _decoded(body)


def write_jsonl(rows: Iterable[Row], snapshot: Callable[[str], bytes | None], out: IO[bytes]) -> int:
    """Write rows, each snapshot's content after its record; returns how many records."""
    count = 0
    for row in rows:
        count += 1
        out.write(line(row))
        if row[1] == b"snapshot" and (body := snapshot(row[2].decode())) is not None:
            out.write(b'{"snapshot":%s,%s}\n' % (_quoted(row[2]), _body(body)))
    return count


class Export:
    """One export, or several of which each goes on from the one before, read as one log."""

    def __init__(self, *paths: Path) -> None:
        self._paths = paths
        self._digests: dict[str, str] = {}  # SHA-256 of contents, in hex, by the ids of their snapshots
        self._last = 0  # number of the last record of the file that was read before

    def rows(self) -> Iterator[Row]:
        """The records. Raises `UnreadableError` at a line that is none, `ConfigError` where a file cannot be read."""
        self._last, self._digests, earlier = 0, {}, ""
        for path in self._paths:
            try:
                with path.open("rb", buffering=_READ_BYTES) as lines:
                    rows = self._rows(path, lines)
                    if (first := next(rows, None)) is not None:
                        if earlier and 0 < first[0] <= self._last:
                            twice = f"record {first[0]} is the first of {path.name} and stands in {earlier} already"
                            raise UnreadableError(f"{twice}: exports overlap, give each record once")
                        yield first
                        yield from rows
                        earlier = path.name
            except OSError as error:
                raise ConfigError(f"{path}: cannot be read: {error.strerror}") from error

    def _rows(self, path: Path, lines: Iterable[bytes]) -> Iterator[Row]:
        row: Row | None = None
        before: Row | None = None  # the record that the line before holds
        for at, text in enumerate(lines, 1):
            try:
                found = read_line(text)
                if len(found) == 2:
                    self._take(*found, before)
            except ValueError as error:
                raise UnreadableError(f"cannot be read: {path.name}, line {at}: {error}") from error
            if len(found) == 2:
                before = None
            else:
                before = row = found
                yield found
        self._last = row[0] if row is not None else self._last

    def _take(self, name: str, content: bytes, before: Row | None) -> None:
        """Note what a snapshot holds. Raises `ValueError` where that is not what the line before speaks of."""
        if before is None or before[1:3] != (b"snapshot", name.encode()):
            raise ValueError(f"the content of snapshot `{name[:100]}` does not follow its record")
        digest = sha256(content).hexdigest()
        if name.startswith("sha256:") and name != f"sha256:{digest}":
            raise ValueError(f"this is not the content of snapshot `{name[:100]}`, whose id is the hash of it")
        self._digests[name] = digest

    def verify(self, expected_head: Head | None = None, marks: Iterable[Mark] = ()) -> Verification:
        """Check every record, as `verify` does with the log's own file."""
        known = [*marks] if expected_head is None else [*marks, Mark(expected_head)]
        return verify_rows(self.rows(), lambda _: self._digests.items(), known)


def write_csv(rows: Iterable[Row], out: TextIO) -> int:
    """Write rows as CSV with a head: time in UTC, hashes in hex, bodies as text, or base64 in a column of its own; returns how many."""
    table, count = csv.writer(out), 0
    table.writerow(("seq", "at", "at_ns", "kind", "decision", "body", "body_base64", "prev", "hash"))
    for seq, kind, decision, at_ns, body, prev, digest in rows:
        count += 1
        text = _text(body)
        told = (text, "") if text is not None else ("", base64.b64encode(body).decode())
        table.writerow((seq, _utc(at_ns), at_ns, kind.decode(), decision.decode(), *told, prev.hex(), digest.hex()))
    return count


def write_parquet(rows: Iterable[Row], out: IO[bytes]) -> int:
    """Write rows as Parquet, bodies and hashes as bytes; returns how many. Raises `ConfigError` where pyarrow is not installed."""
    try:
        import pyarrow as pa
        from pyarrow import parquet
    except ImportError as error:
        raise ConfigError("Parquet needs pyarrow: pip install 'pointsman[parquet]'") from error
    columns = {"seq": pa.int64(), "kind": pa.string(), "decision": pa.string(), "at": pa.timestamp("ns", "UTC"), "body": pa.binary()}
    schema, count, left = pa.schema({**columns, "prev": pa.binary(32), "hash": pa.binary(32)}), 0, iter(rows)
    with parquet.ParquetWriter(out, schema, compression="zstd") as writer:
        while group := list(islice(left, _GROUP)):
            seq, kind, decision, at_ns, *bytes_ = zip(*group, strict=True)
            texts = ([text.decode() for text in column] for column in (kind, decision))
            values = (seq, *texts, at_ns, *bytes_)
            writer.write_table(pa.table([pa.array(found, field.type) for found, field in zip(values, schema, strict=True)], schema=schema))
            count += len(group)
    return count


def _utc(at_ns: int) -> str:
    """
    >>> _utc(1_763_793_160_123_456_789)
    '2025-11-22T06:32:40.123456Z'
    """
    with suppress(OverflowError):
        return (_EPOCH + timedelta(microseconds=at_ns // 1000)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    return ""


def _body(body: bytes) -> bytes:
    """`"body":…` where these bytes are one JSON object on one line, else `"body_base64":"…"`."""
    if body[:1] == b"{" and body[-1:] == b"}" and not _CONTROL.search(body):
        with suppress(msgspec.DecodeError, RecursionError):
            msgspec.json.decode(body)
            return b'"body":' + body
    return b'"body_base64":"%s"' % base64.b64encode(body)


def _decoded(text: bytes) -> bytes:
    try:
        body = base64.b64decode(text[1:-1], validate=True)
    except Base64Error as error:
        raise ValueError("its body is not base64") from error
    if b'"%s"' % base64.b64encode(body) != text:
        raise ValueError("its body is not base64")
    return body


def _text(body: bytes) -> str | None:
    try:
        return body.decode()
    except UnicodeDecodeError:
        return None


def _quoted(text: bytes) -> bytes:
    return json.dumps(text.decode(), ensure_ascii=False).encode()


def _plain(quoted: bytes) -> bytes:
    """What stands between quotes. Raises `ValueError` for another spelling than `_quoted`'s."""
    if b"\\" not in quoted:
        return quoted
    plain: bytes = json.loads(b'"%s"' % quoted).encode()
    if _quoted(plain) != b'"%s"' % quoted:
        raise ValueError("its text is spelt in another way")
    return plain
