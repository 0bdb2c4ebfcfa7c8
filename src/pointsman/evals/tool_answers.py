"""Recorded tool calls, however a harness wrote them down, as answers with calls in them; and tool documents as what was offered."""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from pointsman.core.answer import Answer, Grade
from pointsman.core.request import ToolCall
from pointsman.plans.checks.asked import Asked, Offered
from pointsman.plans.checks.tool_calls import tool_calls

if TYPE_CHECKING:
    from pointsman.estimators.outcomes import Query

_MOST_CHARACTERS = 20_000
_TYPES = {"dict": "object", "float": "number", "double": "number", "tuple": "array", "list": "array", "int": "integer", "bool": "boolean"}
_PROSE = "no call"


def answered(query: Query, text: str) -> tuple[Answer, tuple[Grade, ...]]:
    """A recorded answer with its calls, and whether they can be carried out with the tools that were offered."""
    answer = as_answer(text)
    calls = float(bool(answer.tool_calls))
    return answer, (tool_calls(answer, Asked(query.text, tools=offered(query.tools))), Grade("calls", calls))


def as_answer(text: str) -> Answer:
    """Calls written as `[name(key=1)]` or `[{"name": "{...}"}]`; anything else says that there is no call.

    >>> as_answer("[maps.find(place='Rome')]").tool_calls
    (ToolCall(id='0', name='maps_find', arguments='{"place": "Rome"}'),)
    >>> as_answer("I cannot do that.").text
    'no call'
    """
    calls = tuple(_calls(text.strip()[:_MOST_CHARACTERS]))
    return Answer("" if calls else _PROSE, tool_calls=calls)


def offered(tools: str) -> tuple[Offered, ...]:
    """The tools in a JSON list of documents; none where it is none."""
    try:
        documents = json.loads(tools or "[]")
    except ValueError:
        return ()
    documents = documents if isinstance(documents, list) else [documents]
    return tuple(Offered(_plain(str(one["name"])), _schema(one.get("parameters", {}))) for one in documents if "name" in one)


def _schema(value: Any) -> Any:
    """The schema with the type names of JSON Schema."""
    if isinstance(value, dict):
        return {key: _TYPES.get(each, each) if key == "type" and isinstance(each, str) else _schema(each) for key, each in value.items()}
    return [_schema(each) for each in value] if isinstance(value, list) else value


def _calls(text: str) -> Iterator[ToolCall]:
    try:
        tree = ast.parse(text if text.startswith("[") else f"[{text}]", mode="eval").body
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        return
    for at, node in enumerate(tree.elts if isinstance(tree, ast.List) else ()):
        if isinstance(node, ast.Call):
            arguments = {word.arg: _value(word.value) for word in node.keywords if word.arg}
            yield ToolCall(str(at), _plain(ast.unparse(node.func)), json.dumps(arguments, sort_keys=True, default=str))
        elif isinstance(node, ast.Dict) and len(node.keys) == 1 and isinstance(node.keys[0], ast.Constant):
            said = _value(node.values[0])
            text = said if isinstance(said, str) else json.dumps(said, default=str)
            yield ToolCall(str(at), _plain(str(node.keys[0].value)), text)


def _value(node: ast.expr) -> Any:
    try:
        return ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return ast.unparse(node)


def _plain(name: str) -> str:
    return name.replace(".", "_")
