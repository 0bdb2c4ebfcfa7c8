"""What models that speak Responses answer, and what clients that speak it are answered."""

from __future__ import annotations

import json
from collections.abc import Iterable
from contextlib import suppress

import httpx2
import openai
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openai.types.responses import Response, ResponseStreamEvent
from pydantic import TypeAdapter

from pointsman.core.prices import Usage
from pointsman.errors import Failure, UpstreamError, UpstreamRefused, UpstreamStreamBroken
from pointsman.wire.dialect import Envelope
from pointsman.wire.events import Citation, Event, Finished, Reasoning, Refusal, Text, ToolArguments, ToolBegan, Used
from pointsman.wire.openai_chat.dialect import CHAT
from pointsman.wire.openai_responses.dialect import RESPONSES
from pointsman.wire.openai_responses.output import MessageItem
from pointsman.wire.openai_responses.state import output_items
from pointsman.wire.openai_responses.stream import ResponsesStream
from pointsman.wire.openai_responses.writer import ResponsesWriter
from pointsman.wire.translated import Translated
from tests.conftest import EXAMPLES

ASKED = {
    "model": "auto",
    "input": "hi",
    "instructions": "be brief",
    "temperature": 0.5,
    "metadata": {"a": "b"},
    "tools": [{"type": "function", "name": "f"}, {"type": "custom", "name": "sh"}],
    "tool_choice": {"type": "function", "name": "f"},
    "text": {"format": {"type": "json_schema", "name": "a", "schema": {"type": "object"}}},
    "reasoning": {"effort": "low"},
    "service_tier": "flex",
    "previous_response_id": "resp_before",
    "max_output_tokens": 99,
}
ENVELOPE = Envelope("dec_1", "auto", 1_700_000_000, ASKED)
SCHEMA = TypeAdapter(ResponseStreamEvent)
USAGE = Usage(30, 20, cached_input_tokens=10, cache_write_tokens=5, reasoning_tokens=4)
LOGPROBS = [{"token": "é", "logprob": -0.5, "bytes": [195, 169], "top_logprobs": [{"token": "e", "logprob": -1.0, "bytes": [101]}]}]

CONVERSATION: list[Event] = [
    Reasoning("let me "),
    Reasoning("see"),
    Text("é", logprobs=LOGPROBS),
    Text(" is it"),
    ToolBegan(0, "call_a", "f"),
    ToolArguments(0, '{"a":'),
    ToolBegan(1, "call_b", "sh", custom=True),
    ToolArguments(1, "ls"),
    ToolArguments(0, "1}"),
    Finished("tool_calls"),
    Used(USAGE),
]


def stream_of(events: Iterable[Event]) -> bytes:
    writer = RESPONSES.writer(ENVELOPE)
    return b"".join(writer.write(event) for event in events) + writer.ended()


def events_in(raw: bytes) -> list[dict]:
    found = []
    for block in raw.removesuffix(b"data: [DONE]\n\n").decode().split("\n\n")[:-1]:
        name, _, data = block.rpartition("\n")
        event = json.loads(data.removeprefix("data: "))
        assert name in ("", f"event: {event['type']}")
        found.append(event)
    return found


def read(raw: bytes, size: int = 10**9) -> tuple[list[Event], ResponsesStream]:
    stream = ResponsesStream()
    events = [event for at in range(0, len(raw), size) for event in stream.read(raw[at : at + size])]
    stream.ended()
    return events, stream


def follow(raw: bytes, size: int = 10**9) -> tuple[bytes, ResponsesStream]:
    stream = ResponsesStream()
    out = b"".join(event for at in range(0, len(raw), size) for event in stream.feed(raw[at : at + size]))
    return out + stream.ended(), stream


def sse(kind: str, **fields: object) -> bytes:
    return f"event: {kind}\ndata: {json.dumps({'type': kind, **fields})}\n\n".encode()


