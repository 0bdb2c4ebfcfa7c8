"""What a request asks for that not every API can say, found before a model is chosen."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pointsman.core.apis import missing, spoken
from pointsman.core.request import Caller, Request
from pointsman.errors import RequestError
from pointsman.wire.dialects import DIALECTS
from pointsman.wire.request import parse_request
from tests.conftest import EXAMPLES

USER = {"role": "user", "content": "hello"}
FUNCTION = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}
CUSTOM = {"type": "custom", "custom": {"name": "f"}}
CALL = {"id": "c", "type": "custom", "custom": {"name": "f", "input": "x"}}


def said(*parts: object) -> dict[str, object]:
    return {"messages": [{"role": "user", "content": list(parts)}]}


ASKED = [
    ({"n": 2}, ("n",)),
    ({"n": 1, "modalities": ["text"], "stop": [], "tools": [FUNCTION], "tool_choice": "required"}, ()),
    ({"logprobs": True}, ("logprobs",)),
    ({"top_logprobs": 3}, ("logprobs",)),
    ({"stop": "x"}, ("stop",)),
    ({"modalities": ["text", "audio"], "audio": {"voice": "v"}}, ("audio",)),
    ({"modalities": ["image"]}, ("native:modalities.image",)),
    ({"functions": [{"name": "f"}]}, ("functions",)),
    ({"function_call": "auto"}, ("functions",)),
    ({"web_search_options": {}}, ("web_search_options",)),
    ({"tools": [CUSTOM]}, ("custom_tools",)),
    ({"tools": [FUNCTION], "tool_choice": {"type": "custom", "custom": {"name": "f"}}}, ("custom_tools",)),
    ({"tools": [FUNCTION], "tool_choice": {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": []}}}, ("allowed_tools",)),
    ({"tools": [FUNCTION], "tool_choice": {"type": "odd\n"}}, ("native:tool_choice.unknown",)),
    ({"tools": [FUNCTION, {"type": "web_search"}]}, ("native:tools.web_search",)),
    ({"messages": [USER, {"role": "assistant", "tool_calls": [CALL]}]}, ("custom_tools",)),
    ({"messages": [USER, {"role": "assistant", "function_call": {"name": "f", "arguments": "{}"}}]}, ("functions",)),
    ({"messages": [USER, {"role": "function", "name": "f", "content": "4"}]}, ("functions",)),
    ({"messages": [USER, {"role": "assistant", "audio": {"data": "a"}}]}, ("audio",)),
    ({"messages": [{"role": "user", "content": [{"type": "input_audio", "input_audio": {"data": "", "format": "mp3"}}]}]}, ("audio",)),
    (said({"type": "input_audio", "input_audio": {"data": "", "format": "mp3"}, "text": "none"}), ("audio",)),
    ({"messages": [{"role": "user", "content": " \n"}]}, ("blank_text",)),
    ({"messages": [{"role": "user", "content": [], "tool_calls": [FUNCTION], "refusal": "x"}]}, ("blank_text",)),
    ({"messages": [{"role": "system", "content": "x"}, {"role": "user", "content": ""}]}, ()),
    ({"messages": [USER, {"role": "tool", "content": "4"}]}, ("tool_without_id",)),
    ({"response_format": {"type": "json_schema", "json_schema": {"name": "a", "schema": False}}}, ("no_schema",)),
    ({"response_format": {"type": "json_schema"}}, ("no_schema",)),
    (said({"type": "image_url", "image_url": {"url": "ftp://x"}}), ("other_urls",)),
    (said({"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}), ()),
    (said({"type": "file", "file": {"file_data": "AA=="}, "text": "x"}), ("other_urls",)),
    (said({"type": "file", "file": {"filename": "a"}}), ("native:messages.file",)),
    (said({"type": "refusal"}, {"type": "text", "text": "x"}), ("native:messages.refusal",)),
    ({"tools": [FUNCTION], "tool_choice": "any"}, ("native:tool_choice.any",)),
    ({"tools": [FUNCTION], "tool_choice": {"type": "function", "name": "f"}}, ("native:tool_choice.nameless",)),
    ({"tools": [FUNCTION], "tool_choice": {"type": "allowed_tools", "allowed_tools": {"tools": 5}}}, ("allowed_tools",)),
    ({"modalities": ["text", "text"]}, ()),
    ({"messages": [{"role": "user", "content": [{"type": "hologram", "of": "x"}]}]}, ("native:messages.hologram",)),
]


def parse(body: dict[str, object]) -> Request:
    return parse_request(json.dumps({"model": "auto", "messages": [USER], **body}).encode(), "dec_1", Caller(), {})


@pytest.mark.parametrize(("body", "features"), ASKED)
def test_what_is_asked_for_is_found(body, features):
    assert parse(body).features == features


@given(st.lists(st.sampled_from([body for body, _ in ASKED]), max_size=5), st.sampled_from(["responses", "messages"]))
def test_whatever_an_api_is_chosen_for_it_can_say(bodies, api):
    """A request is refused by the gate, with a reason, or translated whole: never an error when the model is called."""
    request = parse({name: value for body in bodies for name, value in body.items()})
    if missing(api, "chat", request.features):
        return
    assert DIALECTS[api].from_chat(request.content.body).untranslatable == ()


SCALARS = (
    st.none() | st.booleans() | st.integers(-1, 3) | st.sampled_from(["", " ", "x", "auto", "data:a/b;base64,AA", "https://x", "text"])
)
NAMES = "type text name content role function custom image_url url file file_data refusal schema json_schema id arguments mode tools Type Refusal"
WILD = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(NAMES.split()), inner, max_size=3), max_leaves=6
)
WORDS = st.sampled_from(["", " ", "x"])
URLS = st.sampled_from(["https://x", "ftp://x", "data:a/b;base64,AA", "data:;base64,AA", "data:a/b,AA", "AA", ""])
PARTS = st.fixed_dictionaries(
    {"type": st.sampled_from(["text", "image_url", "file", "refusal", "input_audio", "output_text", "x"])},
    optional={
        "text": WORDS,
        "refusal": WORDS,
        "image_url": st.fixed_dictionaries({"url": URLS}),
        "file": st.fixed_dictionaries({}, optional={"file_data": URLS}),
        "input_audio": WILD,
        "x": WILD,
    },
)
NAMED = st.fixed_dictionaries(
    {"name": st.just("f")}, optional={"arguments": WORDS, "parameters": WILD, "description": WILD, "strict": WILD}
)
TOOLS = st.fixed_dictionaries(
    {"type": st.sampled_from(["function", "custom", "x"])}, optional={"id": WORDS, "function": NAMED, "custom": NAMED, "Type": WILD}
)
TURNS = st.fixed_dictionaries(
    {"role": st.sampled_from(["system", "developer", "user", "assistant", "tool", "function"])},
    optional={
        "content": WORDS | st.lists(PARTS, max_size=3),
        "tool_call_id": WORDS,
        "refusal": WORDS | WILD,
        "tool_calls": st.lists(TOOLS, max_size=2),
        "function_call": NAMED,
        "audio": WILD,
        "Refusal": WILD,
    },
)
WHOLE = st.fixed_dictionaries(
    {"messages": st.lists(TURNS, min_size=1, max_size=3)},
    optional={
        "tools": st.lists(TOOLS, max_size=2),
        "tool_choice": st.sampled_from(["auto", "any", ""]) | TOOLS | WILD,
        "response_format": st.fixed_dictionaries(
            {"type": st.sampled_from(["json_schema", "text"])}, optional={"json_schema": WILD, "Type": WILD}
        ),
        "modalities": st.lists(st.sampled_from(["text", "audio", "image"]), max_size=2),
    }
    | dict.fromkeys(
        ["parallel_tool_calls", "reasoning_effort", "service_tier", "stop", "temperature", "functions", "audio", "n", "Reasoning_Effort"],
        WILD,
    ),
)


@settings(max_examples=4 * EXAMPLES)
@given(WHOLE, st.sampled_from(["responses", "messages"]))
def test_what_was_accepted_and_let_pass_is_translated(body, api):
    try:
        request = parse(body)
    except RequestError:
        return
    if spoken((api,), "chat", request.features) is not None:
        json.dumps(DIALECTS[api].from_chat(request.content.body).body)


@pytest.mark.parametrize(
    ("api", "body"),
    [
        ("completions", {"prompt": [""]}),
        ("responses", {"input": ""}),
        ("responses", {"input": [{"role": "user", "content": [{"type": "input_file", "file_data": "AA"}]}]}),
    ],
)
def test_what_other_apis_say_and_messages_cannot_is_found(api, body):
    request = parse_request(json.dumps({"model": "auto", **body}).encode(), "dec_1", Caller(), {}, api=api)
    assert spoken(("messages",), api, request.features) is None


@pytest.mark.parametrize(
    "body",
    [
        said({"type": "file", "file": {"file_id": "file-1"}}),
        said({"type": "x", "deep": [{"container_id": "c"}]}),
        {"messages": [USER, {"role": "assistant", "audio": {"id": "a"}}]},
        {"tools": [{"type": "file_search", "vector_store_ids": ["v"]}]},
        {"x_new": {"skill_id": "s"}},
        {"file_ids": ["f"]},
    ],
)
def test_files_are_sent_not_named(body):
    with pytest.raises(RequestError, match="send the data"):
        parse(body)
