"""The keys that contents are sealed with: one a subject and day, in a file of their own. Who destroys one has erased what it sealed.

The log keeps only what is sealed, so that its chain holds however much is erased. Keep this file out of the log's backups: a copy of it
brings back what was erased.
"""

from __future__ import annotations

import asyncio
import base64
import hmac
import json
import os
import secrets
import threading
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, timedelta
from hashlib import sha256
from pathlib import Path
from typing import cast

import apsw

from pointsman.errors import RecordError
from pointsman.stores.database import border, known_version, require_safe_sqlite

_DAY_NS = 86_400 * 10**9
_EPOCH = date(1970, 1, 1)
_NONCE_BYTES = 12
ANY_KEY = "*/"
"""Begins a subject's name that stands for those of every gateway key."""

NO_KEY = ""
"""The id of no key: what may only be sealed where that one exists is sealed nowhere."""

_LONGEST = 200  # characters of a name as it is: clients choose them

_VERSION = 1  # `PRAGMA user_version`; 0: written before it was kept, with the same table
_SCHEMA = """
CREATE TABLE IF NOT EXISTS content_keys(
    id TEXT PRIMARY KEY,
    subject TEXT NOT NULL,
    day INTEGER NOT NULL,  -- since 1970-01-01, UTC
    key BLOB NOT NULL,
    UNIQUE(subject, day)
) STRICT
"""
_UNLESS_ERASED = "(?3 IS NULL OR EXISTS (SELECT 1 FROM content_keys WHERE id = ?3))"  # in one statement with what depends on it
_KEY = f"SELECT id, key FROM content_keys WHERE subject = ?1 AND day = ?2 AND {_UNLESS_ERASED}"  # noqa: S608  ours
_NEW_KEY = f"INSERT OR IGNORE INTO content_keys(subject, day, id, key) SELECT ?1, ?2, ?4, ?5 WHERE {_UNLESS_ERASED}"


@dataclass(frozen=True, slots=True)
class ContentKey:
    """What is known of a key without the key."""

    id: str
    subject: str
    day: date  #: the UTC day whose contents it seals


class ContentKeys:
    """Seals contents, opens them, and destroys keys; makes its file where it is missing. Processes may share it.

    Every method raises `RecordError` when the file cannot do its part.
    """

    def __init__(self, path: str | os.PathLike[str], *, busy_timeout_s: float = 5.0) -> None:
        self.path = Path(path)
        self._lock = threading.Lock()
        require_safe_sqlite(apsw.sqlite_lib_version())
        with border(f"the content keys `{self.path}` cannot be opened"):
            self._connection = _opened(self.path, busy_timeout_s)

    async def key_of(self, subject: str, at_ns: int) -> str:
        """Id of the key that a subject's contents of that day are sealed with; made where there is none."""
        return cast("tuple[str, bytes]", await asyncio.to_thread(self._key, subject, at_ns, None))[0]

    async def seal(self, subject: str, decision: str, content: bytes, at_ns: int) -> bytes:
        """The body of a `content` record: encrypted (AES-256-GCM) and bound to its decision. A subject's first of a day makes the key."""
        return cast("bytes", await self.seal_again(subject, decision, content, at_ns, None))

    async def seal_again(self, subject: str, decision: str, content: bytes, at_ns: int, sealed_with: str | None) -> bytes | None:
        """As `seal`, for words that were sealed with that key before, if with any; `None` where it was destroyed: they were erased."""
        return await asyncio.to_thread(self._seal_again, subject, decision, content, at_ns, sealed_with)

    async def seal_alike(self, body: bytes, decision: str, content: bytes) -> bytes | None:
        """Seal with the very key that sealed `body`, whoever's it is; `None` where that was destroyed, or `body` is not sealed."""
        return await asyncio.to_thread(self._seal_alike, body, decision, content)

    async def marks(self, subject: str, digest: str) -> list[str]:
        """What tells that a subject said the same, under each of its keys, the newest first; with the key it loses its meaning."""
        return await asyncio.to_thread(self._marks, subject, digest)

    def open(self, decision: str, body: bytes) -> bytes | None:
        """The content of a record, `None` where its key was destroyed. Raises `RecordError` for one that was changed or is not sealed."""
        from cryptography.exceptions import InvalidTag
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        name = sealing_key(body)
        if name is None:
            raise RecordError(f"the content of decision `{decision}` is not sealed")
        key = self._secret(name)
        if key is None:
            return None
        fields = json.loads(body)
        try:
            nonce, text = base64.b64decode(fields["nonce"]), base64.b64decode(fields["sealed"])
            return AESGCM(key).decrypt(nonce, text, decision.encode())
        except (InvalidTag, ValueError, KeyError, TypeError) as error:
            raise RecordError(f"the content of decision `{decision}` was changed: it does not open with its key") from error

    def find(self, subject: str | None = None, before: date | None = None) -> list[ContentKey]:
        """The keys of a subject, as far as their day lies before that one; by day and subject.

        `None`: of all. `*/ada`: of every subject called `ada` behind the id of a gateway key.
        """
        whose, start = ("substr(subject, instr(subject, '/'))", 1) if subject and subject.startswith(ANY_KEY) else ("subject", 0)
        chosen = f"(?1 IS NULL OR {whose} IN (?1, ?3)) AND (?2 IS NULL OR day < ?2)"
        names = (None, None) if subject is None else (_listed(subject)[start:], subject[start:])  # long ones stood there as they were
        limits = (names[0], None if before is None else (before - _EPOCH).days, names[1])
        with self._lock, border(f"the content keys `{self.path}` cannot be read"):
            rows = self._connection.execute(f"SELECT id, subject, day FROM content_keys WHERE {chosen} ORDER BY day, subject", limits)  # noqa: S608
            return [ContentKey(str(name), str(whose), _EPOCH + timedelta(days=cast("int", day))) for name, whose, day in rows]

    def remaining(self, ids: Iterable[str]) -> set[str]:
        """Those of these keys that exist."""
        return {key.id for key in self.find()}.intersection(ids)

    def destroy(self, ids: Sequence[str]) -> None:
        """Overwrite these keys. There is no way back: record the erasure first."""
        with self._lock, border(f"content keys in `{self.path}` cannot be destroyed"), self._connection:
            self._connection.executemany("DELETE FROM content_keys WHERE id = ?", [(name,) for name in ids])

    def close(self) -> None:
        """Let go of the file."""
        with self._lock:
            self._connection.close()

    def _seal_again(self, subject: str, decision: str, content: bytes, at_ns: int, sealed_with: str | None) -> bytes | None:
        found = self._key(subject, at_ns, sealed_with)
        return None if found is None else sealed(*found, decision, content)

    def _seal_alike(self, body: bytes, decision: str, content: bytes) -> bytes | None:
        name = sealing_key(body)
        key = None if name is None else self._secret(name)
        return None if name is None or key is None else sealed(name, key, decision, content)

    def _key(self, subject: str, at_ns: int, earlier: str | None) -> tuple[str, bytes] | None:
        """The subject's of that day, with its id; made where there is none. `None` where an `earlier` one was destroyed."""
        # Read every time, never kept in memory: what another process destroys is gone for all.
        wanted = _listed(subject), at_ns // _DAY_NS, earlier
        with self._lock, border(f"a content key cannot be kept in `{self.path}`"):
            found = self._connection.execute(_KEY, wanted).get
            if found is None:
                self._connection.execute(_NEW_KEY, (*wanted, f"ck_{secrets.token_hex(16)}", secrets.token_bytes(32)))
                found = self._connection.execute(_KEY, wanted).get  # another process may have been first
            if found is None and earlier is None:
                raise RecordError(f"a content key in `{self.path}` was destroyed as soon as it was made: ask again")
        return cast("tuple[str, bytes] | None", found)

    def _marks(self, subject: str, digest: str) -> list[str]:
        with self._lock, border(f"the content keys `{self.path}` cannot be read"):
            query = "SELECT key FROM content_keys WHERE subject = ? ORDER BY day DESC"
            rows = self._connection.execute(query, (_listed(subject),)).fetchall()
        return [hmac.digest(cast("bytes", key), b"said " + digest.encode(), "sha256").hex() for (key,) in rows]

    def _secret(self, name: str) -> bytes | None:
        with self._lock, border(f"the content keys `{self.path}` cannot be read"):
            return cast("bytes | None", self._connection.execute("SELECT key FROM content_keys WHERE id = ?", (name,)).get)