def joined(events: Iterable[Event]) -> list[Event]:
    """The same, with pieces of one text as one."""
    found: list[Event] = []
    for event in events:
        last = found[-1] if found else None
        if (
            isinstance(event, (Text, Refusal, Reasoning))
            and type(last) is type(event)
            and not getattr(event, "logprobs", None)
            and not getattr(last, "logprobs", None)
        ):
            found[-1] = type(event)(last.text + event.text)
        else:
            found.append(event)
    return found


# --- written


def test_a_whole_answer_has_every_field_and_repeats_what_was_asked():
    answer = json.loads(RESPONSES.write_answer(CONVERSATION, ENVELOPE))
    response = Response.model_validate(answer)
    assert set(answer) >= set(Response.model_fields) - {
        "access_programs",
        "conversation",
        "image",
        "input_transformations",
        "moderation",
        "prompt",
        "prompt_cache_diagnostics",
        "prompt_cache_options",
        "tool_usage",
    }
    assert (answer["id"], answer["object"], answer["model"], answer["status"]) == ("resp_dec_1", "response", "auto", "completed")
    assert {
        name: answer[name]
        for name in ("instructions", "temperature", "metadata", "tool_choice", "previous_response_id", "max_output_tokens")
    } == {
        name: ASKED[name]
        for name in ("instructions", "temperature", "metadata", "tool_choice", "previous_response_id", "max_output_tokens")
    }
    assert answer["text"]["format"] == {
        "type": "json_schema",
        "name": "a",
        "schema": {"type": "object"},
        "description": None,
        "strict": False,
    }
    assert answer["tools"][0] == {"type": "function", "name": "f", "description": None, "parameters": None, "strict": None}
    assert response.output_text == "é is it"
    assert [item["type"] for item in answer["output"]] == ["reasoning", "message", "function_call", "custom_tool_call"]
    assert [item["status"] for item in answer["output"][1:]] == ["completed"] * 3
    assert (answer["output"][2]["call_id"], answer["output"][2]["arguments"]) == ("call_a", '{"a":1}')
    assert answer["output"][1]["content"][0]["logprobs"] == LOGPROBS
    assert answer["usage"] == {
        "input_tokens": 30,
        "input_tokens_details": {"cached_tokens": 10, "cache_write_tokens": 5},
        "output_tokens": 20,
        "output_tokens_details": {"reasoning_tokens": 4},
        "total_tokens": 50,
    }


def test_a_client_that_asked_for_little_gets_every_field_too():
    answer = json.loads(
        RESPONSES.write_answer(
            [Text("hi"), Finished("stop")],
            Envelope("d", "m", 1, {"model": "m", "input": "hi", "tools": None, "text": None, "reasoning": None}),
        )
    )
    Response.model_validate(answer)
    assert (answer["store"], answer["parallel_tool_calls"], answer["tool_choice"], answer["usage"]) == (True, True, "auto", None)
    assert (answer["text"]["format"], answer["reasoning"]) == ({"type": "text"}, {"effort": None, "summary": None})


@pytest.mark.parametrize(
    ("reason", "detail"), [("length", {"reason": "max_output_tokens"}), ("content_filter", {"reason": "content_filter"}), (None, None)]
)
def test_an_answer_that_was_cut_is_incomplete_and_says_why(reason, detail):
    events = [Reasoning("hm"), Text("so"), *([Finished(reason)] if reason else [])]
    answer = json.loads(RESPONSES.write_answer(events, ENVELOPE))
    Response.model_validate(answer)
    assert (answer["status"], answer["incomplete_details"]) == ("incomplete", detail)
    assert answer["output"][-1]["status"] == "incomplete"
    assert events_in(stream_of(events))[-1]["type"] == "response.incomplete"


