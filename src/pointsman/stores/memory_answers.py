"""The answer store of one process, in its memory and only as far as there is room."""

from __future__ import annotations

from dataclasses import dataclass

from pointsman.stores.log import LEASE_NS, Claim, StoredAnswer, refuse_other


@dataclass(frozen=True, slots=True)
class _Row:
    request: bytes
    until_ns: int
    answer: StoredAnswer | None = None

    @property
    def size(self) -> int:
        return 0 if self.answer is None else len(self.answer.body)


class MemoryAnswers:
    """`AnswerStore` that forgets its oldest answers when their bodies take more than `most_bytes`."""

    def __init__(self, most_bytes: int = 64_000_000) -> None:
        self._most_bytes = most_bytes
        self._bytes = 0
        self._rows: dict[bytes, _Row] = {}  # the oldest first

    async def claim(self, id: bytes, request: bytes, now_ns: int) -> StoredAnswer | Claim:
        """The answer, or the claim to make one."""
        row = self._rows.get(id)
        if row is not None and row.until_ns > now_ns:
            refuse_other(row.request == request, answered=row.answer is not None)
            assert row.answer is not None
            return row.answer
        claim = Claim(id, now_ns + LEASE_NS)
        self._put(id, _Row(request, claim.until_ns))
        return claim

    async def complete(self, claim: Claim, answer: StoredAnswer, until_ns: int) -> None:
        """Keep the answer until then, or until there is no room."""
        if (row := self._held(claim)) is not None:
            self._put(claim.id, _Row(row.request, until_ns, answer))
            while self._bytes > self._most_bytes:
                self._drop(next(name for name, kept in self._rows.items() if kept.size))

    async def abandon(self, claim: Claim) -> None:
        """Give the claim back."""
        if self._held(claim) is not None:
            self._drop(claim.id)

    async def purge(self, now_ns: int) -> None:
        """Delete the answers whose time is over."""
        for name in [name for name, row in self._rows.items() if row.until_ns <= now_ns]:
            self._drop(name)

    def _held(self, claim: Claim) -> _Row | None:
        row = self._rows.get(claim.id)
        return row if row is not None and row.answer is None and row.until_ns == claim.until_ns else None

    def _put(self, id: bytes, row: _Row) -> None:
        self._drop(id)
        self._rows[id] = row
        self._bytes += row.size

    def _drop(self, id: bytes) -> None:
        if (row := self._rows.pop(id, None)) is not None:
            self._bytes -= row.size
