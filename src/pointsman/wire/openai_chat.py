"""OpenAI Chat Completions: a client's body to a `Request`, and a `Request` to an upstream's body."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

from pointsman.core.request import Caller, Content, Image, Message, Opaque, Part, Request, ResponseFormat, Text, Tool, ToolCall
from pointsman.errors import RequestError
from pointsman.wire.strict_json import parse_object

NullableCount = Annotated[int, Meta(ge=1, le=10_000_000)] | None
LABEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")

DESTINATIONS = frozenset(
    {
        "api_base",
        "api_key",
        "api_version",
        "azure_endpoint",
        "base_url",
        "custom_llm_provider",
        "endpoint",
        "extra_body",
        "extra_headers",
        "fallbacks",
        "headers",
        "models",
        "organization",
        "provider",
        "proxy",
        "route",
    }
)
"""Fields by which other gateways let a body choose where it goes. Refused: clients never choose destinations."""


class _ImageUrl(Struct):
    url: str


class _Part(Struct):
    type: Annotated[str, Meta(max_length=64)]
    text: str | None = None
    image_url: _ImageUrl | None = None


class _Function(Struct):
    name: Annotated[str, Meta(min_length=1, max_length=256)]
    arguments: str = ""


class _ToolCall(Struct):
    id: str = ""
    type: str = "function"
    function: _Function | None = None


class _Message(Struct):
    role: Literal["system", "developer", "user", "assistant", "tool", "function"]
    content: str | list[_Part] | None = None
    tool_calls: list[_ToolCall] | None = None
    tool_call_id: str | None = None
    name: str | None = None


class _Tool(Struct):
    type: str
    function: _Function | None = None
    custom: _Function | None = None


class _ResponseFormat(Struct):
    type: ResponseFormat
    json_schema: dict[str, Any] | None = None


class _StreamOptions(Struct):
    include_usage: bool | None = None


class _Body(Struct):
    """What routing reads, and the types of what any upstream would choke on."""

    model: Annotated[str, Meta(min_length=1, max_length=256)]
    messages: Annotated[list[_Message], Meta(min_length=1)]
    stream: bool | None = None
    stream_options: _StreamOptions | None = None
    n: Annotated[int, Meta(ge=1, le=128)] | None = None
    max_tokens: NullableCount = None
    max_completion_tokens: NullableCount = None
    tools: list[_Tool] | None = None
    functions: list[_Function] | None = None
    tool_choice: str | dict[str, Any] | None = None
    response_format: _ResponseFormat | None = None
    metadata: dict[str, Annotated[str, Meta(max_length=512)]] | None = None
    temperature: Annotated[float, Meta(ge=0, le=2)] | None = None
    top_p: Annotated[float, Meta(ge=0, le=1)] | None = None
    frequency_penalty: Annotated[float, Meta(ge=-2, le=2)] | None = None
    presence_penalty: Annotated[float, Meta(ge=-2, le=2)] | None = None
    stop: str | Annotated[list[str], Meta(max_length=16)] | None = None
    seed: Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)] | None = None
    logprobs: bool | None = None
    top_logprobs: Annotated[int, Meta(ge=0, le=20)] | None = None
    user: str | None = None


_AT = re.compile(r" - at `\$\.?(?P<path>.*)`$")


def parse_request(raw: bytes, id: str, caller: Caller, headers: Mapping[str, str], max_depth: int = 64) -> Request:
    """A client's request. `headers` (lower-case names) may declare labels and a task. Raises `RequestError` with `param`."""
    body = parse_object(raw, max_depth)
    if chosen := sorted(DESTINATIONS & body.keys()):
        raise RequestError(
            f"`{chosen[0]}` is not accepted: where a request goes is the gateway's to decide, by `model` and its policies",
            param=chosen[0],
        )
    known = _convert(body)
    metadata = known.metadata or {}
    labels = _names(headers.get("x-pointsman-labels", ""), "x-pointsman-labels") + _names(
        metadata.get("pointsman_labels", ""), "metadata.pointsman_labels"
    )
    task = headers.get("x-pointsman-task") or metadata.get("pointsman_task")
    tools = _tools(known, body)
    messages = tuple(_message(message) for message in known.messages)
    return Request(
        id=id,
        model=known.model,
        caller=caller,
        digest=hashlib.sha256(raw).hexdigest(),
        stream=bool(known.stream),
        max_output_tokens=known.max_completion_tokens or known.max_tokens,
        choices=known.n or 1,
        messages=len(messages),
        images=sum(isinstance(part, Image) for message in messages for part in message.parts),
        tools=tuple(tool.name for tool in tools),
        response_format=known.response_format.type if known.response_format else "text",
        labels=labels,
        task=_names(task, "x-pointsman-task")[0] if task else None,
        metadata=metadata,
        content=Content(messages, tools, body),
    )


