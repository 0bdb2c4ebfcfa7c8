"""The smallest value that a JSON schema allows."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

_FORMATS = {
    "date-time": "2026-01-31T12:00:00Z",
    "date": "2026-01-31",
    "time": "12:00:00Z",
    "duration": "P1D",
    "email": "a@example.com",
    "hostname": "example.com",
    "ipv4": "192.0.2.1",
    "ipv6": "2001:db8::1",
    "uri": "https://example.com/",
    "uuid": "00000000-0000-4000-8000-000000000000",
}
_DEEPEST = 64
_Schema = Mapping[str, Any] | bool


def smallest(schema: _Schema, root: _Schema | None = None, depth: int = 0) -> Any:
    """A value that keeps the schema. `pattern` and `uniqueItems` are not looked at.

    Raises `RecursionError` where every value would be endless.

    >>> smallest({"type": "object", "properties": {"age": {"type": "integer", "minimum": 18}, "nick": {}}, "required": ["age"]})
    {'age': 18}
    """
    root = schema if root is None else root
    if isinstance(schema, bool):
        return None
    if depth > _DEEPEST:
        raise RecursionError("the schema has no finite value")
    if "$ref" in schema:
        return smallest(_found(schema["$ref"], root), root, depth + 1)
    for word in ("const", "enum"):
        if word in schema:
            return schema[word] if word == "const" else schema[word][0]
    if "allOf" in schema:
        return smallest(_together(schema, root), root, depth + 1)
    if branches := schema.get("anyOf") or schema.get("oneOf"):
        return _first(branches, root, depth)
    return _typed(schema, root, depth)


def _found(reference: str, root: _Schema) -> _Schema:
    found: Any = root
    for step in reference.removeprefix("#").split("/")[1:]:
        found = found[step.replace("~1", "/").replace("~0", "~")]
    return found if isinstance(found, bool) else dict(found)


def _together(schema: Mapping[str, Any], root: _Schema) -> dict[str, Any]:
    """The parts of `allOf` in one schema."""
    merged = {key: value for key, value in schema.items() if key != "allOf"}
    for part in schema["allOf"]:
        told: Any = _found(part["$ref"], root) if "$ref" in part else part
        properties, required = merged.get("properties", {}), merged.get("required", [])
        merged |= told
        merged["properties"] = {**properties, **told.get("properties", {})}
        merged["required"] = [*required, *told.get("required", [])]
    return merged if merged["properties"] else {key: value for key, value in merged.items() if key not in ("properties", "required")}


def _first(branches: list[_Schema], root: _Schema, depth: int) -> Any:
    """Of the first branch that has a value; those that refer elsewhere come last, since they may lead back here."""
    problem = None
    for branch in sorted(branches, key=lambda one: "$ref" in str(one)):
        try:
            return smallest(branch, root, depth + 1)
        except RecursionError as error:
            problem = error
    raise problem or RecursionError("a choice without branches has no value")


def _typed(schema: Mapping[str, Any], root: _Schema, depth: int) -> Any:
    kinds = schema.get("type")
    kind = (
        kinds[0] if isinstance(kinds, list) else kinds or ("object" if "properties" in schema else "array" if "items" in schema else None)
    )
    match kind:
        case "object":
            properties = schema.get("properties", {})
            return {name: smallest(properties.get(name, {}), root, depth + 1) for name in schema.get("required", ())}
        case "array":
            ahead = [smallest(one, root, depth + 1) for one in schema.get("prefixItems", ())]
            missing = schema.get("minItems", 0) - len(ahead)
            return ahead + [smallest(schema.get("items", {}), root, depth + 1) for _ in range(missing)]
        case "string":
            return _FORMATS.get(schema.get("format", ""), "").ljust(schema.get("minLength", 0), "x")
        case "integer" | "number":
            return _number(schema, whole=kind == "integer")
        case "boolean":
            return False
    return None


def _number(schema: Mapping[str, Any], *, whole: bool) -> float:
    """The value nearest to nought.

    >>> _number({"exclusiveMinimum": 4, "multipleOf": 5}, whole=True), _number({"maximum": -2.5}, whole=True), _number({}, whole=False)
    (5, -3, 0)
    """
    low, above = schema.get("minimum", -math.inf), schema.get("exclusiveMinimum", -math.inf)
    high, below = schema.get("maximum", math.inf), schema.get("exclusiveMaximum", math.inf)
    step = schema.get("multipleOf", 1 if whole else 0)
    if max(low, above) > 0 or above == 0:
        return _beyond(low, above, min(high, below), step)
    if min(high, below) < 0 or below == 0:
        return -_beyond(-high, -below, -max(low, above), step)
    return 0


def _beyond(low: float, above: float, end: float, step: float) -> float:
    """The smallest multiple of `step` that is at least `low`, more than `above`; without a step something before `end`."""
    if not step:
        return low if low > above else (above + min(end, above + 2)) / 2
    return step * (math.ceil(low / step) if low > above else math.floor(above / step) + 1)
