"""The hash chain: how a record is hashed, and the walk that finds the first one that does not fit. Pure.

    hash = SHA-256(prev ‖ seq ‖ at_ns ‖ len(kind) ‖ len(decision) ‖ len(body) ‖ kind ‖ decision ‖ body)

`prev` is the 32-byte hash of the record before (for the first one `GENESIS`), `seq` a u64, `at_ns` an i64, the lengths u32, u32 and u64,
all big-endian; texts are UTF-8. Fixed widths and lengths up front leave one way to read the bytes.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable
from hashlib import sha256

from pointsman.stores.log import Broken, Head, Verification

GENESIS = sha256(b"pointsman log 1").digest()
START = Head(0, GENESIS)

#: seq, kind, decision, at_ns, body, prev, hash; texts as the bytes that were hashed
Row = tuple[int, bytes, bytes, int, bytes, bytes, bytes]

_FRAME = struct.Struct(">QqIIQ")


def link(prev: bytes, seq: int, kind: bytes, decision: bytes, at_ns: int, body: bytes) -> bytes:
    """The hash of a record that follows the one hashed `prev`.

    >>> link(GENESIS, 1, b"decision", b"d1", 0, b"{}").hex()[:16]
    'f2605e1bd94d3d4b'
    """
    frame = _FRAME.pack(seq, at_ns, len(kind), len(decision), len(body))
    return sha256(b"".join((prev, frame, kind, decision, body))).digest()


def walk(rows: Iterable[Row], after: Head = START, until: int | None = None, note: Callable[[bytes], object] | None = None) -> Verification:
    """Check rows, in the order of their numbers, against the chain up to `after`; no further than record `until`.

    `note` is given the hash of each record that holds.
    """
    seq, last = after.seq, after.hash
    for number, kind, decision, at_ns, body, prev, digest in rows:
        if number != seq + 1 or prev != last or link(prev, number, kind, decision, at_ns, body) != digest:
            return Verification(seq, Head(seq, last), Broken(number, _reason(seq, last, number, prev)))
        seq, last = number, digest
        if note is not None:
            note(digest)
        if number == until:
            break
    return Verification(seq, Head(seq, last))


def _reason(seq: int, last: bytes, number: int, prev: bytes) -> str:
    if number <= seq:
        return "stands before the first record"
    if number > seq + 1:
        return f"follows record {seq}: what stood between is missing"
    if prev != last:
        return f"does not continue record {seq}: inserted, moved or rewritten"
    return "does not match its hash: its content was changed"
