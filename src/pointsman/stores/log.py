"""The seams of the durable stores: what a decision log, a key store and an answer store promise, and the values they speak in.

A log is an append-only chain: each record's `hash` covers its content and the hash before it, so that changing, dropping, adding or
moving a record breaks the chain. Whoever can rewrite the whole file can also rewrite the chain: keep a `Head` elsewhere to notice that.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, Protocol

from pointsman.errors import ConfigError, IdempotencyConflict, IdempotencyMismatch
from pointsman.stores.keys import Key

Durability = Literal["crash", "power", "async"]
"""What an acknowledged append survives: the death of the process, a power cut as well, or nothing for sure."""

_HEAD = re.compile(r"(0|[1-9][0-9]{0,18}):([0-9a-f]{64})")


@dataclass(frozen=True, slots=True)
class LogRecord:
    """One record as it stands in the log. `at_ns` is wall-clock time since the epoch; `prev` and `hash` are SHA-256 digests."""

    seq: int  #: 1, 2, 3, ... without gaps
    kind: str  #: `decision`, `outcome`, `snapshot`, `key`, ...
    decision: str  #: id of the decision it belongs to; for snapshots and keys their own id
    at_ns: int
    body: bytes
    prev: bytes
    hash: bytes


@dataclass(frozen=True, slots=True)
class Head:
    """A checkpoint: the last record's number and hash. `str(head)` is what to store elsewhere, `Head.parse` reads it back.

    >>> Head.parse(str(Head(3, bytes(32)))) == Head(3, bytes(32))
    True
    """

    seq: int  #: 0 for an empty log
    hash: bytes

    def __str__(self) -> str:
        return f"{self.seq}:{self.hash.hex()}"

    @classmethod
    def parse(cls, text: str) -> Head:
        """The head that `str` wrote. Raises `ConfigError` for any other text."""
        match = _HEAD.fullmatch(text)
        if match is None:
            raise ConfigError(f"`{text}` is not a checkpoint: write <number>:<64 hex digits>, as `audit verify` prints it at its end")
        return cls(int(match[1]), bytes.fromhex(match[2]))


@dataclass(frozen=True, slots=True)
class Broken:
    """The first place where the log does not hold together."""

    seq: int
    reason: str


@dataclass(frozen=True, slots=True)
class Verification:
    """What `verify` found: `records` and `head` describe the part that holds."""

    records: int
    head: Head
    broken: Broken | None = None

    @property
    def ok(self) -> bool:
        """Whether every record holds."""
        return self.broken is None


class DecisionLog(Protocol):
    """An append-only, hash-chained log, and the snapshots that its decisions were made under.

    Every method raises `RecordError` when the store cannot do its part.
    """

    @property
    def failure(self) -> str | None:
        """Why the latest write failed, `None` while writes succeed. Each append tries again, whatever this says."""

    async def append(self, kind: str, decision: str, body: bytes) -> None:
        """Add a record; returns once it is as durable as the log's durability says.

        A caller cancelled while waiting does not take the record back. `RecordError` means that nothing was promised; after an
        error of the disk itself the record may still turn up later.
        """

    async def flush(self) -> None:
        """Return once everything appended before is durable."""

    async def read(self, decision: str) -> list[LogRecord]:
        """Every record of one decision, oldest first."""

    async def recent(self, limit: int, before_seq: int | None = None, kind: str | None = "decision") -> list[LogRecord]:
        """The newest records of a kind (`None`: any), newest first; `before_seq` gives the next page."""

    async def count(self) -> int:
        """How many records the log holds."""

    async def put_snapshot(self, id: str, body: bytes) -> None:
        """Keep a snapshot; again with the same body changes nothing, with another body raises `RecordError`."""

    async def get_snapshot(self, id: str) -> bytes | None:
        """The snapshot of that id."""

    async def head(self) -> Head:
        """Number and hash of the last record: a checkpoint to keep outside the log."""

    async def verify(self, expected_head: Head | None = None) -> Verification:
        """Walk the whole chain; with a checkpoint, also notice a log cut short or rewritten before it."""

    async def close(self) -> None:
        """Write out what is waiting and let go of the store. Appends after it raise `RecordError`."""


class KeyStore(Protocol):
    """The gateway keys. Creating and revoking one also leaves a `key` record in the decision log, without secret or hash."""

    async def add_key(self, key: Key) -> None:
        """Keep a new key. Raises `RequestError` for an id that exists."""

    async def find_key(self, id: str) -> Key | None:
        """The key of that id, as it stands now: a revocation by any process is seen by the next call."""

    async def list_keys(self) -> list[Key]:
        """Every key, revoked ones included, oldest first."""

    async def revoke_key(self, id: str) -> None:
        """Revoke it from now on; again changes nothing. Raises `NotFound` for an unknown id."""


@dataclass(frozen=True, slots=True)
class StoredAnswer:
    """An answer as it went out."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to answer one request: held by one attempt at a time, until its lease ends."""

    id: bytes
    until_ns: int


LEASE_NS = 15 * 60 * 10**9
"""How long a claim is held at most."""


def refuse_other(same: bool, answered: bool) -> None:
    """Refuse a claim: `same` says whether its id belongs to this request, `answered` whether there is an answer."""
    if not same:
        raise IdempotencyMismatch("this idempotency key was used for another request: take a fresh one for each")
    if not answered:
        raise IdempotencyConflict("a request with this idempotency key is in progress: try again when it has ended")


class AnswerStore(Protocol):
    """Answers kept for being asked again. `id` is what the client calls the request, `request` a digest of what it asks.

    Times are nanoseconds since the epoch. Every method raises `RecordError` when the store cannot do its part.
    """

    async def claim(self, id: bytes, request: bytes, now_ns: int) -> StoredAnswer | Claim:
        """The answer, or the claim to make one where there is none and nobody who lives is at it.

        Raises `IdempotencyMismatch` where the id belongs to another request, `IdempotencyConflict` while another attempt holds the claim.
        A caller cancelled while waiting holds nothing.
        """

    async def complete(self, claim: Claim, answer: StoredAnswer, until_ns: int) -> None:
        """Keep the answer until then. Does nothing where another attempt has taken over."""

    async def abandon(self, claim: Claim) -> None:
        """Give the claim back, so that another attempt may come. Does nothing where it is not held any more."""

    async def purge(self, now_ns: int) -> None:
        """Delete the answers whose time is over."""
