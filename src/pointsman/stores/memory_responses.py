"""Responses in the memory of one process, and only as far as there is room."""

from __future__ import annotations

from collections import OrderedDict


class MemoryResponses:
    """As `SqliteResponses` for one process; of more than `most_bytes` the oldest are given up."""

    def __init__(self, most_bytes: int = 64_000_000) -> None:
        self._most_bytes = most_bytes
        self._bytes = 0
        self._rows: OrderedDict[bytes, tuple[int, bytes]] = OrderedDict()  # until when, and what

    def find(self, id: bytes, now_ns: int) -> bytes | None:
        """What was kept; `None` where nothing is, or its time is over. From any thread."""
        until_ns, body = self._rows.get(id, (0, b""))
        return body if until_ns > now_ns else None

    def keep(self, id: bytes, body: bytes, until_ns: int) -> None:
        """Keep it until then, or until there is no room."""
        self._drop(id)
        self._rows[id] = until_ns, body
        self._bytes += len(body)
        while self._bytes > self._most_bytes:
            self._drop(next(iter(self._rows)))

    def delete(self, id: bytes, now_ns: int) -> bool:
        """Delete it; whether there was one."""
        found = self.find(id, now_ns) is not None
        self._drop(id)
        return found

    def purge(self, now_ns: int) -> None:
        """Delete those whose time is over."""
        for name in [name for name, (until_ns, _) in self._rows.items() if until_ns <= now_ns]:
            self._drop(name)

    def _drop(self, id: bytes) -> None:
        if (row := self._rows.pop(id, None)) is not None:
            self._bytes -= len(row[1])