def test_a_stream_tells_each_item_from_its_beginning_to_its_end():
    events = events_in(stream_of(CONVERSATION))
    for event in events:
        assert SCHEMA.validate_python(event).type == event["type"]
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    assert [event["type"].removeprefix("response.") for event in events] == [
        "created",
        "in_progress",
        "output_item.added",
        "reasoning_summary_part.added",
        "reasoning_summary_text.delta",
        "reasoning_summary_text.delta",
        "reasoning_summary_text.done",
        "reasoning_summary_part.done",
        "output_item.done",
        "output_item.added",
        "content_part.added",
        "output_text.delta",
        "output_text.delta",
        "output_text.done",
        "content_part.done",
        "output_item.done",
        "output_item.added",
        "function_call_arguments.delta",
        "output_item.added",
        "custom_tool_call_input.delta",
        "function_call_arguments.delta",
        "function_call_arguments.done",
        "output_item.done",
        "custom_tool_call_input.done",
        "output_item.done",
        "completed",
    ]
    assert events[-1]["response"] == json.loads(RESPONSES.write_answer(CONVERSATION, ENVELOPE))
    assert events[0]["response"]["status"] == "in_progress"
    assert [e["item"] for e in events if e["type"] == "response.output_item.done"] == events[-1]["response"]["output"]


said_events = st.lists(
    st.one_of(
        st.builds(Text, st.text(max_size=3)),
        st.builds(Text, st.text(max_size=3), st.just(1)),
        st.builds(Refusal, st.text(max_size=3)),
        st.builds(Reasoning, st.text(max_size=3)),
        st.just(Reasoning("", signature="s")),
        st.builds(ToolBegan, st.integers(0, 2), st.just("c"), st.just("f"), custom=st.booleans()),
        st.builds(ToolArguments, st.integers(0, 2), st.text(max_size=3)),
        st.just(Used(USAGE)),
    ),
    max_size=12,
)


@given(said_events, st.sampled_from(["stop", "length", None]))
@settings(max_examples=EXAMPLES, deadline=None)
def test_whatever_is_said_in_whatever_order_every_item_is_closed_once_and_whole(said, reason):
    writer = ResponsesWriter(ENVELOPE)
    raw = b"".join(writer.write(event) for event in [*said, *([Finished(reason)] if reason else [])])
    sent = len(events_in(raw))
    raw += writer.ended()
    assert raw.endswith(b"data: [DONE]\n\n")
    events = events_in(raw)
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    assert writer.sequence == sent  # what comes in place of the last words goes on from there
    opened: set[int] = set()
    done: dict[int, dict] = {}
    pieces: dict[tuple, str] = {}
    for event in events:
        SCHEMA.validate_python(event)
        kind, at = event["type"], event.get("output_index")
        if kind == "response.output_item.added":
            assert at == len(opened)
            opened.add(at)
        elif at is not None:
            assert at in opened
            assert at not in done
        where = (at, event.get("content_index"), event.get("summary_index"))
        if kind.endswith(".delta"):
            pieces[where] = pieces.get(where, "") + event["delta"]
        elif kind.endswith(".done") and "item_id" in event and "part" not in event:
            whole = next(event[name] for name in ("text", "refusal", "arguments", "input") if name in event)
            assert pieces.get(where, "") == whole
        elif kind == "response.output_item.done":
            done[at] = event["item"]
    assert set(done) == opened
    final = events[-1]["response"]
    assert final["output"] == [done[at] for at in sorted(done)]
    assert json.loads(writer.final or b"") == final
    assert output_items(writer.final or b"") == final["output"]


def test_what_another_wrote_reads_as_it_was_said():
    events, stream = read(stream_of(CONVERSATION))
    assert events == CONVERSATION
    assert (stream.finish_reason, stream.usage, stream.begun, stream.done) == ("tool_calls", USAGE, True, True)
    whole = RESPONSES.read_events(RESPONSES.write_answer(CONVERSATION, ENVELOPE))
    assert whole == [
        Reasoning("let me see"),
        Text("é is it", logprobs=LOGPROBS),
        ToolBegan(0, "call_a", "f"),
        ToolArguments(0, '{"a":1}'),
        ToolBegan(1, "call_b", "sh", custom=True),
        ToolArguments(1, "ls"),
        Finished("tool_calls"),
        Used(USAGE),
    ]


