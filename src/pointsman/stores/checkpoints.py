"""Signed checkpoints: what the log was at a moment, in one line that fits into a ticket.

    {"size":1204,"root":"…","head":"…","at":"2026-11-22T06:32:40.123456Z","peaks":["…"],"key":"…","signature":"…"}

`size` records, the Merkle root over their hashes, the hash of the last one. Signed is the text `pointsman checkpoint 1`, size, root, head,
at and key, a line each, hex in lower case. `peaks` only spare the next checkpoint the way from the start; they have to give the root.
"""

from __future__ import annotations

import base64
import fcntl
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

from pointsman.errors import ConfigError, RecordError
from pointsman.stores.chain import START, walk
from pointsman.stores.database import border
from pointsman.stores.log import Head
from pointsman.stores.logfile import LogFile
from pointsman.stores.merkle import Tree
from pointsman.stores.signing import Signer, verified
from pointsman.stores.verifying import Mark

_PIECE = 10_000
_TAIL_BYTES = 16_384  # more than a line can have


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A statement about the first `size` records."""

    size: int
    root: bytes
    head: bytes
    at: str  #: UTC, ISO 8601
    peaks: tuple[bytes, ...]  #: not signed; `tree` compares them with the root
    key: str
    signature: bytes = b""

    @property
    def signed(self) -> bytes:
        """The bytes that are signed."""
        return f"pointsman checkpoint 1\n{self.size}\n{self.root.hex()}\n{self.head.hex()}\n{self.at}\n{self.key}\n".encode()

    @property
    def mark(self) -> Mark:
        """What a log has to be like to agree."""
        return Mark(Head(self.size, self.head), self.root)

    def tree(self) -> Tree:
        """The tree as it was, to go on from. Raises `ConfigError` where the peaks are not its own."""
        try:
            tree = Tree.at(self.size, self.peaks)
        except ValueError as error:
            raise ConfigError(f"the checkpoint at record {self.size} was changed: {error}") from error
        if tree.root() != self.root:
            raise ConfigError(f"the checkpoint at record {self.size} was changed: its peaks do not give its root")
        return tree

    def __str__(self) -> str:
        fields = {"size": self.size, "root": self.root.hex(), "head": self.head.hex(), "at": self.at}
        peaks = {"peaks": [peak.hex() for peak in self.peaks]}
        signature = {"key": self.key, "signature": base64.b64encode(self.signature).decode()}
        return json.dumps(fields | peaks | signature, separators=(",", ":"))

    @classmethod
    def parse(cls, line: str | bytes) -> Checkpoint:
        """The checkpoint that `str` wrote. Raises `ConfigError` for anything else."""
        text = line.encode() if isinstance(line, str) else line
        try:
            known = json.loads(text)
            peaks = tuple(bytes.fromhex(peak) for peak in known["peaks"])
            root, head = bytes.fromhex(known["root"]), bytes.fromhex(known["head"])
            signature = base64.b64decode(known["signature"], validate=True)
            found = cls(known["size"], root, head, known["at"], peaks, known["key"], signature)
        except (ValueError, KeyError, TypeError):
            found = None
        # Exactly what `str` writes: another spelling could be read as something else elsewhere.
        if found is None or str(found).encode() != text.strip() or type(found.size) is not int or found.size < 1 or len(root + head) != 64:
            raise ConfigError("this is not a checkpoint: give a line as `pointsman audit checkpoint` prints it")
        return found


def read_checkpoints(path: Path) -> list[Checkpoint]:
    """All checkpoints of a file, one a line. Raises `ConfigError`."""
    try:
        lines = path.read_bytes().splitlines()
    except OSError as error:
        raise ConfigError(f"{path}: checkpoints cannot be read: {error.strerror}") from error
    return [_named(path, at, line) for at, line in enumerate(lines, 1)]


def unsigned(checkpoints: Iterable[Checkpoint], keys: Mapping[str, bytes]) -> str | None:
    """What is wrong with the first of these checkpoints that none of these keys signed; `None` where all are signed."""
    for checkpoint in checkpoints:
        name = f"the checkpoint at record {checkpoint.size}"
        if checkpoint.key not in keys:
            return f"{name} is signed by key `{checkpoint.key}`, which is not among yours"
        if not verified(keys[checkpoint.key], checkpoint.signature, checkpoint.signed):
            return f"{name} is not what key `{checkpoint.key}` signed: it was changed"
    return None


def add_checkpoint(log: Path, file: Path, signer: Signer, keys: Mapping[str, bytes], every: int = 1) -> Checkpoint | None:
    """Sign what the log is now and add the line to the file; `None` where fewer than `every` records came since the last one.

    Never signs a log that does not go on from the last checkpoint: what came since is walked first. Raises `RecordError` then, and
    for a checkpoint that was changed. Processes may share the file. Takes some microseconds a record.
    """
    with border(f"checkpoints cannot be written to `{file}`"), _locked(file) as lines:
        last = _last(file, lines)
        if last is not None and (wrong := unsigned([last], keys)) is not None:
            raise RecordError(f"nothing was signed: {wrong}")
        made = _checkpoint(log, last, signer, every)
        if made is not None:
            lines.write(f"{made}\n".encode())
            lines.flush()
            os.fsync(lines.fileno())
        return made


def _checkpoint(log: Path, last: Checkpoint | None, signer: Signer, every: int) -> Checkpoint | None:
    tree = Tree() if last is None else last.tree()
    head = START if last is None else last.mark.head
    reader = LogFile(log)
    try:
        end = reader.head()
        if last is not None and reader.hash_of(head.seq) != head.hash:
            raise RecordError(f"the log is not what its checkpoint at record {head.seq} says: `pointsman audit verify` tells more")
        if end.seq - head.seq < max(1, every):
            return None
        rows = reader.chain(head.seq)
        while head.seq < end.seq:
            hashes: list[bytes] = []
            found = walk(rows, head, min(end.seq, head.seq + _PIECE), hashes.append)
            if found.broken is not None or found.head == head:
                raise RecordError(
                    f"the log does not hold after record {found.head.seq}, nothing was signed: `pointsman audit verify` tells more"
                )
            head = found.head
            tree.extend(hashes)
    finally:
        reader.close()
    at = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    made = Checkpoint(head.seq, tree.root(), head.hash, at, tuple(tree.peaks), signer.id)
    return Checkpoint(made.size, made.root, made.head, made.at, made.peaks, made.key, signer.sign(made.signed))


def _last(path: Path, lines: IO[bytes]) -> Checkpoint | None:
    """The last line; one whose writer died before its end is taken back."""
    size = lines.seek(0, os.SEEK_END)
    start = lines.seek(max(0, size - _TAIL_BYTES))
    tail = lines.read()
    whole = tail[: tail.rfind(b"\n") + 1]
    if len(whole) < len(tail):
        lines.truncate(start + len(whole))
    try:
        return Checkpoint.parse(whole.splitlines()[-1]) if whole or start else None
    except (ConfigError, IndexError) as error:
        raise RecordError(f"nothing was signed: the last line of `{path}` is not a checkpoint") from error


def _named(path: Path, at: int, line: bytes) -> Checkpoint:
    try:
        return Checkpoint.parse(line)
    except ConfigError as error:
        raise ConfigError(f"{path}: line {at}: {error}") from error


@contextmanager
def _locked(path: Path) -> Iterator[IO[bytes]]:
    """The file, made if it is missing, for this process alone; what is written goes to its end."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with path.open("a+b") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield file
