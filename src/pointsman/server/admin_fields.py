"""The fields of what the admin API speaks of: how each is read, and which roles may set and see it."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from pointsman.core.role import ROLES, STANDINGS
from pointsman.errors import RequestError

Check = Callable[[str, object], Any]
"""From a field's name and its JSON value to ours. Raises `RequestError`."""

NOBODY: Final[frozenset[str]] = frozenset()
ADMINS: Final[frozenset[str]] = frozenset({"root", "admin"})
OPERATORS: Final[frozenset[str]] = ADMINS | {"operator"}
READERS: Final[frozenset[str]] = OPERATORS | {"auditor"}
EVERYBODY: Final[frozenset[str]] = frozenset(STANDINGS)

_MOST_NAMES, _MOST_METADATA, _MOST_COUNT = 500, 32, 10**12
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:/@-]{0,199}")
_SLUG = re.compile(r"[a-z0-9][a-z0-9_.-]{0,63}")


def _refuse(name: str, wants: str) -> RequestError:
    return RequestError(f"`{name}` takes {wants}", param=name)


def text(name: str, value: object) -> str:
    """A line for people."""
    if not isinstance(value, str) or len(value) > 200 or not value.isprintable():
        raise _refuse(name, "a text of at most 200 printable characters")
    return value


def slug(name: str, value: object) -> str:
    """An id that people choose."""
    if not isinstance(value, str) or not _SLUG.fullmatch(value):
        raise _refuse(name, "1 to 64 characters of a-z, 0-9, `_`, `.` and `-`, a letter or digit first")
    return value


def place(name: str, value: object) -> str:
    """An org or team, or the empty text for none."""
    if not isinstance(value, str) or len(value) > 200:
        raise _refuse(name, "an id, or an empty text for none")
    return value


def role(name: str, value: object) -> str:
    """A role that a key may have."""
    if value not in ROLES:
        raise _refuse(name, f"one of {', '.join(ROLES)}")
    return str(value)


def names(name: str, value: object) -> tuple[str, ...]:
    """A list of names of routes, models or labels."""
    if not isinstance(value, list) or len(value) > _MOST_NAMES:
        raise _refuse(name, f"a list of at most {_MOST_NAMES} names")
    for item in value:
        if not isinstance(item, str) or not _NAME.fullmatch(item):
            raise _refuse(name, "names of letters, digits and `_ . : / @ -`, at most 200 characters each")
    return tuple(dict.fromkeys(value))


def or_none(check: Check) -> Check:
    """The same, or `null` for no restriction."""
    return lambda name, value: None if value is None else check(name, value)


def count(name: str, value: object) -> int:
    """A whole number from 1."""
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= _MOST_COUNT:
        raise _refuse(name, "a whole number from 1")
    return value


def moment(name: str, value: object) -> int:
    """Seconds since the epoch, in the future; kept in nanoseconds."""
    if isinstance(value, bool) or not isinstance(value, int) or not time.time() < value < 10**10:
        raise _refuse(name, "a moment to come, in seconds since 1970")
    return value * 10**9


def grace(name: str, value: object) -> int:
    """Seconds, kept in nanoseconds."""
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= 604_800:
        raise _refuse(name, "a whole number of seconds from 0 to 604800, a week")
    return value * 10**9


def metadata(name: str, value: object) -> dict[str, str]:
    """Notes of the user's own."""
    if not isinstance(value, dict) or len(value) > _MOST_METADATA:
        raise _refuse(name, f"an object of at most {_MOST_METADATA} entries")
    return {slug(f"{name} key", key): text(f"{name}.{key}"[:100], item) for key, item in value.items()}


@dataclass(frozen=True, slots=True)
class Field:
    """A field: who may give it when a thing is made, who may change it later, who sees it."""

    check: Check | None = None  #: `None`: it is never set
    create: frozenset[str] = NOBODY
    change: frozenset[str] = NOBODY
    read: frozenset[str] = READERS


def _rights(create: frozenset[str], read: frozenset[str]) -> dict[str, Field]:
    checks: dict[str, Check] = {
        "routes": or_none(names),
        "models": or_none(names),
        "labels": names,
        "allowed_labels": or_none(names),
        "requests_per_minute": or_none(count),
        "tokens_per_minute": or_none(count),
    }
    return {name: Field(check, create, ADMINS, read) for name, check in checks.items()}


def _place(chosen: Mapping[str, Field]) -> dict[str, Field]:
    """The fields of a team or an org."""
    return {
        "object": Field(),
        **chosen,
        "name": Field(text, ADMINS, ADMINS),
        **_rights(ADMINS, READERS),
        "metadata": Field(metadata, ADMINS, ADMINS),
        "created_at": Field(),
        "created_by": Field(),
        "closed_at": Field(),
    }


KEY: Final[Mapping[str, Field]] = {
    "object": Field(read=EVERYBODY),
    "id": Field(read=EVERYBODY),
    "name": Field(text, OPERATORS, OPERATORS, EVERYBODY),
    "org": Field(place, OPERATORS, read=EVERYBODY),
    "team": Field(place, OPERATORS, read=EVERYBODY),
    "role": Field(role, OPERATORS, ADMINS, EVERYBODY),
    **_rights(OPERATORS, EVERYBODY),
    "metadata": Field(metadata, OPERATORS, OPERATORS),
    "created_at": Field(read=EVERYBODY),
    "created_by": Field(),
    "expires_at": Field(or_none(moment), OPERATORS, ADMINS, EVERYBODY),
    "revoked_at": Field(read=EVERYBODY),
    "old_secret_until": Field(read=EVERYBODY),
    "state": Field(read=EVERYBODY),
}
TEAM: Final[Mapping[str, Field]] = _place({"org": Field(), "id": Field(slug, ADMINS)})
ORG: Final[Mapping[str, Field]] = _place({"id": Field(slug, ADMINS)})
EVENT: Final[Mapping[str, Field]] = {
    name: Field()
    for name in ("object", "number", "at", "event", "by", "as_role", "org", "team", "key", "set", "was", "endpoint", "param", "aimed")
}
SECRET: Final = Field(read=OPERATORS)
"""The text of a key, in the one answer that shows it."""
GRACE: Final = Field(grace, OPERATORS, read=NOBODY)
