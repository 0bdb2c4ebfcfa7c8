"""A Chat Completions request in the words of Messages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal

from msgspec import Struct

from pointsman.errors import RequestError
from pointsman.wire.anthropic_messages.blocks import DOCUMENT_NAME
from pointsman.wire.anthropic_messages.tools import offered_from_chat, tool_id, tool_input
from pointsman.wire.data_url import BASE64, WEB
from pointsman.wire.dialect import Translation
from pointsman.wire.fields import Losses, known, read

DEFAULT_MAX_TOKENS: Final = 4_096
"""Sent for a client that set no limit: this API requires one."""

_EFFORTS: Final = {"none": "low", "minimal": "low", "low": "low", "medium": "medium", "high": "high", "xhigh": "xhigh"}
_TIERS: Final = {"auto": "auto", "default": "standard_only"}
_SILENT: Final = frozenset({"stream_options", "store", "modalities", "metadata"})

Block = dict[str, Any]


class _Body(Struct):
    model: str
    messages: list[dict[str, Any]]
    stream: bool | None = None
    n: int | None = None
    logprobs: bool | None = None
    top_logprobs: int | None = None
    max_tokens: int | None = None
    max_completion_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    stop: str | list[str] | None = None
    tools: list[dict[str, Any]] | None = None
    tool_choice: str | dict[str, Any] | None = None
    parallel_tool_calls: bool | None = None
    response_format: dict[str, Any] | None = None
    reasoning_effort: str | None = None
    service_tier: str | None = None


class _ImageUrl(Struct):
    url: str
    detail: Any = None


class _File(Struct):
    file_data: str | None = None
    filename: str | None = None


class _Part(Struct):
    type: str
    text: str | None = None
    refusal: str | None = None
    image_url: _ImageUrl | None = None
    file: _File | None = None


class _Call(Struct):
    name: str
    arguments: str = ""


class _ToolCall(Struct):
    id: str = ""
    type: str = "function"
    function: _Call | None = None


_CALL: Final = frozenset({*_ToolCall.__struct_fields__, "index"})


class _Message(Struct):
    role: Literal["system", "developer", "user", "assistant", "tool", "function"]
    content: str | list[_Part] | None = None
    refusal: str | None = None
    tool_calls: list[_ToolCall] | None = None
    tool_call_id: str | None = None
    function_call: Any = None


class _Format(Struct):
    type: str
    json_schema: dict[str, Any] | None = None


def from_chat(body: Mapping[str, Any]) -> Translation:
    """A Chat Completions body as a Messages body. Raises `RequestError` for what this API cannot say and which must not be lost.

    Without a limit, `DEFAULT_MAX_TOKENS` is sent. `reasoning_effort` becomes an effort; whether the model thinks stays its own default.
    """
    asked, losses = read(body, _Body), Losses()
    _refuse_what_cannot_be_said(asked, body)
    sent: dict[str, Any] = {"model": asked.model, "max_tokens": asked.max_completion_tokens or asked.max_tokens or DEFAULT_MAX_TOKENS}
    sent |= _conversation(asked.messages, losses)
    if asked.stream is not None:
        sent["stream"] = asked.stream
    _sample(asked, sent, losses)
    sent |= offered_from_chat(asked.tools or [], asked.tool_choice, parallel=asked.parallel_tool_calls is not False)
    _shape(asked, sent, losses)
    if asked.service_tier in _TIERS:
        sent["service_tier"] = _TIERS[asked.service_tier or ""]
    elif asked.service_tier is not None:
        losses.drop("service_tier")
    _name_the_rest(body, losses)
    return losses.told(sent)


def _refuse_what_cannot_be_said(asked: _Body, body: Mapping[str, Any]) -> None:
    refused = {
        "n": (asked.n or 1) > 1,
        "logprobs": bool(asked.logprobs or asked.top_logprobs),
        "functions": bool(body.get("functions") or body.get("function_call")),
        "audio": body.get("audio") is not None or not _is_text_alone(body.get("modalities") or []),
        "web_search_options": body.get("web_search_options") is not None,
    }
    for name, present in refused.items():
        if present:
            raise RequestError(f"`{name}` cannot be said in the Messages API, which this model speaks: leave it out", param=name)


def _is_text_alone(modalities: object) -> bool:
    return isinstance(modalities, list) and all(mode == "text" for mode in modalities)


def _conversation(messages: Sequence[dict[str, Any]], losses: Losses) -> dict[str, Any]:
    """`system` and `messages`. System messages move to the front; turns of one side in a row become one."""
    system: list[Block] = []
    turns: list[dict[str, Any]] = []
    for index, raw in enumerate(messages):
        at = f"messages[{index}]"
        message = read(raw, _Message, at)
        _name_what_is_lost(raw, message, losses)
        if message.role in {"system", "developer"}:
            if turns:
                losses.drop("system.position")
            system += _blocks(message.content, at)
            continue
        role, blocks = _turn(message, at)
        if blocks and turns and turns[-1]["role"] == role:
            turns[-1]["content"] += blocks
        elif blocks:
            turns.append({"role": role, "content": blocks})
    if not turns and system:
        losses.drop("system.role")
        turns, system = [{"role": "user", "content": system}], []
    if not turns:
        raise RequestError("`messages` say nothing: the Messages API, which this model speaks, needs some text", param="messages")
    said: dict[str, Any] = {"system": _simple(system)} if system else {}
    return {**said, "messages": [{"role": turn["role"], "content": _simple(turn["content"])} for turn in turns]}


def _name_what_is_lost(raw: Mapping[str, Any], message: _Message, losses: Losses) -> None:
    losses.drop(*(f"messages.{name}" for name, value in raw.items() if name not in _Message.__struct_fields__ and value is not None))
    for part in message.content if isinstance(message.content, list) else ():
        if part.image_url is not None and part.image_url.detail is not None:
            losses.drop("messages.image_url.detail")
    for call in raw.get("tool_calls") or ():
        losses.drop(*(f"messages.tool_calls.{name}" for name, value in call.items() if name not in _CALL and value is not None))


def _turn(message: _Message, at: str) -> tuple[str, list[Block]]:
    if message.role == "function" or message.function_call is not None:
        raise RequestError(f"`{at}`: functions cannot be said in the Messages API, which this model speaks: write tools", param=at)
    blocks = _blocks(message.content, at)
    if message.role == "tool":
        if message.tool_call_id is None:
            raise RequestError(f"`{at}`: a `tool` message needs `tool_call_id`", param=f"{at}.tool_call_id")
        result: Block = {"type": "tool_result", "tool_use_id": tool_id(message.tool_call_id)}
        return "user", [result | ({"content": _simple(blocks)} if blocks else {})]
    if message.role == "user":
        return "user", blocks
    if message.refusal:
        blocks.append({"type": "text", "text": message.refusal})
    return "assistant", blocks + [_tool_use(call, at) for call in message.tool_calls or ()]


def _tool_use(call: _ToolCall, at: str) -> Block:
    if call.function is None:
        raise RequestError(f"`{at}`: a tool call of type `{known(call.type)}` cannot be said in the Messages API", param=f"{at}.tool_calls")
    return {"type": "tool_use", "id": tool_id(call.id), "name": call.function.name, "input": tool_input(call.function.arguments)}


def _blocks(content: str | list[_Part] | None, at: str) -> list[Block]:
    """Content blocks. Blank text is left out: this API refuses it."""
    if isinstance(content, str):
        return [{"type": "text", "text": content}] if content.strip() else []
    return [block for index, part in enumerate(content or ()) for block in _block(part, f"{at}.content[{index}]")]


def _block(part: _Part, at: str) -> list[Block]:
    if part.type == "image_url" and part.image_url is not None:
        url = part.image_url.url
        source = {"type": "url", "url": url} if url.startswith(WEB) else _base64(url, at)
        return [{"type": "image", "source": source}]
    if part.type == "file" and part.file is not None and part.file.file_data is not None:
        titled = {} if part.file.filename in {None, DOCUMENT_NAME} else {"title": part.file.filename}
        return [{"type": "document", "source": _base64(part.file.file_data, at), **titled}]
    if (text := part.refusal if part.text is None else part.text) is not None:
        return [{"type": "text", "text": text}] if text.strip() else []
    raise RequestError(f"`{at}`: a part of type `{known(part.type)}` cannot be said in the Messages API, which this model speaks", param=at)


def _base64(url: str, at: str) -> dict[str, str]:
    if (found := BASE64(url)) is None:
        raise RequestError(f"`{at}`: give an `https` URL, or data as `data:<media type>;base64,<data>`", param=at)
    return {"type": "base64", "media_type": found[1], "data": url[found.end() :]}


def _simple(blocks: list[Block]) -> str | list[Block]:
    return str(blocks[0]["text"]) if len(blocks) == 1 and blocks[0]["type"] == "text" else blocks


def _sample(asked: _Body, sent: dict[str, Any], losses: Losses) -> None:
    if asked.temperature is not None:
        sent["temperature"] = min(max(asked.temperature, 0), 1)
        if asked.temperature > 1:
            losses.drop("temperature")
    if asked.top_p is not None:
        # Many models of this API refuse the two together.
        if asked.temperature is None:
            sent["top_p"] = asked.top_p
        else:
            losses.drop("top_p")
    stop = [asked.stop] if isinstance(asked.stop, str) else asked.stop or []
    if kept := [text for text in stop if text.strip()]:
        sent["stop_sequences"] = kept
    if len(kept) < len(stop):  # blank ones are refused by this API
        losses.drop("stop")


def _shape(asked: _Body, sent: dict[str, Any], losses: Losses) -> None:
    """The answer's form, and how much effort it deserves."""
    config: dict[str, Any] = {}
    if asked.reasoning_effort is not None:
        if effort := _EFFORTS.get(asked.reasoning_effort):
            config["effort"] = effort
        if effort != asked.reasoning_effort:
            losses.drop("reasoning_effort")
    if asked.response_format is not None:
        wanted = read(asked.response_format, _Format, "response_format")
        if wanted.type == "json_schema":
            config["format"] = {"type": "json_schema", "schema": _schema(wanted)}
        elif wanted.type != "text":
            losses.drop("response_format")
    if config:
        sent["output_config"] = config


def _schema(wanted: _Format) -> dict[str, Any]:
    schema = (wanted.json_schema or {}).get("schema")
    if not isinstance(schema, dict):
        raise RequestError("`response_format` of type `json_schema` needs `json_schema.schema`", param="response_format")
    return schema


def _name_the_rest(body: Mapping[str, Any], losses: Losses) -> None:
    for name, value in body.items():
        if name not in _Body.__struct_fields__ and name not in _SILENT and value is not None:
            losses.drop(name)
    metadata = body.get("metadata")
    if isinstance(metadata, dict) and any(not name.startswith("pointsman_") for name in metadata):
        losses.drop("metadata")