# --- whole answers


def answer(*output: object, status: str = "completed", **fields: object) -> bytes:
    return json.dumps({"id": "resp_1", "object": "response", "status": status, "output": output, **fields}).encode()


def message(*content: object) -> dict:
    return {"type": "message", "id": "msg_1", "role": "assistant", "status": "completed", "content": content}


def text(said: str) -> dict:
    return {"type": "output_text", "text": said, "annotations": []}


CALL = {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"}
THOUGHT = {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "a"}, {"type": "summary_text", "text": "b"}]}


@pytest.mark.parametrize(
    ("body", "reason", "said", "empty", "content"),
    [
        (answer(message(text("hi"))), "stop", "hi", False, "hi"),
        (answer(THOUGHT, message(text("a"), text("b"))), "stop", "a\n\nb\na\nb", False, "ab"),
        (answer(CALL), "tool_calls", "f\n{}", False, None),
        (answer(message({"type": "refusal", "refusal": "no"})), "stop", "no", False, None),
        (answer(THOUGHT), "stop", "a\n\nb", True, None),
        (answer(), "stop", "", True, None),
        (answer({"type": "image_generation_call", "result": "x"}), "stop", "", False, None),
        (answer(message(text("hi")), status="incomplete", incomplete_details={"reason": "max_output_tokens"}), "length", "hi", False, "hi"),
        (answer(status="incomplete", incomplete_details={"reason": "content_filter"}), "content_filter", "", True, None),
        (answer(status="incomplete", incomplete_details=7), "length", "", True, None),
    ],
)
def test_accounting_reads_whole_answers(body, reason, said, empty, content):
    completion = RESPONSES.read_completion(body)
    assert (completion.finish_reason, completion.text, completion.empty, completion.content, completion.usage) == (
        reason,
        said,
        empty,
        content,
        None,
    )


@pytest.mark.parametrize(
    ("usage", "counted"),
    [
        ({"input_tokens": 3, "output_tokens": 2}, Usage(3, 2)),
        (
            {"input_tokens": 3, "output_tokens": 2, "input_tokens_details": {"cached_tokens": 9, "cache_write_tokens": 9}},
            Usage(3, 2, cached_input_tokens=3),
        ),
        (
            {"input_tokens": 9, "output_tokens": 2, "input_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 9}},
            Usage(9, 2, cached_input_tokens=4, cache_write_tokens=5),
        ),
        ({"input_tokens": 3, "output_tokens": 2, "output_tokens_details": {"reasoning_tokens": 9}}, Usage(3, 2, reasoning_tokens=2)),
        ({"input_tokens": 3, "output_tokens": -2}, None),
        ({"input_tokens": 10**12, "output_tokens": 2}, None),
        ({"input_tokens": "3", "output_tokens": 2}, None),
        ({"input_tokens": True, "output_tokens": 2}, None),
        ([], None),
        (None, None),
    ],
)
def test_usage_that_cannot_be_meant_is_not_believed(usage, counted):
    completion = RESPONSES.read_completion(answer(message(text("hi")), usage=usage))
    assert completion.usage == counted
    assert completion.text == ("" if counted else "hi")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"{}",
        b"\xff",
        b"[" * 100_000,
        answer(status="queued"),
        answer(status="in_progress"),
        answer(status="cancelled"),
        answer(7),
        b'{"object":"chat.completion","choices":[]}',
    ],
)
def test_what_is_no_finished_response_is_no_answer(body):
    for reads in (RESPONSES.read_completion, RESPONSES.read_events):
        with pytest.raises(UpstreamError):
            reads(body)


def test_a_failed_response_is_an_error_with_its_code():
    with pytest.raises(UpstreamRefused) as raised:
        RESPONSES.read_completion(answer(status="failed", error={"code": "server_error", "message": "it broke"}))
    assert (raised.value.message, raised.value.code, raised.value.status) == ("it broke", "server_error", 502)


