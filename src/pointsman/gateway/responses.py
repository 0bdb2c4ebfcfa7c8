"""Answered Responses requests, kept for a while: to be gone on from by `previous_response_id`, read again, and deleted."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from hashlib import sha256
from typing import NamedTuple

import msgspec

from pointsman.errors import NotFound, RecordError, RequestError
from pointsman.gateway.subject import subject_of
from pointsman.stores.memory_responses import MemoryResponses
from pointsman.stores.sqlite_responses import SqliteResponses
from pointsman.wire.openai_responses.state import Item, expand, items_of_input, output_items

_log = logging.getLogger("pointsman.gateway")

LARGEST_BYTES = 16_000_000
"""A longer conversation is not kept on disk."""

_PURGE_S = 600.0

Body = dict[str, object]


class Continued(NamedTuple):
    """A body with the turns before it written out."""

    body: Body
    labels: tuple[str, ...] = ()  #: of those turns: what was said under them is said again
    previous: str | None = None  #: the response that it goes on from


class Kept(msgspec.Struct, frozen=True):
    """A response, and what it answers."""

    input: msgspec.Raw  #: the items of the whole conversation up to it
    answer: msgspec.Raw  #: as the client got it, or would have got it unstreamed
    labels: tuple[str, ...]  #: what was said under

    def items(self) -> list[Item]:
        """The items before the answer."""
        return msgspec.json.decode(self.input, type=list[Item])


class _Named(msgspec.Struct):
    id: str = ""


class Responses:
    """Kept per gateway key: no key finds another's. In memory, where the next process does not find them, or sealed in the log's file."""

    def __init__(
        self, ttl_s: float = 0.0, disk: SqliteResponses | None = None, seals: bool = False, clock: Callable[[], float] = time.time
    ) -> None:
        """`ttl_s`: how long each is kept; 0: none is. `seals`: on `disk`. What is kept in either is found, whatever `seals` says now."""
        self.ttl_s, self.seals = ttl_s, seals
        self._memory, self._disk, self._clock = MemoryResponses(), disk, clock

    def complete(self, key: str, body: Body) -> Continued:
        """The body with the turns that its `previous_response_id` stands for, from the disk. Raises `RequestError` where there are none."""
        previous = body.get("previous_response_id")
        if previous is None:
            return Continued(body)
        kept = self._find(key, previous) if isinstance(previous, str) else None
        if kept is None:
            why = "not stored, deleted or too old" if self.seals else "not stored, deleted, too old, or answered by another process"
            raise RequestError(
                f"no response `{str(previous)[:100]}`: {why}: send its items in `input`",
                param="previous_response_id",
                code="previous_response_not_found",
            )
        return Continued(expand(body, [*kept.items(), *output_items(bytes(kept.answer))]), kept.labels, str(previous))

    async def read(self, key: str, id: str) -> Kept:
        """The response of that id. Raises `NotFound` where this key has none."""
        if (kept := await asyncio.to_thread(self._find, key, id)) is None:
            raise _not_found(id)
        return kept

    async def delete(self, key: str, id: str) -> None:
        """Delete the response of that id. Raises `NotFound` where this key has none."""
        name, now_ns = _id(key, id), self._now_ns()
        deleted = self._memory.delete(name, now_ns)
        if not (self._disk is not None and await self._disk.delete(name, now_ns)) and not deleted:
            raise _not_found(id)

    async def keep(self, key: str, asked: Mapping[str, object], answer: bytes, labels: tuple[str, ...]) -> None:
        """Keep an answer and the turns up to it, unless the client said `store: false`. A failure is told the operator, not raised.

        `asked` is the completed body. An answer whose id is none cannot be referred to.
        """
        if not self.ttl_s or asked.get("store") is False or not (named := _named(answer)):
            return
        items = msgspec.Raw(msgspec.json.encode(items_of_input(asked)))
        body = msgspec.json.encode(Kept(items, msgspec.Raw(answer), labels))
        now_ns = self._now_ns()
        until_ns = now_ns + int(self.ttl_s * 1e9)
        if not self.seals or self._disk is None:
            self._memory.keep(_id(key, named), body, until_ns)
        elif len(body) <= LARGEST_BYTES:
            try:
                await self._disk.keep(_id(key, named), subject_of(key, asked), body, now_ns, until_ns)
            except RecordError as error:  # the answer is there and paid for: who goes on from it is told that it was not stored
                _log.warning("a response is not stored: %s", error)

    async def keep_purged(self, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep) -> None:
        """Delete those whose time is over, now and every ten minutes from then on, until cancelled."""
        while True:
            self._memory.purge(self._now_ns())
            try:
                if self._disk is not None:
                    await self._disk.purge(self._now_ns())
            except RecordError as error:
                _log.warning("responses whose time is over are still kept: %s", error)
            await sleep(_PURGE_S)

    def _find(self, key: str, id: str) -> Kept | None:
        name, now_ns = _id(key, id), self._now_ns()
        body = self._memory.find(name, now_ns)
        if body is None and self._disk is not None:
            body = self._disk.find(name, now_ns)
        return None if body is None else msgspec.json.decode(body, type=Kept)

    def _now_ns(self) -> int:
        return int(self._clock() * 1e9)


def _not_found(id: str) -> NotFound:
    return NotFound(f"no response `{id[:100]}` of this key: not stored, deleted or too old")


def _id(key: str, id: str) -> bytes:
    # The key is part of it: no key finds another's. Of what providers and clients choose, the store sees a digest only.
    return sha256(f"{len(key)}:{key}:{id}".encode(errors="surrogatepass")).digest()


def _named(answer: bytes) -> str:
    try:
        return msgspec.json.decode(answer, type=_Named).id
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return ""
