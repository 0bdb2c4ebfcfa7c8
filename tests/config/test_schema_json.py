"""The published JSON Schema: current, closed, and no stricter than the file."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from importlib import resources
from typing import Any

from pointsman.config.schema_json import FILE, json_schema, schema_text


def objects(node: object) -> Iterator[dict[str, Any]]:
    if isinstance(node, dict):
        yield node
        for value in node.values():
            yield from objects(value)
    elif isinstance(node, list):
        for value in node:
            yield from objects(value)


def test_the_committed_file_is_current() -> None:
    committed = resources.files("pointsman.config").joinpath(FILE).read_text(encoding="utf-8")
    assert committed == schema_text(), "run `python tools/build_config_docs.py`"


def test_unknown_keys_are_flagged_wherever_keys_are_known() -> None:
    closed = [node for node in objects(json_schema()) if "properties" in node]
    assert len(closed) > 10
    assert all(node["additionalProperties"] is False for node in closed)


def test_references_lead_somewhere() -> None:
    schema = json_schema()
    for node in objects(schema):
        if isinstance(reference := node.get("$ref"), str):
            assert reference.removeprefix("#/$defs/") in schema["$defs"]


def test_every_setting_has_a_description() -> None:
    for name, definition in json_schema()["$defs"].items():
        for setting, node in definition.get("properties", {}).items():
            assert node.get("description"), f"{name}.{setting}"


def test_numbers_may_be_variables() -> None:
    schema = json_schema()
    port = schema["$defs"]["ServerConfig"]["properties"]["port"]
    assert port["default"] == 8080
    assert port["anyOf"] == [{"type": "integer", "minimum": 0, "maximum": 65535}, {"$ref": "#/$defs/variable"}]
    dial = schema["$defs"]["RouteConfig"]["properties"]["dial"]
    assert {"$ref": "#/$defs/variable"} in dial["anyOf"]
    pattern = re.compile(schema["$defs"]["variable"]["pattern"])
    assert pattern.search("${PORT:-8080}")
    assert not pattern.search("8080")


def test_it_is_named_and_plain_json() -> None:
    schema = json_schema()
    assert schema["$id"] == "urn:pointsman:configuration:1"
    assert json.loads(schema_text()) == schema
