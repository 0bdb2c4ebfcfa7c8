"""Core values to JSON and back, without loss.

Fields that take no part in equality (a request's content, a decision's clearances) are not recorded. Named tuples become objects.
"""

from __future__ import annotations

import dataclasses
import json
import types
from collections.abc import Mapping
from functools import cache
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

T = TypeVar("T")


def to_json(value: object) -> str:
    """Compact JSON text of a core value.

    >>> from pointsman.core.signals import TokenCount
    >>> to_json(TokenCount("o200k", 3, True))
    '{"tokenizer":"o200k","tokens":3,"exact":true}'
    """
    return json.dumps(to_builtins(value), ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def from_json(kind: type[T], text: str | bytes) -> T:
    """The value of type `kind` that `to_json` wrote.

    >>> from pointsman.core.signals import TokenCount
    >>> from_json(TokenCount, '{"tokenizer":"o200k","tokens":3,"exact":true}')
    TokenCount(tokenizer='o200k', tokens=3, exact=True)
    """
    value: T = _read(kind, json.loads(text))
    return value


def to_builtins(value: object) -> Any:
    """Dicts, lists and scalars that say the same."""
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        return {name: to_builtins(item) for name, item in value._asdict().items()}
    if isinstance(value, (list, tuple)):
        return [to_builtins(item) for item in value]
    if isinstance(value, Mapping):
        return {name: to_builtins(item) for name, item in value.items()}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {name: to_builtins(getattr(value, name)) for name in _recorded(type(value))}
    return value


@cache
def _recorded(kind: type) -> tuple[str, ...]:
    return tuple(f.name for f in dataclasses.fields(kind) if f.compare)


@cache
def _hints(kind: type) -> dict[str, Any]:
    return get_type_hints(kind)


def _read(kind: Any, value: Any) -> Any:
    origin = get_origin(kind)
    if origin in (Union, types.UnionType):
        options = [option for option in get_args(kind) if option is not type(None)]
        return None if value is None else _read(options[0], value)
    if origin is tuple:
        return _read_tuple(get_args(kind), value)
    if origin is Mapping:
        item = get_args(kind)[1]
        return {name: _read(item, v) for name, v in value.items()}
    if origin is Literal:
        return value
    if dataclasses.is_dataclass(kind) or hasattr(kind, "_fields"):
        hints = _hints(kind)
        # A field that is not known any more is left out: a log outlives the version that wrote it.
        return kind(**{name: _read(hints[name], v) for name, v in value.items() if name in hints})
    return float(value) if kind is float else value


def _read_tuple(items: tuple[Any, ...], value: list[Any]) -> tuple[Any, ...]:
    if len(items) == 2 and items[1] is Ellipsis:
        return tuple(_read(items[0], item) for item in value)
    return tuple(_read(item, v) for item, v in zip(items, value, strict=True))
