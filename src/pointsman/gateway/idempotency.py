"""Idempotency keys: a request that is sent again gets the answer that it got."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from hashlib import sha256

from pointsman.errors import RecordError, RequestError
from pointsman.stores.log import AnswerStore, Claim, StoredAnswer
from pointsman.stores.memory_answers import MemoryAnswers

_log = logging.getLogger("pointsman.gateway")

HEADER = "idempotency-key"
LARGEST_BYTES = 4_000_000
"""Larger answers are not kept: whoever asks for one again is answered anew."""

_LONGEST_KEY = 255
_PURGE_S = 600.0


class Replays:
    """Answers that were given, and requests being answered, by caller and idempotency key.

    An answer is text of the client's, which we keep on disk only where somebody asked for it: sending an idempotency key asks.
    Keys that begin with `stainless-` are no such wish. Client libraries made with Stainless (those of OpenAI and Anthropic among
    them) make such keys up for every request where the header is switched on, for their own retries: their answers are kept in this
    process's memory, up to 64 MB, where other worker processes do not find them. openai and anthropic (Python and Node) send no
    key unasked today.
    """

    def __init__(self, answers: AnswerStore, ttl_s: float) -> None:
        """`ttl_s`: how long answers are kept, counted from the request; 0 keeps none and ignores the header."""
        self.ttl_s = ttl_s
        self._kept = answers
        self._in_memory = MemoryAnswers()

    def key(self, headers: Mapping[str, str]) -> str | None:
        """The idempotency key of a request (header names in lower case), `None` where it has none or they are ignored.

        Raises `RequestError` for one that is empty or too long.
        """
        given = headers.get(HEADER)
        if given is None or not self.ttl_s:
            return None
        if not 0 < len(given) <= _LONGEST_KEY:
            raise RequestError(f"`{HEADER}` takes 1 to {_LONGEST_KEY} characters, not {len(given):,}", code="invalid_idempotency_key")
        return given

    async def begin(self, caller_key: str, idempotency_key: str, digest: bytes, now_s: float) -> StoredAnswer | Pending:
        """The answer to send again, or the task of making one: `complete` or `abandon` it in any case.

        `digest` is `request_digest`'s, `now_s` wall-clock time. Raises `IdempotencyMismatch` where the key was used for another request,
        `IdempotencyConflict` while another attempt is at it, and `RecordError`.
        """
        store = self._in_memory if idempotency_key.startswith("stainless-") else self._kept
        now_ns = int(now_s * 1e9)
        found = await store.claim(_id(caller_key, idempotency_key), digest, now_ns)
        if isinstance(found, Claim):
            return Pending(store, found, now_ns + int(self.ttl_s * 1e9))
        return StoredAnswer(found.status, {**found.headers, "idempotent-replayed": "true"}, found.body)

    async def purge(self, now_s: float) -> None:
        """Delete the answers whose time is over."""
        for store in (self._kept, self._in_memory):
            await store.purge(int(now_s * 1e9))

    async def keep_purged(self, clock: Callable[[], float], sleep: Callable[[float], Awaitable[None]] = asyncio.sleep) -> None:
        """Purge now, and every ten minutes from then on, until cancelled."""
        while True:
            try:
                await self.purge(clock())
            except RecordError as error:
                _log.warning("answers whose time is over are still kept: %s", error)
            await sleep(_PURGE_S)


@dataclass(slots=True)
class Pending:
    """A request that is being answered for the first time. Of a stream, `add` what goes out as it goes out."""

    _store: AnswerStore
    _claim: Claim
    _until_ns: int
    _pieces: list[bytes] = field(default_factory=list)
    _size: int = 0
    _open: bool = True

    def add(self, piece: bytes) -> None:
        """Note a piece of the body. What grows too large to be kept is forgotten."""
        self._size += len(piece)
        if self._size > LARGEST_BYTES:
            self._pieces.clear()
        else:
            self._pieces.append(piece)

    async def complete(self, status: int, headers: Mapping[str, str], body: bytes | None = None) -> bool:
        """Keep the answer (without `body`, what was added); whether it was kept. Call it before the client can see the answer's end.

        What is not a success, or too large, is not kept: asking again asks anew.
        """
        if body is not None:
            self.add(body)
        if status != 200 or self._size > LARGEST_BYTES:
            await self.abandon()
            return False
        self._open = False
        await self._store.complete(self._claim, StoredAnswer(status, headers, b"".join(self._pieces)), self._until_ns)
        return True

    async def abandon(self) -> None:
        """Let the next attempt begin anew. After `complete`, or again, does nothing."""
        if self._open:
            self._open = False
            await self._store.abandon(self._claim)


def request_digest(path: str, body: bytes) -> bytes:
    """What tells one request from another under the same idempotency key."""
    return sha256(path.encode() + b"\0" + body).digest()


def _id(caller_key: str, idempotency_key: str) -> bytes:
    # The caller is part of it: no key finds another key's answers. Of what clients choose, the store sees a digest only.
    return sha256(f"{len(caller_key)}:{caller_key}:{idempotency_key}".encode()).digest()
