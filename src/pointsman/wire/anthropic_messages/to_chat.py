"""A client's Messages request in the words of Chat Completions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal

from msgspec import Meta, Struct

from pointsman.errors import RequestError
from pointsman.wire.anthropic_messages.blocks import Blocks, Part, content_of, kind_of, parts_of, parts_of_block, text_part
from pointsman.wire.anthropic_messages.tools import offered_to_chat
from pointsman.wire.dialect import Translation
from pointsman.wire.fields import Losses, json_text, read

LOW_BUDGET, MEDIUM_BUDGET = 4_096, 16_384
"""Thinking tokens up to which a budget counts as low and as medium effort; above, it is high."""

_EFFORTS: Final = {"low": "low", "medium": "medium", "high": "high", "xhigh": "xhigh", "max": "xhigh"}
_TIERS: Final = {"auto": "auto", "standard_only": "default"}
_NATIVE: Final = ("mcp_servers", "container")

_Name = Annotated[str, Meta(min_length=1, max_length=256)]
_Count = Annotated[int, Meta(ge=1, le=10_000_000)]


class _Body(Struct):
    model: _Name
    messages: Annotated[list[dict[str, Any]], Meta(min_length=1)]
    max_tokens: _Count | None = None
    system: str | Blocks | None = None
    stream: bool | None = None
    temperature: Annotated[float, Meta(ge=0, le=1)] | None = None
    top_p: Annotated[float, Meta(ge=0, le=1)] | None = None
    top_k: Annotated[int, Meta(ge=0)] | None = None
    stop_sequences: Annotated[list[str], Meta(max_length=16)] | None = None
    tools: Annotated[list[dict[str, Any]], Meta(max_length=1024)] | None = None
    tool_choice: dict[str, Any] | None = None
    thinking: dict[str, Any] | None = None
    output_config: dict[str, Any] | None = None
    output_format: dict[str, Any] | None = None  # as the beta called `output_config.format`
    metadata: dict[Annotated[str, Meta(max_length=64)], Annotated[str, Meta(max_length=512)] | None] | None = None
    service_tier: Literal["auto", "standard_only"] | None = None
    inference_geo: Any = None


class _Turn(Struct):
    role: Literal["user", "assistant", "system"]
    content: str | Blocks


class _ToolUse(Struct):
    id: _Name
    name: _Name
    input: dict[str, Any]


class _ToolResult(Struct):
    tool_use_id: _Name
    content: str | Blocks | None = None
    is_error: bool | None = None


class _Thinking(Struct):
    type: _Name
    budget_tokens: Annotated[int, Meta(ge=1024)] | None = None


class _OutputConfig(Struct):
    effort: Literal["low", "medium", "high", "xhigh", "max"] | None = None
    format: dict[str, Any] | None = None


class _Format(Struct):
    type: Literal["json_schema"]
    schema: dict[str, Any]


def to_chat(body: Mapping[str, Any]) -> Translation:
    """A client's body as a Chat Completions body. Raises `RequestError` with `param`.

    Dropped are `top_k`, cache markers, citations, earlier thinking, whether a tool failed, a prefilled answer, and fields unknown here.
    Only models of this API can do with server tools, MCP, containers, and blocks and sources that have no counterpart.
    """
    translated = count_tokens_to_chat(body)
    if body.get("max_tokens") is None:
        raise RequestError("`max_tokens` is required: say how long the answer may be", param="max_tokens")
    return translated


def count_tokens_to_chat(body: Mapping[str, Any]) -> Translation:
    """The same for a request that only counts tokens: `max_tokens` may be missing."""
    asked, losses = read(body, _Body), Losses()
    if asked.inference_geo is not None:
        raise RequestError("`inference_geo` is not accepted: where a request goes is for the gateway to decide", param="inference_geo")
    same = {
        "max_completion_tokens": asked.max_tokens,
        "temperature": asked.temperature,
        "top_p": asked.top_p,
        "stop": asked.stop_sequences,
        "stream": asked.stream,
    }
    chat: dict[str, Any] = {"model": asked.model, "messages": _messages(asked, losses)}
    chat |= {name: value for name, value in same.items() if value is not None}
    chat |= offered_to_chat(asked.tools or [], asked.tool_choice, losses)
    _reason(asked, chat, losses)
    _say_who(asked, chat)
    _name_the_rest(body, losses)
    return losses.told(chat)


def own(body: Mapping[str, Any]) -> dict[str, Any]:
    """The body for a model that speaks this API: as it is, but for our own metadata, and for thinking and citations without a signature.

    Of these two, which models of other APIs leave in a conversation, this API wants to know nothing.
    """
    sent = dict(body)
    if isinstance(messages := sent.get("messages"), list):
        signed = [_without_unsigned(message) for message in messages]
        sent["messages"] = [message for message, asked in zip(signed, messages, strict=True) if message is asked or message["content"]]
    if isinstance(metadata := sent.get("metadata"), dict):
        sent["metadata"] = {name: value for name, value in metadata.items() if not name.startswith("pointsman_")}
        if metadata and not sent["metadata"]:
            del sent["metadata"]
    return sent


def _without_unsigned(message: Any) -> Any:
    content = message.get("content") if isinstance(message, dict) else None
    if not isinstance(content, list) or not any(_is_unsigned(block) or _is_unproved(block) for block in content):
        return message
    return {**message, "content": [_without_unproved(block) for block in content if not _is_unsigned(block)]}


def _is_unproved(block: Any) -> bool:
    noted = block.get("citations") if isinstance(block, dict) else None
    return isinstance(noted, list) and any(isinstance(one, dict) and one.get("encrypted_index") == "" for one in noted)


def _without_unproved(block: Any) -> Any:
    if not _is_unproved(block):
        return block
    proved = [one for one in block["citations"] if not isinstance(one, dict) or one.get("encrypted_index") != ""]
    return {name: value for name, value in block.items() if name != "citations"} | ({"citations": proved} if proved else {})


def _is_unsigned(block: Any) -> bool:
    return isinstance(block, dict) and block.get("type") == "thinking" and not block.get("signature")


def _messages(body: _Body, losses: Losses) -> list[dict[str, Any]]:
    messages = []
    if body.system:
        messages.append({"role": "system", "content": content_of(parts_of(body.system, "system", losses))})
    role = ""
    for index, message in enumerate(body.messages):
        at = f"messages[{index}]"
        turn = read(message, _Turn, at)
        role, blocks = turn.role, [text_part(turn.content)] if isinstance(turn.content, str) else turn.content
        if role == "user":
            messages += _user(blocks, f"{at}.content", losses)
        elif role == "assistant":
            messages.append(_assistant(blocks, f"{at}.content", losses))
        else:
            messages.append({"role": "system", "content": content_of(parts_of(blocks, f"{at}.content", losses))})
    if role == "assistant":
        losses.drop("prefill")
    return messages


def _user(blocks: Blocks, at: str, losses: Losses) -> list[dict[str, Any]]:
    """A user's turn: a message for each tool result, and one for the rest."""
    messages: list[dict[str, Any]] = []
    rest: list[Part] = []
    for index, block in enumerate(blocks):
        where = f"{at}[{index}]"
        kind = kind_of(block, where, losses)
        if kind == "tool_use":
            raise RequestError(f"`{where}`: a `tool_use` block belongs into a turn of the assistant", param=where)
        if kind == "tool_result":
            message, others = _tool_result(block, where, losses)
            messages.append(message)
            rest += others
        else:
            rest += parts_of_block(block, where, losses)
    if rest or not messages:
        messages.append({"role": "user", "content": content_of(rest)})
    return messages


