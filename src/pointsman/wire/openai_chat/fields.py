"""A client's fields against what they must be, with errors that name the field."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

import msgspec

from pointsman.errors import RequestError

T = TypeVar("T")

_AT = re.compile(r" - at (?P<key>`key` in )?`\$\.?(?P<path>.*)`$", re.DOTALL)


def convert(body: Mapping[str, Any], type: type[T]) -> T:
    """`body` as a `type` of Struct. Raises `RequestError` with the path of what does not fit as `param`."""
    try:
        return msgspec.convert(body, type)
    except msgspec.ValidationError as error:
        found = _AT.search(str(error))
        path = found["path"][:200] if found else None
        what = _AT.sub("", str(error))
        what = ("a key: " if found and found["key"] else "") + what[:1].lower() + what[1:500]
        raise RequestError(f"`{path}`: {what}" if path else what, param=path) from error


def refuse_spellings(names: Iterable[str], known: frozenset[str], path: str = "") -> None:
    """Refuse `Model` beside or in place of `model`: some servers take either, so they would read what nobody judged."""
    for name in names:
        if name not in known and (meant := name.casefold()) in known:
            raise RequestError(f"`{path}{name[:100]}`: unknown field; write `{meant}`", param=f"{path}{name[:100]}")
