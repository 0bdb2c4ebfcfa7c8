"""What routing reads of a Chat Completions body, and the types of what any upstream would choke on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

from pointsman.core.request import Image, Message, Opaque, Part, ResponseFormat, Text, Tool, ToolCall
from pointsman.errors import RequestError
from pointsman.wire.fields import convert, refuse_spellings

MetadataName = Annotated[str, Meta(max_length=64)]
NullableCount = Annotated[int, Meta(ge=1, le=10_000_000)] | None


class _ImageUrl(Struct):
    url: str


class _File(Struct):
    file_data: str | None = None


class Piece(Struct):
    """A content part, as far as it is looked at."""

    type: Annotated[str, Meta(max_length=64)]
    text: str | None = None
    image_url: _ImageUrl | None = None
    file: _File | None = None
    refusal: str | None = None


class _Function(Struct):
    name: Annotated[str, Meta(min_length=1, max_length=256)]
    arguments: str = ""
    input: str = ""  # of a custom tool's call


class _Offered(_Function):
    description: str | None = None
    parameters: dict[str, Any] | None = None
    strict: bool | None = None


class _ToolCall(Struct):
    id: str = ""
    type: str = "function"
    function: _Function | None = None
    custom: _Function | None = None


class Turn(Struct):
    """A message, as far as it is looked at."""

    role: Literal["system", "developer", "user", "assistant", "tool", "function"]
    content: str | list[Piece] | None = None
    tool_calls: list[_ToolCall] | None = None
    function_call: _Function | None = None
    audio: dict[str, Any] | None = None
    tool_call_id: str | None = None
    refusal: str | None = None
    name: str | None = None


class _Tool(Struct):
    type: Annotated[str, Meta(min_length=1, max_length=256)]
    function: _Offered | None = None
    custom: _Function | None = None


class _ResponseFormat(Struct):
    type: ResponseFormat
    json_schema: dict[str, Any] | None = None


class _StreamOptions(Struct):
    include_usage: bool | None = None


class ChatBody(Struct):
    """A body, as far as it is looked at."""

    model: Annotated[str, Meta(min_length=1, max_length=256)]
    messages: Annotated[list[Turn], Meta(min_length=1)]
    stream: bool | None = None
    stream_options: _StreamOptions | None = None
    n: Annotated[int, Meta(ge=1, le=128)] | None = None
    max_tokens: NullableCount = None
    max_completion_tokens: NullableCount = None
    tools: Annotated[list[_Tool], Meta(max_length=1024)] | None = None
    functions: Annotated[list[_Function], Meta(max_length=1024)] | None = None
    tool_choice: str | dict[str, Any] | None = None
    parallel_tool_calls: bool | None = None
    reasoning_effort: str | None = None
    service_tier: str | None = None
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
    audio: dict[str, Any] | None = None
    modalities: list[str] | None = None
    function_call: str | dict[str, Any] | None = None
    web_search_options: dict[str, Any] | None = None


_FIELDS = frozenset(ChatBody.__struct_fields__)
_MESSAGE_FIELDS = frozenset(Turn.__struct_fields__)
_PART_FIELDS = frozenset(Piece.__struct_fields__)
_TOOL_FIELDS = frozenset(_Tool.__struct_fields__)
_FORMAT_FIELDS = frozenset(_ResponseFormat.__struct_fields__)


_SINGLE_VALUES = frozenset(
    {
        *("frequency_penalty", "logprobs", "max_completion_tokens", "max_tokens", "model", "n", "parallel_tool_calls"),
        *("presence_penalty", "reasoning_effort", "seed", "stop", "store", "stream", "temperature", "top_logprobs", "top_p", "user"),
    }
)
_TEXT_TURN = frozenset({"role", "content"})


def is_plain(body: Mapping[str, Any]) -> bool:
    """Whether it is turns of text, and settings that are single values: most bodies are, and nothing can hide in one.

    >>> is_plain({"model": "auto", "messages": [{"role": "user", "content": "hi"}], "seed": 1})
    True
    """
    for name, value in body.items():
        if name == "messages":
            if type(value) is not list:
                return False
            for turn in value:
                if type(turn) is not dict or turn.keys() != _TEXT_TURN or type(turn["content"]) is not str:
                    return False
        elif name not in _SINGLE_VALUES or isinstance(value, (dict, list)):
            return False
    return True


def read(body: Mapping[str, Any]) -> ChatBody:
    """What is looked at of a body. Raises `RequestError` with `param`."""
    return convert(body, ChatBody)


def refuse_other_spellings(body: Mapping[str, Any]) -> None:
    """Refuse `Model` beside or in place of `model`, here, in tools, the format and messages."""
    refuse_spellings(body, _FIELDS)
    refuse_spellings(body.get("response_format") or (), _FORMAT_FIELDS, "response_format")
    for at, tool in enumerate(body.get("tools") or ()):
        refuse_spellings(tool, _TOOL_FIELDS, f"tools[{at}]")
    for at, message in enumerate(body["messages"]):
        refuse_spellings(message, _MESSAGE_FIELDS, f"messages[{at}]")
        if isinstance(parts := message.get("content"), list):
            for part in parts:
                refuse_spellings(part, _PART_FIELDS, f"messages[{at}].content")


def messages_of(known: ChatBody) -> tuple[Message, ...]:
    """The turns of the conversation."""
    return tuple([_message(message) for message in known.messages])


def tools_of(known: ChatBody, body: Mapping[str, Any]) -> tuple[Tool, ...]:
    """The tools offered."""
    if not known.tools and not known.functions:
        return ()
    offered = [(_tool_name(tool), raw) for tool, raw in zip(known.tools or (), body.get("tools") or (), strict=True)]
    offered += [(function.name, raw) for function, raw in zip(known.functions or (), body.get("functions") or (), strict=True)]
    return tuple(Tool(name, msgspec.json.encode(raw).decode()) for name, raw in offered)


def _message(message: Turn) -> Message:
    if isinstance(message.content, str) and message.tool_calls is None and message.function_call is None:
        return Message(message.role, (Text(message.content),))
    calls = [(call.id, call.function or call.custom) for call in message.tool_calls or ()] + [("", message.function_call)]
    made = tuple(ToolCall(call_id, call.name, call.arguments or call.input) for call_id, call in calls if call)
    if message.content is None and not made and message.role != "assistant":
        raise RequestError(f"a `{message.role}` message needs `content`", param="messages")
    content = [] if message.content is None else message.content
    parts = (Text(content),) if isinstance(content, str) else tuple(_part(part) for part in content)
    return Message(message.role, parts, made)


def _part(part: Piece) -> Part:
    if part.type == "image_url":
        if part.image_url is None:
            raise RequestError("a content part of type `image_url` needs `image_url.url`", param="messages")
        return Image(part.image_url.url)
    if part.text is not None:  # of whatever type: some servers read `output_text` and others as text
        return Text(part.text)
    if part.type == "text":
        raise RequestError("a content part of type `text` needs `text`", param="messages")
    return Opaque(part.type)


def _tool_name(tool: _Tool) -> str:
    if tool.type == "function" and tool.function is None:
        raise RequestError("a tool of type `function` needs `function.name`", param="tools")
    function = tool.function or tool.custom
    return tool.type if function is None else function.name