def _tool_result(block: Mapping[str, Any], at: str, losses: Losses) -> tuple[dict[str, Any], list[Part]]:
    """A message of role `tool`, which holds text only, and what of the result goes into the user's message after it."""
    found = read(block, _ToolResult, at)
    if found.is_error:
        losses.drop("tool_result.is_error")
    parts = parts_of(found.content or "", f"{at}.content", losses)
    others = [part for part in parts if part["type"] != "text"]
    texts = [part for part in parts if part["type"] == "text"]
    if others:
        others.insert(0, text_part(f"The tool's result {found.tool_use_id} holds this:"))
    return {"role": "tool", "tool_call_id": found.tool_use_id, "content": content_of(texts)}, others


def _assistant(blocks: Blocks, at: str, losses: Losses) -> dict[str, Any]:
    parts: list[Part] = []
    calls: list[dict[str, Any]] = []
    for index, block in enumerate(blocks):
        where = f"{at}[{index}]"
        kind = kind_of(block, where, losses)
        if kind == "tool_result":
            raise RequestError(f"`{where}`: a `tool_result` block belongs into a turn of the user", param=where)
        if kind == "tool_use":
            use = read(block, _ToolUse, where)
            function = {"name": use.name, "arguments": json_text(use.input)}
            calls.append({"id": use.id, "type": "function", "function": function})
        elif kind in {"thinking", "redacted_thinking"}:
            losses.drop(kind)
        else:
            parts += parts_of_block(block, where, losses)
    # Pieces of one text, which its citations or tool calls had cut.
    content = "".join(part["text"] for part in parts) if all(part["type"] == "text" for part in parts) else parts
    if calls:
        return {"role": "assistant", "content": content or None, "tool_calls": calls}
    return {"role": "assistant", "content": content}


