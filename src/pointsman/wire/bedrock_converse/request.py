"""A Messages request in the words of Converse."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal

from msgspec import Struct

from pointsman.errors import RequestError
from pointsman.wire.bedrock_converse.blocks import Block, Reader, cannot
from pointsman.wire.dialect import Translation
from pointsman.wire.fields import Losses, json_text, read

_CLAUDE = re.compile(r"anthropic\.|claude")
_NOVA = re.compile(r"amazon\.nova")
_NATIVE: Final = ("mcp_servers", "container")


class _Body(Struct):
    model: str
    messages: list[dict[str, Any]]
    max_tokens: int | None = None
    system: str | list[Block] | None = None
    stream: bool | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    stop_sequences: list[str] | None = None
    tools: list[dict[str, Any]] | None = None
    tool_choice: dict[str, Any] | None = None
    thinking: dict[str, Any] | None = None
    output_config: dict[str, Any] | None = None
    output_format: dict[str, Any] | None = None
    service_tier: str | None = None


class _Turn(Struct):
    role: Literal["user", "assistant", "system"]
    content: str | list[Block]


class _Tool(Struct):
    name: str
    input_schema: dict[str, Any] = {}
    type: str | None = None
    description: str | None = None
    strict: bool | None = None
    cache_control: Any = None


class _Choice(Struct):
    type: Literal["auto", "any", "tool", "none"]
    name: str | None = None
    disable_parallel_tool_use: bool | None = None


class _Config(Struct):
    effort: str | None = None
    format: dict[str, Any] | None = None


class _Format(Struct):
    type: Literal["json_schema"]
    schema: dict[str, Any]


def to_converse(body: Mapping[str, Any]) -> Translation:
    """A Messages body as a Converse body, beside which `model` and `stream` are left for the address.

    What only some models take is said to those alone, by their names: cache points, earlier thinking, `thinking` and `top_k` to Claude,
    that a tool failed to Claude and Nova. Raises `RequestError` for what must not be lost.
    """
    asked, losses = read(body, _Body), Losses()
    for name in _NATIVE:
        if body.get(name):
            raise cannot(f"`{name}`", name)
    claude = _CLAUDE.search(asked.model) is not None
    reader = Reader(claude, claude or _NOVA.search(asked.model) is not None, losses)
    sent: dict[str, Any] = {"model": asked.model, "stream": bool(asked.stream)}
    sent |= _conversation(asked, reader)
    sent |= _tools(asked, reader)
    sent |= _settings(asked, losses, claude=claude)
    losses.drop(*(name for name, value in body.items() if name not in _Body.__struct_fields__ and value is not None))
    return losses.told(sent)


def _conversation(asked: _Body, reader: Reader) -> dict[str, Any]:
    """`system` and `messages`. Turns of one side in a row become one: Converse wants them to take turns."""
    system = reader.blocks(asked.system or "", "system")
    turns: list[dict[str, Any]] = []
    for index, raw in enumerate(asked.messages):
        at = f"messages[{index}]"
        turn = read(raw, _Turn, at)
        blocks = reader.blocks(turn.content, f"{at}.content")
        if turn.role == "system":
            reader.losses.drop("system.position")
            system += blocks
        elif blocks and turns and turns[-1]["role"] == turn.role:
            turns[-1]["content"] += blocks
        elif blocks:
            turns.append({"role": turn.role, "content": blocks})
    if not turns:
        raise RequestError("`messages` say nothing: Converse, which this model speaks, needs some text", param="messages")
    if any(not block.keys() <= {"text", "cachePoint"} for block in system):
        raise cannot("other than text", "system")
    return {"messages": turns, **({"system": system} if system else {})}


def _tools(asked: _Body, reader: Reader) -> dict[str, Any]:
    choice = read(asked.tool_choice or {"type": "auto"}, _Choice, "tool_choice")
    offered = bool(asked.tools) and choice.type != "none"
    if reader.tools_used and not offered:
        # Converse wants the tools whose calls are in the conversation, and has no word for offering none of them.
        what = "`tool_choice: none` after calls of tools" if asked.tools else "calls of tools that are not offered"
        raise cannot(what, "tool_choice" if asked.tools else "tools")
    if not offered:
        return {}
    if choice.disable_parallel_tool_use:
        reader.losses.drop("tool_choice.disable_parallel_tool_use")
    specs = [made for index, tool in enumerate(asked.tools or ()) for made in _tool(tool, f"tools[{index}]", reader)]
    return {"toolConfig": {"tools": specs, **_choice(choice)}}


def _tool(raw: dict[str, Any], at: str, reader: Reader) -> Sequence[Block]:
    tool = read(raw, _Tool, at)
    if tool.type not in {None, "custom"}:
        raise cannot("a tool that the provider runs", at)
    reader.losses.drop(*(f"tools.{name}" for name in raw if name not in _Tool.__struct_fields__))
    spec: dict[str, Any] = {"name": tool.name, "inputSchema": {"json": tool.input_schema}}
    if tool.description and tool.description.strip():
        spec["description"] = tool.description
    if tool.strict is not None:
        spec["strict"] = tool.strict
    return [{"toolSpec": spec}, *reader.cache_point(raw, at)]


def _choice(choice: _Choice) -> dict[str, Any]:
    match choice:
        case _Choice(type="any"):
            return {"toolChoice": {"any": {}}}
        case _Choice(type="tool", name=str(name)):
            return {"toolChoice": {"tool": {"name": name}}}
        case _Choice(type="tool"):
            raise RequestError("`tool_choice` of type `tool` needs `name`", param="tool_choice.name")
    return {}


def _settings(asked: _Body, losses: Losses, *, claude: bool) -> dict[str, Any]:
    sampling = {
        "maxTokens": asked.max_tokens,
        "temperature": asked.temperature,
        "topP": asked.top_p,
        "stopSequences": asked.stop_sequences or None,
    }
    sent: dict[str, Any] = {"inferenceConfig": {name: value for name, value in sampling.items() if value is not None}}
    own = {name: value for name in ("thinking", "top_k") if (value := getattr(asked, name)) is not None}
    if own and claude:
        sent["additionalModelRequestFields"] = own
    elif own:
        losses.drop(*own)
    if asked.service_tier not in {None, "standard_only"}:
        losses.drop("service_tier")
    if output := _output(asked):
        sent["outputConfig"] = output
    return sent


def _output(asked: _Body) -> dict[str, Any]:
    config = read(asked.output_config or {}, _Config, "output_config")
    output: dict[str, Any] = {} if config.effort is None else {"effort": config.effort}
    if (form := config.format or asked.output_format) is not None:
        schema = json_text(read(form, _Format, "output_config.format").schema)
        output["textFormat"] = {"type": "json_schema", "structure": {"jsonSchema": {"schema": schema}}}
    return output
