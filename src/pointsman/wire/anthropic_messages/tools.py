"""Tools and calls of them, between this API and Chat Completions."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

from pointsman.errors import RequestError
from pointsman.wire.fields import Losses, json_text, known, read

Name = Annotated[str, Meta(min_length=1, max_length=256)]
_TOOL_ID = re.compile(r"[A-Za-z0-9_-]{1,256}")


class _Tool(Struct):
    name: Name
    input_schema: dict[str, Any]
    type: Literal["custom"] | None = None
    description: str | None = None
    strict: bool | None = None
    input_examples: list[dict[str, Any]] | None = None


class _ToolType(Struct):
    type: Name | None = None
    cache_control: Any = None


class _ToolChoice(Struct):
    type: Literal["auto", "any", "tool", "none"]
    name: Name | None = None
    disable_parallel_tool_use: bool | None = None


class _Function(Struct):
    name: str
    description: str | None = None
    parameters: dict[str, Any] | None = None
    strict: bool | None = None


class _ChatTool(Struct):
    type: str
    function: _Function | None = None


def offered_to_chat(tools: Sequence[dict[str, Any]], choice: dict[str, Any] | None, losses: Losses) -> dict[str, Any]:
    """`tools`, `tool_choice` and `parallel_tool_calls` of Chat Completions. Tools that a provider runs stay as they are."""
    chosen = None if choice is None else read(choice, _ToolChoice, "tool_choice")
    if not tools:  # without them Chat Completions refuses the other two
        if chosen is not None:
            losses.drop("tool_choice")
        return {}
    chat: dict[str, Any] = {"tools": [_to_chat(tool, f"tools[{index}]", losses) for index, tool in enumerate(tools)]}
    if chosen is None:
        return chat
    if chosen.type == "tool":
        if chosen.name is None:
            raise RequestError("`tool_choice` of type `tool` needs `name`", param="tool_choice.name")
        chat["tool_choice"] = {"type": "function", "function": {"name": chosen.name}}
    else:
        chat["tool_choice"] = "required" if chosen.type == "any" else chosen.type
    if chosen.disable_parallel_tool_use:
        chat["parallel_tool_calls"] = False
    return chat


def offered_from_chat(tools: Sequence[dict[str, Any]], choice: str | dict[str, Any] | None, *, parallel: bool) -> dict[str, Any]:
    """`tools` and `tool_choice` of this API."""
    if not tools:
        return {}
    sent: dict[str, Any] = {"tools": [_from_chat(tool, f"tools[{index}]") for index, tool in enumerate(tools)]}
    chosen = _choice(choice)
    if not parallel and chosen.get("type") != "none":
        chosen = {"type": "auto", **chosen, "disable_parallel_tool_use": True}
    return {**sent, "tool_choice": chosen} if chosen else sent


def tool_id(id: str, otherwise: str = "") -> str:
    """A tool call's id as this API takes it: itself, or a digest of what it is, always the same; `otherwise` stands in for none.

    >>> tool_id("call_1"), tool_id("functions.run:0")
    ('call_1', 'toolu_9674517371b88711379d016b')
    """
    return id if _TOOL_ID.fullmatch(id) else "toolu_" + hashlib.sha256((id or otherwise).encode("utf-8", "replace")).hexdigest()[:24]


def tool_input(arguments: str) -> dict[str, Any]:
    """A tool call's arguments as the object that this API wants.

    Text that is no JSON object (a model's slip, which must not end the conversation) becomes the field `arguments`.

    >>> tool_input('{"a": 1}'), tool_input(""), tool_input("[1")
    ({'a': 1}, {}, {'arguments': '[1'})
    """
    if not arguments.strip():
        return {}
    try:
        value = msgspec.json.decode(arguments)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        value = None
    return value if isinstance(value, dict) else {"arguments": arguments}


def _to_chat(tool: dict[str, Any], at: str, losses: Losses) -> dict[str, Any]:
    kind = read(tool, _ToolType, at)
    if kind.cache_control is not None:
        losses.drop("cache_control")
    if kind.type not in {None, "custom"}:
        losses.need_native(f"tools.{kind.type or ''}")
        return dict(tool)
    found = read(tool, _Tool, at)
    for name in tool:
        if name not in _Tool.__struct_fields__ and name != "cache_control":
            losses.drop(f"tools.{name}")
    described = [found.description] if found.description is not None else []
    described += [f"Example of its input: {json_text(example)}" for example in found.input_examples or ()]
    function: dict[str, Any] = {"name": found.name}
    if described:
        function["description"] = "\n".join(described)
    function["parameters"] = found.input_schema
    if found.strict is not None:
        function["strict"] = found.strict
    return {"type": "function", "function": function}


def _from_chat(raw: dict[str, Any], at: str) -> dict[str, Any]:
    tool = read(raw, _ChatTool, at)
    if tool.type != "function" or tool.function is None:
        raise RequestError(f"`{at}`: a tool of type `{known(tool.type)}` cannot be said in the Messages API", param=at)
    function = tool.function
    said: dict[str, Any] = {"name": function.name}
    if function.description is not None:
        said["description"] = function.description
    said["input_schema"] = {"type": "object", **(function.parameters or {"properties": {}})}
    if function.strict is not None:
        said["strict"] = function.strict
    return said


def _choice(choice: str | dict[str, Any] | None) -> dict[str, Any]:
    match choice:
        case None:
            return {}
        case "auto" | "none":
            return {"type": choice}
        case "required":
            return {"type": "any"}
        case {"type": "function", "function": {"name": str(name)}}:
            return {"type": "tool", "name": name}
    raise RequestError(
        "`tool_choice`: cannot be said in the Messages API; write `auto`, `required`, `none` or one function", param="tool_choice"
    )
