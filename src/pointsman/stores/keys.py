"""Gateway keys: how one is made, read, compared and mapped to a caller. Pure but for the system's source of randomness.

A key reads `pm_<id>_<secret>`: the id (60 bits) is public and finds the key, the secret (256 bits) proves it. The store keeps the SHA-256
of the secret, never the secret. A slow password hash would add nothing: its purpose is to make guessing dear where people choose
the secret, and 2^256 guesses are out of reach at any price; it would cost every request milliseconds.
"""

from __future__ import annotations

import hmac
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from hashlib import sha256
from itertools import pairwise
from typing import Final, NamedTuple, Protocol

from pointsman.core.rate import Owner
from pointsman.core.request import Caller
from pointsman.core.role import Role
from pointsman.core.tenancy import Org, Rights, Scope, Team, together

OPERATOR_ID = "env"
"""The id under which an operator-supplied key (any text) goes by."""

_ALPHABET = "abcdefghijklmnopqrstuvwxyz234567"
_KEY = re.compile(r"pm_([a-z2-7]{12})_([A-Za-z0-9_-]{43})")
_NO_HASH = bytes(32)

_COMMON = re.compile(
    "changeme|change|please|placeholder|password|passwd|default|example|pointsman|litellm|openai|gateway|master|secret|token"
    "|admin|apikey|api|key|local|dummy|sample|insert|your|here|test|demo|fake|none|null|this|abc|xyz|foo|bar|my|sk|pm"
)


_LEET = str.maketrans("01345@$", "oieasas")


@dataclass(frozen=True, slots=True)
class Key(Rights):
    """What the store knows of a key. Times are in nanoseconds since the epoch."""

    id: str
    hash: bytes = field(repr=False)  #: SHA-256 of the secret
    created_at_ns: int
    name: str = ""
    team: str = ""
    org: str = ""
    role: Role = "caller"
    created_by: str = ""  #: id of the key that made it
    expires_at_ns: int | None = None
    revoked_at_ns: int | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    old_hash: bytes | None = field(default=None, repr=False)  #: of the secret before the last rotation, which opens until `old_until_ns`
    old_until_ns: int = 0

    @property
    def scope(self) -> Scope:
        """Where it stands: what it manages or sees lies within."""
        return Scope(self.org, self.team)

    def refusal(self, now_ns: int) -> str | None:
        """Why the key no longer opens anything, `None` while it does.

        >>> Key("k", bytes(32), created_at_ns=0, expires_at_ns=5).refusal(now_ns=5)
        'key `k` has expired'
        """
        if self.revoked_at_ns is not None:
            return f"key `{self.id}` was revoked"
        if self.expires_at_ns is not None and self.expires_at_ns <= now_ns:
            return f"key `{self.id}` has expired"
        return None

    def revoked(self, now_ns: int) -> Key:
        """The same from then on; again changes nothing."""
        return self if self.revoked_at_ns is not None else replace(self, revoked_at_ns=now_ns, old_hash=None, old_until_ns=0)

    def rotated(self, hash: bytes, now_ns: int, grace_ns: int = 0) -> Key:
        """The same with another secret; the one it has opens for a while yet."""
        return replace(self, hash=hash, old_hash=self.hash if grace_ns else None, old_until_ns=now_ns + grace_ns if grace_ns else 0)

    def caller(self, team: Team | None = None, org: Org | None = None) -> Caller:
        """Who asks, as decisions see it, within what its team and org may do."""
        held = together([part for part in (self, team, org) if part is not None])
        return Caller(
            key=self.id,
            team=self.team,
            routes=held.routes,
            models=held.models,
            labels=held.labels,
            org=self.org,
            role=self.role,
            allowed_labels=held.allowed_labels,
        )


