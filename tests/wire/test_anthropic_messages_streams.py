"""Anthropic's streams: followed, read and written, however their bytes were cut."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.core.prices import Usage
from pointsman.errors import UpstreamError, UpstreamRefused, UpstreamStreamBroken
from pointsman.wire.anthropic_messages import MESSAGES
from pointsman.wire.anthropic_messages.stream import MessagesStream
from pointsman.wire.dialect import Envelope
from pointsman.wire.events import Event, Finished, Lost, Reasoning, Refusal, Text, ToolArguments, ToolBegan, Used


def sse(type: str, **fields: Any) -> bytes:
    return f"event: {type}\ndata: ".encode() + json.dumps({"type": type, **fields}).encode() + b"\n\n"


def start(index: int, **block: Any) -> bytes:
    return sse("content_block_start", index=index, content_block=block)


def delta(index: int, kind: str, **fields: Any) -> bytes:
    return sse("content_block_delta", index=index, delta={"type": kind, **fields})


def stop(index: int) -> bytes:
    return sse("content_block_stop", index=index)


BEGIN = sse("message_start", message={"id": "msg_1", "usage": {"input_tokens": 7, "cache_read_input_tokens": 3, "output_tokens": 1}})
END = sse("message_delta", delta={"stop_reason": "tool_use", "stop_sequence": None}, usage={"output_tokens": 30})
LAST = sse("message_stop")
PING = sse("ping")
PARTS = [
    BEGIN,
    PING,
    start(0, type="thinking", thinking="", signature=""),
    delta(0, "thinking_delta", thinking="hm"),
    b": a comment\n\n",
    delta(0, "signature_delta", signature="sig"),
    stop(0),
    start(1, type="redacted_thinking", data="xx"),
    stop(1),
    start(2, type="text", text=""),
    PING,
    delta(2, "text_delta", text="Hel"),
    delta(2, "text_delta", text="lo ☃"),
    delta(2, "citations_delta", citation={"cited_text": "x"}),
    delta(2, "brand_new_delta", what=5),
    stop(2),
    sse("brand_new_event", delta="of any shape"),
    start(3, type="server_tool_use", id="s1", name="web_search", input={}),
    delta(3, "input_json_delta", partial_json='{"query":"x"}'),
    stop(3),
    start(4, type="web_search_tool_result", tool_use_id="s1", content=[]),
    stop(4),
    start(5, type="tool_use", id="t1", name="f", input={}),
    delta(5, "input_json_delta", partial_json=""),
    delta(5, "input_json_delta", partial_json='{"a":'),
    delta(5, "input_json_delta", partial_json="1}"),
    stop(5),
    start(6, type="tool_use", id="t2", name="g", input={"whole": True}),
    stop(6),
    END,
]
RAW = b"".join(PARTS) + LAST
EVENTS: list[Event] = [
    Reasoning("hm"),
    Reasoning("", signature="sig"),
    Lost("redacted_thinking"),
    Text("Hel"),
    Text("lo ☃"),
    Lost("citations.unknown"),
    Lost("server_tool_use"),
    Lost("web_search_tool_result"),
    ToolBegan(0, "t1", "f"),
    ToolArguments(0, '{"a":'),
    ToolArguments(0, "1}"),
    ToolBegan(1, "t2", "g"),
    ToolArguments(1, '{"whole":true}'),
    Finished("tool_calls"),
    Used(Usage(10, 30, 3)),
]
SIZES = pytest.mark.parametrize("size", [1, 7, 10**9], ids=["bytewise", "ragged", "whole"])


def fed(raw: bytes, size: int = 10**9) -> tuple[bytes, MessagesStream]:
    stream = MessagesStream()
    out = b"".join(event for at in range(0, len(raw), size) for event in stream.feed(raw[at : at + size]))
    return out, stream


def read(raw: bytes, size: int = 10**9) -> list[Event]:
    stream = MessagesStream()
    events = [event for at in range(0, len(raw), size) for event in stream.read(raw[at : at + size])]
    stream.ended()
    return events


@SIZES
def test_a_client_of_the_same_api_gets_the_bytes_as_they_came(size):
    out, stream = fed(RAW, size)
    assert out == RAW.replace(BEGIN + PING, BEGIN).removesuffix(LAST)  # a ping before the answer begins says nothing
    assert stream.ended() == LAST
    assert (stream.done, stream.usage, stream.finish_reason, stream.pieces) == (True, Usage(10, 30, 3), "tool_calls", 6)


@SIZES
def test_a_stream_is_read_into_the_same_events_however_it_was_cut(size):
    assert read(RAW, size) == EVENTS


@pytest.mark.parametrize("at", range(len(PARTS)))
def test_every_event_cut_anywhere_ends_as_an_error(at):
    before, part = b"".join(PARTS[:at]), PARTS[at]
    for cut in range(len(part) + 1):
        _, stream = fed(before + part[:cut])
        with pytest.raises(UpstreamStreamBroken):
            stream.ended()
        with suppress(UpstreamError):  # what follows a cut may be anything, but not a crash
            list(stream.feed(part + LAST))


@pytest.mark.parametrize("at", range(len(PARTS)))
def test_an_error_anywhere_in_a_stream_ends_it(at):
    error = sse("error", error={"type": "overloaded_error", "message": "Overloaded"})
    for broken, kind in ((error, UpstreamRefused), (b"data: {oops\n\n", UpstreamStreamBroken), (b"data: [DONE]\n\n", UpstreamStreamBroken)):
        stream = MessagesStream()
        with pytest.raises(kind):
            list(stream.feed(b"".join(PARTS[:at]) + broken))
        with pytest.raises(UpstreamStreamBroken):
            stream.ended()


@pytest.mark.parametrize(
    "event",
    [
        sse("content_block_delta", index=0, delta="x"),
        sse("content_block_delta", index="0", delta={"type": "text_delta", "text": "x"}),
        sse("content_block_delta", delta={"type": "text_delta", "text": "x"}),
        delta(0, "text_delta", text=5),
        delta(0, "input_json_delta", partial_json={}),
        delta(9, "text_delta", text="of no block"),
        sse("content_block_start", index=0, content_block=None),
        start(1, type=5),
        start(1, type="tool_use", id=5, name="f"),
        sse("message_start", message=[]),
        sse("message_delta", delta=None),
        sse("message_delta", delta={"stop_reason": {}}),
        b"data: 5\n\n",
        b"data: {}\n\n",
        b'data: {"type":5}\n\n',
        b"data: \xff\n\n",
        b"data: " + b"[" * 100_000 + b"\n\n",
    ],
)
def test_what_is_not_of_this_api_breaks_the_stream(event):
    for follow in (MessagesStream.feed, MessagesStream.read):
        with pytest.raises(UpstreamStreamBroken):
            list(follow(MessagesStream(), BEGIN + start(0, type="text", text="") + event))


def test_errors_are_known_by_name_or_content():
    for event in (b'event: error\ndata: {"type":"x"}\n\n', b'data: {"error":{"message":"x"}}\n\n'):
        with pytest.raises(UpstreamRefused):
            list(MessagesStream().feed(event))


@pytest.mark.parametrize(
    ("raw", "begun"),
    [
        (BEGIN, False),
        (PING, False),
        (start(0, type="text", text=""), False),
        (start(0, type="thinking", thinking=""), False),
        (start(0, type="text", text="") + delta(0, "text_delta", text=""), False),
        (start(0, type="thinking", thinking="") + delta(0, "signature_delta", signature="s"), False),
        (sse("message_delta", delta={"stop_reason": None}), False),
        (start(0, type="text", text="x"), True),
        (start(0, type="text", text="") + delta(0, "text_delta", text="x"), True),
        (start(0, type="thinking", thinking="") + delta(0, "thinking_delta", thinking="x"), True),
        (start(0, type="tool_use", id="t", name="f", input={}), True),
        (start(0, type="server_tool_use", id="t", name="web_search", input={}), True),
        (sse("message_delta", delta={"stop_reason": "end_turn"}), True),
    ],
)
def test_an_answer_begins_with_something_said(raw, begun):
    assert fed(raw)[1].begun is begun


def test_usage_so_far_counts_the_pieces_that_came():
    raw = BEGIN + start(0, type="text", text="") + delta(0, "text_delta", text="x") * 5
    assert fed(raw)[1].usage == Usage(10, 5, 3)
    assert fed(BEGIN)[1].usage == Usage(10, 1, 3)
    assert fed(b"")[1].usage is None
    assert fed(raw + sse("message_delta", delta={}, usage={"input_tokens": 9, "output_tokens": 4}))[1].usage == Usage(12, 4, 3)
    hostile = sse("message_start", message={"usage": {"input_tokens": -7, "output_tokens": "many"}})
    assert fed(hostile)[1].usage is None


def test_nothing_follows_the_end():
    out, stream = fed(RAW + delta(0, "text_delta", text="late"))
    assert b"late" not in out + stream.ended()


def test_an_end_without_a_reason_is_an_end():
    assert read(BEGIN + start(0, type="text", text="x") + LAST) == [Text("x"), Finished("stop"), Used(Usage(10, 1, 3))]
    refusal = sse("message_delta", delta={"stop_reason": "refusal", "stop_details": {"explanation": "no"}})
    assert read(refusal + LAST) == [Refusal("no"), Finished("content_filter")]
    sequence = sse("message_delta", delta={"stop_reason": "stop_sequence", "stop_sequence": "END"})
    assert read(sequence + LAST) == [Finished("stop", stop_sequence="END")]


JSON = st.recursive(
    st.none() | st.integers() | st.text(max_size=5) | st.sampled_from(["text", "tool_use", "text_delta", "input_json_delta", "end_turn"]),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(
            st.sampled_from(["type", "text", "usage", "input_tokens", "stop_reason", "partial_json", "id"]), inner, max_size=4
        )
    ),
    max_leaves=6,
)
TYPES = ["message_start", "content_block_start", "content_block_delta", "content_block_stop", "message_delta", "ping", "message_stop", "x"]
HOSTILE = st.lists(
    st.builds(
        lambda kind, fields: sse(kind, **fields),
        st.sampled_from(TYPES),
        st.dictionaries(st.sampled_from(["index", "delta", "content_block", "message", "usage", "error"]), JSON),
    ),
    max_size=6,
)


@given(HOSTILE)
def test_hostile_streams_raise_upstream_errors_only(events):
    for follow in (MessagesStream.feed, MessagesStream.read):
        stream = MessagesStream()
        with suppress(UpstreamError):
            list(follow(stream, b"".join(events)))
            stream.ended()
        assert stream.usage is None or stream.usage.input_tokens >= 0


# Writing

ENVELOPE = Envelope("dec1", "auto", 1_700_000_000)


def written(events: list[Event]) -> bytes:
    writer = MESSAGES.writer(ENVELOPE)
    return b"".join(writer.write(event) for event in events) + writer.ended()


def test_a_stream_is_written_as_anthropic_writes_it():
    out = written([Text("Hi"), Text(" you"), Finished("stop", stop_sequence="END"), Used(Usage(10, 4, 3))])
    assert out.decode() == (
        "event: message_start\n"
        'data: {"type":"message_start","message":{"id":"msg_dec1","type":"message","role":"assistant","model":"auto","content":[],'
        '"stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":0,"cache_creation_input_tokens":0,"cache_read_input_tokens":0,'
        '"output_tokens":0}}}\n\n'
        "event: content_block_start\n"
        'data: {"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}\n\n'
        "event: content_block_delta\n"
        'data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Hi"}}\n\n'
        "event: content_block_delta\n"
        'data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":" you"}}\n\n'
        "event: content_block_stop\n"
        'data: {"type":"content_block_stop","index":0}\n\n'
        "event: message_delta\n"
        'data: {"type":"message_delta","delta":{"stop_reason":"stop_sequence","stop_sequence":"END"},"usage":{"input_tokens":7,'
        '"cache_creation_input_tokens":0,"cache_read_input_tokens":3,"output_tokens":4}}\n\n'
        "event: message_stop\n"
        'data: {"type":"message_stop"}\n\n'
    )


def short(raw: bytes) -> list[str]:
    """A stream in a few words: what begins, is said and ends."""
    said = []
    for block in raw.decode().strip().split("\n\n"):
        event = json.loads(block.split("\ndata: ")[1])
        match event["type"]:
            case "content_block_start":
                said.append(f"{event['index']} {event['content_block'].get('name', event['content_block']['type'])}")
            case "content_block_delta":
                piece = event["delta"]
                said.append(f"{event['index']}: {next(value for name, value in piece.items() if name != 'type')}")
            case "content_block_stop":
                said.append(f"{event['index']} end")
            case "message_delta":
                said.append(event["delta"]["stop_reason"])
    return said


def test_blocks_follow_one_another_whatever_the_order_of_their_pieces():
    interleaved: list[Event] = [
        Reasoning("hm"),
        Reasoning("", signature="sig"),
        Reasoning("oh"),
        Text("a"),
        Reasoning("hm"),
        ToolBegan(0, "t0", "f"),
        ToolBegan(1, "t1", "g"),
        ToolArguments(1, '{"b":'),
        ToolArguments(0, '{"a":{}'),
        Text("z"),
        ToolArguments(0, "}"),
        ToolArguments(1, "2}"),
        Text("!"),
        Text("of another choice", choice=1),
        Finished("length", choice=1),
        Finished("tool_calls"),
    ]
    assert short(written(interleaved)) == [
        *("0 thinking", "0: hm", "0: sig", "0 end"),
        *("1 thinking", "1: oh", "1 end"),
        *("2 text", "2: a", "2 end"),
        *("3 thinking", "3: hm", "3 end"),
        *("4 f", '4: {"a":{}', "4: }", "4 end"),
        *("5 g", '5: {"b":', "5: 2}", "5 end"),
        *("6 text", "6: z", "6: !", "6 end"),
        "tool_use",
    ]


def test_calls_without_arguments_wait_for_the_end():
    events: list[Event] = [ToolBegan(0, "t0", "f"), ToolBegan(1, "t1", "g"), ToolArguments(1, "{}"), Finished("tool_calls")]
    assert short(written(events)) == ["0 f", "0 end", "1 g", "1: {}", "1 end", "tool_use"]


def test_a_first_used_tells_the_input():
    writer = MESSAGES.writer(ENVELOPE)
    first = json.loads(writer.write(Used(Usage(10, 0, 3))).split(b"data: ")[1])
    assert first["message"]["usage"]["input_tokens"] == 7
    assert writer.write(Used(Usage(10, 5, 3))) == b""


def test_an_empty_answer_has_a_beginning_and_an_end():
    assert [line for line in written([]).decode().splitlines() if line.startswith("event")] == [
        "event: message_start",
        "event: message_delta",
        "event: message_stop",
    ]


def merged(events: list[Event]) -> dict[str, Any]:
    return json.loads(MESSAGES.write_answer(events, ENVELOPE))


@SIZES
def test_what_is_written_can_be_read_again(size):
    assert read(written(EVENTS), size) == [event for event in EVENTS if not isinstance(event, Lost)]


PIECE = st.one_of(
    st.builds(Text, st.text(max_size=3)),
    st.builds(Refusal, st.text(max_size=3)),
    st.builds(Reasoning, st.text(max_size=3), signature=st.sampled_from(["", "", "sig"])),
)
CALLS = st.lists(st.dictionaries(st.text(max_size=2), st.integers(), max_size=2), max_size=3)


@given(st.data(), CALLS, st.lists(PIECE, max_size=6))
def test_a_written_stream_says_what_the_whole_answer_says(data, calls, pieces):
    """Any interleaving of calls, their pieces and text, as long as each call's pieces are in order."""
    queues: list[list[Event]] = [list(pieces)]
    for index, value in enumerate(calls):
        text = json.dumps(value)
        cut = data.draw(st.integers(0, len(text)))
        queues.append([ToolBegan(index, f"t{index}", "f"), ToolArguments(index, text[:cut]), ToolArguments(index, text[cut:])])
    events: list[Event] = []
    while waiting := [queue for queue in queues if queue]:
        events.append(data.draw(st.sampled_from(waiting)).pop(0))
    events.append(Finished("stop"))
    raw = written(events)
    names = [line for line in raw.decode().splitlines() if line.startswith("event: content_block_st")]
    assert names == ["event: content_block_start", "event: content_block_stop"] * (len(names) // 2)
    whole, again = merged(events), merged(read(raw))
    assert {**again, "usage": None, "stop_reason": None} == {**whole, "usage": None, "stop_reason": None}


def test_what_may_be_sent_at_any_moment_means_nothing():
    assert read(MESSAGES.keep_alive + RAW) == EVENTS
    assert fed(BEGIN + MESSAGES.keep_alive)[0] == BEGIN
