"""The tables of `docs/apis.md`: what becomes of a request on its way to a model that speaks another API. Found out by translating."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, cast, get_args

from pointsman.core.apis import TRANSLATED, Api, spoken
from pointsman.core.request import Caller
from pointsman.errors import RequestError
from pointsman.upstream.client import Egress, Endpoint
from pointsman.wire.request import parse_request

_PIXEL = "data:image/png;base64,iVBORw0KGgo="
_PDF = "data:application/pdf;base64,JVBERi0="
_SCHEMA = {"type": "object", "properties": {"id": {"type": "string"}}, "required": ["id"], "additionalProperties": False}
_FUNCTION = {"name": "search", "parameters": {"type": "object", "properties": {}}}
_TOOL = {"type": "function", "function": _FUNCTION}

_SAID = {"model": "auto", "messages": [{"role": "user", "content": "hi"}]}
_BARE: Mapping[str, dict[str, Any]] = {
    "chat": _SAID,
    "responses": {"model": "auto", "input": "hi"},
    "messages": {**_SAID, "max_tokens": 9},
    "completions": {"model": "auto", "prompt": "hi"},
    "embeddings": {"model": "auto", "input": "hi"},
}


def _turn(*parts: object) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": [*parts]}]}


_PROBES: Mapping[str, Mapping[str, dict[str, Any]]] = {
    "chat": {
        "`tools`, `tool_choice`, `parallel_tool_calls`": {"tools": [_TOOL], "tool_choice": "required", "parallel_tool_calls": False},
        "custom tools": {"tools": [{"type": "custom", "custom": {"name": "search"}}]},
        "`functions`": {"functions": [_FUNCTION]},
        "`response_format: json_schema`": {"response_format": {"type": "json_schema", "json_schema": {"name": "order", "schema": _SCHEMA}}},
        "`response_format: json_object`": {"response_format": {"type": "json_object"}},
        "images": _turn({"type": "image_url", "image_url": {"url": _PIXEL}}),
        "files, in the request": _turn({"type": "file", "file": {"filename": "a.pdf", "file_data": _PDF}}),
        "audio, in the request": _turn({"type": "input_audio", "input_audio": {"data": "UklGRg==", "format": "wav"}}),
        "audio, in the answer": {"modalities": ["text", "audio"], "audio": {"voice": "alloy", "format": "wav"}},
        "`temperature`": {"temperature": 0.5},
        "`top_p`": {"top_p": 0.5},
        "`max_tokens`, `max_completion_tokens`": {"max_completion_tokens": 9},
        "`stop`": {"stop": ["END"]},
        "`n` over 1": {"n": 2},
        "`logprobs`": {"logprobs": True, "top_logprobs": 2},
        "`seed`": {"seed": 7},
        "`frequency_penalty`, `presence_penalty`": {"frequency_penalty": 0.5, "presence_penalty": 0.5},
        "`logit_bias`": {"logit_bias": {"50256": -100}},
        "`reasoning_effort`": {"reasoning_effort": "high"},
        "`verbosity`": {"verbosity": "low"},
        "`web_search_options`": {"web_search_options": {}},
        "`service_tier`": {"service_tier": "auto"},
        "`metadata`": {"metadata": {"department": "north"}},
        "`user`": {"user": "u1"},
    },
    "responses": {
        "`instructions`, turns": {"instructions": "be brief", "input": [{"role": "user", "content": "hi"}]},
        "function tools, calls and their answers": {"tools": [{"type": "function", **_FUNCTION}], "tool_choice": "required"},
        "custom tools": {"tools": [{"type": "custom", "name": "search"}]},
        "built-in tools, such as `web_search`": {"tools": [{"type": "web_search"}]},
        "`text.format: json_schema`": {"text": {"format": {"type": "json_schema", "name": "order", "schema": _SCHEMA}}},
        "images": {"input": [{"role": "user", "content": [{"type": "input_image", "image_url": _PIXEL}]}]},
        "files, in the request": {"input": [{"role": "user", "content": [{"type": "input_file", "filename": "a.pdf", "file_data": _PDF}]}]},
        "files, by URL": {"input": [{"role": "user", "content": [{"type": "input_file", "file_url": "https://example.com/a.pdf"}]}]},
        "`reasoning.effort`": {"reasoning": {"effort": "high"}},
        "`reasoning.summary`": {"reasoning": {"summary": "auto"}},
        "earlier `reasoning` items": {"input": [{"type": "reasoning", "id": "rs_1", "summary": []}, {"role": "user", "content": "hi"}]},
        "`top_logprobs`, `include: message.output_text.logprobs`": {"top_logprobs": 2, "include": ["message.output_text.logprobs"]},
        "the rest of `include`": {"include": ["reasoning.encrypted_content"]},
        "`truncation: auto`": {"truncation": "auto"},
        "`max_tool_calls`": {"max_tool_calls": 3},
        "`metadata`": {"metadata": {"department": "north"}},
    },
    "messages": {
        "`system`, turns": {"system": "be brief"},
        "tools, calls and their answers": {
            "tools": [{"name": "search", "input_schema": {"type": "object"}}],
            "tool_choice": {"type": "any", "disable_parallel_tool_use": True},
        },
        "`is_error` of a tool's answer": {
            "tools": [{"name": "search", "input_schema": {"type": "object"}}],
            "messages": [
                {"role": "user", "content": "hi"},
                {"role": "assistant", "content": [{"type": "tool_use", "id": "t1", "name": "search", "input": {}}]},
                {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t1", "content": "no", "is_error": True}]},
            ],
        },
        "tools that a provider runs, such as `web_search_20250305`": {"tools": [{"type": "web_search_20250305", "name": "web_search"}]},
        "`mcp_servers`": {"mcp_servers": [{"type": "url", "name": "a"}]},
        "`output_config.format`": {"output_config": {"format": {"type": "json_schema", "schema": _SCHEMA}}},
        "images": _turn({"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="}}),
        "documents, in the request": _turn(
            {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": "JVBERi0="}}
        ),
        "documents, by URL": _turn({"type": "document", "source": {"type": "url", "url": "https://example.com/a.pdf"}}),
        "`thinking.budget_tokens`, `output_config.effort`": {"thinking": {"type": "enabled", "budget_tokens": 2_000}, "max_tokens": 4_000},
        "earlier `thinking` blocks": {
            "messages": [
                {"role": "user", "content": "hi"},
                {
                    "role": "assistant",
                    "content": [{"type": "thinking", "thinking": "so", "signature": "s"}, {"type": "text", "text": "ho"}],
                },
                {"role": "user", "content": "go on"},
            ]
        },
        "a prefilled answer": {"messages": [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "It is"}]},
        "`cache_control`": _turn({"type": "text", "text": "hi", "cache_control": {"type": "ephemeral"}}),
        "`stop_sequences`": {"stop_sequences": ["END"]},
        "`temperature`": {"temperature": 0.5},
        "`top_k`": {"top_k": 5},
        "`metadata.user_id`": {"metadata": {"user_id": "u1"}},
    },
    "completions": {
        "one `prompt`": {"prompt": "Once upon a time"},
        "several prompts": {"prompt": ["one", "two"]},
        "a prompt in tokens": {"prompt": [1, 2, 3]},
        "`n` over 1": {"n": 2},
        "`stop`": {"stop": ["END"]},
        "`logprobs`": {"logprobs": 2},
        "`echo`": {"echo": True},
        "`suffix`": {"suffix": "the end"},
        "`best_of`": {"best_of": 2},
    },
}


def passing() -> Iterator[str]:
    """Which APIs a request may be translated into."""
    apis = get_args(Api)
    yield f"| client | {' | '.join(f'`{api}`' for api in apis)} |"
    yield "|---|" + "---|" * len(apis)
    for asked in apis:
        words = ("as it is" if api == asked else "translated" if spoken((api,), asked, ()) else "" for api in apis)
        yield f"| `{asked}` | {' | '.join(words)} |"


def losses() -> Iterator[str]:
    """What becomes of each part of a request in another API."""
    for asked, probes in _PROBES.items():
        api = cast("Api", asked)
        others = [other for other in TRANSLATED if other != api]
        yield f"| a request in `{asked}` | {' | '.join(f'for `{other}`' for other in others)} |"
        yield "|---|" + "---|" * len(others)
        for what, fields in probes.items():
            body = {**_BARE[asked], **fields}
            yield f"| {what} | {' | '.join(_becomes(body, api, other) for other in others)} |"
        yield ""


def _becomes(body: dict[str, Any], asked: Api, other: Api) -> str:
    request = parse_request(json.dumps(body).encode(), "example", Caller(), {}, api=asked)
    if spoken((other,), asked, request.features) is None:
        return "another model"
    endpoint = Endpoint(cast("Any", None), "m", apis=(other,))
    try:
        letter = Egress({"m": endpoint}).write("m", request)
    except RequestError:
        return "400"
    return f"told: {', '.join(f'`{name}`' for name in letter.dropped)}" if letter.dropped else "yes"
