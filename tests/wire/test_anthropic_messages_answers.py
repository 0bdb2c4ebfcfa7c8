"""Answers in Anthropic's words: what they say, what they cost, and how ours are written."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.core.prices import Usage
from pointsman.errors import (
    AuthenticationError,
    ModelNotFound,
    NoEligibleModel,
    Overloaded,
    PayloadTooLarge,
    PointsmanError,
    RecordError,
    RequestError,
    UpstreamError,
    UpstreamRefused,
    UpstreamTimeout,
)
from pointsman.wire.anthropic_messages import MESSAGES
from pointsman.wire.anthropic_messages.usage import read_usage, write_usage
from pointsman.wire.dialect import Completion, Envelope
from pointsman.wire.events import Finished, Lost, Reasoning, Refusal, Text, ToolArguments, ToolBegan, Used
from pointsman.wire.openai_chat.usage import MOST_TOKENS

ENVELOPE = Envelope("dec1", "auto", 1_700_000_000)
COUNTS = {"input_tokens": 10, "output_tokens": 5, "cache_read_input_tokens": 100, "cache_creation_input_tokens": 40}
TOLD = Usage(input_tokens=150, output_tokens=5, cached_input_tokens=100, cache_write_tokens=40)


def message(*blocks: Any, **fields: Any) -> bytes:
    said = {"id": "msg_1", "type": "message", "role": "assistant", "model": "claude", "content": list(blocks)}
    return json.dumps({**said, "stop_reason": "end_turn", "stop_sequence": None, "usage": COUNTS, **fields}).encode()


SAID = {"type": "text", "text": "Hello"}
THOUGHT = {"type": "thinking", "thinking": "hm", "signature": "sig"}
CALL = {"type": "tool_use", "id": "t1", "name": "f", "input": {"a": 1}}
SEARCH = {"type": "server_tool_use", "id": "s1", "name": "web_search", "input": {"query": "x"}}


@pytest.mark.parametrize(
    ("body", "completion"),
    [
        (message(SAID), Completion("stop", TOLD, "", content="Hello")),
        (message(SAID, SAID, usage=None), Completion("stop", None, "Hello\nHello", content="HelloHello")),
        (
            message(CALL, stop_reason="tool_use", usage={}),
            Completion("tool_calls", None, json.dumps(CALL, separators=(",", ":")), content=""),
        ),
        (message(THOUGHT), Completion("stop", TOLD, "", empty=True, content="")),
        (message(), Completion("stop", TOLD, "", empty=True, content="")),
        (message({"type": "text", "text": ""}), Completion("stop", TOLD, "", empty=True, content="")),
        (message(stop_reason="refusal"), Completion("content_filter", TOLD, "", content="")),
        (message(SEARCH, stop_reason="pause_turn"), Completion("length", TOLD, "", content="")),
        (message(SAID, stop_reason="max_tokens"), Completion("length", TOLD, "", content="Hello")),
        (message(SAID, stop_reason="model_context_window_exceeded"), Completion("length", TOLD, "", content="Hello")),
        (message(SAID, stop_reason="brand_new"), Completion("brand_new", TOLD, "", content="Hello")),
        (message(SAID, stop_reason=None), Completion(None, TOLD, "", content="Hello")),
    ],
)
def test_accounting_reads_what_it_needs(body, completion):
    assert MESSAGES.read_completion(body) == completion


def test_a_whole_answer_becomes_events():
    body = message(
        THOUGHT,
        {"type": "redacted_thinking", "data": "x"},
        SAID,
        SEARCH,
        CALL,
        {**CALL, "id": "t2", "input": {}},
        stop_reason="tool_use",
        usage={**COUNTS, "output_tokens_details": {"thinking_tokens": 2}, "cache_creation": {"ephemeral_1h_input_tokens": 30}},
    )
    assert MESSAGES.read_events(body) == [
        Reasoning("hm"),
        Reasoning("", signature="sig"),
        Lost("redacted_thinking"),
        Text("Hello"),
        Lost("server_tool_use"),
        ToolBegan(0, "t1", "f"),
        ToolArguments(0, '{"a":1}'),
        ToolBegan(1, "t2", "f"),
        ToolArguments(1, "{}"),
        Finished("tool_calls"),
        Used(Usage(150, 5, 100, 40, 30, 2)),
    ]


@pytest.mark.parametrize(
    ("fields", "ending"),
    [
        ({"stop_reason": "stop_sequence", "stop_sequence": "END"}, [Finished("stop", stop_sequence="END")]),
        ({"stop_reason": "refusal"}, [Finished("content_filter")]),
        ({"stop_reason": "refusal", "stop_details": {"explanation": "no"}}, [Refusal("no"), Finished("content_filter")]),
        ({"stop_reason": None}, [Finished("stop")]),
        ({"stop_reason": "brand_new"}, [Finished("stop")]),
        ({"stop_reason": "pause_turn"}, [Finished("length")]),
    ],
)
def test_the_reason_for_the_end_is_kept(fields, ending):
    assert MESSAGES.read_events(message(SAID, **fields, usage=None)) == [Text("Hello"), *ending]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"{}",
        b"\xff",
        b"[" * 100_000,
        message(5),
        message(SAID, content="text"),
        message(SAID, stop_reason=5),
    ],
)
def test_what_is_no_message_is_an_error(body):
    for read in (MESSAGES.read_completion, MESSAGES.read_events):
        with pytest.raises(UpstreamError):
            read(body)


def test_blocks_that_cannot_be_read_are_not_passed_over():
    for block in ({"type": "text", "text": 5}, {"type": "tool_use", "name": []}, {"type": "thinking", "thinking": {}}):
        with pytest.raises(UpstreamError):
            MESSAGES.read_events(message(block))


def test_an_error_with_status_200_is_an_error():
    with pytest.raises(UpstreamRefused, match="Overloaded"):
        MESSAGES.read_events(b'{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}')


@pytest.mark.parametrize(
    ("reported", "usage"),
    [
        (COUNTS, TOLD),
        ({"input_tokens": 1, "output_tokens": 2}, Usage(1, 2)),
        ({**COUNTS, "cache_creation_input_tokens": None, "cache_creation": None, "output_tokens_details": None}, Usage(110, 5, 100)),
        (
            {
                "input_tokens": 1,
                "output_tokens": 2,
                "cache_creation": {"ephemeral_1h_input_tokens": 3, "ephemeral_5m_input_tokens": 4},
            },
            Usage(8, 2, 0, 7, 3),
        ),
        ({"input_tokens": 1, "output_tokens": 2, "output_tokens_details": {"thinking_tokens": 9}}, Usage(1, 2, reasoning_tokens=2)),
        (None, None),
        ([], None),
        ({}, None),
        ({"input_tokens": 1}, None),
        ({"input_tokens": -1, "output_tokens": 2}, None),
        ({"input_tokens": True, "output_tokens": 2}, None),
        ({"input_tokens": "1", "output_tokens": 2}, None),
        ({"input_tokens": 1.5, "output_tokens": 2}, None),
        ({"input_tokens": MOST_TOKENS + 1, "output_tokens": 2}, None),
        ({"input_tokens": MOST_TOKENS, "output_tokens": 2, "cache_read_input_tokens": 1}, None),
        ({**COUNTS, "cache_read_input_tokens": -5}, None),
        ({**COUNTS, "cache_read_input_tokens": 10**30}, None),
        ({**COUNTS, "cache_creation": "x"}, None),
    ],
)
def test_counts_are_read_as_they_are_meant_or_not_believed(reported, usage):
    assert read_usage(reported) == usage


COUNT = st.integers(0, 1_000)


@given(COUNT, COUNT, COUNT, COUNT, COUNT, COUNT)
def test_usage_survives_the_way_there_and_back(plain, cached, minutes, hour, output, reasoning):
    written = minutes + hour
    usage = Usage(plain + cached + written, output, cached, written, hour, min(reasoning, output))
    assert read_usage(write_usage(usage)) == usage


@given(
    st.recursive(st.none() | st.integers() | st.text(), lambda inner: st.dictionaries(st.sampled_from(list(COUNTS)), inner), max_leaves=5)
)
def test_hostile_counts_raise_nothing(reported):
    read_usage(reported)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.sampled_from(["text", "tool_use", "thinking", "refusal"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["type", "text", "input", "id", "name", "thinking", "signature", "usage"]), inner, max_size=4)
    ),
    max_leaves=10,
)


@given(st.dictionaries(st.sampled_from(["type", "content", "stop_reason", "stop_details", "usage", "error"]), JSON))
def test_hostile_answers_are_read_or_refused(answer):
    for read in (MESSAGES.read_completion, MESSAGES.read_events):
        with suppress(UpstreamError):
            read(json.dumps(answer).encode())


def test_a_whole_answer_is_written():
    events = [
        Reasoning("h"),
        Reasoning("m"),
        Reasoning("", signature="sig"),
        Reasoning("more"),
        Text("Hel"),
        Text("other", choice=1),
        Text("lo"),
        Text(""),
        ToolBegan(0, "c.1", "f"),
        ToolBegan(1, "c2", "g"),
        ToolArguments(0, '{"a"'),
        ToolArguments(1, "oops"),
        ToolArguments(0, ":1}"),
        ToolArguments(7, "of no call"),
        Finished("stop"),
        Finished("length", choice=1),
        Used(Usage(150, 5, 100, 40, 30, 2)),
    ]
    written = json.loads(MESSAGES.write_answer(events, ENVELOPE))
    strange = written["content"][3]["id"]
    assert strange.startswith("toolu_")
    assert written == {
        "id": "msg_dec1",
        "type": "message",
        "role": "assistant",
        "model": "auto",
        "content": [
            {"type": "thinking", "thinking": "hm", "signature": "sig"},
            {"type": "thinking", "thinking": "more", "signature": ""},
            {"type": "text", "text": "Hello"},
            {"type": "tool_use", "id": strange, "name": "f", "input": {"a": 1}},
            {"type": "tool_use", "id": "c2", "name": "g", "input": {"arguments": "oops"}},
        ],
        "stop_reason": "tool_use",
        "stop_sequence": None,
        "usage": {
            "input_tokens": 10,
            "cache_creation_input_tokens": 40,
            "cache_read_input_tokens": 100,
            "output_tokens": 5,
            "cache_creation": {"ephemeral_1h_input_tokens": 30, "ephemeral_5m_input_tokens": 10},
            "output_tokens_details": {"thinking_tokens": 2},
        },
    }


@pytest.mark.parametrize(
    ("events", "reason", "sequence"),
    [
        ([Finished("stop")], "end_turn", None),
        ([Finished("stop", stop_sequence="END")], "stop_sequence", "END"),
        ([Finished("length")], "max_tokens", None),
        ([ToolBegan(0, "t", "f"), Finished("tool_calls")], "tool_use", None),
        ([Finished("content_filter")], "refusal", None),
        ([Refusal("I will not."), Finished("stop")], "refusal", None),
        ([], None, None),
    ],
)
def test_why_it_ended_is_written(events, reason, sequence):
    written = json.loads(MESSAGES.write_answer(events, ENVELOPE))
    assert (written["stop_reason"], written["stop_sequence"]) == (reason, sequence)


def test_a_refusal_is_text():
    written = json.loads(MESSAGES.write_answer([Refusal("I will"), Refusal(" not."), Finished("stop")], ENVELOPE))
    assert written["content"] == [{"type": "text", "text": "I will not."}]


def test_an_answer_survives_the_way_there_and_back():
    body = message(THOUGHT, SAID, CALL, {**CALL, "id": "t2"}, stop_reason="tool_use")
    written = json.loads(MESSAGES.write_answer(MESSAGES.read_events(body), ENVELOPE))
    assert written == json.loads(body) | {"id": "msg_dec1", "model": "auto"}


@pytest.mark.parametrize(
    ("error", "type"),
    [
        (RequestError("x"), "invalid_request_error"),
        (AuthenticationError("x"), "authentication_error"),
        (UpstreamRefused("x", status=402, fault="quota"), "billing_error"),
        (NoEligibleModel("x", {}, status=403, type="permission_error", code="policy_denied"), "permission_error"),
        (ModelNotFound("x"), "not_found_error"),
        (PayloadTooLarge("x"), "request_too_large"),
        (UpstreamRefused("x", status=422, fault="malformed"), "invalid_request_error"),
        (Overloaded("x"), "rate_limit_error"),
        (PointsmanError("x"), "api_error"),
        (UpstreamError("x"), "api_error"),
        (RecordError("x"), "overloaded_error"),
        (UpstreamTimeout("x"), "timeout_error"),
        (UpstreamRefused("x", status=529, fault="overloaded", code="overloaded"), "overloaded_error"),
    ],
)
def test_errors_are_written_as_anthropics_clients_read_them(error, type):
    error.decision = "dec_9"
    code = {} if error.code is None else {"code": error.code}
    body = MESSAGES.error_body(error)
    assert json.loads(body) == {"type": "error", "error": {"type": type, "message": "x", **code}, "request_id": "dec_9"}
    assert MESSAGES.error_event(error) == b"event: error\ndata: " + body + b"\n\n"
