"""Whether a whole answer is fit, and that no client's schema makes finding out expensive."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.plans.checks import unfit
from pointsman.plans.schema import cost

TREE = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "children": {"type": "array", "items": {"$ref": "#"}}},
    "required": ["name"],
}
ORDER = {
    "$defs": {
        "Address": {"type": "object", "properties": {"city": {"type": "string", "pattern": "^[A-Z]"}}, "required": ["city"]},
        "Person": {
            "type": "object",
            "properties": {"home": {"$ref": "#/$defs/Address"}, "work": {"anyOf": [{"$ref": "#/$defs/Address"}, {"type": "null"}]}},
        },
    },
    "type": "object",
    "properties": {"buyer": {"$ref": "#/$defs/Person"}, "tags": {"type": "array", "items": {"enum": ["a", "b"]}, "uniqueItems": True}},
    "required": ["buyer"],
    "additionalProperties": False,
}
LIST = {
    "$defs": {
        "Node": {
            "properties": {"value": {"type": "integer"}, "next": {"anyOf": [{"$ref": "#/$defs/Node"}, {"type": "null"}]}},
            "required": ["value"],
        }
    },
    "$ref": "#/$defs/Node",
}
JSON_VALUE = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "anyOf": [
        {"type": ["integer", "null"]},
        {"type": "array", "items": {"$ref": "#"}},
        {"type": "object", "additionalProperties": {"$ref": "#"}},
    ],
}
EXPRESSION = {
    "$defs": {
        "Sum": {"type": "object", "properties": {"left": {"$ref": "#"}, "right": {"$ref": "#"}}, "required": ["left", "right"]},
        "Not": {"type": "object", "properties": {"of": {"$ref": "#"}}, "required": ["of"]},
    },
    "anyOf": [{"$ref": "#/$defs/Sum"}, {"$ref": "#/$defs/Not"}, {"type": "integer"}],
}


def judged(schema, answer):
    found = unfit(("schema",), answer if isinstance(answer, str) else json.dumps(answer), empty=False, truncated=False, schema=schema)
    return None if found is None else found.why


@pytest.mark.parametrize(
    ("schema", "right", "wrong"),
    [
        (TREE, {"name": "a", "children": [{"name": "b", "children": []}]}, {"name": "a", "children": [{"name": "b", "children": [{}]}]}),
        (ORDER, {"buyer": {"home": {"city": "Oslo"}, "work": None}, "tags": ["a"]}, {"buyer": {"home": {"city": "oslo"}}}),
        (LIST, {"value": 1, "next": {"value": 2, "next": None}}, {"value": 1, "next": {"value": "2"}}),
        (JSON_VALUE, {"a": [1, {"b": None}]}, {"a": [1, {"b": "text"}]}),
        (EXPRESSION, {"left": 1, "right": {"of": 2}}, {"left": 1, "right": {"of": "2"}}),
    ],
    ids=["tree", "nested definitions", "list", "any JSON", "expression"],
)
def test_an_ordinary_schema_is_judged(schema, right, wrong):
    assert judged(schema, right) is None
    assert judged(schema, wrong) == "the answer does not keep to the JSON schema that was asked for"


def chain(links, **more):
    """Each definition applies the next one twice."""
    definitions = {f"a{i}": {"allOf": [{"$ref": f"#/$defs/a{i + 1}"}] * 2, **more} for i in range(links)}
    return {"$defs": {**definitions, f"a{links}": {"type": "string"}}, "$ref": "#/$defs/a0"}


HERE = {"$ref": "#"}
HOSTILE = {
    "doubling": chain(30),
    "doubling, unevaluated": chain(30, unevaluatedProperties=False),
    "doubling downwards": {
        "$defs": {f"a{i}": {"items": {"$ref": f"#/$defs/a{i + 1}"}, "contains": {"$ref": f"#/$defs/a{i + 1}"}} for i in range(30)}
        | {"a30": {}},
        "$ref": "#/$defs/a0",
    },
    "patterns": {"properties": {f"p{i}": {"pattern": r"(\w{60}){30}x"} for i in range(1_000)}},
    "one huge pattern": {"pattern": r"(\w{60}){30}x"},
    "a long pattern": {"pattern": "a" * 201},
    "itself": HERE,
    "itself, wrapped": {"anyOf": [{"not": HERE}, {"type": "string"}]},
    "twice per item": {"items": HERE, "contains": HERE},
    "twice per property": {"anyOf": [{"properties": {"a": HERE}}, {"properties": {"a": HERE}}]},
    "by name and by any name": {"properties": {"a": HERE}, "additionalProperties": HERE},
    "two ways by one definition": {"$defs": {"x": {"items": HERE}}, "oneOf": [{"$ref": "#/$defs/x"}, {"$ref": "#/$defs/x"}]},
    "by condition": {"if": {"properties": {"a": HERE}}, "then": {"properties": {"a": HERE}}},
    "by dependent schemas": {"dependentSchemas": {"a": {"items": HERE}, "b": {"items": HERE}}},
    "by names of properties": {"propertyNames": HERE, "patternProperties": {"a": HERE}},
    "loops in loops": {
        "$defs": {f"a{i}": {"items": {"$ref": f"#/$defs/a{i}"}, "allOf": [{"$ref": f"#/$defs/a{i + 1}"}]} for i in range(9)} | {"a9": {}},
        "$ref": "#/$defs/a0",
    },
    "elsewhere": {"$ref": "https://example.com/schema"},
    "nowhere": {"$ref": "#/$defs/absent"},
    "by anchor": {"properties": {"a": {"$anchor": "x"}}},
    "dynamic": {"$dynamicRef": "#"},
    "another address": {"properties": {"a": {"$id": "x", "$ref": "#"}}},
    "in an unused definition": {"$defs": {"x": {"$defs": {"y": {"unevaluatedItems": False}}}}},
    "a large list of objects": {"items": {"enum": [{"a": i} for i in range(3_000)]}},
    "a very long number": {"multipleOf": 10**4_000},
    "a very fine step": {"multipleOf": 1e-300},
    "deep": json.loads('{"not":' * 400 + "{}" + "}" * 400),
    "large": {"description": "x" * 50_000},
    "half a pair": {"properties": {"\ud800": {}}},
}


@pytest.mark.parametrize("schema", HOSTILE.values(), ids=HOSTILE)
def test_a_schema_that_may_cost_much_refuses_no_json_and_yet_no_prose_passes(schema):
    never = {**schema, "required": ["absent"], "minProperties": 1, "maxProperties": 0}
    assert judged(never, {"a": {"a": 1}}) is None
    assert judged(never, "Sure! Here it is") is not None


@pytest.mark.parametrize("name", sorted(set(HOSTILE) - {"large", "half a pair", "one huge pattern"}))
def test_that_it_may_cost_much_is_seen_before_it_is_compiled(name):
    assert cost(HOSTILE[name]) is None


def nested(depth):
    return json.loads('{"children":[' * depth + "]}" * depth)


@pytest.mark.parametrize(
    ("schema", "answer", "is_judged"),
    [
        (TREE, nested(31), True),
        (TREE, nested(33), False),
        ({"items": {"type": "string"}}, [1] * 10_000, True),
        ({"items": {"type": "string"}}, " " * 1_000_000 + "[1]", False),
        ({"items": {"anyOf": [{"type": "string"}] * 1_000}}, [1] * 100, True),
        ({"items": {"anyOf": [{"type": "string"}] * 1_000}}, [1] * 10_000, False),
        ({"items": {"pattern": "(a|b)*a(a|b){90}c"}}, ["ab" * 200], True),
        ({"items": {"pattern": "(a|b)*a(a|b){90}c"}}, ["ab" * 50_000], False),
        ({"items": {"minimum": 7.5}}, [2], True),
        ({"items": {"maximum": 7.5}}, [10**4_000], False),
        ({"items": {"multipleOf": 0.1}}, [0.25], True),
        ({"items": {"multipleOf": 0.1}}, [1e300], False),
        ({"items": {"type": "integer"}}, ["\ud800"], True),
        ({"items": {"pattern": "x"}}, ["\ud800"], False),
    ],
)
def test_an_answer_too_large_or_too_deep_for_its_schema_is_not_judged(schema, answer, is_judged):
    assert (judged(schema, answer) is not None) == is_judged


KEYWORDS = st.sampled_from(["items", "not", "if", "additionalProperties", "propertyNames", "contains"])
LEAVES = st.sampled_from([{"$ref": "#"}, {"$ref": "#/$defs/x"}, {"type": "string"}, True, {"uniqueItems": True}, 7, None, "x", []])
SCHEMAS = st.recursive(
    LEAVES,
    lambda inner: (
        st.dictionaries(KEYWORDS, inner, max_size=3)
        | st.builds(
            lambda name, all_of: {name: all_of}, st.sampled_from(["allOf", "anyOf", "oneOf", "prefixItems"]), st.lists(inner, max_size=3)
        )
        | st.builds(
            lambda name, by: {name: by},
            st.sampled_from(["properties", "dependentSchemas", "patternProperties"]),
            st.dictionaries(st.sampled_from("ab"), inner),
        )
    ),
    max_leaves=8,
)


@given(SCHEMAS, SCHEMAS)
def test_any_schema_is_judged_or_let_be(schema, definition):
    whole = {"$defs": {"x": definition}, "allOf": [schema]}
    assert judged(whole, "not JSON") is not None
    assert judged(whole, {"a": [{"b": ["a", {}]}]}) in (None, "the answer does not keep to the JSON schema that was asked for")
