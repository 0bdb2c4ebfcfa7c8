"""Requests in Anthropic's words: what becomes of them in Chat Completions, and of Chat Completions in them."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.core.request import Caller, Request, Text
from pointsman.errors import RequestError
from pointsman.wire.anthropic_messages import MESSAGES
from pointsman.wire.anthropic_messages.from_chat import DEFAULT_MAX_TOKENS
from pointsman.wire.anthropic_messages.to_chat import LOW_BUDGET, MEDIUM_BUDGET, count_tokens_to_chat
from pointsman.wire.dialect import Translation
from pointsman.wire.request import parse_request, read_request
from pointsman.wire.strict_json import parse_object

Json = dict[str, Any]

SCHEMA = {"type": "object", "properties": {"url": {"type": "string"}}, "required": ["url"]}
PDF = {"type": "base64", "media_type": "application/pdf", "data": "JVBERi0="}
PNG = {"type": "base64", "media_type": "image/png", "data": "iVBO"}


def asked(**fields: Any) -> Json:
    return {"model": "auto", "max_tokens": 100, "messages": [{"role": "user", "content": "hello"}], **fields}


def chat(**fields: Any) -> Json:
    return {"model": "claude", "messages": [{"role": "user", "content": "hello"}], **fields}


def turns(*messages: tuple[str, Any]) -> Json:
    return asked(messages=[{"role": role, "content": content} for role, content in messages])


def routed(translated: Translation) -> Request:
    """What routing reads of a translated body."""
    return parse_request(json.dumps(translated.body).encode(), "dec_1", Caller(), {})


def refusal(body: Json, translate: Any = MESSAGES.to_chat) -> RequestError:
    before = copy.deepcopy(body)
    with pytest.raises(RequestError) as raised:
        translate(body)
    assert body == before
    assert len(str(raised.value)) < 1_000
    return raised.value


def test_a_conversation_with_tools_becomes_the_same_conversation():
    translated = MESSAGES.to_chat(
        asked(
            system=[{"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral"}}, {"type": "text", "text": "Be kind."}],
            messages=[
                {"role": "user", "content": [{"type": "text", "text": "What is this?"}, {"type": "image", "source": PNG}]},
                {
                    "role": "assistant",
                    "content": [
                        {"type": "thinking", "thinking": "hm", "signature": "s"},
                        {"type": "redacted_thinking", "data": "x"},
                        {"type": "text", "text": "Let me look."},
                        {"type": "tool_use", "id": "t1", "name": "look", "input": {"a": 1}},
                        {"type": "tool_use", "id": "t2", "name": "look", "input": {}},
                    ],
                },
                {
                    "role": "user",
                    "content": [
                        {"type": "tool_result", "tool_use_id": "t1", "content": "a cat", "is_error": False},
                        {"type": "tool_result", "tool_use_id": "t2", "content": [{"type": "text", "text": "no"}], "is_error": True},
                        {"type": "text", "text": "And?"},
                    ],
                },
            ],
            tools=[{"name": "look", "description": "Looks.", "input_schema": SCHEMA, "strict": True, "cache_control": {}}],
            tool_choice={"type": "any", "disable_parallel_tool_use": True},
            stop_sequences=["END"],
            temperature=0.5,
            top_p=0.9,
            top_k=40,
            stream=True,
            service_tier="standard_only",
            metadata={"user_id": "u1", "pointsman_labels": "pii", "pointsman_task": "vision"},
        )
    )
    assert translated == Translation(
        {
            "model": "auto",
            "messages": [
                {"role": "system", "content": [{"type": "text", "text": "Be brief."}, {"type": "text", "text": "Be kind."}]},
                {
                    "role": "user",
                    "content": [
                        {"type": "text", "text": "What is this?"},
                        {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBO"}},
                    ],
                },
                {
                    "role": "assistant",
                    "content": "Let me look.",
                    "tool_calls": [
                        {"id": "t1", "type": "function", "function": {"name": "look", "arguments": '{"a":1}'}},
                        {"id": "t2", "type": "function", "function": {"name": "look", "arguments": "{}"}},
                    ],
                },
                {"role": "tool", "tool_call_id": "t1", "content": "a cat"},
                {"role": "tool", "tool_call_id": "t2", "content": "no"},
                {"role": "user", "content": "And?"},
            ],
            "tools": [
                {"type": "function", "function": {"name": "look", "description": "Looks.", "parameters": SCHEMA, "strict": True}},
            ],
            "tool_choice": "required",
            "parallel_tool_calls": False,
            "max_completion_tokens": 100,
            "temperature": 0.5,
            "top_p": 0.9,
            "stop": ["END"],
            "stream": True,
            "user": "u1",
            "metadata": {"pointsman_labels": "pii", "pointsman_task": "vision"},
            "service_tier": "default",
        },
        ("cache_control", "thinking", "redacted_thinking", "tool_result.is_error", "top_k"),
    )
    request = routed(translated)
    assert (request.labels, request.task, request.tools, request.images) == (("pii",), "vision", ("look",), 1)
    assert (request.max_output_tokens, request.stream) == (100, True)


@pytest.mark.parametrize(
    ("block", "parts", "lost"),
    [
        ({"type": "image", "source": {"type": "url", "url": "https://x/y"}}, [("image_url", "https://x/y")], ()),
        ({"type": "image", "source": {"type": "hologram", "data": "h1"}}, ["h1"], ("files",)),
        ({"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "words"}, "title": "T"}, ["T\nwords"], ()),
        ({"type": "document", "source": PDF}, [("file", "data:application/pdf;base64,JVBERi0=")], ()),
        ({"type": "document", "source": PDF, "context": "old"}, ["old", ("file", "data:application/pdf;base64,JVBERi0=")], ()),
        ({"type": "document", "source": {"type": "content", "content": [{"type": "text", "text": "in"}]}}, ["in"], ()),
        ({"type": "document", "source": {"type": "url", "url": "https://x/secret.pdf"}}, ["secret.pdf"], ("documents",)),
        (
            {"type": "search_result", "source": "s", "title": "t", "content": [{"type": "text", "text": "found"}]},
            ["t\ns", "found"],
            (),
        ),
        ({"type": "no name\n", "words": "deep"}, ["deep"], ("blocks.unknown",)),
    ],
)
@pytest.mark.parametrize("role", ["user", "system"])
def test_all_that_the_model_reads_can_be_read(role, block, parts, lost):
    words = {"type": "text", "text": "before"}
    body = turns((role, [words, block]), ("user", "go on"))
    translated = MESSAGES.to_chat(body)
    assert translated.untranslatable == lost
    before, *found = translated.body["messages"][0]["content"]
    assert before == words
    assert len(found) == len(parts)
    for part, expected in zip(found, parts, strict=True):
        if isinstance(expected, str):
            assert part["type"] == "text"
            assert expected in part["text"]
        else:
            inner = part[expected[0]]
            assert expected == (part["type"], inner.get("url") or inner.get("file_data"))


def test_pieces_of_an_answer_become_one_text_and_images_in_results_follow_them():
    translated = MESSAGES.to_chat(
        turns(
            ("user", "look"),
            ("assistant", [{"type": "text", "text": "One "}, {"type": "text", "text": "two", "citations": [{"cited_text": "x"}]}]),
            ("user", [{"type": "tool_result", "tool_use_id": "t1", "content": [{"type": "image", "source": PNG}]}]),
            ("user", [{"type": "tool_result", "tool_use_id": "t2"}]),
            ("assistant", "The answer is ("),
        )
    )
    assert translated.body["messages"][1:] == [
        {"role": "assistant", "content": "One two"},
        {"role": "tool", "tool_call_id": "t1", "content": ""},
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "The tool's result t1 holds this:"},
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBO"}},
            ],
        },
        {"role": "tool", "tool_call_id": "t2", "content": ""},
        {"role": "assistant", "content": "The answer is ("},
    ]
    assert translated.dropped == ("citations", "prefill")


@pytest.mark.parametrize(
    "kind",
    ["web_search_20250305", "bash_20250124", "computer_20250124", "text_editor_20250728", "code_execution_20260521", "mcp_toolset"],
)
def test_tools_that_a_provider_knows_stay_with_it(kind):
    translated = MESSAGES.to_chat(asked(tools=[{"type": kind, "name": "x", "description": "finds it"}]))
    assert translated.untranslatable == (f"tools.{kind}",)
    request = routed(translated)
    assert request.tools == (kind,)
    assert "finds it" in request.content.tools[0].schema


def test_examples_of_a_tools_input_are_told_in_its_description():
    tool = {"name": "open", "input_schema": SCHEMA, "input_examples": [{"url": "x"}], "defer_loading": True}
    translated = MESSAGES.to_chat(asked(tools=[tool]))
    assert translated.body["tools"][0]["function"]["description"] == 'Example of its input: {"url":"x"}'
    assert translated.dropped == ("tools.defer_loading",)


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        ({"type": "auto"}, {"tool_choice": "auto"}),
        ({"type": "none"}, {"tool_choice": "none"}),
        ({"type": "any"}, {"tool_choice": "required"}),
        ({"type": "tool", "name": "f"}, {"tool_choice": {"type": "function", "function": {"name": "f"}}}),
        ({"type": "auto", "disable_parallel_tool_use": True}, {"tool_choice": "auto", "parallel_tool_calls": False}),
    ],
)
def test_the_choice_of_tools_goes_both_ways(choice, expected):
    tools = [{"name": "f", "input_schema": SCHEMA}]
    translated = MESSAGES.to_chat(asked(tools=tools, tool_choice=choice)).body
    assert {name: translated.get(name) for name in expected} == expected
    back = MESSAGES.from_chat(translated).body
    assert (back["tools"], back["tool_choice"]) == (tools, choice)


def test_a_choice_without_tools_means_nothing():
    assert MESSAGES.to_chat(asked(tool_choice={"type": "auto"})).dropped == ("tool_choice",)


@pytest.mark.parametrize(
    ("fields", "effort", "dropped"),
    [
        ({"thinking": {"type": "enabled", "budget_tokens": 1024}}, "low", ()),
        ({"thinking": {"type": "enabled", "budget_tokens": LOW_BUDGET + 1}}, "medium", ()),
        ({"thinking": {"type": "enabled", "budget_tokens": MEDIUM_BUDGET + 1}}, "high", ()),
        ({"thinking": {"type": "disabled"}}, None, ()),
        ({"thinking": {"type": "adaptive"}}, None, ("thinking",)),
        ({"thinking": {"type": "adaptive"}, "output_config": {"effort": "medium"}}, "medium", ()),
        ({"thinking": {"type": "disabled"}, "output_config": {"effort": "max"}}, None, ("output_config.effort",)),
        ({"output_config": {"effort": "max"}}, "xhigh", ()),
        ({"output_config": {"effort": "low", "task_budget": {}}}, "low", ("output_config.task_budget",)),
    ],
)
def test_thinking_becomes_effort(fields, effort, dropped):
    translated = MESSAGES.to_chat(asked(**fields))
    assert (translated.body.get("reasoning_effort"), translated.dropped) == (effort, dropped)


@pytest.mark.parametrize("fields", [{"output_config": {"format": {"type": "json_schema", "schema": SCHEMA}}}])
def test_a_schema_survives_both_ways_whatever_its_fields_are_called(fields):
    translated = MESSAGES.to_chat(asked(**fields)).body
    assert translated["response_format"] == {"type": "json_schema", "json_schema": {"name": "answer", "schema": SCHEMA}}
    assert translated == MESSAGES.to_chat(asked(output_format=fields["output_config"]["format"])).body
    assert MESSAGES.from_chat(translated).body["output_config"] == fields["output_config"]


def test_what_only_anthropic_has_is_named():
    translated = MESSAGES.to_chat(
        asked(container={"skills": []}, mcp_servers=[{"name": "m"}], context_management={}, speed="fast", cache_control={})
    )
    assert translated.untranslatable == ("container", "mcp_servers")
    assert translated.dropped == ("context_management", "speed", "cache_control")
    assert MESSAGES.to_chat(asked(container=None, mcp_servers=[], speed=None)) == MESSAGES.to_chat(asked())


@pytest.mark.parametrize(
    ("body", "param"),
    [
        (turns(("user", [{"type": "image", "source": {"type": "file", "file_id": "f1"}}])), "messages[0].content[0].source.file_id"),
        (turns(("user", [{"type": "document", "source": {"type": "file", "file_id": "f1"}}])), "messages[0].content[0].source.file_id"),
        (turns(("user", [{"type": "container_upload", "file_id": "f1"}])), "messages[0].content[0].file_id"),
        (turns(("assistant", [{"type": "x", "inner": [{"file_ids": ["f"]}]}])), "messages[0].content[0].inner[0].file_ids"),
        (asked(container="c1"), "container"),
        (asked(container={"id": "c1"}), "container"),
        (asked(container={"skills": [{"type": "custom", "skill_id": "s", "version": "1"}]}), "container"),
        (asked(tools=[{"type": "x", "name": "x", "skill_id": "s"}]), "tools[0].skill_id"),
        (asked(x_new={"vector_store_ids": ["v"]}), "x_new.vector_store_ids"),
    ],
)
def test_what_a_provider_keeps_for_all_keys_is_not_to_be_named(body, param):
    with pytest.raises(RequestError, match="send the data") as raised:
        read_request(body, "", "dec_1", Caller(), {}, "messages")
    assert raised.value.param == param


KEPT = [
    {"type": "code_execution_tool_result", "tool_use_id": "t", "content": {"content": [{"type": "code_execution_output", "file_id": "f"}]}}
]
CALLED = [{"type": "tool_use", "id": "t", "name": "f", "input": {"file_id": "f", "container": "c"}}]
CITED = [{"type": "text", "text": "x", "citations": [{"type": "char_location", "file_id": "f"}]}]


@pytest.mark.parametrize(
    "body",
    [
        turns(("user", "x"), ("assistant", KEPT)),
        turns(("user", "x"), ("assistant", CALLED)),
        turns(("user", "x"), ("assistant", CITED)),
        asked(tools=[{"name": "f", "input_schema": {"type": "object", "properties": {"file_id": {"type": "string"}}}}]),
        asked(metadata={"file_id": "f"}),
    ],
)
def test_the_same_names_in_what_models_say_and_users_define_are_their_own(body):
    read_request(body, "", "dec_1", Caller(), {}, "messages")


@pytest.mark.parametrize(
    ("name", "text", "is_read"),
    [
        ("anthropic-version", "2023-06-01", True),
        ("anthropic-version", "2023-06-01\n", False),
        ("anthropic-version", "", False),
        ("anthropic-beta", "files-api-2025-04-14,x.y_z, b", True),
        ("anthropic-beta", ",".join(["b"] * 32), True),
        ("anthropic-beta", ",".join(["b"] * 33), False),
        ("anthropic-beta", "b" * 65, False),
        ("anthropic-beta", "b,,c", False),
        ("anthropic-beta", "b\r\nx: y", False),
    ],
)
def test_headers_of_this_api_are_read_for_it_alone(name, text, is_read):
    chat_body = {"model": "m", "messages": [{"role": "user", "content": "x"}]}
    assert read_request(chat_body, "", "dec_1", Caller(), {name: text}, "chat").content.headers == {}
    if is_read:
        assert read_request(asked(), "", "dec_1", Caller(), {name: text}, "messages").content.headers == {name: text}
    else:
        with pytest.raises(RequestError) as raised:
            read_request(asked(), "", "dec_1", Caller(), {name: text}, "messages")
        assert (raised.value.param, raised.value.status) == (name, 400)


@pytest.mark.parametrize(
    ("blocks", "sent"),
    [
        ([{"type": "thinking", "thinking": "hm", "signature": "s"}, {"type": "text", "text": "a"}], None),
        ([{"type": "thinking", "thinking": "hm"}, {"type": "text", "text": "a"}], [{"type": "text", "text": "a"}]),
        (
            [{"type": "thinking", "thinking": "hm", "signature": ""}, {"type": "redacted_thinking", "data": "x"}],
            [{"type": "redacted_thinking", "data": "x"}],
        ),
        ([{"type": "thinking", "thinking": "hm"}], []),
    ],
)
def test_thinking_that_nobody_signed_stays_here(blocks, sent):
    body = turns(("user", "hi"), ("assistant", blocks), ("user", "go on"))
    expected = [message for message in body["messages"] if message["content"] != blocks or sent != []]
    if sent:
        expected[1] = {"role": "assistant", "content": sent}
    assert MESSAGES.own(body)["messages"] == expected


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({}, None),
        (asked(max_tokens=None), "max_tokens"),
        (asked(max_tokens=0), "max_tokens"),
        (asked(max_tokens="9"), "max_tokens"),
        (asked(messages=[]), "messages"),
        (asked(messages=[1]), "messages[0]"),
        (asked(temperature=1.5), "temperature"),
        (asked(Model="x"), "Model"),
        (asked(system=5), "system"),
        (asked(system=[{"type": "text", "text": "a", "Text": "b"}]), "system[0].Text"),
        (turns(("robot", "hi")), "messages[0].role"),
        (turns(("user", None)), "messages[0].content"),
        (turns(("user", [{"text": "hi"}])), "messages[0].content[0]"),
        (turns(("user", [{"type": "text"}])), "messages[0].content[0]"),
        (turns(("user", [{"type": "text", "text": 5}])), "messages[0].content[0].text"),
        (turns(("user", [{"type": "image", "source": {"type": "url", "Url": "x"}}])), "messages[0].content[0].source.Url"),
        (turns(("user", [{"type": "tool_use", "id": "a", "name": "f", "input": {}}])), "messages[0].content[0]"),
        (turns(("assistant", [{"type": "tool_result", "tool_use_id": "a"}])), "messages[0].content[0]"),
        (turns(("assistant", [{"type": "tool_use", "id": "a", "name": "f", "input": "x"}])), "messages[0].content[0].input"),
        (asked(messages=[{"role": "user", "Content": "x", "content": "y"}]), "messages[0].Content"),
        (asked(tools=[{"name": "f"}]), "tools[0]"),
        (asked(tools=[{"name": "f", "input_schema": {}, "Description": "x"}]), "tools[0].Description"),
        (asked(tool_choice={"type": "tool"}, tools=[{"name": "f", "input_schema": {}}]), "tool_choice.name"),
        (asked(tool_choice={"type": "some"}), "tool_choice.type"),
        (asked(thinking={"type": "enabled"}), "thinking.budget_tokens"),
        (asked(thinking={"type": "enabled", "budget_tokens": 5}), "thinking.budget_tokens"),
        (asked(output_config={"effort": "huge"}), "output_config.effort"),
        (asked(output_config={"format": {"type": "json_object"}}), "output_config.format.type"),
        (asked(metadata={"user_id": 5}), "metadata[...]"),
        (asked(inference_geo="us"), "inference_geo"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(body, param):
    assert refusal(body).param == param


def test_counting_tokens_needs_no_limit():
    body = asked(max_tokens=None)
    assert count_tokens_to_chat(body).body["messages"] == [{"role": "user", "content": "hello"}]
    with pytest.raises(RequestError, match="`messages`"):
        count_tokens_to_chat({"messages": []})


def test_own_models_get_the_body_without_our_metadata():
    body = asked(metadata={"user_id": "u", "pointsman_task": "chat"}, unknown={"kept": [1]})
    assert MESSAGES.own(body) == asked(metadata={"user_id": "u"}, unknown={"kept": [1]})
    assert MESSAGES.own(asked(metadata={"pointsman_labels": "pii"})) == asked()
    assert MESSAGES.own(asked(metadata={})) == asked(metadata={})


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
NAMES = sorted(
    [
        "model",
        "messages",
        "max_tokens",
        "system",
        "stream",
        "temperature",
        "tools",
        "tool_choice",
        "thinking",
        "output_config",
        "metadata",
        "role",
        "content",
        "type",
        "text",
        "source",
        "data",
        "media_type",
        "url",
        "tool_use_id",
        "id",
        "name",
        "input",
        "input_schema",
        "is_error",
        "title",
        "context",
        "citations",
        "enabled",
        "budget_tokens",
        "effort",
        "format",
        "schema",
        "stop_sequences",
        "n",
        "stop",
        "response_format",
        "json_schema",
        "tool_calls",
        "function",
        "arguments",
        "tool_call_id",
        "parameters",
        "image_url",
        "file",
        "file_data",
    ]
)
WORDS = st.sampled_from(
    [
        "user",
        "assistant",
        "system",
        "tool",
        "text",
        "image",
        "document",
        "tool_use",
        "tool_result",
        "thinking",
        "base64",
        "url",
        "content",
        "enabled",
        "json_schema",
        "function",
        "any",
    ]
)
NESTED = st.recursive(
    JSON | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=5),
    max_leaves=12,
)
HOSTILE = st.dictionaries(st.sampled_from(NAMES) | st.text(max_size=5), NESTED, max_size=8) | st.builds(
    lambda messages, more: {**asked(), **more, "messages": messages},
    st.lists(
        st.fixed_dictionaries({"role": WORDS, "content": st.lists(st.fixed_dictionaries({"type": WORDS}) | NESTED, max_size=3)}), max_size=3
    ),
    st.dictionaries(st.sampled_from(NAMES), NESTED, max_size=3),
)


@given(HOSTILE)
def test_whatever_comes_is_translated_or_refused(body):
    body = parse_object(json.dumps(body).encode())
    before = copy.deepcopy(body)
    for translate in (MESSAGES.to_chat, count_tokens_to_chat, MESSAGES.from_chat):
        try:
            translated = translate(body)
            json.dumps(translated.body)
            if translate is not MESSAGES.from_chat:
                routed(translated)
        except RequestError:
            pass
    MESSAGES.own(body)
    assert body == before


@given(st.lists(st.sampled_from(["text", "x_new", "search_result", "document", "tool_result", "image"]), min_size=1, max_size=6))
def test_no_word_is_hidden_from_routing(kinds):
    def block(kind: str, word: str) -> Json:
        said = {"type": kind, "text": word, "title": "t", "tool_use_id": "t1"}
        if kind in {"document", "image"}:
            return {**said, "source": {"type": "text", "data": word}}
        return {**said, "source": "s", "content": [{"type": "text", "text": word}]}

    words = [f"word{index}" for index in range(len(kinds))]
    blocks = [block(kind, word) for kind, word in zip(kinds, words, strict=True)]
    translated = MESSAGES.to_chat(turns(("user", blocks)))
    request = routed(translated)
    read = "\n".join(part.text for message in request.content.messages for part in message.parts if isinstance(part, Text))
    assert all(word in read for word in words)


# From Chat Completions


def test_a_chat_clients_conversation_becomes_turns():
    translated = MESSAGES.from_chat(
        chat(
            messages=[
                {"role": "system", "content": "Be brief."},
                {"role": "developer", "content": [{"type": "text", "text": "Be kind."}]},
                {"role": "user", "content": "Look"},
                {
                    "role": "user",
                    "content": [
                        {"type": "image_url", "image_url": {"url": "data:image/png;charset=x;base64,iVBO", "detail": "low"}},
                        {"type": "image_url", "image_url": {"url": "https://x/y.png"}},
                        {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,JVBERi0="}},
                        {"type": "text", "text": " "},
                    ],
                },
                {
                    "role": "assistant",
                    "content": "",
                    "tool_calls": [
                        {"id": "c1", "type": "function", "function": {"name": "f", "arguments": '{"a":1}'}},
                        {"id": "c.2", "type": "function", "function": {"name": "f", "arguments": "oops"}},
                    ],
                },
                {"role": "tool", "tool_call_id": "c1", "content": "yes"},
                {"role": "tool", "tool_call_id": "c.2", "content": ""},
                {"role": "user", "content": "And?"},
                {"role": "assistant", "content": None, "refusal": "I will not."},
                {"role": "system", "content": "Now do."},
                {"role": "user", "content": "Please"},
            ],
            stream=True,
        )
    )
    strange = translated.body["messages"][1]["content"][1]["id"]
    assert strange.startswith("toolu_")
    assert translated.body == {
        "model": "claude",
        "max_tokens": DEFAULT_MAX_TOKENS,
        "stream": True,
        "system": [{"type": "text", "text": text} for text in ("Be brief.", "Be kind.", "Now do.")],
        "messages": [
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "Look"},
                    {"type": "image", "source": PNG},
                    {"type": "image", "source": {"type": "url", "url": "https://x/y.png"}},
                    {"type": "document", "source": PDF, "title": "a.pdf"},
                ],
            },
            {
                "role": "assistant",
                "content": [
                    {"type": "tool_use", "id": "c1", "name": "f", "input": {"a": 1}},
                    {"type": "tool_use", "id": strange, "name": "f", "input": {"arguments": "oops"}},
                ],
            },
            {
                "role": "user",
                "content": [
                    {"type": "tool_result", "tool_use_id": "c1", "content": "yes"},
                    {"type": "tool_result", "tool_use_id": strange},
                    {"type": "text", "text": "And?"},
                ],
            },
            {"role": "assistant", "content": "I will not."},
            {"role": "user", "content": "Please"},
        ],
    }
    assert translated.dropped == ("messages.image_url.detail", "system.position")


@pytest.mark.parametrize(
    ("fields", "sent", "dropped"),
    [
        ({"max_tokens": 5}, {"max_tokens": 5}, ()),
        ({"max_completion_tokens": 7, "max_tokens": 5}, {"max_tokens": 7}, ()),
        ({"temperature": 1.7}, {"temperature": 1}, ("temperature",)),
        ({"temperature": 0.3, "top_p": 0.5}, {"temperature": 0.3, "top_p": None}, ("top_p",)),
        ({"top_p": 0.5}, {"top_p": 0.5}, ()),
        ({"stop": "END"}, {"stop_sequences": ["END"]}, ()),
        ({"stop": ["END", "\n"]}, {"stop_sequences": ["END"]}, ("stop",)),
        ({"response_format": {"type": "json_object"}}, {"output_config": None}, ("response_format",)),
        ({"response_format": {"type": "text"}}, {"output_config": None}, ()),
        ({"reasoning_effort": "high"}, {"output_config": {"effort": "high"}}, ()),
        ({"reasoning_effort": "none"}, {"output_config": {"effort": "low"}}, ("reasoning_effort",)),
        ({"reasoning_effort": "odd"}, {"output_config": None}, ("reasoning_effort",)),
        ({"service_tier": "default"}, {"service_tier": "standard_only"}, ()),
        ({"service_tier": "flex"}, {"service_tier": None}, ("service_tier",)),
        ({"seed": 1, "logit_bias": {}, "user": "u", "presence_penalty": 1}, {}, ("seed", "logit_bias", "user", "presence_penalty")),
        ({"metadata": {"pointsman_task": "chat"}, "n": 1, "logprobs": False, "stream_options": {}}, {"metadata": None}, ()),
        ({"metadata": {"team": "blue"}}, {"metadata": None}, ("metadata",)),
        ({"messages": [{"role": "system", "content": "hi"}]}, {"messages": [{"role": "user", "content": "hi"}]}, ("system.role",)),
    ],
)
def test_chat_fields_are_sent_or_named(fields, sent, dropped):
    translated = MESSAGES.from_chat(chat(**fields))
    assert {name: translated.body.get(name) for name in sent} == sent
    assert translated.dropped == dropped


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"n": 2}, "n"),
        ({"logprobs": True}, "logprobs"),
        ({"functions": [{"name": "f"}]}, "functions"),
        ({"modalities": ["text", "audio"]}, "audio"),
        ({"modalities": 5}, "audio"),
        ({"tools": [{"type": "custom", "custom": {"name": "f"}}]}, "tools[0]"),
        ({"tools": [{"type": "function", "function": {"name": "f"}}], "tool_choice": "odd"}, "tool_choice"),
        ({"response_format": {"type": "json_schema"}}, "response_format"),
        ({"messages": [{"role": "user", "content": ""}]}, "messages"),
        ({"messages": [{"role": "user", "content": [{"type": "input_audio", "input_audio": {}}]}]}, "messages[0].content[0]"),
        ({"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "ftp://x"}}]}]}, "messages[0].content[0]"),
        ({"messages": [{"role": "user", "content": [{"type": "file", "file": {"file_id": "f"}}]}]}, "messages[0].content[0]"),
        ({"messages": [{"role": "tool", "content": "x"}]}, "messages[0].tool_call_id"),
        ({"messages": [{"role": "assistant", "function_call": {"name": "f", "arguments": ""}}]}, "messages[0]"),
    ],
)
def test_what_must_not_be_lost_is_refused(fields, param):
    assert refusal(chat(**fields), MESSAGES.from_chat).param == param


def test_what_a_message_loses_is_told():
    call = {"id": "c", "type": "function", "index": 0, "function": {"name": "f", "arguments": "{}"}, "extra_content": {"google": {}}}
    said = {"role": "assistant", "name": "Ann", "reasoning_content": "hm", "tool_calls": [call]}
    translated = MESSAGES.from_chat(chat(messages=[{"role": "user", "content": "Look"}, said]))
    assert translated.dropped == ("messages.name", "messages.reasoning_content", "messages.tool_calls.extra_content")


WORDY = st.text(min_size=1, max_size=12).filter(lambda text: bool(text.strip()))
ID = st.from_regex(r"[A-Za-z0-9_-]{1,16}", fullmatch=True)
INPUT = st.dictionaries(st.text(max_size=5), st.none() | st.booleans() | st.integers() | st.text(max_size=5), max_size=3)
TEXT_PART = st.builds(lambda text: {"type": "text", "text": text}, WORDY)
USER_PART = (
    TEXT_PART
    | st.builds(lambda data: {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{data}"}}, ID)
    | st.builds(lambda path: {"type": "image_url", "image_url": {"url": f"https://x/{path}"}}, ID)
    | st.builds(lambda data: {"type": "file", "file": {"filename": "document.pdf", "file_data": f"data:application/pdf;base64,{data}"}}, ID)
)
CALL = st.builds(
    lambda call, name, value: {"id": call, "type": "function", "function": {"name": name, "arguments": json.dumps(value)}}, ID, ID, INPUT
)


@st.composite
def conversations(draw: st.DrawFn) -> list[Json]:
    """Turns as a well-behaved client has them: after calls of tools come their results, then the other side speaks."""
    messages: list[Json] = []
    if draw(st.booleans()):
        messages.append({"role": "system", "content": draw(WORDY | st.lists(TEXT_PART, min_size=2, max_size=3))})
    messages.append({"role": "user", "content": draw(WORDY | st.lists(USER_PART, min_size=2, max_size=3))})
    for _ in range(draw(st.integers(0, 3))):
        calls = draw(st.lists(CALL, max_size=2))
        if calls:
            messages.append({"role": "assistant", "content": draw(st.none() | WORDY), "tool_calls": calls})
            messages += [{"role": "tool", "tool_call_id": call["id"], "content": draw(WORDY | st.just(""))} for call in calls]
        else:
            messages.append({"role": "assistant", "content": draw(WORDY)})
            messages.append({"role": "user", "content": draw(WORDY)})
    return messages


FUNCTION = st.builds(
    lambda name, description, strict: {
        "type": "function",
        "function": {"name": name, "description": description, "parameters": SCHEMA, "strict": strict},
    },
    ID,
    WORDY,
    st.booleans(),
)
OPTIONAL = {
    "stream": st.booleans(),
    "stop": st.lists(WORDY, min_size=1, max_size=4),
    "tools": st.lists(FUNCTION, min_size=1, max_size=3),
    "reasoning_effort": st.sampled_from(["low", "medium", "high", "xhigh"]),
    "response_format": st.just({"type": "json_schema", "json_schema": {"name": "answer", "schema": SCHEMA}}),
    "service_tier": st.sampled_from(["auto", "default"]),
}
CHAT = st.builds(
    lambda body, sampling, choice: {**body, **sampling, **(choice if "tools" in body else {})},
    st.fixed_dictionaries(
        {"model": ID, "messages": conversations(), "max_completion_tokens": st.integers(1, 10**6)},
        optional=OPTIONAL,
    ),
    st.fixed_dictionaries({}, optional={"temperature": st.floats(0, 1)}) | st.fixed_dictionaries({"top_p": st.floats(0, 1)}),
    st.sampled_from(
        [
            {},
            {"tool_choice": "auto"},
            {"tool_choice": "none"},
            {"tool_choice": "required", "parallel_tool_calls": False},
            {"tool_choice": {"type": "function", "function": {"name": "f"}}},
        ]
    ),
)


def with_parsed_arguments(body: Json) -> Json:
    """The spelling of arguments within their JSON text may differ."""
    body = copy.deepcopy(body)
    for message in body["messages"]:
        for call in message.get("tool_calls", ()):
            call["function"]["arguments"] = json.loads(call["function"]["arguments"])
    return body


@given(CHAT)
def test_a_chat_body_survives_the_way_there_and_back(body):
    there = MESSAGES.from_chat(body)
    assert (there.dropped, there.untranslatable) == ((), ())
    back = MESSAGES.to_chat(there.body)
    assert (back.dropped, back.untranslatable) == ((), ())
    assert with_parsed_arguments(back.body) == with_parsed_arguments(body)
