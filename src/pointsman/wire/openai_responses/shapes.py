"""The shapes of what a Responses request holds."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from pointsman.wire.fields import Json

Kind = Annotated[str, Meta(max_length=64)]
Name = Annotated[str, Meta(min_length=1, max_length=256)]


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


def said(value: Struct, names: Iterable[str]) -> Json:
    """The fields of these names that say something."""
    return {name: found for name in names if (found := getattr(value, name)) is not None}