@dataclass(frozen=True, slots=True)
class Holder:
    """A key made ready for requests: what each of them needs to know of it, and no more."""

    key: Key
    caller: Caller
    until_ns: int | None  #: when it stops opening anything; 0: it has
    owners: tuple[Owner, ...]  #: whose rate limits its requests count against

    @classmethod
    def of(cls, key: Key, team: Team | None, org: Org | None) -> Holder:
        """The key with its team and org. One whose team or org is missing or closed opens nothing."""
        above = [part for part, name in ((team, key.team), (org, key.org)) if name]
        closed = key.revoked_at_ns is not None or any(part is None or part.closed_at_ns is not None for part in above)
        named = (("key", key.id, key), ("team", f"{key.org}/{key.team}", team), ("org", key.org, org))
        owners = [Owner(kind, name, part.requests_per_minute, part.tokens_per_minute) for kind, name, part in named if part is not None]
        limited = tuple(owner for owner in owners if (owner.requests, owner.tokens) != (None, None))
        return cls(key, key.caller(team, org), 0 if closed else key.expires_at_ns, limited)

    def opens(self, secret: str, now_ns: int) -> bool:
        """Whether the secret is this key's, and the key still good. `matches` says why an unknown key takes the same time."""
        same = matches(self.key.hash, secret)
        if self.key.old_hash is not None and self.key.old_until_ns > now_ns:
            same |= matches(self.key.old_hash, secret)
        return same and (self.until_ns is None or self.until_ns > now_ns)


class KeyLookup(Protocol):
    """Where requests find their keys: in memory, at most a moment behind the store."""

    def look_up(self, id: str) -> Holder | None:
        """The key of that id; what any process changed is seen within `FRESH_S`. Raises `RecordError` where the store cannot be asked."""


FRESH_S: Final = 0.25
"""How far what is kept of keys in memory may lag behind the store."""


class NewKey(NamedTuple):
    """A key just made. `text` is shown to its owner once; keep only `id` and `hash`."""

    text: str
    id: str
    hash: bytes

    def __repr__(self) -> str:
        return f"NewKey(id={self.id!r})"


def new_key() -> NewKey:
    """Make a key from the system's randomness.

    >>> made = new_key()
    >>> id, secret = parse(made.text)
    >>> id == made.id and matches(made.hash, secret)
    True
    """
    public = "".join(secrets.choice(_ALPHABET) for _ in range(12))
    secret = secrets.token_urlsafe(32)
    return NewKey(f"pm_{public}_{secret}", public, key_hash(secret))


def parse(text: str) -> tuple[str, str] | None:
    """Public id and secret of a key we made, `None` for any other text (which may still be the operator's own key).

    >>> parse("sk-1234") is None
    True
    """
    match = _KEY.fullmatch(text)
    return None if match is None else (match[1], match[2])


def key_hash(secret: str) -> bytes:
    """What the store keeps of a secret, or of an operator-supplied key."""
    # Header values may carry anything: a lone surrogate must be a wrong key, not a crash.
    return sha256(secret.encode("utf-8", "surrogatepass")).digest()


def matches(stored: bytes | None, secret: str) -> bool:
    """Whether the secret is the one stored; `None` stands for an unknown id and takes the same time to refuse.

    >>> matches(key_hash("s"), "s"), matches(key_hash("s"), "t"), matches(None, "s")
    (True, False, False)
    """
    same = hmac.compare_digest(_NO_HASH if stored is None else stored, key_hash(secret))
    return same and stored is not None


def weak(text: str) -> str | None:
    """Why an operator-supplied key is too easy to guess, `None` if nothing speaks against it.

    >>> weak("sk-1234")
    'has 7 characters: use at least 16'
    """
    if not text.strip():
        return "is empty"
    if len(text) < 16:
        return f"has {len(text)} characters: use at least 16"
    if (distinct := len(set(text))) < 8:
        return f"has only {distinct} different character{'s' if distinct > 1 else ''}"
    if _is_a_run(text):
        return "is a run of neighbouring characters"
    if any(_common(spelling) for spelling in (text.lower(), text.lower().translate(_LEET))):
        return "is made of common words"
    return None


def _is_a_run(text: str) -> bool:
    """Whether most characters are the same as, or next to, the one before: `abcdefgh`, `87654321`."""
    steps = [abs(ord(b) - ord(a)) for a, b in pairwise(text)]
    return sum(step <= 1 for step in steps) * 4 >= len(steps) * 3


def _common(text: str) -> bool:
    """Whether little is left without common words: few letters, and few digits or a run such as 12345678."""
    rest = _COMMON.sub("", text)
    digits = re.sub("[^0-9]", "", rest)
    return len(re.sub("[^a-z]", "", rest)) < 6 and (len(set(digits)) < 6 or _is_a_run(digits))
