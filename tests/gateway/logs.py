"""Logs that fail, wait and remember, around the real one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from pointsman.errors import RecordError
from pointsman.stores.log import DecisionLog
from pointsman.testing import ScriptedUpstream


class Around:
    """A log whose appends go through `before`; `seen` remembers each with the number of calls that had reached the upstream by then."""

    def __init__(self, log: DecisionLog, upstream: ScriptedUpstream) -> None:
        self._log, self._upstream = log, upstream
        self.seen: list[tuple[str, int]] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._log, name)

    async def append(self, kind: str, decision: str, body: bytes) -> None:
        await self.before(kind)
        await self._log.append(kind, decision, body)
        self.seen.append((kind, len(self._upstream.ledger)))

    async def write(self, kind: str, decision: str, body: bytes, also: object = None) -> None:
        await self.before(kind)
        await self._log.write(kind, decision, body, also)  # type: ignore[attr-defined]

    async def before(self, kind: str) -> None:
        """What happens before a record is written."""


class Holding(Around):
    """Holds back records of one kind until `release` is set; `asked` says that one is waiting."""

    def __init__(self, log: DecisionLog, upstream: ScriptedUpstream, kind: str) -> None:
        super().__init__(log, upstream)
        self._kind = kind
        self.asked, self.release = asyncio.Event(), asyncio.Event()

    async def before(self, kind: str) -> None:
        if kind == self._kind:
            self.asked.set()
            await self.release.wait()


class Failing(Around):
    """Cannot write records of one kind."""

    def __init__(self, log: DecisionLog, upstream: ScriptedUpstream, kind: str) -> None:
        super().__init__(log, upstream)
        self._kind = kind

    async def before(self, kind: str) -> None:
        if kind == self._kind:
            raise RecordError("the decision log cannot be written: disk full")


class Kept:
    """Makes a log and keeps hold of it."""

    def __init__(self, make: Callable[..., Around], *more: object) -> None:
        self._make, self._more = make, more

    def __call__(self, log: DecisionLog, upstream: ScriptedUpstream) -> Around:
        self.log = self._make(log, upstream, *self._more)
        return self.log
