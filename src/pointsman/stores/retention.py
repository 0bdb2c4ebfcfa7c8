"""Erasing contents, and proving it: the erasure is in the log before the keys are destroyed, and can be compared with what is left."""

from __future__ import annotations

import asyncio
import fcntl
import os
import secrets
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import msgspec

from pointsman.stores.chain import Row
from pointsman.stores.content_keys import ContentKey, ContentKeys, sealing_key
from pointsman.stores.database import border
from pointsman.stores.log import DecisionLog
from pointsman.stores.logfile import LogFile
from pointsman.stores.sqlite import SqliteLog

#: Keys a record.
_BATCH = 1_000

_PATIENCE_S = 0.05

GATEWAY = "gateway"
"""The program itself, by `audit.retain_content_days`."""


class KeyErased(msgspec.Struct, frozen=True):
    """A destroyed key, and how many contents of the log nobody can read any more for it."""

    key: str
    day: str
    contents: int


class Erasure(msgspec.Struct, frozen=True):
    """The body of an `erasure` record. The subject is not named: whose contents they were, the decisions say."""

    reason: str
    keys: tuple[KeyErased, ...]
    by: str = ""  #: who did it; empty in records of earlier versions


@dataclass(frozen=True, slots=True)
class Erasable:
    """What an erasure would take: keys, and how many contents each has sealed."""

    keys: tuple[ContentKey, ...]
    contents: Counter[str]

    @property
    def total(self) -> int:
        """Contents in all."""
        return sum(self.contents[key.id] for key in self.keys)


@dataclass(frozen=True, slots=True)
class Erased:
    """What an erasure took."""

    keys: int
    contents: int
    records: tuple[str, ...]  #: ids of its records in the log


@dataclass(frozen=True, slots=True)
class Contents:
    """The contents of a log, as far as they can still be read."""

    readable: int
    erased: int  #: sealed by a key whose destruction is in the log
    lost: tuple[int, ...]  #: records sealed by a key that is gone without a record of it
    undone: tuple[str, ...]  #: keys that exist although the log says that they were destroyed
    clear: int  #: not sealed at all: cannot be erased

    @property
    def ok(self) -> bool:
        """Whether the log's word on erasures holds."""
        return not self.lost and not self.undone


def erasable(log: LogFile, keys: ContentKeys, subject: str | None = None, before: date | None = None) -> Erasable:
    """What belongs to a subject, or to days before that one, or both."""
    found = tuple(keys.find(subject, before))
    return Erasable(found, Counter(name for _, name in _sealed(log) if name) if found else Counter())


async def erase(log: DecisionLog, keys: ContentKeys, chosen: Erasable, reason: str, by: str = GATEWAY) -> list[str]:
    """Record the erasure, then destroy the keys; returns the ids of the `erasure` records.

    The log has to be one that syncs (`power`). Where this ends in between, the keys are still there: erase again.
    """
    records = []
    for first in range(0, len(chosen.keys), _BATCH):
        some = chosen.keys[first : first + _BATCH]
        records.append(f"ers_{secrets.token_hex(12)}")
        told = Erasure(reason, tuple(KeyErased(key.id, key.day.isoformat(), chosen.contents[key.id]) for key in some), by)
        await log.append("erasure", records[-1], msgspec.json.encode(told))
        await asyncio.to_thread(keys.destroy, [key.id for key in some])
    return records


async def retain(
    path: Path, keys: ContentKeys, reason: str, subject: str | None = None, before: date | None = None, by: str = GATEWAY
) -> Erased:
    """Erase from the log of that path what belongs to a subject, or to days before that one, or both; processes may write it meanwhile.

    Processes that erase do so in turn, so that no key is recorded twice.
    """
    async with _turn(keys.path.parent):
        first = await _erased(path, keys, reason, subject, before, by)
        # Until its key was destroyed, what was said may have been sealed again, with a key made after the look; from now on it cannot.
        late = await _erased(path, keys, reason, subject, before, by)
    return Erased(first.keys + late.keys, first.contents + late.contents, (*first.records, *late.records))


async def _erased(path: Path, keys: ContentKeys, reason: str, subject: str | None, before: date | None, by: str) -> Erased:
    chosen = await asyncio.to_thread(_chosen, path, keys, subject, before)
    if not chosen.keys:
        return Erased(0, 0, ())
    log = await asyncio.to_thread(SqliteLog, path, "power", check_below_bytes=0)
    try:
        records = await erase(log, keys, chosen, reason, by)
    finally:
        await log.close()
    return Erased(len(chosen.keys), chosen.total, tuple(records))


@asynccontextmanager
async def _turn(folder: Path) -> AsyncIterator[None]:
    """A lock among processes, on the folder: closing any descriptor of the file itself would drop SQLite's own locks on it."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        while not _locked(descriptor):  # noqa: ASYNC110  another process has it
            await asyncio.sleep(_PATIENCE_S)
        yield
    finally:
        os.close(descriptor)


def _locked(descriptor: int) -> bool:
    with border("the folder of the content keys cannot be locked"):
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True


def _chosen(path: Path, keys: ContentKeys, subject: str | None, before: date | None) -> Erasable:
    log = LogFile(path)
    try:
        return erasable(log, keys, subject, before)
    finally:
        log.close()


def contents(log: LogFile, keys: ContentKeys) -> Contents:
    """Compare what the log says was erased with the keys that are left."""
    destroyed = {key.key for row in log.chain(kind="erasure") for key in msgspec.json.decode(row[4], type=Erasure).keys}
    by_key: dict[str | None, list[int]] = {}
    for seq, name in _sealed(log):
        by_key.setdefault(name, []).append(seq)
    clear = by_key.pop(None, [])
    named = {name: seqs for name, seqs in by_key.items() if name is not None}
    kept = keys.remaining({*named, *destroyed})
    return Contents(
        readable=sum(len(seqs) for name, seqs in named.items() if name in kept),
        erased=sum(len(seqs) for name, seqs in named.items() if name not in kept and name in destroyed),
        lost=tuple(sorted(seq for name, seqs in named.items() if name not in kept and name not in destroyed for seq in seqs)),
        undone=tuple(sorted(kept & destroyed)),
        clear=len(clear),
    )


def _sealed(log: LogFile) -> Iterator[tuple[int, str | None]]:
    rows: Iterable[Row] = log.chain(kind="content")
    return ((row[0], sealing_key(row[4])) for row in rows)
