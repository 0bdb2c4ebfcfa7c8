"""Answered Responses requests, kept for a while: to be gone on from by `previous_response_id`, read again, and deleted."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from hashlib import sha256
from typing import NamedTuple

import msgspec

from pointsman.errors import NotFound, PayloadTooLarge, RecordError, RequestError
from pointsman.gateway.subject import inherited, naming, subject_of
from pointsman.stores.memory_responses import MemoryResponses
from pointsman.stores.sqlite_responses import SqliteResponses
from pointsman.wire.openai_responses.input_items import input_items
from pointsman.wire.openai_responses.state import Item, expand, items_of_input, output_items
from pointsman.wire.strict_json import refuse_sprawl

_log = logging.getLogger("pointsman.gateway")

LARGEST_BYTES = 16_000_000
"""A longer conversation is not kept on disk."""

_PURGE_S = 600.0
_DEEPEST = 256  # what clients say is looked at before; this is for what models answer

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
    named: dict[str, object]  #: the field of the request that named its end user

    def items(self) -> list[Item]:
        """The items before the answer."""
        return msgspec.json.decode(self.input, type=list[Item])


class _Named(msgspec.Struct):
    id: str = ""


class Responses:
    """Kept per gateway key: no key finds another's. In memory, where the next process does not find them, or sealed in the log's file."""

    def __init__(
        self,
        ttl_s: float = 0.0,
        disk: SqliteResponses | None = None,
        seals: bool = False,
        clock: Callable[[], float] = time.time,
        most_bytes: int = 20_000_000,
    ) -> None:
        """`ttl_s`: how long each is kept; 0: none is. `seals`: on `disk`. What is kept in either is found, whatever `seals` says now.

        `most_bytes`: of a body with the turns before it.
        """
        self.ttl_s, self.seals, self._most_bytes = ttl_s, seals, most_bytes
        self._memory, self._disk, self._clock = MemoryResponses(), disk, clock

    def complete(self, key: str, body: Body) -> Continued:
        """The body with the turns that its `previous_response_id` stands for, from the disk, and their end user where it names none.

        Raises `RequestError` where there are none, where it names another end user, and where it is too long with them.
        """
        previous = body.get("previous_response_id")
        if previous is None:
            return Continued(body)
        kept = self._find(key, previous) if isinstance(previous, str) else None
        if kept is None:
            raise self.gone(previous)
        body = inherited(body, kept.named)
        if subject_of(key, body) != subject_of(key, kept.named):  # who erases one end user's words would not find them under another's
            raise RequestError(
                f"`{str(previous)[:100]}` was asked for another end user, or none: name the same in `user`, or send its items in `input`",
                param="user",
            )
        completed = expand(body, [*kept.items(), *output_items(bytes(kept.answer))])
        self._refuse_too_long(completed)
        return Continued(completed, kept.labels, str(previous))

    async def sealed_with(self, key: str, previous: str) -> str | None:
        """The content key of a response that is gone on from; `None`: it stands in memory. Raises `RequestError` where it was deleted."""
        name = _id(key, previous)
        if self._memory.find(name, 0) is not None:
            return None
        found = None if self._disk is None else await asyncio.to_thread(self._disk.sealed_with, name)
        if found is None:
            raise self.gone(previous)
        return found

    def keeps(self, asked: Mapping[str, object]) -> bool:
        """Whether the answer to this is kept, for all that the client says."""
        return bool(self.ttl_s) and asked.get("store") is not False

    async def key_of(self, subject: str) -> str | None:
        """The content key of today of a subject, that its tickets are sealed with as well; `None`: nothing is ever sealed here."""
        return None if self._disk is None else await self._disk.key_of(subject, self._now_ns())

    async def input_items(self, key: str, id: str, query: str) -> bytes:
        """The page of what it answers that a query string asks for. Raises `NotFound`, and `RequestError` for what is no page."""
        return await asyncio.to_thread(self._page, key, id, query)

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

    async def keep(
        self,
        key: str,
        asked: Mapping[str, object],
        answer: bytes,
        labels: tuple[str, ...],
        previous: str | None = None,
        sealed_with: str | None = None,
    ) -> None:
        """Keep an answer and the turns up to it, unless the client said `store: false`. A failure is told the operator, not raised.

        `asked` is the completed body, sealed already with that key, if with any; `previous` what it goes on from: where either was erased
        meanwhile, or the latter deleted, nothing is kept on disk. An answer whose id is none cannot be referred to; what had the same id
        before is replaced, and its labels stay.
        """
        if not self.keeps(asked) or not (named := _named(answer)):
            return
        name, before = _id(key, named), None if previous is None else _id(key, previous)
        now_ns = self._now_ns()
        until_ns = now_ns + int(self.ttl_s * 1e9)
        disk = self._disk if self.seals else None
        try:
            if disk is None and before is None:
                self._memory.keep(name, key, self._written(name, asked, answer, labels), until_ns)
                return
            body = await asyncio.to_thread(self._written, name, asked, answer, labels, disk)  # a conversation may be long
            if disk is None:
                if before is None or await asyncio.to_thread(self._look, before, 0) is not None:
                    self._memory.keep(name, key, body, until_ns)
            elif len(body) <= LARGEST_BYTES:
                here = before is None or self._memory.find(before, 0) is not None
                await disk.keep(name, key, subject_of(key, asked), body, now_ns, until_ns, None if here else before, sealed_with)
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
        body = self._look(_id(key, id), self._now_ns())
        return None if body is None else msgspec.json.decode(body, type=Kept)

    def _look(self, name: bytes, now_ns: int) -> bytes | None:
        body = self._memory.find(name, now_ns)
        return self._disk.find(name, now_ns) if body is None and self._disk is not None else body

    def _written(
        self, name: bytes, asked: Mapping[str, object], answer: bytes, labels: tuple[str, ...], disk: SqliteResponses | None = None
    ) -> bytes:
        """What is kept: under the labels also of what an upstream gave the same id before."""
        earlier = self._memory.find(name, 0)
        if earlier is None and disk is not None:
            earlier = disk.find(name, 0)
        if earlier is not None:
            labels = tuple(dict.fromkeys((*msgspec.json.decode(earlier, type=Kept).labels, *labels)))
        items = msgspec.Raw(msgspec.json.encode(items_of_input(asked)))
        return msgspec.json.encode(Kept(items, msgspec.Raw(answer), labels, naming(asked)))

    def _page(self, key: str, id: str, query: str) -> bytes:
        if (kept := self._find(key, id)) is None:
            raise _not_found(id)
        return msgspec.json.encode(input_items(msgspec.json.decode(kept.input, type=list[msgspec.Raw]), query))

    def _refuse_too_long(self, body: Body) -> None:
        cure = "with the turns before it: begin anew with what matters of them in `input`"
        try:
            refuse_sprawl(body, _DEEPEST)
        except RequestError as error:
            raise RequestError(f"{error.message.partition(':')[0]} {cure}", param="previous_response_id") from error
        except RecursionError as error:
            raise RequestError(f"the body is nested too deep {cure}", param="previous_response_id") from error
        if len(msgspec.json.encode(body)) > self._most_bytes:
            raise PayloadTooLarge(f"the body is larger than {self._most_bytes:,} bytes {cure}", param="previous_response_id")

    def gone(self, previous: object) -> RequestError:
        """What a client hears of a response that is there no more, or was erased."""
        why = "not stored, deleted or too old" if self.seals else "not stored, deleted, too old, or answered by another process"
        return RequestError(
            f"no response `{str(previous)[:100]}`: {why}: send its items in `input`",
            param="previous_response_id",
            code="previous_response_not_found",
        )

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
