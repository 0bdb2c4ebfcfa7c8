"""The smallest values keep their schemas."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.testing.smallest import smallest

NODE = {"type": "object", "properties": {"next": {"anyOf": [{"$ref": "#/$defs/node"}, {"type": "null"}]}}, "required": ["next"]}


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({"type": "object", "properties": {"a": {"type": "string"}, "b": {"type": "null"}}, "required": ["a"]}, {"a": ""}),
        ({"type": "array", "items": {"type": "boolean"}, "minItems": 2}, [False, False]),
        ({"type": "array", "items": {"type": "boolean"}}, []),
        ({"type": "array", "prefixItems": [{"const": 1}, {"const": 2}], "items": False}, [1, 2]),
        ({"enum": ["b", "a"]}, "b"),
        ({"const": None}, None),
        ({"type": ["string", "null"], "minLength": 3}, "xxx"),
        ({"type": "string", "format": "date"}, "2026-01-31"),
        ({"anyOf": [{"$ref": "#/$defs/node"}, {"type": "integer"}], "$defs": {"node": NODE}}, 0),
        ({"$ref": "#/$defs/node", "$defs": {"node": NODE}}, {"next": None}),
        ({"$ref": "#/$defs/a~1b", "$defs": {"a/b": {"const": 1}}}, 1),
        (
            {"allOf": [{"properties": {"a": {"const": 1}}, "required": ["a"]}, {"properties": {"b": {"const": 2}}, "required": ["b"]}]},
            {"a": 1, "b": 2},
        ),
        ({"allOf": [{"type": "integer"}, {"minimum": 3}]}, 3),
        ({"properties": {"a": True}, "required": ["a"]}, {"a": None}),
        ({}, None),
    ],
)
def test_of_each_kind(schema, value):
    assert smallest(schema) == value


def test_a_value_that_never_ends_is_refused():
    endless = {"type": "object", "properties": {"next": {"$ref": "#"}}, "required": ["next"]}
    with pytest.raises(RecursionError, match="no finite value"):
        smallest(endless)


BOUND = st.integers(-50, 50)


@given(
    st.fixed_dictionaries({}, optional=dict.fromkeys(("minimum", "exclusiveMinimum", "maximum", "exclusiveMaximum"), BOUND)),
    st.sampled_from([None, 1, 2, 5]),
    st.sampled_from(["integer", "number"]),
)
def test_numbers_keep_their_bounds_wherever_they_can(bounds: dict[str, Any], step: int | None, kind: str):
    schema = {"type": kind, **bounds, **({} if step is None else {"multipleOf": step})}

    def keeps(value: float) -> bool:
        return (
            bounds.get("minimum", value) <= value <= bounds.get("maximum", value)
            and bounds.get("exclusiveMinimum", value - 1) < value < bounds.get("exclusiveMaximum", value + 1)
            and (kind == "number" or value == int(value))
            and (step is None or value % step == 0)
        )

    fine = [n / 4 for n in range(-300, 301) if keeps(n / 4)]
    if fine:
        found = smallest(schema)
        assert keeps(found)
        if kind == "integer":
            assert abs(found) == min(map(abs, fine))
