"""What a request asks for that not every API can say, found before a model is chosen."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.core.apis import missing
from pointsman.core.request import Caller, Request
from pointsman.errors import RequestError
from pointsman.wire.dialects import DIALECTS
from pointsman.wire.request import parse_request

USER = {"role": "user", "content": "hello"}
FUNCTION = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}
CUSTOM = {"type": "custom", "custom": {"name": "f"}}
CALL = {"id": "c", "type": "custom", "custom": {"name": "f", "input": "x"}}

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
    ({"messages": [USER, {"role": "assistant", "audio": {"id": "a"}}]}, ("audio",)),
    ({"messages": [{"role": "user", "content": [{"type": "input_audio", "input_audio": {"data": "", "format": "mp3"}}]}]}, ("audio",)),
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


def test_files_are_sent_not_named():
    part = {"type": "file", "file": {"file_id": "file-1"}}
    with pytest.raises(RequestError, match="send the data"):
        parse({"messages": [{"role": "user", "content": [part]}]})
