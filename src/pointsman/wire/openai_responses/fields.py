"""The fields of a Responses request, and how one that is wrong is named."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Annotated, Any, Literal, TypeVar

import msgspec
from msgspec import Meta, Struct

from pointsman.errors import RequestError
from pointsman.wire.dialect import Translation
from pointsman.wire.openai_chat.fields import refuse_spellings

Kind = Annotated[str, Meta(max_length=64)]
Name = Annotated[str, Meta(min_length=1, max_length=256)]
Json = dict[str, Any]


class Reasoning(Struct):
    effort: Kind | None = None
    summary: Any = None
    generate_summary: Any = None
    context: Any = None
    mode: Any = None


class Format(Struct):
    type: Literal["text", "json_object", "json_schema"]
    name: Kind | None = None
    description: str | None = None
    schema: Json | None = None
    strict: bool | None = None


class TextOptions(Struct):
    format: Format | None = None
    verbosity: Literal["low", "medium", "high"] | None = None


class StreamOptions(Struct):
    include_obfuscation: bool | None = None


class Body(Struct):
    model: Name
    input: str | list[Json]
    instructions: str | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    max_output_tokens: Annotated[int, Meta(ge=1, le=10_000_000)] | None = None
    max_tool_calls: int | None = None
    temperature: Annotated[float, Meta(ge=0, le=2)] | None = None
    top_p: Annotated[float, Meta(ge=0, le=1)] | None = None
    top_logprobs: Annotated[int, Meta(ge=0, le=20)] | None = None
    include: list[Kind] | None = None
    tools: Annotated[list[Json], Meta(max_length=1024)] | None = None
    tool_choice: Literal["none", "auto", "required"] | Json | None = None
    parallel_tool_calls: bool | None = None
    text: TextOptions | None = None
    reasoning: Reasoning | None = None
    truncation: Literal["auto", "disabled"] | None = None
    metadata: dict[str, str] | None = None
    store: bool | None = None
    background: bool | None = None
    user: str | None = None
    safety_identifier: str | None = None
    service_tier: Kind | None = None
    prompt_cache_key: str | None = None
    prompt_cache_retention: Kind | None = None
    prompt_cache_options: Json | None = None
    moderation: Json | None = None
    previous_response_id: str | None = None
    conversation: Any = None
    prompt: Any = None


class MessageItem(Struct):
    role: Literal["user", "assistant", "system", "developer"]
    content: str | list[Json]
    type: Literal["message"] | None = None
    phase: Kind | None = None


class Part(Struct):
    type: Kind
    text: str | None = None
    refusal: str | None = None
    image_url: str | None = None
    detail: Kind | None = None
    file_id: str | None = None
    file_data: str | None = None
    file_url: str | None = None
    filename: str | None = None
    input_audio: Json | None = None


class FunctionCall(Struct):
    type: Kind
    call_id: Name
    name: Name
    arguments: str


class CustomCall(Struct):
    type: Kind
    call_id: Name
    name: Name
    input: str


class CallOutput(Struct):
    type: Kind
    call_id: Name
    output: str | list[Json]


class FunctionTool(Struct):
    type: Kind
    name: Name
    description: str | None = None
    parameters: Json | None = None
    strict: bool | None = None


class CustomFormat(Struct):
    type: Literal["text", "grammar"]
    syntax: Kind | None = None
    definition: str | None = None


class CustomTool(Struct):
    type: Kind
    name: Name
    description: str | None = None
    format: CustomFormat | None = None


class NamedChoice(Struct):
    type: Kind
    name: Name


class AllowedChoice(Struct):
    type: Kind
    mode: Literal["auto", "required"]
    tools: list[NamedChoice]


class Losses:
    """What a translation could not say, gathered on the way. Clients' words get into records and headers, so only names are repeated."""

    def __init__(self) -> None:
        self._dropped: dict[str, None] = {}
        self._native: dict[str, None] = {}

    def drop(self, *names: str) -> None:
        """Changes little: the client is told."""
        self._dropped |= dict.fromkeys(_name(name) for name in names)

    def need_native(self, *names: str) -> None:
        """Must not be lost: a model has to speak the client's own API."""
        self._native |= dict.fromkeys(_name(name) for name in names)

    def told(self, body: Json) -> Translation:
        """The translation, with what it leaves out."""
        return Translation(body, tuple(self._dropped), tuple(self._native))


def _name(text: str) -> str:
    """
    >>> _name("tools.mcp"), _name("tools.a\\r\\nb")
    ('tools.mcp', 'tools.unknown')
    """
    return text if _NAME.fullmatch(text) else f"{text.partition('.')[0]}.unknown" if "." in text else "unknown"


_Kind = TypeVar("_Kind", bound=Struct)
_NAME = re.compile(r"[A-Za-z0-9_.-]{1,100}")
_AT = re.compile(r" - at (?P<key>`key` in )?`\$\.?(?P<path>.*)`$", re.DOTALL)


def convert(value: Mapping[str, Any], kind: type[_Kind], path: str = "") -> _Kind:
    """`value`, which stands at `path`, as `kind`. Raises `RequestError` for a wrong type, and for `Model` beside or in place of `model`."""
    refuse_spellings(value, _known(kind), f"{path}." if path else "")
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        found = _AT.search(str(error))
        inner = found["path"][:200] if found else ""
        where = path + inner if inner.startswith("[") or not path or not inner else f"{path}.{inner}"
        what = _AT.sub("", str(error))
        what = ("a key: " if found and found["key"] else "") + what[:1].lower() + what[1:500]
        raise RequestError(f"`{where}`: {what}" if where else what, param=where or None) from error


@cache
def _known(kind: type[Struct]) -> frozenset[str]:
    return frozenset(kind.__struct_fields__)


def kept(value: Mapping[str, Any], names: Iterable[str]) -> Json:
    """The fields of these names that say something.

    >>> kept({"a": 1, "b": None, "c": 3}, ("a", "b"))
    {'a': 1}
    """
    return {name: value[name] for name in names if value.get(name) is not None}


def said(value: Struct, names: Iterable[str]) -> Json:
    """The same of a struct."""
    return {name: found for name in names if (found := getattr(value, name)) is not None}


def json_text(value: object) -> str:
    """Its JSON, for what has no other words."""
    return msgspec.json.encode(value).decode()