# --- streams


CREATED = sse("response.created", sequence_number=0, response={"id": "resp_1", "object": "response", "status": "in_progress", "output": []})
NEW = sse("response.shiny_new_thing", sequence_number=1, delta={"any": 1}, output_index="x", item=3, response=[])
DELTA = sse(
    "response.output_text.delta",
    sequence_number=2,
    item_id="msg_1",
    output_index=0,
    content_index=0,
    delta="hé",
    logprobs=[{"token": "é", "logprob": -1, "top_logprobs": []}],
)
USED = {"input_tokens": 3, "output_tokens": 2}
DONE = sse("response.completed", sequence_number=3, response=json.loads(answer(message(text("hé")), usage=USED)))
STREAM = CREATED + b": ping\n\n" + NEW + DELTA + b": ping\n\n" + DONE


@pytest.mark.parametrize("size", [1, 7, 10**9], ids=["bytewise", "ragged", "whole"])
def test_a_client_of_the_same_api_gets_the_bytes_as_they_came(size):
    out, stream = follow(STREAM + b"data: [DONE]\n\n", size)
    assert out == CREATED + NEW + DELTA + b": ping\n\n" + DONE + b"data: [DONE]\n\n"
    assert (stream.finish_reason, stream.usage, stream.pieces, stream.sequence) == ("stop", Usage(3, 2), 1, 3)
    assert json.loads(stream.final or b"") == json.loads(answer(message(text("hé")), usage=USED))
    assert output_items(stream.final or b"") == [message(text("hé")) | {"content": [text("hé")]}]


@pytest.mark.parametrize("size", [1, 7, 10**9], ids=["bytewise", "ragged", "whole"])
def test_reading_does_not_care_how_bytes_arrive(size):
    events, stream = read(STREAM, size)
    assert events == [
        Text("hé", logprobs=[{"token": "é", "logprob": -1, "bytes": [195, 169], "top_logprobs": []}]),
        Finished("stop"),
        Used(Usage(3, 2)),
    ]
    assert stream.final is not None
    assert read(stream_of(CONVERSATION), size)[0] == CONVERSATION


def test_the_last_event_is_held_back_until_the_upstream_has_closed():
    stream = ResponsesStream()
    assert b"".join(stream.feed(STREAM)) == CREATED + NEW + DELTA + b": ping\n\n"
    assert stream.done
    assert stream.ended() == DONE + b"data: [DONE]\n\n"


def test_a_stream_has_begun_when_something_is_said():
    stream = ResponsesStream()
    for raw, begun in [(CREATED, False), (NEW, False), (sse("response.output_text.delta", output_index=0, delta=""), False), (DELTA, True)]:
        list(stream.feed(raw))
        assert stream.begun == begun
    called = ResponsesStream()
    list(called.feed(sse("response.output_item.added", output_index=0, item={**CALL, "arguments": ""})))
    assert called.begun
    ended = ResponsesStream()
    list(ended.feed(DONE))
    assert ended.begun


@pytest.mark.parametrize("raw", [STREAM, stream_of(CONVERSATION)], ids=["passed", "written"])
@pytest.mark.parametrize("method", ["feed", "read"])
def test_a_stream_that_is_cut_anywhere_is_never_whole(raw, method):
    stream = ResponsesStream()
    for byte in raw.removesuffix(b"data: [DONE]\n\n")[:-1]:
        list(getattr(stream, method)(bytes([byte])))
        with pytest.raises(UpstreamStreamBroken):
            stream.ended()


