"""JSON as strict as a policy decision needs it: one meaning, bounded, or refused.

What was judged must be what is sent. So duplicate keys, NaN, lone surrogates, invalid UTF-8 and endless nesting are refused, and the
upstream body is written anew from the parsed object.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any, cast

import msgspec

from pointsman.errors import RequestError

_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode

_MOST_CONTAINERS = 50_000
_MOST_BRACKETS, _MOST_COMMAS = 500_000, 2_000_000
_QUICKER_TO_WALK = 4_096  # bytes: long bodies are long texts, and have few containers


def parse_object(body: bytes, max_depth: int = 64) -> dict[str, Any]:
    """The JSON object in `body`. Raises `RequestError` that says what is wrong and where.

    >>> parse_object(b'{"model": "auto", "model": "frontier"}')
    Traceback (most recent call last):
    pointsman.errors.RequestError: the body has the key `model` twice: send each key once
    """
    # Before anything is made of it: many small values take fifty times the memory of their text. Those within strings are counted as well.
    if len(body) > _MOST_BRACKETS and (body.count(b"{") + body.count(b"[") > _MOST_BRACKETS or body.count(b",") > _MOST_COMMAS):
        raise RequestError(f"the body has more than {_MOST_BRACKETS:,} opening brackets or {_MOST_COMMAS:,} commas: send less")
    try:
        value = _decode(body)
        if not isinstance(value, dict):
            raise RequestError("the body must be a JSON object")
        if len(body) > _QUICKER_TO_WALK or body.count(b"{") + body.count(b"[") > max_depth:
            refuse_sprawl(value, max_depth)
        _refuse_duplicate_keys(body, value)
    except UnicodeDecodeError as error:
        raise RequestError("the body is not UTF-8") from error
    except RecursionError as error:
        raise RequestError(f"the body is nested more than {max_depth} deep: flatten it") from error
    except msgspec.MsgspecError as error:
        raise RequestError(f"the body is not JSON: {error}") from error
    return value


def _refuse_duplicate_keys(body: bytes, value: dict[str, Any]) -> None:
    # Every key kept costs one colon when written again, and colons within strings stay: fewer colons mean a lost key. Only an escaped
    # colon could hide that; bodies that have one are read a second time.
    if b"\\u003" not in body and body.count(b":") == _encode(value).count(b":"):
        return
    # Numbers are left as text: what they are worth is settled, and Python refuses very long ones.
    json.loads(body, object_pairs_hook=_refuse_twice, parse_int=str, parse_float=str)


def _refuse_twice(pairs: Iterable[tuple[str, Any]]) -> None:
    seen: set[str] = set()
    for name, _ in pairs:
        if name in seen:
            raise RequestError(f"the body has the key `{name[:100]}` twice: send each key once", param=name[:100])
        seen.add(name)


def refuse_sprawl(value: object, max_depth: int) -> None:
    """Refuse what is nested too deep (`RecursionError`), or in too many pieces to look at in reasonable time (`RequestError`)."""
    level: list[object] = [value]
    depth = containers = 0
    while level:
        depth, containers = depth + 1, containers + len(level)
        if depth > max_depth:
            raise RecursionError
        if containers > _MOST_CONTAINERS:
            raise RequestError(f"the body has more than {_MOST_CONTAINERS:,} objects and lists: send fewer, larger ones")
        below: list[object] = []
        for item in level:
            below.extend(item.values() if isinstance(item, dict) else cast("list[object]", item))
        level = [item for item in below if isinstance(item, (dict, list))]
