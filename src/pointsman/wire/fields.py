"""Fields of a client's JSON against what they must be, with errors that name the field, and what a translation could not say."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any, TypeVar

import msgspec

from pointsman.errors import RequestError
from pointsman.wire.dialect import Translation

Json = dict[str, Any]

_Kind = TypeVar("_Kind", bound=msgspec.Struct)
_AT = re.compile(r" - at (?P<key>`key` in )?`\$\.?(?P<path>.*)`$", re.DOTALL)
_NAME = re.compile(r"[A-Za-z0-9_.-]{1,100}")


def read(value: Mapping[str, Any], kind: type[_Kind], at: str = "") -> _Kind:
    """`value`, which stands at `at`, as `kind`. Raises `RequestError` for a wrong type, and for `Model` beside or in place of `model`."""
    refuse_spellings(value, _known(kind), at)
    return convert(value, kind, at)


def convert(value: Mapping[str, Any], kind: type[_Kind], at: str = "") -> _Kind:
    """The same, whatever other spellings there are. Raises `RequestError` with the path of what does not fit as `param`."""
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        found = _AT.search(str(error))
        where = _join(at, found["path"][:200] if found else "")
        what = _AT.sub("", str(error))
        what = ("a key: " if found and found["key"] else "") + what[:1].lower() + what[1:500]
        raise RequestError(f"`{where}`: {what}" if where else what, param=where or None) from error


def refuse_spellings(names: Iterable[str], known: frozenset[str], at: str = "") -> None:
    """Refuse `Model` beside or in place of `model`: some servers take either, so they would read what nobody judged."""
    for name in names:
        if name not in known and (meant := name.casefold()) in known:
            where = _join(at, name[:100])
            raise RequestError(f"`{where}`: unknown field; write `{meant}`", param=where)


def kept_elsewhere(at: str) -> RequestError:
    """The error for the id of what a provider keeps: no policy has read it, and it may be another key's."""
    return RequestError(
        f"`{at}` names what a provider keeps, for all keys of this gateway and unseen by its policies: send the data", param=at
    )


def kept(value: Mapping[str, Any], names: Iterable[str]) -> Json:
    """The fields of these names that say something.

    >>> kept({"a": 1, "b": None, "c": 3}, ("a", "b"))
    {'a': 1}
    """
    return {name: value[name] for name in names if value.get(name) is not None}


def json_text(value: object) -> str:
    """A JSON value as compact text, for what has no other words."""
    return msgspec.json.encode(value).decode()


def known(text: str) -> str:
    """A client's word as it may stand in records and headers: itself, if it is a name.

    >>> known("web_search_20250305"), known("two\\r\\nlines"), known("tools.two\\r\\nlines")
    ('web_search_20250305', 'unknown', 'tools.unknown')
    """
    return text if _NAME.fullmatch(text) else f"{known(text.partition('.')[0])}.unknown" if "." in text else "unknown"


class Losses:
    """What a translation leaves out, each thing once. Clients' words get into records and headers, so only names are repeated."""

    def __init__(self) -> None:
        self._dropped: dict[str, None] = {}
        self._native: dict[str, None] = {}

    def drop(self, *names: str) -> None:
        """Changes little: the client is told."""
        self._dropped |= dict.fromkeys(known(name) for name in names)

    def need_native(self, *names: str) -> None:
        """Must not be lost: a model has to speak the client's own API."""
        self._native |= dict.fromkeys(known(name) for name in names)

    def told(self, body: Json) -> Translation:
        """The translation, with what it leaves out."""
        return Translation(body, tuple(self._dropped), tuple(self._native))


@cache
def _known(kind: type[msgspec.Struct]) -> frozenset[str]:
    return frozenset(kind.__struct_fields__)


def _join(at: str, path: str) -> str:
    return f"{at}.{path}" if at and path and not path.startswith("[") else at + path
