"""The logs under test, and a disk that can fail, lose power and count."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from random import Random

import apsw
import pytest

from pointsman.stores.log import DecisionLog
from pointsman.stores.sqlite import SqliteLog

OpenLog = Callable[[], AbstractAsyncContextManager[DecisionLog]]

SECTOR = 512


@pytest.fixture(params=["sqlite"])
def open_log(request: pytest.FixtureRequest, tmp_path: Path) -> OpenLog:
    """Opens the same log again and again; a further implementation is a further branch here."""
    assert request.param == "sqlite"
    return lambda: SqliteLog(tmp_path / "log" / "decisions.db")


@pytest.fixture
def lock() -> Iterator[Callable[[Path], apsw.Connection]]:
    """Takes the write lock of a database, as a stuck process would, until `close` or the end of the test."""
    held = []

    def take(path: Path) -> apsw.Connection:
        held.append(apsw.Connection(str(path)))
        held[-1].execute("BEGIN IMMEDIATE")
        return held[-1]

    yield take
    for connection in held:
        connection.close()


@dataclass(frozen=True, slots=True)
class Write:
    path: str
    offset: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Truncate:
    path: str
    size: int


@dataclass(frozen=True, slots=True)
class Sync:
    path: str


@dataclass(frozen=True, slots=True)
class Delete:
    path: str
    synced: bool  #: the folder was synced as well


Change = Write | Truncate | Delete


class Disk(apsw.VFS):
    """The real file system, with a journal of what was written and synced, in order, and a fault to raise instead."""

    _numbers = itertools.count()

    def __init__(self) -> None:
        self.name = f"disk-{next(self._numbers)}"
        self.fault: Exception | None = None  #: raised by writes
        self.sync_fault: Exception | None = None
        self.journal: list[Change | Sync] = []
        super().__init__(self.name, "")

    def xOpen(self, name: str | apsw.URIFilename | None, flags: list[int]) -> apsw.VFSFile:  # noqa: N802
        return DiskFile(self, name, flags)

    def xDelete(self, name: str, sync_folder: bool) -> None:  # noqa: N802
        super().xDelete(name, sync_folder)
        self.journal.append(Delete(name, sync_folder))

    def syncs(self) -> int:
        return sum(isinstance(entry, Sync) for entry in self.journal)


class DiskFile(apsw.VFSFile):
    def __init__(self, disk: Disk, name: str | apsw.URIFilename | None, flags: list[int]) -> None:
        self.disk = disk
        self.path = name.filename() if isinstance(name, apsw.URIFilename) else str(name)
        super().__init__("", name, flags)

    def xWrite(self, data: bytes, offset: int) -> None:  # noqa: N802
        if self.disk.fault is not None:
            raise self.disk.fault
        super().xWrite(data, offset)
        self.disk.journal.append(Write(self.path, offset, bytes(data)))

    def xTruncate(self, size: int) -> None:  # noqa: N802
        super().xTruncate(size)
        self.disk.journal.append(Truncate(self.path, size))

    def xSync(self, flags: int) -> None:  # noqa: N802
        if self.disk.sync_fault is not None:
            raise self.disk.sync_fault
        super().xSync(flags)
        self.disk.journal.append(Sync(self.path))


@pytest.fixture
def disk() -> Iterator[Disk]:
    made = Disk()
    yield made
    made.unregister()


@pytest.fixture
def after_power_cut() -> Callable[[list[Change | Sync], Path, Random], None]:
    """Leaves in a folder what a journal's files would hold if the power went at its end.

    Synced content is there; of what was written since, any sector may or may not have reached the platter.
    """
    return _after_power_cut


def _after_power_cut(journal: list[Change | Sync], folder: Path, chance: Random) -> None:
    durable: dict[str, bytearray] = {}
    pending: dict[str, list[Change]] = {}
    for entry in journal:
        settled = pending.setdefault(entry.path, [])
        if isinstance(entry, Sync):
            for change in settled:
                _apply(durable, change)
            settled.clear()
        elif isinstance(entry, Delete) and entry.synced:
            _apply(durable, entry)
            settled.clear()
        else:
            settled.append(entry)
    share = chance.choice([0.0, 0.5, 0.9])
    for changes in pending.values():
        for piece in (piece for change in changes for piece in _sectors(change)):
            if chance.random() < share:
                _apply(durable, piece)
    for path, content in durable.items():
        (folder / Path(path).name).write_bytes(content)


def _sectors(change: Change) -> list[Change]:
    if not isinstance(change, Write):
        return [change]
    starts = range(0, len(change.data), SECTOR)
    return [Write(change.path, change.offset + start, change.data[start : start + SECTOR]) for start in starts]


def _apply(files: dict[str, bytearray], change: Change) -> None:
    if isinstance(change, Delete):
        files.pop(change.path, None)
        return
    content = files.setdefault(change.path, bytearray())
    if isinstance(change, Truncate):
        del content[change.size :]
        return
    content.extend(bytes(max(0, change.offset - len(content))))
    content[change.offset : change.offset + len(change.data)] = change.data
