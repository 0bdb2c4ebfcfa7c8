"""The JSON Schema of the configuration file, for editors: completion, descriptions, and a red line under unknown keys."""

from __future__ import annotations

import json
from typing import Any, Final

import msgspec

from pointsman.config.schema import Config

FILE: Final = "pointsman.schema.json"  #: beside this module, and in `.pointsman/` after `pointsman init`

_VARIABLE: Final = {
    "title": "environment variable",
    "description": "${NAME}, or ${NAME:-default} for when it is not set",
    "type": "string",
    "pattern": r"^\$\{[A-Za-z_][A-Za-z0-9_]*(:-[^}]*)?\}$",
}
_SCALARS: Final = frozenset({"integer", "number", "boolean"})
_AROUND: Final = ("title", "description", "default")  # what stays beside `anyOf`


def json_schema() -> dict[str, Any]:
    """The schema as JSON values: every object closed, every number, boolean and choice also open to `${NAME}`."""
    schema = json.loads(msgspec.json.encode(msgspec.json.schema(Config)))  # tuples become lists
    definitions = {name: _opened(_closed(definition)) for name, definition in schema["$defs"].items()}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "urn:pointsman:configuration:1",
        "title": "Pointsman configuration",
        "description": Config.__doc__,
        "$ref": schema["$ref"],
        "$defs": {**definitions, "variable": _VARIABLE},
    }


def schema_text() -> str:
    """The schema as the committed file has it. `python tools/build_config_docs.py` writes it."""
    return json.dumps(json_schema(), indent=2, ensure_ascii=False) + "\n"


def _closed(node: Any) -> Any:
    """Refuse unknown keys wherever keys are listed."""
    if isinstance(node, list):
        return [_closed(item) for item in node]
    if not isinstance(node, dict):
        return node
    closed = {key: _closed(value) for key, value in node.items()}
    if "properties" in closed:
        closed["additionalProperties"] = False
    return closed


def _opened(node: Any) -> Any:
    """Let `${NAME}` stand for what is not a string anyway, so that editors do not complain of it."""
    if isinstance(node, list):
        return [_opened(item) for item in node]
    if not isinstance(node, dict):
        return node
    if "anyOf" in node:
        return {**node, "anyOf": [*node["anyOf"], {"$ref": "#/$defs/variable"}]}
    if node.get("type") in _SCALARS or isinstance(node.get("enum"), list):
        around = {key: node[key] for key in _AROUND if key in node}
        inner = {key: value for key, value in node.items() if key not in _AROUND}
        return {**around, "anyOf": [inner, {"$ref": "#/$defs/variable"}]}
    return {key: value if key == "default" else _opened(value) for key, value in node.items()}
