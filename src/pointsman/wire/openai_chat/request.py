"""OpenAI Chat Completions: a client's body to a `Request`, and a `Request` to an upstream's body."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

from pointsman.core.request import Caller, Content, Image, Message, Opaque, Part, Request, ResponseFormat, Text, Tool, ToolCall
from pointsman.errors import RequestError
from pointsman.wire.destinations import refuse_destinations
from pointsman.wire.strict_json import parse_object

MetadataName = Annotated[str, Meta(max_length=64)]
NullableCount = Annotated[int, Meta(ge=1, le=10_000_000)] | None
LABEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")


class _ImageUrl(Struct):
    url: str


class _Part(Struct):
    type: Annotated[str, Meta(max_length=64)]
    text: str | None = None
    image_url: _ImageUrl | None = None


class _Function(Struct):
    name: Annotated[str, Meta(min_length=1, max_length=256)]
    arguments: str = ""
    input: str = ""  # of a custom tool's call


class _ToolCall(Struct):
    id: str = ""
    type: str = "function"
    function: _Function | None = None
    custom: _Function | None = None


class _Message(Struct):
    role: Literal["system", "developer", "user", "assistant", "tool", "function"]
    content: str | list[_Part] | None = None
    tool_calls: list[_ToolCall] | None = None
    function_call: _Function | None = None
    tool_call_id: str | None = None
    name: str | None = None


class _Tool(Struct):
    type: Annotated[str, Meta(min_length=1, max_length=256)]
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
    tools: Annotated[list[_Tool], Meta(max_length=1024)] | None = None
    functions: Annotated[list[_Function], Meta(max_length=1024)] | None = None
    tool_choice: str | dict[str, Any] | None = None
    response_format: _ResponseFormat | None = None
    metadata: Annotated[dict[MetadataName, Annotated[str, Meta(max_length=512)]], Meta(max_length=64)] | None = None
    temperature: Annotated[float, Meta(ge=0, le=2)] | None = None
    top_p: Annotated[float, Meta(ge=0, le=1)] | None = None
    frequency_penalty: Annotated[float, Meta(ge=-2, le=2)] | None = None
    presence_penalty: Annotated[float, Meta(ge=-2, le=2)] | None = None
    stop: str | Annotated[list[str], Meta(max_length=16)] | None = None
    seed: Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)] | None = None
    logprobs: bool | None = None
    top_logprobs: Annotated[int, Meta(ge=0, le=20)] | None = None
    user: str | None = None


_OUR_METADATA = ("pointsman_labels", "pointsman_task")
_AT = re.compile(r" - at (?P<key>`key` in )?`\$\.?(?P<path>.*)`$", re.DOTALL)
_FIELDS = frozenset(_Body.__struct_fields__)
_MESSAGE_FIELDS = frozenset(_Message.__struct_fields__)
_PART_FIELDS = frozenset(_Part.__struct_fields__)


def parse_request(raw: bytes, id: str, caller: Caller, headers: Mapping[str, str], max_depth: int = 64) -> Request:
    """A client's request. `headers` (lower-case names) may declare labels and a task. Raises `RequestError` with `param`."""
    body = parse_object(raw, max_depth)
    refuse_destinations(body)
    known = _convert(body)
    _refuse_other_spellings(body)
    metadata = known.metadata or {}
    for name in metadata:
        if name.casefold().startswith("pointsman") and name not in _OUR_METADATA:
            raise RequestError(f"`metadata.{name[:64]}` means nothing: there are {', '.join(_OUR_METADATA)}", param="metadata")
    labels = _names(headers.get("x-pointsman-labels", ""), "x-pointsman-labels") + _names(
        metadata.get("pointsman_labels", ""), "metadata.pointsman_labels"
    )
    task = _task(headers.get("x-pointsman-task", ""), "x-pointsman-task") or _task(
        metadata.get("pointsman_task", ""), "metadata.pointsman_task"
    )
    tools = _tools(known, body)
    messages = tuple(_message(message) for message in known.messages)
    return Request(
        id=id,
        model=known.model,
        caller=caller,
        digest=hashlib.sha256(raw).hexdigest(),
        stream=bool(known.stream),
        # Which of the two an upstream obeys is its own affair: reckon with the larger.
        max_output_tokens=max((limit for limit in (known.max_completion_tokens, known.max_tokens) if limit), default=None),
        choices=known.n or 1,
        messages=len(messages),
        images=sum(isinstance(part, Image) for message in messages for part in message.parts),
        tools=tuple(tool.name for tool in tools),
        response_format=known.response_format.type if known.response_format else "text",
        labels=labels,
        task=task,
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
        path = found["path"][:200] if found else None
        what = _AT.sub("", str(error))
        what = ("a key: " if found and found["key"] else "") + what[:1].lower() + what[1:500]
        raise RequestError(f"`{path}`: {what}" if path else what, param=path) from error


def _refuse_other_spellings(body: Mapping[str, Any]) -> None:
    """Refuse `Model` beside or in place of `model`: some servers take either, so they would read what nobody judged."""
    _refuse_spellings(body, _FIELDS, "")
    for at, message in enumerate(body["messages"]):
        _refuse_spellings(message, _MESSAGE_FIELDS, f"messages[{at}].")
        if isinstance(parts := message.get("content"), list):
            for part in parts:
                _refuse_spellings(part, _PART_FIELDS, f"messages[{at}].content.")


def _refuse_spellings(names: Iterable[str], known: frozenset[str], path: str) -> None:
    for name in names:
        if name not in known and (meant := name.casefold()) in known:
            raise RequestError(f"`{path}{name[:100]}`: unknown field; write `{meant}`", param=f"{path}{name[:100]}")


def _message(message: _Message) -> Message:
    calls = [(call.id, call.function or call.custom) for call in message.tool_calls or ()] + [("", message.function_call)]
    made = tuple(ToolCall(call_id, call.name, call.arguments or call.input) for call_id, call in calls if call)
    if message.content is None and not made and message.role != "assistant":
        raise RequestError(f"a `{message.role}` message needs `content`", param="messages")
    content = [] if message.content is None else message.content
    parts = (Text(content),) if isinstance(content, str) else tuple(_part(part) for part in content)
    return Message(message.role, parts, made)


def _part(part: _Part) -> Part:
    if part.type == "image_url":
        if part.image_url is None:
            raise RequestError("a content part of type `image_url` needs `image_url.url`", param="messages")
        return Image(part.image_url.url)
    if part.text is not None:  # of whatever type: some servers read `output_text` and others as text
        return Text(part.text)
    if part.type == "text":
        raise RequestError("a content part of type `text` needs `text`", param="messages")
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


def _task(text: str, where: str) -> str | None:
    names = _names(text, where)
    if len(names) > 1:
        raise RequestError(f"`{where}`: {len(names)} task classes, give one", param=where)
    return names[0] if names else None


def _names(text: str, where: str) -> tuple[str, ...]:
    names = tuple(name for piece in text.split(",") if (name := piece.strip()))
    for name in names:
        if not LABEL.fullmatch(name):
            raise RequestError(f"`{where}`: `{name[:64]}` is not a name: use letters, digits, `_`, `.` and `-`", param=where)
    if len(names) > 32:
        raise RequestError(f"`{where}`: {len(names)} names, at most 32 are read", param=where)
    return names
