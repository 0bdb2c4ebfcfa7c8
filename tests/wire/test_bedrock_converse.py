"""Requests in the words of Converse, as AWS's own description of them has it, and its answers in those of Messages."""

from __future__ import annotations

import base64
import json
from functools import cache
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.core.prices import Usage
from pointsman.errors import RequestError, UpstreamError, UpstreamRefused, UpstreamStreamBroken
from pointsman.wire.anthropic_messages import MESSAGES
from pointsman.wire.bedrock_converse import ConverseEvents, to_converse, to_message
from pointsman.wire.events import Event, Finished, Reasoning, Text, ToolArguments, ToolBegan, Used

NOVA, CLAUDE, LLAMA = "eu.amazon.nova-lite-v1:0", "anthropic.claude-sonnet-5-v1:0", "meta.llama3-3-70b-instruct-v1:0"
PNG = "iVBORw0KGgo="
IMAGE = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG}}
PDF = {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": PNG}, "title": "Q3: results.pdf"}
TOOL = {"name": "f", "description": "d", "input_schema": {"type": "object", "properties": {"a": {"type": "integer"}}}, "strict": True}
CALL = {"type": "tool_use", "id": "toolu_1", "name": "f", "input": {"a": 1}}
RESULT = {"type": "tool_result", "tool_use_id": "toolu_1", "content": "42"}
HI = {"role": "user", "content": "hi"}
CACHED = {"cache_control": {"type": "ephemeral", "ttl": "1h"}}
POINT = {"cachePoint": {"type": "default", "ttl": "1h"}}
SCHEMA = {"type": "object", "properties": {"a": {"type": "integer"}}}


def body(model: str = NOVA, messages: Any = (HI,), **fields: Any) -> dict[str, Any]:
    return {"model": model, "max_tokens": 9, "messages": list(messages), **fields}


def user(*blocks: Any) -> dict[str, Any]:
    return {"role": "user", "content": list(blocks)}


def assistant(*blocks: Any) -> dict[str, Any]:
    return {"role": "assistant", "content": list(blocks)}


@cache
def described() -> tuple[Any, Any]:
    """AWS's description of a request, and what checks against it."""
    pytest.importorskip("botocore", reason="needs the extra `aws` (botocore)")
    from botocore.session import Session
    from botocore.validate import ParamValidator

    return Session().get_service_model("bedrock-runtime").operation_model("Converse").input_shape, ParamValidator()


def written(asked: dict[str, Any]) -> dict[str, Any]:
    """The body on the wire, which AWS's description accepts."""
    translated = to_converse(asked).body
    kept = json.loads(json.dumps(translated))
    model = kept.pop("model")
    kept.pop("stream")
    shape, validator = described()
    assert validator.validate({**kept, "modelId": model}, shape).generate_report() == ""
    return kept


ROWS = [
    (body(), {"messages": [user({"text": "hi"})], "inferenceConfig": {"maxTokens": 9}}),
    (
        body(system="be brief", temperature=0.5, top_p=0.9, stop_sequences=["x"]),
        {"system": [{"text": "be brief"}], "inferenceConfig": {"maxTokens": 9, "temperature": 0.5, "topP": 0.9, "stopSequences": ["x"]}},
    ),
    # Two turns of one side become one, blank text goes, and a system's turn moves to the front.
    (
        body(messages=[HI, user({"type": "text", "text": "  "}, {"type": "text", "text": "there"}), {"role": "system", "content": "s"}]),
        {"messages": [user({"text": "hi"}, {"text": "there"})], "system": [{"text": "s"}]},
    ),
    (body(messages=[user(IMAGE)]), {"messages": [user({"image": {"format": "png", "source": {"bytes": PNG}}})]}),
    (
        body(messages=[user(PDF, PDF)]),
        {"messages": [user(*({"document": {"format": "pdf", "name": f"Q3 results pdf {n}", "source": {"bytes": PNG}}} for n in (1, 2)))]},
    ),
    (
        body(messages=[user({"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "x"}, "title": "t"})]),
        {"messages": [user({"text": "t\nx"})]},
    ),
    # Tools, a call with an id that Converse does not take, an answer with a picture, one that failed.
    (
        body(messages=[HI, assistant({**CALL, "id": "a b"}), user({**RESULT, "tool_use_id": "a b", "is_error": True})], tools=[TOOL]),
        {
            "messages": [
                user({"text": "hi"}),
                assistant({"toolUse": {"toolUseId": "tooluse_c8687a08aa5d6ed2044328fa", "name": "f", "input": {"a": 1}}}),
                user({"toolResult": {"toolUseId": "tooluse_c8687a08aa5d6ed2044328fa", "content": [{"text": "42"}], "status": "error"}}),
            ],
            "toolConfig": {
                "tools": [{"toolSpec": {"name": "f", "description": "d", "inputSchema": {"json": TOOL["input_schema"]}, "strict": True}}]
            },
        },
    ),
    (
        body(messages=[HI, assistant(CALL), user({**RESULT, "content": [{"type": "text", "text": "see"}, IMAGE]})], tools=[TOOL]),
        {
            "messages": [
                user({"text": "hi"}),
                assistant({"toolUse": {"toolUseId": "toolu_1", "name": "f", "input": {"a": 1}}}),
                user(
                    {
                        "toolResult": {
                            "toolUseId": "toolu_1",
                            "content": [{"text": "see"}, {"image": {"format": "png", "source": {"bytes": PNG}}}],
                        }
                    }
                ),
            ]
        },
    ),
    (body(tools=[TOOL], tool_choice={"type": "none"}), {"toolConfig": None}),
    (
        body(output_config={"effort": "low", "format": {"type": "json_schema", "schema": SCHEMA}}),
        {
            "outputConfig": {
                "effort": "low",
                "textFormat": {
                    "type": "json_schema",
                    "structure": {"jsonSchema": {"schema": json.dumps(SCHEMA, separators=(",", ":"))}},
                },
            }
        },
    ),
    # What Claude alone takes.
    (
        body(CLAUDE, thinking={"type": "enabled", "budget_tokens": 2048}, top_k=5),
        {"additionalModelRequestFields": {"thinking": {"type": "enabled", "budget_tokens": 2048}, "top_k": 5}},
    ),
    (
        body(
            CLAUDE, [HI, assistant({"type": "thinking", "thinking": "hm", "signature": "sig"}, {"type": "redacted_thinking", "data": "xx"})]
        ),
        {
            "messages": [
                user({"text": "hi"}),
                assistant(
                    {"reasoningContent": {"reasoningText": {"text": "hm", "signature": "sig"}}},
                    {"reasoningContent": {"redactedContent": base64.b64encode(b"xx").decode()}},
                ),
            ]
        },
    ),
    (
        body(
            CLAUDE,
            [user({"type": "text", "text": "hi", **CACHED})],
            system=[{"type": "text", "text": "s", **CACHED}],
            tools=[{**TOOL, **CACHED}],
        ),
        {"messages": [user({"text": "hi"}, POINT)], "system": [{"text": "s"}, POINT]},
    ),
]


@pytest.mark.parametrize(("asked", "expected"), ROWS, ids=range(len(ROWS)))
def test_a_request_is_said_in_converses_words(asked, expected):
    before = json.dumps(asked)
    sent = written(asked)
    assert {name: sent.get(name) for name in expected} == expected
    assert json.dumps(asked) == before


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        ({"type": "auto"}, None),
        ({"type": "any"}, {"any": {}}),
        ({"type": "tool", "name": "f"}, {"tool": {"name": "f"}}),
    ],
)
def test_a_choice_of_tools_is_kept(choice, expected):
    assert written(body(tools=[TOOL], tool_choice=choice))["toolConfig"].get("toolChoice") == expected


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        (body(top_k=5), ("top_k",)),
        (body(thinking={"type": "adaptive"}), ("thinking",)),
        (body(metadata={"user_id": "u"}), ("metadata",)),
        (body(service_tier="auto"), ("service_tier",)),
        (body(service_tier="standard_only"), ()),
        (body(tools=[TOOL], tool_choice={"type": "auto", "disable_parallel_tool_use": True}), ("tool_choice.disable_parallel_tool_use",)),
        (body(tools=[{**TOOL, "input_examples": [{}]}]), ("tools.input_examples",)),
        (body(messages=[user({"type": "text", "text": "hi", **CACHED})]), ("cache_control",)),
        (body(CLAUDE, [user({"type": "text", "text": "hi", **CACHED})]), ()),
        (body(messages=[HI, assistant({"type": "thinking", "thinking": "hm", "signature": "s"}), HI]), ("thinking",)),
        (body(LLAMA, [HI, assistant(CALL), user({**RESULT, "is_error": True})], tools=[TOOL]), ("tool_result.is_error",)),
        (body(messages=[HI, {"role": "system", "content": "s"}]), ("system.position",)),
        (body(brand_new=1), ("brand_new",)),
        (body(messages=[user({**PDF, "citations": {"enabled": True}})]), ("citations",)),
    ],
)
def test_what_is_left_out_is_told(asked, told):
    assert to_converse(asked).dropped == told
    written(asked)


@pytest.mark.parametrize(
    ("asked", "param"),
    [
        (body(messages=[user({"type": "image", "source": {"type": "url", "url": "https://example.com/a.png"}})]), "messages[0].content[0].source"),
        (body(messages=[user({"type": "image", "source": {"type": "base64", "media_type": "image/tiff", "data": PNG}})]), "messages[0].content[0].source"),
        (body(messages=[user({"type": "document", "source": {"type": "url", "url": "https://example.com/a.pdf"}})]), "messages[0].content[0].source"),
        (body(messages=[user({"type": "search_result"})]), "messages[0].content[0]"),
        (body(messages=[user({"type": "brand new\r\n"})]), "messages[0].content[0]"),
        (body(messages=[HI, assistant(CALL), user(RESULT)]), "tools"),
        (body(messages=[HI, assistant(CALL), user(RESULT)], tools=[TOOL], tool_choice={"type": "none"}), "tool_choice"),
        (body(tools=[{"type": "web_search_20250305", "name": "web_search"}]), "tools[0]"),
        (body(tools=[TOOL], tool_choice={"type": "tool"}), "tool_choice.name"),
        (body(mcp_servers=[{}]), "mcp_servers"),
        (body(messages=[{"role": "user", "content": " "}]), "messages"),
        (body(system=[IMAGE]), "system"),
        (body(messages=[{"role": "user", "content": 5}]), "messages[0].content"),
    ],
)  # fmt: skip
def test_what_must_not_be_lost_is_refused(asked, param):
    with pytest.raises(RequestError) as raised:
        to_converse(asked)
    assert raised.value.param == param
    assert "\r" not in raised.value.message


ANSWERED = {
    "output": {
        "message": {
            "role": "assistant",
            "content": [
                {"reasoningContent": {"reasoningText": {"text": "hm", "signature": "sig"}}},
                {"reasoningContent": {"redactedContent": base64.b64encode(b"xx").decode()}},
                {"text": "Hello"},
                {"citationsContent": {"content": [{"text": " there"}], "citations": []}},
                {"toolUse": {"toolUseId": "t1", "name": "f", "input": {"a": 1}}},
                {"toolUse": {"toolUseId": "s1", "name": "web", "input": {}, "type": "server_tool_use"}},
                {"toolUse": {"toolUseId": "t2", "name": "g", "input": {}}},
                {"brandNew": {}},
            ],
        }
    },
    "stopReason": "tool_use",
    "usage": {
        "inputTokens": 7,
        "outputTokens": 3,
        "totalTokens": 110,
        "cacheReadInputTokens": 90,
        "cacheWriteInputTokens": 10,
        "cacheDetails": [{"ttl": "1h", "inputTokens": 4}, {"ttl": "5m", "inputTokens": 6}],
    },
    "metrics": {"latencyMs": 12},
}
SAID: list[Event] = [
    Reasoning("hm"),
    Reasoning("", signature="sig"),
    Text("Hello"),
    Text(" there"),
    ToolBegan(0, "t1", "f"),
    ToolArguments(0, '{"a":1}'),
    ToolBegan(1, "t2", "g"),
    ToolArguments(1, "{}"),
    Finished("tool_calls"),
    Used(Usage(107, 3, 90, 10, 4)),
]


WORDS = (Text, Reasoning, ToolBegan, ToolArguments, Finished, Used)
"""Events of what a client of any API gets: encrypted thinking is for those of Messages."""


def read(answer: dict[str, Any]) -> list[Event]:
    return [event for event in MESSAGES.read_events(to_message(json.dumps(answer).encode(), "req", NOVA)) if isinstance(event, WORDS)]


def test_a_whole_answer_is_a_message():
    assert read(ANSWERED) == SAID
    message = json.loads(to_message(json.dumps(ANSWERED).encode(), "req", NOVA))
    assert (message["id"], message["model"], message["role"], message["type"]) == ("msg_req", NOVA, "assistant", "message")
    assert [block["type"] for block in message["content"]] == ["thinking", "redacted_thinking", "text", "text", "tool_use", "tool_use"]


@pytest.mark.parametrize("count", [-5, 10**18, 2**70, "1", [], 1.5, True])
@pytest.mark.parametrize("name", ["inputTokens", "outputTokens", "cacheReadInputTokens", "cacheWriteInputTokens", "cacheDetails"])
def test_counts_that_cannot_be_meant_are_not_told(name, count):
    """Neither to the client, whose tokens are estimated as with other providers."""
    usage = {**ANSWERED["usage"], name: [{"ttl": "1h", "inputTokens": count}] if name == "cacheDetails" else count}
    assert json.loads(to_message(json.dumps({**ANSWERED, "usage": usage}).encode(), "req", NOVA))["usage"] is None
    reader = MESSAGES.reader({}, own=True)
    told = b"".join(reader.feed(bytes_of([*STREAM[:-1], event("metadata", usage=usage)])))
    assert json.loads(told.rpartition(b"data: ")[2])["usage"] is None
    assert reader.usage is None


def test_lives_of_what_is_cached_that_nobody_knows_are_not_told():
    usage = {**ANSWERED["usage"], "cacheDetails": [{"ttl": "1h", "inputTokens": 4}, {"ttl": "x" * 100, "inputTokens": 6}, 7]}
    message = json.loads(to_message(json.dumps({**ANSWERED, "usage": usage}).encode(), "req", NOVA))
    assert message["usage"]["cache_creation"] == {"ephemeral_1h_input_tokens": 4}


@pytest.mark.parametrize(
    ("reason", "finished"),
    [
        ("end_turn", "stop"),
        ("stop_sequence", "stop"),
        ("max_tokens", "length"),
        ("model_context_window_exceeded", "length"),
        ("guardrail_intervened", "content_filter"),
        ("content_filtered", "content_filter"),
        ("brand_new", "stop"),
    ],
)
def test_why_it_ended(reason, finished):
    said = {**ANSWERED, "stopReason": reason, "output": {"message": {"content": [{"text": "x"}]}}}
    assert [event for event in read(said) if isinstance(event, Finished)] == [Finished(finished)]
    stream = [event("messageStart"), delta(0, text="x"), stop(0), event("messageStop", stopReason=reason), META]
    assert [event for event in followed(stream) if isinstance(event, Finished)] == [Finished(finished)]


@pytest.mark.parametrize("reason", ["malformed_model_output", "malformed_tool_use"])
def test_what_bedrock_could_not_read_is_an_error(reason):
    with pytest.raises(UpstreamError, match="could not read"):
        read({**ANSWERED, "stopReason": reason})
    with pytest.raises(UpstreamError, match="could not read"):
        followed([event("messageStart"), delta(0, text="x"), event("messageStop", stopReason=reason), META])


@pytest.mark.parametrize(
    "answer",
    [b"", b"{}", b"[]", b"<html>", b'{"output": {}, "stopReason": "end_turn"}', b'{"output": {"message": {"content": [{"toolUse": {}}]}}, "stopReason": "x"}',
     b'{"output": {"message": {"content": [{"reasoningContent": {"reasoningText": 5}}]}}, "stopReason": "x"}', b'{"output": {"message": {"content": [{"citationsContent": {"content": [5]}}]}}, "stopReason": "x"}'],
)  # fmt: skip
def test_what_is_no_answer_is_an_error(answer):
    with pytest.raises(UpstreamError, match="not an answer of Converse"):
        to_message(answer, "req", NOVA)


Frame = tuple[str, bytes]


def event(kind: str, **fields: Any) -> Frame:
    return kind, json.dumps(fields).encode()


def delta(index: int, **what: Any) -> Frame:
    return event("contentBlockDelta", contentBlockIndex=index, delta=what)


def stop(index: int) -> Frame:
    return event("contentBlockStop", contentBlockIndex=index)


def tool(index: int, id: str, name: str, **more: str) -> Frame:
    return event("contentBlockStart", contentBlockIndex=index, start={"toolUse": {"toolUseId": id, "name": name, **more}})


META = event("metadata", usage=ANSWERED["usage"], metrics={"latencyMs": 12})
STREAM = [
    event("messageStart", role="assistant"),
    delta(0, reasoningContent={"text": "h"}),
    delta(0, reasoningContent={"text": "m"}),
    delta(0, reasoningContent={"signature": "sig"}),
    stop(0),
    delta(1, reasoningContent={"redactedContent": base64.b64encode(b"xx").decode()}),
    stop(1),
    delta(2, text="Hel"),
    event("brandNew", any=1),
    delta(2, text="lo"),
    delta(2, citation={"title": "t"}),
    stop(2),
    tool(3, "t1", "f"),
    delta(3, toolUse={"input": '{"a"'}),
    delta(3, toolUse={"input": ":1}"}),
    stop(3),
    tool(4, "s1", "web", type="server_tool_use"),
    delta(4, toolUse={"input": "{}"}),
    stop(4),
    tool(5, "t2", "g"),
    stop(5),
    event("messageStop", stopReason="tool_use"),
    META,
]


def bytes_of(frames: list[Frame]) -> bytes:
    events = ConverseEvents("req", NOVA)
    return b"".join([*(events.take(kind, payload) for kind, payload in frames), events.ended()])


def followed(frames: list[Frame]) -> list[Event]:
    """The stream's events, as the gateway reads them."""
    reader = MESSAGES.reader({}, own=False)
    events = [event for event in reader.read(bytes_of(frames)) if isinstance(event, WORDS)]
    reader.ended()
    return events


def test_a_stream_is_a_stream_of_messages():
    assert followed(STREAM) == [
        Reasoning("h"),
        Reasoning("m"),
        Reasoning("", signature="sig"),
        Text("Hel"),
        Text("lo"),
        ToolBegan(0, "t1", "f"),
        ToolArguments(0, '{"a"'),
        ToolArguments(0, ":1}"),
        ToolBegan(1, "t2", "g"),
        Finished("tool_calls"),
        Used(Usage(107, 3, 90, 10, 4)),
    ]


def test_its_blocks_begin_and_end_one_after_the_other():
    events = [json.loads(line.removeprefix("data: ")) for line in bytes_of(STREAM).decode().splitlines() if line.startswith("data: ")]
    open_at: int | None = None
    for found in events:
        match found["type"]:
            case "content_block_start":
                assert open_at is None
                open_at = found["index"]
            case "content_block_delta" | "content_block_stop":
                assert found["index"] == open_at
                open_at = None if found["type"] == "content_block_stop" else open_at
    kinds = [found["type"] for found in events]
    assert (kinds[0], kinds[-2:], open_at) == ("message_start", ["message_delta", "message_stop"], None)


def test_of_a_stream_given_up_nobody_knows_the_input():
    reader = MESSAGES.reader({}, own=False)
    list(reader.read(bytes_of(STREAM[:-2])))
    assert reader.usage is None


def test_an_answer_whose_cost_was_not_told_is_whole():
    assert followed(STREAM[:-1])[-1] == Finished("tool_calls")


@pytest.mark.parametrize("cut", range(len(STREAM) - 1))
def test_a_stream_that_stops_before_its_end_is_broken(cut):
    with pytest.raises(UpstreamStreamBroken, match="before its end"):
        followed(STREAM[:cut])


@pytest.mark.parametrize(
    ("kind", "status", "fault"),
    [
        ("throttlingException", 429, "rate_limit"),
        ("serviceUnavailableException", 503, "overloaded"),
        ("internalServerException", 502, "server_error"),
        ("modelStreamErrorException", 502, "server_error"),
        ("validationException", 400, "malformed"),
    ],
)
def test_an_exception_in_a_stream_is_an_error_of_its_class(kind, status, fault):
    reader = MESSAGES.reader({}, own=False)
    with pytest.raises(UpstreamRefused, match="slow down") as raised:
        list(reader.read(ConverseEvents("req", NOVA).failed(kind, b'{"message":"slow down"}')))
    assert (raised.value.status, raised.value.fault) == (status, fault)


def test_a_validation_that_is_about_length_is_known_as_such():
    reader = MESSAGES.reader({}, own=False)
    with pytest.raises(UpstreamRefused) as raised:
        said = b'{"message":"Input is too long for requested model."}'
        list(reader.read(ConverseEvents("req", NOVA).failed("validationException", said)))
    assert raised.value.fault == "context_length"


WORDS_OF_CONVERSE = [
    "contentBlockIndex",
    "delta",
    "start",
    "toolUse",
    "toolUseId",
    "name",
    "input",
    "text",
    "reasoningContent",
    "reasoningText",
    "signature",
    "redactedContent",
    "stopReason",
    "usage",
    "inputTokens",
    "outputTokens",
    "cacheDetails",
    "ttl",
    "output",
    "message",
    "content",
    "citationsContent",
]
VALUES = st.recursive(
    st.none() | st.integers() | st.text(max_size=5) | st.sampled_from(["end_turn", "tool_use", "malformed_tool_use", "eHg="]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(WORDS_OF_CONVERSE), inner, max_size=4),
    max_leaves=8,
)
KINDS = ["messageStart", "contentBlockStart", "contentBlockDelta", "contentBlockStop", "messageStop", "metadata", "else"]


@given(
    st.lists(st.tuples(st.sampled_from(KINDS), st.binary(max_size=40) | VALUES.map(lambda value: json.dumps(value).encode())), max_size=6)
)
def test_whatever_events_are_they_are_read_or_broken(frames):
    try:
        followed(frames)
    except UpstreamError:
        pass


@given(VALUES, VALUES, VALUES)
def test_whatever_an_answer_is_it_is_read_or_refused(content, reason, usage):
    answer = {"output": {"message": {"content": content}}, "stopReason": reason, "usage": usage}
    for body in (answer, {**answer, "output": content}, content):
        try:
            MESSAGES.read_events(to_message(json.dumps(body).encode(), "req", NOVA))
        except UpstreamError:
            pass


ASKED = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.text(max_size=5) | st.sampled_from([TOOL, CALL, RESULT, IMAGE, PDF, HI, "user", "text", "auto"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["type", "text", "role", "content", "source", "media_type", "data", "tool_use_id", "name", "input", "format", "schema", "effort", "cache_control", "ttl"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=8,
)  # fmt: skip
FIELDS = [
    "messages",
    "system",
    "tools",
    "tool_choice",
    "thinking",
    "output_config",
    "output_format",
    "stop_sequences",
    "mcp_servers",
    "else",
]


@given(st.dictionaries(st.sampled_from(FIELDS), ASKED, max_size=3), st.lists(ASKED, max_size=3), st.sampled_from([NOVA, CLAUDE, LLAMA]))
def test_whatever_is_asked_it_is_written_or_refused(fields, blocks, model):
    for asked in ({**body(model), **fields}, {**body(model, [user(*blocks), assistant(*blocks)]), **fields}):
        try:
            json.dumps(to_converse(asked).body)
        except RequestError:
            pass
