"""What a client may say, what it may not, and what of it an upstream gets to see."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.core.request import Caller, Image, Opaque, Request, Text, ToolCall
from pointsman.errors import RequestError
from pointsman.wire.openai_chat.own import asks_usage, own_body
from pointsman.wire.request import parse_request

USER = [{"role": "user", "content": "hello"}]


def parse(headers: dict[str, str] | None = None, /, **fields: object) -> Request:
    body = {"model": "auto", "messages": USER, **fields}
    return parse_request(json.dumps(body).encode(), "dec_1", Caller(), headers or {})


def sent_to_upstream(request: Request) -> dict[str, Any]:
    return own_body(request.content.body)


def refusal(headers: dict[str, str] | None = None, /, **fields: object) -> RequestError:
    with pytest.raises(RequestError) as raised:
        parse(headers, **fields)
    assert len(str(raised.value)) < 1_000
    return raised.value


FUNCTION = {"type": "function", "function": {"name": "look_up", "parameters": {"properties": {"base_url": {"type": "string"}}}}}


def test_everything_that_routing_looks_at_is_found():
    request = parse(
        {"x-pointsman-labels": "pii, financial", "x-pointsman-task": "summarisation"},
        messages=[
            {"role": "system", "content": "Be brief."},
            {
                "role": "user",
                "content": [{"type": "text", "text": "What is this?"}, {"type": "image_url", "image_url": {"url": "data:,x"}}],
            },
            {
                "role": "assistant",
                "content": None,
                "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}],
            },
            {"role": "assistant", "tool_calls": [{"id": "c2", "type": "custom", "custom": {"name": "g", "input": "free text"}}]},
            {"role": "assistant", "content": None, "function_call": {"name": "h", "arguments": "[]"}},
            {"role": "tool", "tool_call_id": "c1", "content": [{"type": "input_audio", "input_audio": {"data": "AA=="}}]},
            {"role": "user", "content": [{"type": "output_text", "text": "odd, but text"}]},
        ],
        stream=True,
        n=2,
        max_tokens=5,
        max_completion_tokens=7,
        tools=[FUNCTION, {"type": "custom", "custom": {"name": "shell"}}, {"type": "web_search"}],
        functions=[{"name": "old"}],
        response_format={"type": "json_schema", "json_schema": {"name": "x"}},
        metadata={"team": "blue", "pointsman_labels": "secret"},
    )
    assert (request.stream, request.choices, request.max_output_tokens, request.messages, request.images) == (True, 2, 7, 7, 1)
    assert request.tools == ("look_up", "shell", "web_search", "old")
    assert (request.response_format, request.labels, request.task) == ("json_schema", ("pii", "financial", "secret"), "summarisation")
    assert request.metadata == {"team": "blue", "pointsman_labels": "secret"}
    parts = [message.parts for message in request.content.messages]
    assert parts[1] == (Text("What is this?"), Image("data:,x"))
    assert parts[5:] == [(Opaque("input_audio"),), (Text("odd, but text"),)]
    assert [message.tool_calls for message in request.content.messages[2:5]] == [
        (ToolCall("c1", "f", "{}"),),
        (ToolCall("c2", "g", "free text"),),
        (ToolCall("", "h", "[]"),),
    ]


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"model": ""}, "model"),
        ({"model": None}, "model"),
        ({"model": 5}, "model"),
        ({"model": ["auto"]}, "model"),
        ({"model": "x" * 257}, "model"),
        ({"messages": []}, "messages"),
        ({"messages": None}, "messages"),
        ({"messages": "hello"}, "messages"),
        ({"messages": {"role": "user"}}, "messages"),
        ({"messages": ["hello"]}, "messages[0]"),
        ({"messages": [None]}, "messages[0]"),
        ({"messages": [{}]}, "messages[0]"),
        ({"messages": [{"role": "user"}]}, "messages"),
        ({"messages": [{"role": "user", "content": None}]}, "messages"),
        ({"messages": [{"role": "user", "content": 5}]}, "messages[0].content"),
        ({"messages": [{"role": "user", "content": {"text": "x"}}]}, "messages[0].content"),
        ({"messages": [{"role": "user", "content": ["x"]}]}, "messages[0].content[0]"),
        ({"messages": [{"role": "user", "content": [{"type": "text"}]}]}, "messages"),
        ({"messages": [{"role": "user", "content": [{"type": "text", "text": 5}]}]}, "messages[0].content[0].text"),
        ({"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}, "messages"),
        ({"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": "x"}]}]}, "messages[0].content[0].image_url"),
        ({"messages": [{"role": "user", "content": [{"text": "x"}]}]}, "messages[0].content[0]"),
        ({"messages": [{"role": "alien", "content": "x"}]}, "messages[0].role"),
        ({"messages": [{"role": "z" * 100_000, "content": "x"}]}, "messages[0].role"),
        ({"messages": [{"role": "assistant", "tool_calls": "x"}]}, "messages[0].tool_calls"),
        ({"messages": [{"role": "assistant", "tool_calls": [{"function": {"name": ""}}]}]}, "messages[0].tool_calls[0].function.name"),
        ({"stream": "yes"}, "stream"),
        ({"stream": 1}, "stream"),
        ({"stream_options": True}, "stream_options"),
        ({"stream_options": {"include_usage": "yes"}}, "stream_options.include_usage"),
        ({"n": 0}, "n"),
        ({"n": 129}, "n"),
        ({"n": 1.5}, "n"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"max_tokens": -1}, "max_tokens"),
        ({"max_tokens": 10**30}, "max_tokens"),
        ({"max_completion_tokens": "5"}, "max_completion_tokens"),
        ({"tools": {}}, "tools"),
        ({"tools": [FUNCTION] * 1_025}, "tools"),
        ({"tools": [{}]}, "tools[0]"),
        ({"tools": [{"type": "function"}]}, "tools"),
        ({"tools": [{"type": "x" * 257}]}, "tools[0].type"),
        ({"functions": [{"name": ""}]}, "functions[0].name"),
        ({"tool_choice": 5}, "tool_choice"),
        ({"response_format": "json"}, "response_format"),
        ({"response_format": {"type": "xml"}}, "response_format.type"),
        ({"metadata": "x"}, "metadata"),
        ({"metadata": {"a": 1}}, "metadata[...]"),
        ({"metadata": {"a": "x" * 513}}, "metadata[...]"),
        ({"metadata": {"x" * 65: "a"}}, "metadata"),
        ({"metadata": {str(n): "a" for n in range(65)}}, "metadata"),
        ({"metadata": {"pointsman_labels": "no spaces\tor tabs"}}, "metadata.pointsman_labels"),
        ({"metadata": {"pointsman_task": "a,b"}}, "metadata.pointsman_task"),
        ({"temperature": "hot"}, "temperature"),
        ({"temperature": 2.1}, "temperature"),
        ({"top_p": -0.1}, "top_p"),
        ({"frequency_penalty": 3}, "frequency_penalty"),
        ({"presence_penalty": []}, "presence_penalty"),
        ({"stop": 5}, "stop"),
        ({"stop": ["x"] * 17}, "stop"),
        ({"seed": 2**70}, "seed"),
        ({"logprobs": "yes"}, "logprobs"),
        ({"top_logprobs": 21}, "top_logprobs"),
        ({"user": 5}, "user"),
        # Some servers (Go's JSON reader, for one) take these for `model`, `messages` and so on.
        ({"Model": "frontier"}, "Model"),
        ({"MESSAGES": []}, "MESSAGES"),
        ({"me\u017f\u017fages": []}, "me\u017f\u017fages"),
        ({"ma\u212a_tokens": 1, "tool\u017f": []}, "tool\u017f"),
        ({"messages": [{"role": "user", "content": "x", "Content": "hidden"}]}, "messages[0].Content"),
        ({"messages": [{"role": "user", "content": [{"type": "text", "text": "x", "TEXT": "hidden"}]}]}, "messages[0].content.TEXT"),
    ],
)
def test_a_malformed_field_is_named(fields, param):
    error = refusal(**fields)
    assert error.status == 400
    assert (error.param or "").startswith(param.split("[...]")[0])


@pytest.mark.parametrize(
    "headers",
    [
        {"x-pointsman-labels": "pii;phi"},
        {"x-pointsman-labels": "p\u00efi"},
        {"x-pointsman-labels": "x" * 65},
        {"x-pointsman-labels": ",".join(["pii"] * 33)},
        {"x-pointsman-task": "a,b"},
        {"x-pointsman-task": "two words"},
        {"x-pointsman-task": "line\x0bbreak"},
    ],
)
def test_a_malformed_header_is_named(headers):
    assert refusal(headers).param == next(iter(headers))


@pytest.mark.parametrize("nothing", ["", " ", ",", " , ,"])
def test_an_empty_header_declares_nothing(nothing):
    request = parse({"x-pointsman-labels": nothing, "x-pointsman-task": nothing})
    assert (request.labels, request.task) == ((), None)


NAMES = (
    "api_base", "base_url", "api_key", "api_version", "api_type", "azure_endpoint", "custom_llm_provider", "endpoint", "extra_body",
    "extra_headers", "extra_query", "fallbacks", "context_window_fallback_dict", "headers", "models", "model_list", "organization", "provider",
    "providers", "proxy", "route", "router_settings_override", "user_config", "litellm_params", "litellm_metadata", "mock_response",
    "aws_region_name", "aws_bedrock_runtime_endpoint", "aws_secret_access_key", "vertex_project", "vertex_credentials", "sagemaker_base_url",
    "langfuse_host", "success_callback", "callbacks", "callback_url", "webhook_url", "url", "host", "server_url", "upstream", "targets",
    "strategy", "config", "provider_options", "providerOptions", "gateway", "virtual_key", "portkey_config", "deployment_id",
    "kv_transfer_params", "bootstrap_host", "lora_path", "preset", "plugins",
    "API_BASE", "apiBase", "api-base", "Base_URL", "baseURL", "BASE-URL", "_base_url_", "ba\u017fe_url",
)  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("value", ["http://127.0.0.1:1/v1", None], ids=["url", "null"])
def test_a_client_cannot_choose_a_destination(name, value):
    assert refusal(**{name: value}).param == name


@pytest.mark.parametrize(
    "fields",
    [
        {"metadata": {"api_base": "http://x"}},
        {"metadata": {"base-url": "http://x"}},
        {"options": {"base_url": "http://x"}},
        {"options": {"inner": [{"deep": {"apiKey": "sk-x"}}]}},
        {"reasoning": {"provider": "x"}},
        {"stream_options": {"headers": {}}},
        {"extra": [{"fallbacks": ["frontier"]}]},
        {"tools": [{"type": "mcp", "server_url": "http://x"}]},
        {"tools": [{"type": "mcp", "authorization": "x"}]},
        {"tools": [FUNCTION, {"type": "function", "function": {"name": "f"}, "headers": {}}]},
        {"tools": [{"type": "web_search", "options": {"endpoint": "http://x"}}]},
        {"audio": {"voice": "x", "callback_url": "http://x"}},
    ],
)
def test_nor_further_inside(fields):
    assert "where a request goes" in str(refusal(**fields))


@pytest.mark.parametrize(
    "fields",
    [
        {"tools": [FUNCTION]},
        {"functions": [{"name": "f", "parameters": {"properties": {"endpoint": {}, "headers": {}}}}]},
        {"response_format": {"type": "json_schema", "json_schema": {"schema": {"properties": {"api_key": {}, "url": {}}}}}},
        {"metadata": {"provider": "a", "route": "b", "endpoint": "checkout", "organization": "acme"}},
        {"messages": [{"role": "user", "content": '{"api_base": "http://x", "base_url": "y"}'}]},
        {"web_search_options": {"user_location": {"approximate": {"region": "Bavaria"}}}},
        {"chat_template_kwargs": {"enable_thinking": False, "provider": "x"}},
        {"logit_bias": {"50256": -100}},
        {"service_tier": "flex", "store": False, "reasoning_effort": "low", "prompt_cache_key": "k", "verbosity": "low"},
    ],
)
def test_the_same_names_in_what_the_model_reads_are_the_users_own(fields):
    request = parse(**fields)
    sent = sent_to_upstream(request)
    assert {name: sent[name] for name in fields} == fields


def test_an_upstream_is_always_asked_for_usage():
    assert sent_to_upstream(parse(stream=True))["stream_options"] == {"include_usage": True}
    quiet = parse(stream=True, stream_options={"include_usage": False, "include_obfuscation": False})
    assert sent_to_upstream(quiet)["stream_options"] == {"include_usage": True, "include_obfuscation": False}
    assert not asks_usage(quiet.content.body)
    assert asks_usage(parse(stream=True, stream_options={"include_usage": True}).content.body)
    assert "stream_options" not in sent_to_upstream(parse())


def test_our_own_metadata_stays_here():
    sent = parse(metadata={"pointsman_task": "a", "pointsman_labels": "pii", "team": "blue"})
    assert sent_to_upstream(sent)["metadata"] == {"team": "blue"}
    assert "metadata" not in sent_to_upstream(parse(metadata={"pointsman_task": "a"}))


scalars = st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8)
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3), max_leaves=8
)
unknown = st.dictionaries(st.text("abcdefgh_", min_size=1, max_size=6).map("zz_".__add__), values, max_size=4)


@given(unknown, unknown, st.booleans())
def test_unknown_fields_travel_through(fields, of_message, stream):
    messages = [{"role": "user", "content": "hello", **of_message}]
    try:
        request = parse(messages=messages, stream=stream, **fields)
    except RequestError as error:
        assert "where a request goes" in str(error)  # a random name may be one of those
        return
    sent = sent_to_upstream(request)
    assert {name: sent[name] for name in fields} == fields
    assert sent["messages"] == messages


known_names = st.sampled_from(
    [
        "model",
        "messages",
        "stream",
        "stream_options",
        "n",
        "max_tokens",
        "max_completion_tokens",
        "tools",
        "functions",
        "tool_choice",
        "response_format",
        "metadata",
        "temperature",
        "top_p",
        "frequency_penalty",
        "presence_penalty",
        "stop",
        "seed",
        "logprobs",
        "top_logprobs",
        "user",
    ]
)
hostile = st.recursive(
    scalars | st.sampled_from(["user", "function", "text", "image_url", "auto"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            known_names | st.sampled_from(["role", "content", "type", "text", "function", "name", "image_url", "url"]), inner, max_size=4
        )
    ),
    max_leaves=10,
)
bodies = st.dictionaries(known_names | st.text(max_size=5), hostile, max_size=6)


@given(
    bodies.map(lambda body: json.dumps(body).encode())
    | bodies.map(lambda body: json.dumps({"model": "auto", "messages": USER, **body}, ensure_ascii=False).encode())
    | st.binary(max_size=100),
    st.dictionaries(st.sampled_from(["x-pointsman-labels", "x-pointsman-task"]), st.text(st.characters(max_codepoint=255), max_size=20)),
)
def test_whatever_comes_is_a_request_or_a_request_error(raw, headers):
    try:
        request = parse_request(raw, "dec_1", Caller(), headers)
    except RequestError as error:
        assert error.status == 400
        json.dumps([error.message, error.param]).encode()
    else:
        json.dumps(sent_to_upstream(request)).encode()


@pytest.mark.parametrize("name", ["mock_testing_fallbacks", "tensorzero::params", "content_policy_fallbacks", "TensorZero::episode_id"])
def test_fields_that_other_gateways_obey_are_refused(name):
    with pytest.raises(RequestError, match="the gateway's to decide"):
        parse(**{name: True})


@pytest.mark.parametrize("name", ["Pointsman_Labels", "pointsman_label", "POINTSMAN_TASK"])
def test_a_declaration_that_is_not_spelt_right_is_refused_rather_than_lost(name):
    with pytest.raises(RequestError, match="there are pointsman_labels, pointsman_task"):
        parse(metadata={name: "pii"})
