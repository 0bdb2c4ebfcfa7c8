"""Fields of a JSON object read into a Struct; what is wrong with them becomes a `RequestError` that says where."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, TypeVar

import msgspec
from msgspec import Struct

from pointsman.errors import RequestError

_Fields = TypeVar("_Fields", bound=Struct)
_AT = re.compile(r" - at (?P<key>`key` in )?`\$\.?(?P<path>.*)`$", re.DOTALL)
_NAME = re.compile(r"[A-Za-z0-9_.-]{1,64}")


def read(kind: type[_Fields], value: Mapping[str, Any], at: str = "") -> _Fields:
    """The fields of `value`, which stands at `at`. Raises `RequestError`, also for `Text` beside or in place of `text`.

    Other spellings are refused because some servers take either, so they would read what nobody judged.
    """
    for name in value:
        if name not in kind.__struct_fields__ and (meant := name.casefold()) in kind.__struct_fields__:
            where = _join(at, name[:100])
            raise RequestError(f"`{where}`: unknown field; write `{meant}`", param=where)
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        found = _AT.search(str(error))
        where = _join(at, found["path"][:200] if found else "")
        what = _AT.sub("", str(error))
        what = ("a key: " if found and found["key"] else "") + what[:1].lower() + what[1:500]
        raise RequestError(f"`{where}`: {what}" if where else what, param=where or None) from error


def known(text: str) -> str:
    """A client's word as it may stand in records and headers: itself, if it is a name.

    >>> known("web_search_20250305"), known("two\\r\\nlines")
    ('web_search_20250305', 'unknown')
    """
    return text if _NAME.fullmatch(text) else "unknown"


def json_text(value: object) -> str:
    """A JSON value as compact text."""
    return msgspec.json.encode(value).decode()


class Losses:
    """What a translation leaves out, each thing once."""

    def __init__(self) -> None:
        self._dropped: dict[str, None] = {}
        self._native: dict[str, None] = {}

    def drop(self, name: str) -> None:
        """Changes little: the client is told."""
        self._dropped[name] = None

    def need_native(self, name: str) -> None:
        """Must not be lost: a model has to speak the client's own API."""
        self._native[name] = None

    @property
    def dropped(self) -> tuple[str, ...]:
        return tuple(self._dropped)

    @property
    def untranslatable(self) -> tuple[str, ...]:
        return tuple(self._native)


def _join(at: str, path: str) -> str:
    return f"{at}.{path}" if at and path and not path.startswith("[") else at + path