@pytest.mark.parametrize(
    ("event", "code"),
    [
        (
            b'event: error\ndata: {"type":"error","sequence_number":3,"code":"server_error","message":"it broke","param":null}\n\n',
            "server_error",
        ),
        (b'data: {"type":"error","sequence_number":3,"error":{"type":"x","code":"server_error","message":"it broke"}}\n\n', "server_error"),
        (b'data: {"error":{"message":"it broke","code":"rate_limit_exceeded"}}\n\n', "rate_limit_exceeded"),
        (
            sse("response.failed", response=json.loads(answer(status="failed", error={"code": "server_error", "message": "it broke"}))),
            "server_error",
        ),
        (
            sse("response.completed", response=json.loads(answer(status="failed", error={"code": "server_error", "message": "it broke"}))),
            "server_error",
        ),
        (b'data: {"error":"it broke"}\n\n', None),
    ],
)
def test_an_error_in_a_stream_is_an_error(event, code):
    for method in ("feed", "read"):
        with pytest.raises(UpstreamRefused) as raised:
            list(getattr(ResponsesStream(), method)(CREATED + event))
        assert (raised.value.message, raised.value.code) == ("it broke", code)
        assert raised.value.type != "error"


@pytest.mark.parametrize(
    "event",
    [
        b"data: {\n\n",
        b"data: []\n\n",
        b"data: [DONE]\n\n",
        b"data: \xff\n\n",
        b"data: " + b"[" * 100_000 + b"\n\n",
        sse("response.completed"),
        sse("response.completed", response=[]),
        sse("response.output_item.added", output_index=0),
        sse("response.output_item.added", item=CALL, output_index="0"),
        sse("response.output_text.delta", delta={"a": 1}, output_index=0),
        sse("response.output_text.delta", delta="a", output_index=None),
        sse("response.function_call_arguments.delta", delta="a", output_index=4),
        b"data: " + b"x" * 4_100_000 + b"\n\n",
    ],
)
def test_what_is_not_of_this_api_breaks_the_stream(event):
    for method in ("feed", "read"):
        with pytest.raises(UpstreamStreamBroken):
            list(getattr(ResponsesStream(), method)(CREATED + event))


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["type", "content", "summary", "text", "output", "name", "status", "error", "usage"]), inner, max_size=3
        )
    ),
    max_leaves=8,
)
event_fields = st.dictionaries(
    st.sampled_from(["delta", "item", "output_index", "response", "logprobs", "error", "sequence_number", "summary_index"]),
    json_values,
    max_size=5,
)
event_types = st.sampled_from(
    [
        "response.completed",
        "response.incomplete",
        "response.failed",
        "response.output_item.added",
        "response.output_item.done",
        "response.output_text.delta",
        "response.function_call_arguments.delta",
        "error",
        "x",
    ]
)


@given(st.lists(st.tuples(event_types, event_fields), max_size=4))
@settings(max_examples=2 * EXAMPLES, deadline=None)
def test_no_stream_raises_anything_but_an_upstream_error(script):
    raw = b"".join(sse(kind, **fields) for kind, fields in script)
    for method in ("feed", "read"):
        stream = ResponsesStream()
        with suppress(UpstreamError):
            list(getattr(stream, method)(raw))
            stream.ended()


@given(st.dictionaries(st.sampled_from(["output", "status", "usage", "error", "incomplete_details", "object"]), json_values, max_size=6))
@settings(max_examples=2 * EXAMPLES, deadline=None)
def test_no_answer_raises_anything_but_an_upstream_error(body):
    for reads in (RESPONSES.read_completion, RESPONSES.read_events):
        with suppress(UpstreamError):
            reads(json.dumps({"object": "response", "status": "completed", **body}).encode())


