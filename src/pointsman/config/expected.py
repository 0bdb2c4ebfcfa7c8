"""What a setting takes, in words: the same in error messages and in `docs/configuration.md`."""

from __future__ import annotations

import msgspec.inspect as types

from pointsman.errors import ConfigError


def expected(kind: types.Type) -> str:
    """What a value of this type looks like.

    >>> expected(types.type_info(int | None)), expected(types.type_info(tuple[str, ...]))
    ('a whole number', 'a list of strings')
    """
    match bare(kind):
        case types.StrType(min_length=least):
            return "a string that is not empty" if least else "a string"
        case types.IntType() as number:
            return "a whole number" + _range(number)
        case types.FloatType() as number:
            return "a number" + _range(number)
        case types.BoolType():
            return "`true` or `false`"
        case types.LiteralType(values=values):
            return _either([f"`{str(value).lower()}`" for value in values])
        case types.VarTupleType(item_type=item):
            return f"a list of {_several(item)}"
        case types.TupleType(item_types=items):
            return f"a list of {len(items)} {_several(items[0])}"
        case types.DictType() | types.DataclassType():
            return "a mapping"
        case types.UnionType() as union:
            return _either([expected(choice) for choice in choices(union)])
    raise ConfigError(f"no words for a setting of type {kind}")  # a mistake in the schema, found by its tests


def bare(kind: types.Type) -> types.Type:
    """The type without its description."""
    return bare(kind.type) if isinstance(kind, types.Metadata) else kind


def choices(kind: types.Type) -> tuple[types.Type, ...]:
    """The types that a value may have, null apart."""
    kind = bare(kind)
    several = kind.types if isinstance(kind, types.UnionType) else (kind,)
    return tuple(bare(choice) for choice in several if not isinstance(choice, types.NoneType))


def description(field: types.Field) -> str:
    """What the schema says of a field."""
    extra = field.type.extra_json_schema if isinstance(field.type, types.Metadata) else None
    return str((extra or {}).get("description", ""))


def _either(words: list[str]) -> str:
    return " or ".join(part for part in (", ".join(words[:-1]), words[-1]) if part)


def _several(kind: types.Type) -> str:
    match bare(kind):
        case types.StrType() | types.LiteralType():
            return "strings"
        case types.FloatType():
            return "numbers"
        case _:
            return "mappings"


def _range(number: types.IntType | types.FloatType) -> str:
    if number.ge is not None and number.le is not None:
        return f" from {number.ge:g} to {number.le:g}"
    if number.ge is not None:
        return f" of at least {number.ge:g}"
    return f" above {number.gt:g}" if number.gt is not None else ""
