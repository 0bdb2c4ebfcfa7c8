"""Responses requests in the words of Chat Completions, and back."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pointsman.core.request import Caller
from pointsman.errors import RequestError
from pointsman.wire.openai_chat.request import messages_of, read
from pointsman.wire.openai_responses.dialect import RESPONSES
from pointsman.wire.openai_responses.state import expand, items_of_input, output_items
from pointsman.wire.request import read_request
from tests.conftest import EXAMPLES

CALL = {"type": "function_call", "call_id": "c1", "name": "f", "arguments": '{"a":1}', "id": "fc_1", "status": "completed"}
CHAT_CALL = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": '{"a":1}'}}
TOOL = {"type": "function", "name": "f", "description": "d", "parameters": {"type": "object"}, "strict": True}
SCHEMA = {"type": "object", "properties": {}}


def to_chat(**fields: object):
    return RESPONSES.to_chat({"model": "m", "input": "hi", **fields})


def said(*items: object) -> list[dict]:
    return to_chat(input=list(items)).body["messages"]


@pytest.mark.parametrize(
    ("items", "messages"),
    [
        ([{"role": "user", "content": "hi"}], [{"role": "user", "content": "hi"}]),
        (
            [{"type": "message", "role": "developer", "content": [{"type": "input_text", "text": "be brief"}]}],
            [{"role": "developer", "content": "be brief"}],
        ),
        (
            [
                {
                    "id": "msg_1",
                    "type": "message",
                    "role": "assistant",
                    "status": "completed",
                    "content": [{"type": "output_text", "text": "yes", "annotations": []}],
                }
            ],
            [{"role": "assistant", "content": "yes"}],
        ),
        ([{"role": "assistant", "content": [{"type": "refusal", "refusal": "no"}]}], [{"role": "assistant", "content": "no"}]),
        ([{"role": "user", "content": []}], [{"role": "user", "content": ""}]),
        (
            [
                {
                    "role": "user",
                    "content": [{"type": "input_text", "text": "see"}, {"type": "input_image", "image_url": "data:x", "detail": "low"}],
                }
            ],
            [
                {
                    "role": "user",
                    "content": [{"type": "text", "text": "see"}, {"type": "image_url", "image_url": {"url": "data:x", "detail": "low"}}],
                }
            ],
        ),
        (
            [{"role": "user", "content": [{"type": "input_file", "filename": "a.pdf", "file_data": "data:x"}]}],
            [{"role": "user", "content": [{"type": "file", "file": {"filename": "a.pdf", "file_data": "data:x"}}]}],
        ),
        (
            [{"role": "user", "content": [{"type": "input_audio", "input_audio": {"data": "x", "format": "mp3"}}]}],
            [{"role": "user", "content": [{"type": "input_audio", "input_audio": {"data": "x", "format": "mp3"}}]}],
        ),
        ([CALL], [{"role": "assistant", "content": None, "tool_calls": [CHAT_CALL]}]),
        (
            [{"role": "assistant", "content": "I look"}, CALL, {**CALL, "call_id": "c2"}],
            [{"role": "assistant", "content": "I look", "tool_calls": [CHAT_CALL, {**CHAT_CALL, "id": "c2"}]}],
        ),
        (
            [CALL, {"role": "assistant", "content": "looking"}, {"type": "function_call_output", "call_id": "c1", "output": "4"}],
            [
                {"role": "assistant", "content": "looking", "tool_calls": [CHAT_CALL]},
                {"role": "tool", "tool_call_id": "c1", "content": "4"},
            ],
        ),
        (
            [{"role": "assistant", "content": "a"}, CALL, {"role": "assistant", "content": "b"}],
            [{"role": "assistant", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}], "tool_calls": [CHAT_CALL]}],
        ),
        (
            [
                {"type": "custom_tool_call", "call_id": "c1", "name": "sh", "input": "ls"},
                {"type": "custom_tool_call_output", "call_id": "c1", "output": [{"type": "input_text", "text": "x"}]},
            ],
            [
                {
                    "role": "assistant",
                    "content": None,
                    "tool_calls": [{"id": "c1", "type": "custom", "custom": {"name": "sh", "input": "ls"}}],
                },
                {"role": "tool", "tool_call_id": "c1", "content": "x"},
            ],
        ),
    ],
)
def test_items_become_messages(items, messages):
    translation = to_chat(input=items)
    assert translation.body["messages"] == messages
    assert (translation.dropped, translation.untranslatable) == ((), ())


def test_what_tools_show_follows_their_answers_in_a_turn_of_the_users():
    picture = {"type": "input_image", "image_url": "data:image/png;base64,iVBO"}
    second = {**CALL, "call_id": "c2"}
    shown = [{"type": "input_text", "text": "seen"}, picture]
    answers = [
        {"type": "function_call_output", "call_id": "c1", "output": shown},
        {"type": "function_call_output", "call_id": "c2", "output": "4"},
    ]
    translation = to_chat(input=[CALL, second, *answers, {"role": "user", "content": "go on"}])
    assert (translation.dropped, translation.untranslatable) == ((), ())
    assert translation.body["messages"][1:] == [
        {"role": "tool", "tool_call_id": "c1", "content": [{"type": "text", "text": "seen"}]},
        {"role": "tool", "tool_call_id": "c2", "content": "4"},
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "The tool's result c1 holds this:"},
                {"type": "image_url", "image_url": {"url": picture["image_url"]}},
            ],
        },
        {"role": "user", "content": "go on"},
    ]


@pytest.mark.parametrize(
    ("item", "name"),
    [
        ({"type": "computer_call_output", "call_id": "c", "output": {"secret": 1}}, "input.computer_call_output"),
        ({"type": "web_search_call", "id": "secret", "status": "completed"}, "input.web_search_call"),
        ({"type": "mcp_call", "arguments": "secret"}, "input.mcp_call"),
        ({"type": "from_the_future", "x": ["secret"]}, "input.from_the_future"),
        ({"role": "user", "content": [{"type": "hologram", "of": "secret"}]}, "input.hologram"),
        ({"role": "user", "content": [{"type": "input_file", "file_url": "https://secret"}]}, "input_file.file_url"),
        ({"type": "code_interpreter_call", "id": "secret", "container_id": "c", "code": "1"}, "input.code_interpreter_call"),
        (
            {"type": "function_call_output", "call_id": "c", "output": [{"type": "input_audio", "input_audio": {"data": "secret"}}]},
            "function_call_output.input_audio",
        ),
    ],
)
def test_what_cannot_be_said_is_named_and_still_shown_to_whoever_judges(item, name):
    translation = to_chat(input=[item])
    assert translation.untranslatable == (name,)
    assert "secret" in json.dumps(translation.body["messages"])


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"input": [{"type": "item_reference", "id": "msg_1"}]}, "input[0]"),
        ({"input": [{"id": "msg_1"}]}, "input[0]"),
        ({"input": [{"type": "image_generation_call", "id": "ig_1"}]}, "input[0]"),
        ({"input": [{"type": "computer_call_output", "call_id": "c", "output": {"file_id": "f"}}]}, "input[0].output.file_id"),
        (
            {"input": [{"role": "user", "content": [{"type": "input_image", "file_id": "f", "image_url": "data:x"}]}]},
            "input[0].content[0].file_id",
        ),
        ({"input": [{"role": "user", "content": [{"type": "input_file", "file_id": "f"}]}]}, "input[0].content[0].file_id"),
        (
            {"input": [{"type": "function_call_output", "call_id": "c", "output": [{"type": "input_file", "file_id": "f"}]}]},
            "input[0].output[0].file_id",
        ),
        ({"tools": [{"type": "file_search", "vector_store_ids": ["vs_1"]}]}, "tools[0].vector_store_ids"),
        ({"tools": [{"type": "code_interpreter", "container": "cntr_1"}]}, "tools[0].container"),
        ({"tools": [{"type": "code_interpreter", "container": {"type": "auto", "file_ids": ["f"]}}]}, "tools[0].container.file_ids"),
        ({"tools": [{"type": "image_generation", "input_image_mask": {"file_id": "f"}}]}, "tools[0].input_image_mask.file_id"),
    ],
)
def test_what_a_provider_keeps_for_all_keys_is_not_to_be_named(fields, param):
    with pytest.raises(RequestError, match="send the data") as raised:
        read_request({"model": "m", "input": "hi", **fields}, "", "dec_1", Caller(), {}, "responses")
    assert raised.value.param == param


def test_what_was_said_in_a_turn_of_many_pieces_is_put_together_once():
    words = [{"role": "assistant", "content": "x"}] * 3
    (message,) = said(CALL, *words)
    assert message["content"] == [{"type": "text", "text": "x"}] * 3


def test_text_of_unknown_parts_is_text_to_labels_and_rules():
    body = to_chat(input=[{"type": "mcp_call", "arguments": "4111 1111"}]).body
    assert "4111 1111" in messages_of(read(body))[0].text


@pytest.mark.parametrize(
    ("fields", "chat"),
    [
        ({"instructions": "be brief"}, {"messages": [{"role": "system", "content": "be brief"}, {"role": "user", "content": "hi"}]}),
        ({"max_output_tokens": 9}, {"max_completion_tokens": 9}),
        ({"temperature": 0.5, "top_p": 0.1, "stream": True}, {"temperature": 0.5, "top_p": 0.1, "stream": True}),
        ({"include": ["message.output_text.logprobs"], "top_logprobs": 2}, {"logprobs": True, "top_logprobs": 2}),
        ({"include": ["message.output_text.logprobs"]}, {"logprobs": True}),
        ({"reasoning": {"effort": "low"}}, {"reasoning_effort": "low"}),
        ({"text": {"format": {"type": "text"}, "verbosity": "low"}}, {"verbosity": "low"}),
        ({"text": {"format": {"type": "json_object"}}}, {"response_format": {"type": "json_object"}}),
        (
            {"text": {"format": {"type": "json_schema", "name": "a", "schema": SCHEMA, "strict": True}}},
            {"response_format": {"type": "json_schema", "json_schema": {"name": "a", "schema": SCHEMA, "strict": True}}},
        ),
        (
            {"tools": [TOOL], "tool_choice": {"type": "function", "name": "f"}, "parallel_tool_calls": False},
            {
                "tools": [
                    {"type": "function", "function": {"name": "f", "description": "d", "parameters": {"type": "object"}, "strict": True}}
                ],
                "tool_choice": {"type": "function", "function": {"name": "f"}},
                "parallel_tool_calls": False,
            },
        ),
        (
            {
                "tools": [{"type": "custom", "name": "sh", "format": {"type": "grammar", "syntax": "lark", "definition": "a: b"}}],
                "tool_choice": {"type": "custom", "name": "sh"},
            },
            {
                "tools": [
                    {
                        "type": "custom",
                        "custom": {"name": "sh", "format": {"type": "grammar", "grammar": {"syntax": "lark", "definition": "a: b"}}},
                    }
                ],
                "tool_choice": {"type": "custom", "custom": {"name": "sh"}},
            },
        ),
        (
            {"tools": [TOOL], "tool_choice": {"type": "allowed_tools", "mode": "required", "tools": [{"type": "function", "name": "f"}]}},
            {
                "tool_choice": {
                    "type": "allowed_tools",
                    "allowed_tools": {"mode": "required", "tools": [{"type": "function", "function": {"name": "f"}}]},
                }
            },
        ),
        (
            {"metadata": {"pointsman_task": "chat"}, "user": "u", "prompt_cache_key": "k"},
            {"metadata": {"pointsman_task": "chat"}, "user": "u", "prompt_cache_key": "k"},
        ),
    ],
)
def test_what_both_apis_have_words_for_is_said_in_the_other(fields, chat):
    translation = to_chat(**fields)
    assert {name: translation.body.get(name) for name in chat} == chat
    assert (translation.dropped, translation.untranslatable) == ((), ())


@pytest.mark.parametrize(
    "fields",
    [
        {"tool_choice": "auto", "tools": []},
        {"parallel_tool_calls": True},
        {"store": True},
        {"background": False},
        {"conversation": None},
        {"truncation": "disabled"},
    ],
)
def test_what_means_nothing_is_not_said(fields):
    assert to_chat(**fields) == to_chat()


@pytest.mark.parametrize(
    ("fields", "dropped"),
    [
        ({"truncation": "auto", "max_tool_calls": 3}, ("truncation", "max_tool_calls")),
        ({"include": ["reasoning.encrypted_content"]}, ("include.reasoning.encrypted_content",)),
        ({"reasoning": {"summary": "auto"}}, ("reasoning.summary",)),
        ({"stream_options": {"include_obfuscation": True}}, ("stream_options.include_obfuscation",)),
        ({"top_k": 3}, ("top_k",)),
        ({"tools": [{**TOOL, "defer_loading": True}]}, ("tools.defer_loading",)),
        ({"input": [{"role": "user", "content": "hi"}, {"type": "reasoning", "id": "rs_1", "summary": []}]}, ("input.reasoning",)),
        ({"input": [{"role": "assistant", "content": "hi", "phase": "commentary"}]}, ("input.phase",)),
    ],
)
def test_what_matters_little_is_dropped_and_named(fields, dropped):
    assert to_chat(**fields).dropped == dropped


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        ({"tools": [{"type": "web_search", "filters": {"secret": 1}}]}, "tools.web_search"),
        ({"tools": [TOOL], "tool_choice": {"type": "file_search"}}, "tool_choice.file_search"),
        ({"tools": [{**TOOL, "output_schema": {"secret": 1}}]}, "tools.output_schema"),
    ],
)
def test_tools_of_the_provider_are_for_models_of_this_api(fields, name):
    translation = to_chat(**fields)
    assert translation.untranslatable == (name,)
    assert all(tool.get("type") for tool in translation.body["tools"])


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"background": True}, "background"),
        ({"conversation": "conv_1"}, "conversation"),
        ({"prompt": {"id": "pmpt_1"}}, "prompt"),
        ({"previous_response_id": "resp_1"}, "previous_response_id"),
        ({"messages": [{"role": "user", "content": "hi"}]}, "messages"),
        ({"input": 7}, "input"),
        ({"input": []}, "input"),
        ({"input": [7]}, "input[0]"),
        ({"input": [{}]}, "input[0].type"),
        ({"input": [{"role": "tool", "content": "x"}]}, "input[0].role"),
        ({"input": [{"role": "user"}]}, "input[0]"),
        ({"input": [{"role": "user", "content": [{"type": "input_text"}]}]}, "input[0].content[0].text"),
        ({"input": [{"role": "user", "content": [{"text": "x"}]}]}, "input[0].content[0]"),
        ({"input": [{"type": "function_call", "name": "f", "arguments": "{}"}]}, "input[0]"),
        ({"input": [{"type": "function_call", "call_id": "c", "name": "f", "arguments": {}}]}, "input[0].arguments"),
        ({"input": [{"type": "function_call_output", "call_id": "c"}]}, "input[0]"),
        ({"temperature": 3}, "temperature"),
        ({"max_output_tokens": 0}, "max_output_tokens"),
        ({"tools": [{"name": "f"}]}, "tools[0].type"),
        ({"tools": [{"type": "function", "function": {"name": "f"}}]}, "tools[0].function"),
        ({"tools": [{"type": "function"}]}, "tools[0]"),
        ({"tools": [{"type": "custom", "name": "a", "format": {"type": "grammar"}}]}, "tools[0].format"),
        ({"tools": [TOOL], "tool_choice": {"name": "f"}}, "tool_choice.type"),
        ({"tool_choice": "sometimes"}, "tool_choice"),
        ({"text": {"format": {"type": "json_schema"}}}, "text.format"),
        ({"text": {"format": {"type": "xml"}}}, "text.format.type"),
        ({"model": ""}, "model"),
        ({"Model": "other"}, "Model"),
        ({"Input": "other"}, "Input"),
        ({"input": [{"role": "user", "content": "hi", "Content": "other"}]}, "input[0].Content"),
        ({"input": [{"role": "user", "content": [{"type": "input_text", "text": "hi", "Text": "other"}]}]}, "input[0].content[0].Text"),
        ({"tools": [{**TOOL, "Name": "g"}]}, "tools[0].Name"),
    ],
)
def test_what_is_wrong_is_named_in_the_clients_own_words(fields, param):
    with pytest.raises(RequestError) as raised:
        to_chat(**fields)
    assert raised.value.param == param


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["type", "role", "content", "text", "name", "call_id", "output", "x"]) | st.text(max_size=4), inner, max_size=4
        )
    ),
    max_leaves=12,
)
kinds = st.sampled_from(
    [
        "message",
        "function_call",
        "function_call_output",
        "custom_tool_call",
        "reasoning",
        "item_reference",
        "input_text",
        "input_image",
        "function",
        "custom",
        "x",
    ]
)
objects = st.builds(
    lambda kind, rest: {**rest, **({"type": kind} if kind else {})},
    kinds | st.none(),
    st.dictionaries(
        st.sampled_from(
            [
                "role",
                "content",
                "text",
                "name",
                "call_id",
                "output",
                "arguments",
                "input",
                "image_url",
                "summary",
                "format",
                "tools",
                "mode",
            ]
        ),
        json_values,
        max_size=5,
    ),
)
fields = st.sampled_from(
    [
        "input",
        "instructions",
        "tools",
        "tool_choice",
        "text",
        "reasoning",
        "include",
        "metadata",
        "prompt",
        "conversation",
        "stream_options",
        "top_logprobs",
        "temperature",
        "Model",
        "store",
    ]
)


@given(st.dictionaries(fields, json_values | st.lists(objects, max_size=3) | objects, max_size=5))
@settings(max_examples=3 * EXAMPLES, deadline=None)
def test_no_body_raises_anything_but_a_request_error(body):
    before = json.dumps(body)
    try:
        translation = RESPONSES.to_chat({"model": "m", "input": "hi", **body})
    except RequestError as error:
        assert error.message
    else:
        json.dumps(translation.body)
        RESPONSES.own(body)
    assert json.dumps(body) == before
    assert isinstance(expand(body, items_of_input(body)), dict)


# --- Chat Completions to Responses


def from_chat(**fields: object):
    return RESPONSES.from_chat({"model": "m", "messages": [{"role": "user", "content": "hi"}], **fields})


def test_nothing_is_kept_by_the_provider():
    body = from_chat(store=True, stream=True, metadata={"pointsman_task": "chat"}).body
    assert body == {"model": "m", "input": [{"role": "user", "content": "hi"}], "stream": True, "store": False}


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"n": 2}, "n"),
        ({"stop": ["x"]}, "stop"),
        ({"audio": {"voice": "a"}}, "audio"),
        ({"modalities": ["text", "audio"]}, "modalities"),
        ({"messages": [{"role": "user", "content": [{"type": "input_audio", "input_audio": {}}]}]}, "messages"),
        ({"messages": [{"role": "assistant", "audio": {"id": "a"}}]}, "messages"),
    ],
)
def test_what_responses_has_no_words_for_is_refused(fields, param):
    with pytest.raises(RequestError) as raised:
        from_chat(**fields)
    assert raised.value.param == param


def test_what_matters_little_to_a_chat_client_is_dropped_and_named():
    translation = from_chat(
        seed=1,
        presence_penalty=1,
        frequency_penalty=1,
        logit_bias={},
        prediction={},
        n=1,
        stop=None,
        stream_options={"include_usage": True},
    )
    assert translation.dropped == ("seed", "presence_penalty", "frequency_penalty", "logit_bias", "prediction")
    assert translation.untranslatable == ()


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        ({"functions": [{"name": "f"}]}, "functions"),
        ({"web_search_options": {"a": 1}}, "web_search_options"),
        ({"messages": [{"role": "function", "name": "f", "content": "x"}]}, "messages.function_call"),
        ({"messages": [{"role": "user", "content": [{"type": "hologram"}]}]}, "messages.hologram"),
        ({"tools": [{"type": "retrieval"}]}, "tools.retrieval"),
    ],
)
def test_what_a_chat_client_must_not_lose_is_named(fields, name):
    assert from_chat(**fields).untranslatable == (name,)


names = st.text("abcdef", min_size=1, max_size=6)
texts = st.text(min_size=1, max_size=12)
parts = st.one_of(
    st.builds(lambda text: {"type": "text", "text": text}, texts),
    st.builds(lambda url: {"type": "image_url", "image_url": {"url": url, "detail": "low"}}, texts),
    st.builds(lambda data: {"type": "file", "file": {"filename": "a", "file_data": data}}, texts),
)
calls = st.one_of(
    st.builds(
        lambda call, name, text: {"id": call, "type": "function", "function": {"name": name, "arguments": text}}, names, names, texts
    ),
    st.builds(lambda call, name, text: {"id": call, "type": "custom", "custom": {"name": name, "input": text}}, names, names, texts),
)


@st.composite
def turns(draw):
    kind = draw(st.sampled_from(["system", "developer", "user", "assistant", "calls"]))
    if kind == "calls":
        made = draw(st.lists(calls, min_size=1, max_size=3, unique_by=lambda call: call["id"]))
        answers = [{"role": "tool", "tool_call_id": call["id"], "content": draw(texts)} for call in made]
        return [{"role": "assistant", "content": draw(st.none() | texts), "tool_calls": made}, *answers]
    content = draw(texts | st.lists(parts, min_size=2, max_size=3)) if kind == "user" else draw(texts)
    return [{"role": kind, "content": content}]


tools = st.one_of(
    st.builds(
        lambda name, strict: {"type": "function", "function": {"name": name, "parameters": SCHEMA, "strict": strict}}, names, st.booleans()
    ),
    st.builds(lambda name, text: {"type": "custom", "custom": {"name": name, "description": text}}, names, texts),
    st.builds(
        lambda name: {
            "type": "custom",
            "custom": {"name": name, "format": {"type": "grammar", "grammar": {"syntax": "regex", "definition": "a"}}},
        },
        names,
    ),
)
choices = st.sampled_from(["auto", "none", "required"]) | st.builds(lambda name: {"type": "function", "function": {"name": name}}, names)
options = st.fixed_dictionaries(
    {},
    optional={
        "stream": st.booleans(),
        "temperature": st.floats(0, 2),
        "top_p": st.floats(0, 1),
        "max_completion_tokens": st.integers(1, 1000),
        "reasoning_effort": st.sampled_from(["low", "high"]),
        "verbosity": st.sampled_from(["low", "high"]),
        "user": texts,
        "metadata": st.dictionaries(names, texts, min_size=1),
        "response_format": st.sampled_from(
            [{"type": "json_object"}, {"type": "json_schema", "json_schema": {"name": "a", "schema": SCHEMA, "strict": True}}]
        ),
        "service_tier": st.just("flex"),
    },
)


def in_turns(conversation):
    """Two messages of the assistant in a row are one turn of it: here somebody else speaks in between."""
    messages: list[dict] = []
    for turn in conversation:
        if messages and messages[-1]["role"] == turn[0]["role"] == "assistant":
            messages.append({"role": "user", "content": "and?"})
        messages += turn
    return messages


@given(
    st.lists(turns(), min_size=1, max_size=5),
    options,
    st.lists(tools, min_size=1, max_size=3),
    st.none() | choices,
    st.none() | st.integers(0, 20),
)
@settings(max_examples=2 * EXAMPLES, deadline=None)
def test_a_chat_body_comes_back_as_it_was(conversation, asked, offered, choice, logprobs):
    body = {"model": "m", "messages": in_turns(conversation), "tools": offered, **asked}
    body |= {"tool_choice": choice, "parallel_tool_calls": True} if choice is not None else {}
    body |= {"logprobs": True, "top_logprobs": logprobs} if logprobs is not None else {}
    there = RESPONSES.from_chat(body)
    back = RESPONSES.to_chat(there.body)
    assert back.body == body
    assert there.dropped == there.untranslatable == back.dropped == back.untranslatable == ()


# --- the same API on both sides, and what is kept between requests


def test_a_body_for_the_same_api_stays_as_it_is_but_for_what_is_ours():
    body = {
        "model": "m",
        "input": "hi",
        "store": True,
        "include": ["x"],
        "metadata": {"pointsman_labels": "pii", "a": "b"},
        "new": {"a": 1},
    }
    assert RESPONSES.own(body) == {**body, "store": False, "metadata": {"a": "b"}}
    assert "metadata" not in RESPONSES.own({"metadata": {"pointsman_labels": "pii"}})


def test_reasoning_that_nobody_judged_does_not_travel():
    encrypted = {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "secret"}], "encrypted_content": "x"}
    plain = {"type": "reasoning", "id": "rs_2", "summary": [], "content": [{"type": "reasoning_text", "text": "secret"}]}
    items = RESPONSES.own({"input": [encrypted, plain, CALL]})["input"]
    assert items == [{"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "x"}, CALL]


def test_a_conversation_goes_on_where_it_stopped():
    first = {"model": "m", "input": "hi", "instructions": "be brief"}
    answer = b'{"object":"response","output":[{"type":"message","role":"assistant","content":[{"type":"output_text","text":"yes"}]}]}'
    second = expand(
        {"model": "m", "input": [{"role": "user", "content": "more"}], "previous_response_id": "resp_1"},
        [*items_of_input(first), *output_items(answer)],
    )
    assert RESPONSES.to_chat(second).body["messages"] == [
        {"role": "user", "content": "hi"},
        {"role": "assistant", "content": "yes"},
        {"role": "user", "content": "more"},
    ]


def test_a_clients_words_do_not_get_into_headers():
    translation = to_chat(**{"a\r\nset-cookie: b": 1}, input=[{"type": "x\r\n"}])
    assert (translation.dropped, translation.untranslatable) == (("unknown",), ("input.unknown",))


@pytest.mark.parametrize("answer", [b"", b"{", b"[]", b'{"output":7}', b'{"output":[7]}', b"\xff"])
def test_what_is_no_answer_leaves_nothing_to_continue(answer):
    assert output_items(answer) == []