def _reason(body: _Body, chat: dict[str, Any], losses: Losses) -> None:
    """What is said about thinking and about the answer's form. An effort that is stated wins over a budget."""
    config = read(body.output_config or {}, _OutputConfig, "output_config")
    thinking = None if body.thinking is None else read(body.thinking, _Thinking, "thinking")
    effort = _EFFORTS.get(config.effort or "")
    if thinking and thinking.type == "enabled":
        if thinking.budget_tokens is None:
            raise RequestError("`thinking` of type `enabled` needs `budget_tokens`", param="thinking.budget_tokens")
        effort = effort or _effort(thinking.budget_tokens)
    elif thinking and thinking.type == "disabled":
        if effort:
            losses.drop("output_config.effort")
        effort = None
    elif thinking and not effort:
        losses.drop("thinking")
    if effort:
        chat["reasoning_effort"] = effort
    for name in body.output_config or ():
        if name not in _OutputConfig.__struct_fields__:
            losses.drop(f"output_config.{name}")
    at, wanted = ("output_config.format", config.format) if config.format is not None else ("output_format", body.output_format)
    if wanted is not None:
        schema = read(wanted, _Format, at).schema
        chat["response_format"] = {"type": "json_schema", "json_schema": {"name": "answer", "schema": schema}}


def _effort(budget_tokens: int) -> str:
    return "low" if budget_tokens <= LOW_BUDGET else "medium" if budget_tokens <= MEDIUM_BUDGET else "high"


def _say_who(body: _Body, chat: dict[str, Any]) -> None:
    metadata = {name: value for name, value in (body.metadata or {}).items() if value is not None}
    if (user := metadata.pop("user_id", None)) is not None:
        chat["user"] = user
    if metadata:
        chat["metadata"] = metadata
    if body.service_tier is not None:
        chat["service_tier"] = _TIERS[body.service_tier]


def _name_the_rest(body: Mapping[str, Any], losses: Losses) -> None:
    for name, value in body.items():
        if name in _NATIVE and value:
            losses.need_native(name)
        elif value is None or name in _NATIVE:
            continue
        elif name == "top_k" or name not in _Body.__struct_fields__:
            losses.drop(name)