def wants_usage(request: Request) -> bool:
    """Whether the client asked for usage at the end of its stream."""
    options = request.content.body.get("stream_options") if request.content else None
    return isinstance(options, dict) and options.get("include_usage") is True


def upstream_body(request: Request, model: str) -> bytes:
    """The body for an OpenAI-compatible upstream that calls the model `model`.

    Every field the client sent travels on, but for our own; usage is always asked for, because calls are accounted.
    """
    if request.content is None:
        raise ValueError("a request read from a record has no content to send")
    body = {**request.content.body, "model": model}
    if request.stream:
        options = body.get("stream_options")
        body["stream_options"] = {**(options if isinstance(options, dict) else {}), "include_usage": True}
    if isinstance(metadata := body.get("metadata"), dict):
        body["metadata"] = {name: value for name, value in metadata.items() if not name.startswith("pointsman_")}
        if not body["metadata"]:
            del body["metadata"]
    return msgspec.json.encode(body)


def _convert(body: dict[str, Any]) -> _Body:
    try:
        return msgspec.convert(body, _Body)
    except msgspec.ValidationError as error:
        found = _AT.search(str(error))
        path = found["path"] if found else None
        what = _AT.sub("", str(error))
        what = what[:1].lower() + what[1:]
        raise RequestError(f"`{path}`: {what}" if path else what, param=path) from error


def _message(message: _Message) -> Message:
    if message.content is None and not message.tool_calls and message.role != "assistant":
        raise RequestError(f"a `{message.role}` message needs `content`", param="messages")
    content = [] if message.content is None else message.content
    parts = (Text(content),) if isinstance(content, str) else tuple(_part(part) for part in content)
    calls = tuple(ToolCall(call.id, call.function.name, call.function.arguments) for call in message.tool_calls or () if call.function)
    return Message(message.role, parts, calls)


def _part(part: _Part) -> Part:
    if part.type == "text":
        if part.text is None:
            raise RequestError("a content part of type `text` needs `text`", param="messages")
        return Text(part.text)
    if part.type == "image_url":
        if part.image_url is None:
            raise RequestError("a content part of type `image_url` needs `image_url.url`", param="messages")
        return Image(part.image_url.url)
    return Opaque(part.type)


def _tools(known: _Body, body: Mapping[str, Any]) -> tuple[Tool, ...]:
    offered = [(_tool_name(tool), raw) for tool, raw in zip(known.tools or (), body.get("tools") or (), strict=True)]
    offered += [(function.name, raw) for function, raw in zip(known.functions or (), body.get("functions") or (), strict=True)]
    return tuple(Tool(name, msgspec.json.encode(raw).decode()) for name, raw in offered)


def _tool_name(tool: _Tool) -> str:
    function = tool.function or tool.custom
    if function is not None:
        return function.name
    if tool.type == "function":
        raise RequestError("a tool of type `function` needs `function.name`", param="tools")
    return tool.type


def _names(text: str, where: str) -> tuple[str, ...]:
    names = tuple(name for piece in text.split(",") if (name := piece.strip()))
    for name in names:
        if not LABEL.fullmatch(name):
            raise RequestError(f"`{where}`: `{name[:64]}` is not a name: use letters, digits, `_`, `.` and `-`", param=where)
    if len(names) > 32:
        raise RequestError(f"`{where}`: {len(names)} names, at most 32 are read", param=where)
    return names
