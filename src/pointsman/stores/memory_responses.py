"""Responses in the memory of one process, and only as far as there is room."""

from __future__ import annotations

from collections import Counter, OrderedDict
from typing import NamedTuple


class _Row(NamedTuple):
    key: str
    until_ns: int
    body: bytes


class MemoryResponses:
    """As `SqliteResponses` for one process. Of more than `most_bytes` in all, the gateway key that has most gives up its oldest."""

    def __init__(self, most_bytes: int = 64_000_000) -> None:
        self._most_bytes = most_bytes
        self._bytes: Counter[str] = Counter()  # by key
        self._total = 0
        self._rows: dict[bytes, _Row] = {}
        self._ids: dict[str, OrderedDict[bytes, None]] = {}  # of each key, the oldest first

    def find(self, id: bytes, now_ns: int) -> bytes | None:
        """What was kept; `None` where nothing is, or its time is over. From any thread."""
        row = self._rows.get(id)
        return row.body if row is not None and row.until_ns > now_ns else None

    def keep(self, id: bytes, key: str, body: bytes, until_ns: int) -> None:
        """Keep it until then, or until there is no room."""
        self._drop(id)
        self._rows[id] = _Row(key, until_ns, body)
        self._ids.setdefault(key, OrderedDict())[id] = None
        self._count(key, len(body))
        while self._total > self._most_bytes:
            most = max(self._bytes, key=self._bytes.__getitem__)
            self._drop(next(iter(self._ids[most])))

    def delete(self, id: bytes, now_ns: int) -> bool:
        """Delete it; whether there was one."""
        found = self.find(id, now_ns) is not None
        self._drop(id)
        return found

    def purge(self, now_ns: int) -> None:
        """Delete those whose time is over."""
        for name in [name for name, row in self._rows.items() if row.until_ns <= now_ns]:
            self._drop(name)

    def _drop(self, id: bytes) -> None:
        if (row := self._rows.pop(id, None)) is not None:
            del self._ids[row.key][id]
            if not self._ids[row.key]:
                del self._ids[row.key]
            self._count(row.key, -len(row.body))

    def _count(self, key: str, bytes: int) -> None:
        self._total += bytes
        self._bytes[key] += bytes
        if key not in self._ids:
            del self._bytes[key]