def sealed(key_id: str, key: bytes, decision: str, content: bytes) -> bytes:
    """A content under a key, for one decision alone."""
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    nonce = secrets.token_bytes(_NONCE_BYTES)
    text = AESGCM(key).encrypt(nonce, content, decision.encode())
    return b'{"key":"%s","nonce":"%s","sealed":"%s"}' % (key_id.encode(), base64.b64encode(nonce), base64.b64encode(text))


def sealing_key(body: bytes) -> str | None:
    """Id of the key that a `content` record is sealed with; `None`: it is not sealed.

    >>> sealing_key(sealed("ck_1", bytes(32), "dec_1", b"words"))
    'ck_1'
    >>> sealing_key(b'{"messages":[]}')
    """
    head, _, rest = body.partition(b'","nonce":"')
    return head[8:].decode(errors="replace") if head.startswith(b'{"key":"ck_') and b'","sealed":"' in rest[:40] else None


def _listed(subject: str) -> str:
    """A subject as the file names it: what is longer than anybody's name is stood for by its digest.

    >>> _listed("k3v7/ada"), _listed("k3v7/" + 300 * "a")[:24]
    ('k3v7/ada', 'k3v7/sha256:9835fa6bf4e2')
    """
    key, _, name = subject.partition("/")
    return subject if len(name) <= _LONGEST else f"{key}/sha256:{sha256(name.encode(errors='surrogatepass')).hexdigest()}"


def _opened(path: Path, busy_timeout_s: float) -> apsw.Connection:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with suppress(FileExistsError):
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
    connection = apsw.Connection(os.fspath(path), flags=apsw.SQLITE_OPEN_READWRITE)
    try:
        connection.set_busy_timeout(int(busy_timeout_s * 1000))
        # What is deleted is overwritten; a journal per transaction, for a WAL would keep old pages until it is folded.
        connection.execute("PRAGMA secure_delete = ON; PRAGMA journal_mode = DELETE; PRAGMA synchronous = EXTRA")
        connection.execute("PRAGMA fullfsync = ON")
        if known_version(connection, path, _VERSION) < _VERSION:
            connection.execute(f"{_SCHEMA}; PRAGMA user_version = {_VERSION}")
    except BaseException:
        connection.close()
        raise
    return connection
