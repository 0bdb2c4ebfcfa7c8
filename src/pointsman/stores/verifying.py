"""Verifying a log, wherever its rows come from: the chain, checkpoints on the way, snapshots against their records. Pure."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from pointsman.stores.chain import START, Row, walk
from pointsman.stores.log import Broken, Head, Verification
from pointsman.stores.merkle import Tree

#: Hashes held until they go into the tree.
_PIECE = 65_536

Digests = Callable[[int], Iterable[tuple[str, str]]]
"""Id and SHA-256, in hex, of each snapshot that is kept, but for those whose record comes after the one of that number."""


class UnreadableError(Exception):
    """Rows end where they should not; says why."""


@dataclass(frozen=True, slots=True)
class Mark:
    """What the log was when a checkpoint was taken; `root` is `None` where only the chain's head was noted."""

    head: Head
    root: bytes | None = None


def verify_rows(rows: Iterable[Row], digests: Digests, marks: Iterable[Mark] = ()) -> Verification:
    """Walk all rows from the first record on. `rows` and `digests` may raise `UnreadableError`."""
    verifier = _Verifier(rows)
    try:
        return verifier.run(sorted(marks, key=lambda mark: mark.head.seq), digests)
    except UnreadableError as error:
        return verifier.ended(str(error))


class _Verifier:
    def __init__(self, rows: Iterable[Row]) -> None:
        self._snapshots: dict[str, tuple[int, str]] = {}
        self._rows = self._noting(rows)
        self._row: Row | None = None  # the last one that was taken
        self.found = Verification(0, START)

    def run(self, marks: list[Mark], digests: Digests) -> Verification:
        tree = Tree()
        for mark in marks:
            if (broken := self._walk_to(mark, tree) or self._compare(mark, tree)) is not None:
                return broken
        while (found := self._piece(None)).broken is None and found.head != self.found.head:
            self.found = found
        return found if found.broken else self._compare_snapshots(digests(self.found.head.seq))

    def broken(self, seq: int, why: str) -> Verification:
        return Verification(self.found.records, self.found.head, Broken(seq, why))

    def ended(self, why: str) -> Verification:
        """Rows end before their end: those that came have been checked, for the walk takes one after the other."""
        if self._row is not None:
            self.found = Verification(self._row[0], Head(self._row[0], self._row[6]))
        return self.broken(self.found.head.seq + 1, why)

    def _noting(self, rows: Iterable[Row]) -> Iterator[Row]:
        """The same rows; snapshot records leave their number and digest."""
        for row in rows:
            if row[1] == b"snapshot":
                name, digest = row[2].decode(errors="replace"), _recorded_digest(row[4])
                at, known = self._snapshots.setdefault(name, (row[0], digest))
                if known != digest:
                    raise UnreadableError(f"gives snapshot `{name}` another content than record {at} did")
            self._row = row
            yield row

    def _piece(self, until: int | None, note: Callable[[bytes], object] | None = None) -> Verification:
        end = self.found.head.seq + _PIECE
        return walk(self._rows, self.found.head, end if until is None else min(until, end), note)

    def _walk_to(self, mark: Mark, tree: Tree) -> Verification | None:
        """Go on up to a checkpoint; what is wrong before it, if anything."""
        while self.found.head.seq < mark.head.seq:
            hashes: list[bytes] = []
            found = self._piece(mark.head.seq, hashes.append)
            if found.broken is not None:
                return found
            if not hashes:
                ends = f"is missing: the log ends before its checkpoint at record {mark.head.seq}"
                return self.broken(found.head.seq + 1, ends)
            self.found = found
            tree.extend(hashes)
        return None

    def _compare(self, mark: Mark, tree: Tree) -> Verification | None:
        if self.found.head != mark.head:
            return self.broken(mark.head.seq, "differs from the checkpoint: the log was rewritten here or before")
        if mark.root is not None and tree.root() != mark.root:
            return self.broken(mark.head.seq, "gives another root than the checkpoint: the checkpoint was not made of this log")
        return None

    def _compare_snapshots(self, digests: Iterable[tuple[str, str]]) -> Verification:
        recorded, last = self._snapshots, self.found.head.seq
        for name, digest in digests:
            seq, expected = recorded.pop(name, (last, None))
            if digest != expected:
                return self.broken(seq, f"snapshot `{name}` is not the recorded one" if expected else f"snapshot `{name}` has no record")
        for name, (seq, _) in recorded.items():
            return self.broken(seq, f"snapshot `{name}` is missing")
        return self.found


def _recorded_digest(body: bytes) -> str:
    try:
        return str(json.loads(body)["sha256"])
    except (ValueError, KeyError, TypeError):
        return "unreadable"