@pytest.mark.parametrize(
    ("events", "said"),
    [
        ([sse("response.output_item.done", output_index=0, item=message(text("hi")))], [Text("hi")]),
        ([sse("response.output_item.done", output_index=0, item=CALL)], [ToolBegan(0, "c", "f"), ToolArguments(0, "{}")]),
        ([], [Text("hi"), ToolBegan(0, "c", "f"), ToolArguments(0, "{}")]),
        (
            [
                sse("response.reasoning_summary_text.delta", output_index=0, summary_index=0, delta="a"),
                sse("response.reasoning_summary_text.delta", output_index=0, summary_index=1, delta="b"),
            ],
            [Reasoning("a"), Reasoning("\n\nb")],
        ),
        (
            [
                sse("response.output_item.added", output_index=1, item={**CALL, "arguments": ""}),
                sse("response.function_call_arguments.delta", output_index=1, delta="{}"),
                sse("response.function_call_arguments.done", output_index=1, arguments="{}"),
                sse("response.output_item.done", output_index=1, item=CALL),
            ],
            [ToolBegan(0, "c", "f"), ToolArguments(0, "{}")],
        ),
    ],
    ids=["item only", "call only", "ending only", "two thoughts", "call in pieces"],
)
def test_nothing_is_lost_or_said_twice_however_a_server_streams(events, said):
    final = sse("response.completed", response=json.loads(answer(message(text("hi")), CALL)))
    assert read(CREATED + b"".join(events) + final)[0] == [*said, Finished("tool_calls")]


# --- errors, as OpenAI's own client takes them


def ask(stream: bytes) -> list[str]:
    transport = httpx2.MockTransport(lambda request: httpx2.Response(200, headers={"content-type": "text/event-stream"}, content=stream))
    with (
        httpx2.Client(transport=transport) as http,
        openai.OpenAI(api_key="k", base_url="http://gateway/v1", http_client=http, max_retries=0) as client,
    ):
        return [event.type for event in client.responses.create(model="m", input="hi", stream=True)]


def test_the_openai_client_reads_our_stream():
    types = ask(b": keep-alive\n\n" + stream_of(CONVERSATION))
    assert (types[0], types[-1]) == ("response.created", "response.completed")


def test_the_openai_client_raises_for_our_error_event():
    error = UpstreamStreamBroken("the upstream's stream stopped before its end")
    event = RESPONSES.error_event(error)
    SCHEMA.validate_python(events_in(event)[0])
    with pytest.raises(openai.APIError, match="stopped before its end") as raised:
        ask(CREATED + DELTA + event)
    assert (raised.value.code, raised.value.type) == ("upstream_stream_broken", "server_error")


@pytest.mark.parametrize("numbered", [True, False], ids=["numbered", "unnumbered"])
def test_an_error_event_goes_on_from_the_events_before_it(numbered):
    """Those that the client got: neither a piece that is none counts, nor an ending that was held back."""
    stream = ResponsesStream()
    deltas = [sse("response.output_text.delta", **({"sequence_number": n} if numbered else {}), output_index=0, delta="x") for n in (0, 1)]
    sent = b"".join(stream.feed(b"".join(deltas)))
    with pytest.raises(UpstreamStreamBroken):
        list(stream.feed(sse("response.output_text.delta", sequence_number=2, output_index=0, delta=3)))
    assert (sent, stream.sequence) == (b"".join(deltas), 2)
    ended = ResponsesStream()
    sent = b"".join(ended.feed(CREATED + NEW + DELTA + DONE))
    failed = sent + RESPONSES.error_event(UpstreamError("no disk"), ended.sequence)
    assert [event["sequence_number"] for event in events_in(failed)] == [0, 1, 2, 3]


def test_an_error_event_of_a_translated_stream_goes_on_from_what_was_written():
    stream = Translated(CHAT.reader({}, own=False), RESPONSES.writer(ENVELOPE), "responses")
    sent = b"".join(stream.feed(b'data: {"choices":[{"index":0,"delta":{"content":"hi"}}]}\n\n'))
    failed = sent + RESPONSES.error_event(UpstreamError("cut"), stream.sequence)
    assert [event["sequence_number"] for event in events_in(failed)] == list(range(len(events_in(failed))))


def test_an_error_event_names_the_attempts_that_led_to_it():
    error = UpstreamError("no")
    error.failures = (Failure("small", "server_error", 500, 1),)
    attempts = [{"model": "small", "code": "server_error", "status": 500}]
    assert events_in(RESPONSES.error_event(error))[0]["error"]["attempts"] == attempts
    assert json.loads(RESPONSES.error_body(error))["error"]["attempts"] == attempts


