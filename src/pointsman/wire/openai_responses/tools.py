"""Tools, the choice among them, and the answer's format: flat in Responses, nested in Chat Completions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from pointsman.errors import RequestError
from pointsman.wire.fields import Json, Losses, kept, read
from pointsman.wire.openai_responses.shapes import AllowedChoice, CustomFormat, CustomTool, Format, FunctionTool, NamedChoice, said

_NESTED = ("function", "custom")
_SCHEMA = ("name", "description", "schema", "strict")


def chat_tools(tools: list[Json], losses: Losses) -> list[Json]:
    """Tools of a client's request. A built-in one stays as it is, so that it is judged, and is named as untranslatable."""
    return [_chat_tool(tool, f"tools[{at}]", losses) for at, tool in enumerate(tools)]


def _chat_tool(raw: Json, path: str, losses: Losses) -> Json:
    kind = raw.get("type")
    if kind in _NESTED and kind in raw:
        raise RequestError(f"`{path}.{kind}`: put the fields of `{kind}` beside `type`, as this API has them", param=f"{path}.{kind}")
    if kind == "function":
        function = read(raw, FunctionTool, path)
        return {"type": kind, kind: said(function, ("name", "description", "parameters", "strict")), **_options(raw, FunctionTool, losses)}
    if kind == "custom":
        custom = read(raw, CustomTool, path)
        form = {} if custom.format is None else {"format": _chat_form(custom.format, path)}
        return {"type": kind, kind: said(custom, ("name", "description")) | form, **_options(raw, CustomTool, losses)}
    if not isinstance(kind, str) or not 0 < len(kind) <= 64:
        raise RequestError(f"`{path}.type`: a tool needs a type, such as `function`", param=f"{path}.type")
    losses.need_native(f"tools.{kind}")
    return raw


def _options(raw: Json, known: type[Struct], losses: Losses) -> Json:
    """Further fields: those that a model could read stay, to be judged."""
    further = {name: value for name, value in raw.items() if name not in known.__struct_fields__ and value not in (None, False)}
    read = {name: value for name, value in further.items() if isinstance(value, (str, list, dict))}
    losses.need_native(*(f"tools.{name}" for name in read))
    losses.drop(*(f"tools.{name}" for name in further if name not in read))
    return read


def _chat_form(form: CustomFormat, path: str) -> Json:
    if form.type == "text":
        return {"type": "text"}
    if form.syntax is None or form.definition is None:
        raise RequestError("a format of type `grammar` needs `syntax` and `definition`", param=f"{path}.format")
    return {"type": "grammar", "grammar": {"syntax": form.syntax, "definition": form.definition}}


def chat_tool_choice(choice: str | Json, losses: Losses) -> str | Json:
    """Which tool is to be used, for a model that speaks Chat Completions."""
    if isinstance(choice, str):
        return choice
    kind = choice.get("type")
    if kind == "allowed_tools":
        allowed = read(choice, AllowedChoice, "tool_choice")
        losses.need_native(*(f"tool_choice.{tool.type}" for tool in allowed.tools if tool.type not in _NESTED))
        return {"type": kind, kind: {"mode": allowed.mode, "tools": [{"type": t.type, t.type: {"name": t.name}} for t in allowed.tools]}}
    if kind in _NESTED:
        return {"type": kind, kind: {"name": read(choice, NamedChoice, "tool_choice").name}}
    if not isinstance(kind, str) or not 0 < len(kind) <= 64:
        raise RequestError("`tool_choice.type`: say which tool, or write `auto`, `required` or `none`", param="tool_choice.type")
    losses.need_native(f"tool_choice.{kind}")
    return choice


def chat_format(form: Format) -> Json | None:
    """`response_format`; `None` for plain text, which needs none."""
    if form.type != "json_schema":
        return None if form.type == "text" else {"type": form.type}
    if form.name is None or form.schema is None:
        raise RequestError("a format of type `json_schema` needs `name` and `schema`", param="text.format")
    return {"type": form.type, form.type: said(form, _SCHEMA)}


def own_tools(tools: list[Any], losses: Losses) -> list[Json]:
    """Tools of Chat Completions, for a model that speaks Responses."""
    return [_own_tool(tool, losses) for tool in tools if isinstance(tool, dict)]


def _own_tool(tool: Json, losses: Losses) -> Json:
    kind, inner = _inner(tool)
    if kind == "function":
        # Responses takes `strict` for granted, Chat Completions does not.
        return {
            "type": kind,
            **kept(inner, ("name", "description")),
            "parameters": inner.get("parameters"),
            "strict": bool(inner.get("strict")),
        }
    if kind == "custom":
        form = inner.get("format")
        grammar = form.get("grammar") if isinstance(form, dict) else None
        if isinstance(grammar, dict):
            form = {"type": "grammar", **kept(grammar, ("syntax", "definition"))}
        return {"type": kind, **kept(inner, ("name", "description")), **({} if form is None else {"format": form})}
    losses.need_native(f"tools.{kind}")
    return tool


def own_tool_choice(choice: str | Json, losses: Losses) -> str | Json:
    """Which tool is to be used, for a model that speaks Responses."""
    if isinstance(choice, str):
        return choice
    kind, inner = _inner(choice)
    if kind in _NESTED:
        return {"type": kind, **kept(inner, ("name",))}
    if kind == "allowed_tools":
        tools = inner.get("tools")
        named = [_inner(tool) for tool in tools if isinstance(tool, dict)] if isinstance(tools, list) else []
        return {"type": kind, **kept(inner, ("mode",)), "tools": [{"type": name, **kept(fields, ("name",))} for name, fields in named]}
    losses.need_native(f"tool_choice.{kind}")
    return choice


def own_format(form: Mapping[str, Any]) -> Json:
    """`text.format` for `response_format`."""
    schema = form.get("json_schema")
    if form.get("type") != "json_schema" or not isinstance(schema, dict):
        return kept(form, ("type",))
    return {"type": "json_schema", "name": "answer", "schema": {}, **kept(schema, _SCHEMA)}


def _inner(nested: Json) -> tuple[str, Json]:
    kind = str(nested.get("type"))
    inner = nested.get(kind)
    return kind, inner if isinstance(inner, dict) else {}
