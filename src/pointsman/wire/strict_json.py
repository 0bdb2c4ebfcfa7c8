"""JSON as strict as a policy decision needs it: one meaning, bounded, or refused.

What was judged must be what is sent. So duplicate keys, NaN, lone surrogates, invalid UTF-8 and endless nesting are refused, and the
upstream body is written anew from the parsed object.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import msgspec

from pointsman.errors import RequestError

_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode


def parse_object(body: bytes, max_depth: int = 64) -> dict[str, Any]:
    """The JSON object in `body`. Raises `RequestError` that says what is wrong and where.

    >>> parse_object(b'{"model": "auto", "model": "frontier"}')
    Traceback (most recent call last):
    pointsman.errors.RequestError: the body has the key `model` twice: send each key once
    """
    try:
        value = _decode(body)
    except UnicodeDecodeError as error:
        raise RequestError(f"the body is not UTF-8: byte {error.start} is not valid") from error
    except RecursionError as error:
        raise RequestError(f"the body is nested more than {max_depth} deep: flatten it") from error
    except msgspec.MsgspecError as error:
        raise RequestError(f"the body is not JSON: {error}") from error
    if not isinstance(value, dict):
        raise RequestError("the body must be a JSON object")
    if body.count(b"{") + body.count(b"[") > max_depth and _depth(value) > max_depth:
        raise RequestError(f"the body is nested more than {max_depth} deep: flatten it")
    _refuse_duplicate_keys(body, value)
    return value


def _refuse_duplicate_keys(body: bytes, value: dict[str, Any]) -> None:
    # Every key kept costs one colon when written again, and colons within strings stay: fewer colons mean a lost key. Only an escaped
    # colon could hide that; bodies that have one are read a second time.
    if b"\\u003" not in body and body.count(b":") == _encode(value).count(b":"):
        return
    json.loads(body, object_pairs_hook=_refuse_twice)


def _refuse_twice(pairs: Iterable[tuple[str, Any]]) -> None:
    seen: set[str] = set()
    for name, _ in pairs:
        if name in seen:
            raise RequestError(f"the body has the key `{name[:100]}` twice: send each key once", param=name[:100])
        seen.add(name)


def _depth(value: object) -> int:
    depth, level = 0, [value]
    while level:
        below: list[object] = []
        for item in level:
            if isinstance(item, dict):
                below.extend(item.values())
            elif isinstance(item, list):
                below.extend(item)
        depth += any(isinstance(item, (dict, list)) for item in level)
        level = below
    return depth