@pytest.mark.parametrize("size", [1, 7, 10**9], ids=["bytewise", "ragged", "whole"])
def test_an_answer_says_what_it_goes_on_from_where_its_provider_does_not_know(size):
    whole = json.loads(answer(message(text("hé")), usage=USED)) | {"top_p": 1.0, "previous_response_id": None}
    opening = b'data: {"type":"response.queued","response":{"id":"resp_1","temperature":1.0}}\n\n'
    raw = opening + CREATED + NEW + DELTA + sse("response.completed", sequence_number=3, response=whole)
    plain, named = RESPONSES.reader({}, own=True), RESPONSES.reader({}, own=True, previous="resp_0")
    before, after = (
        b"".join(piece for at in range(0, len(raw), size) for piece in stream.feed(raw[at : at + size])) + stream.ended()
        for stream in (plain, named)
    )
    assert before == raw + b"data: [DONE]\n\n"
    assert [block.partition(b"data: ")[0] for block in after.split(b"\n\n")] == [
        block.partition(b"data: ")[0] for block in before.split(b"\n\n")
    ]
    for old, new in zip(events_in(before), events_in(after), strict=True):
        if isinstance(old.get("response"), dict):
            assert new == {**old, "response": {**old["response"], "previous_response_id": "resp_0"}}
        else:
            assert new == old
    assert json.loads(RESPONSES.own_answer(json.dumps(whole).encode(), "resp_0")) == {**whole, "previous_response_id": "resp_0"}
    assert RESPONSES.own_answer(b"untouched", None) == RESPONSES.own_answer(b"untouched", "resp_0") == b"untouched"


def test_our_own_error_event_is_understood_by_our_own_reader():
    with pytest.raises(UpstreamRefused, match="no money"):
        list(ResponsesStream().feed(RESPONSES.error_event(UpstreamError("no money"))))


@pytest.mark.parametrize("kind", [[], {}, 5, None])
def test_items_of_no_kind_say_nothing(kind):
    item = {"type": kind, "content": []}
    raw = sse("response.output_item.added", output_index=0, item=item) + sse("response.output_item.done", output_index=0, item=item)
    ending = sse("response.completed", response={"object": "response", "status": "completed", "output": [item]})
    assert read(raw + ending)[0] == [Finished("stop")]
    assert RESPONSES.read_events(json.dumps({"object": "response", "status": "completed", "output": [item]}).encode()) == [Finished("stop")]


class Measured(str):
    """A text that counts how often its length is asked for."""

    __slots__ = ("asked",)

    def __new__(cls, text: str) -> Measured:
        made = super().__new__(cls, text)
        made.asked = 0
        return made

    def __len__(self) -> int:
        self.asked += 1
        return super().__len__()


def test_how_far_a_text_has_come_is_not_counted_again_for_each_citation():
    item, pieces = MessageItem("msg_1"), [Measured("ab") for _ in range(50)]
    noted = []
    for at, piece in enumerate(pieces):
        list(item.say(Text(piece)))
        noted += item.cite(Citation("https://a.example", 2 * at, 2 * at + 2), 2 * at + 2)
    assert [fields["annotation"]["start_index"] for _, fields in noted] == [2 * at for at in range(50)]
    assert {piece.asked for piece in pieces} == {1}


def test_citations_are_counted_from_the_beginning_of_their_own_part():
    said = [Text("abc"), Refusal("no"), Text("de"), Text("f"), Citation("https://a.example", 5, 6), Citation("https://a.example", 2, 3)]
    [item] = json.loads(RESPONSES.write_answer(said, ENVELOPE))["output"]
    assert [[(note["start_index"], note["end_index"]) for note in part.get("annotations", ())] for part in item["content"]] == [
        [],
        [],
        [(2, 3)],
    ]
