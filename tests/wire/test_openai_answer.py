"""What upstreams answer: what is passed on, what is accounted, and what is no answer."""

from __future__ import annotations

import json
from contextlib import suppress
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.core.prices import Usage
from pointsman.errors import UpstreamError, UpstreamRefused, UpstreamStreamBroken
from pointsman.testing.answers import events
from pointsman.wire.events import Finished, Reasoning, Refusal, Text, ToolArguments, ToolBegan, Used
from pointsman.wire.openai_chat.answer import read_completion, read_events
from pointsman.wire.openai_chat.stream import ChatStream
from pointsman.wire.openai_chat.usage import MOST_TOKENS
from pointsman.wire.refused import refused

ASKED = {
    "model": "m",
    "messages": [{"role": "user", "content": "one two three"}],
    "stream": True,
    "stream_options": {"include_usage": True},
}
WITH_USAGE = "".join(events(ASKED, usage=True)).encode()
WITHOUT_USAGE = "".join(events({**ASKED, "stream_options": None}, usage=True)).encode()


def follow(raw: bytes, *, keep_usage: bool = True, size: int = 10**9) -> tuple[bytes, ChatStream]:
    """What a client gets of a stream that ends well."""
    stream = ChatStream(keep_usage=keep_usage)
    out = b"".join(event for at in range(0, len(raw), size) for event in stream.feed(raw[at : at + size]))
    return out + stream.ended(), stream


def chunk(delta: object = None, finish: str | None = None, index: int = 0, **fields: object) -> bytes:
    choice = {"index": index, "delta": {} if delta is None else delta, "finish_reason": finish}
    return b"data: " + json.dumps({"id": "c", "choices": [choice], **fields}).encode() + b"\n\n"


DONE = b"data: [DONE]\n\n"


@pytest.mark.parametrize("size", [1, 7, 10**9], ids=["bytewise", "ragged", "whole"])
def test_a_client_that_asked_for_usage_gets_the_bytes_as_they_came(size):
    out, stream = follow(WITH_USAGE, size=size)
    assert out == WITH_USAGE
    assert stream.usage == Usage(input_tokens=3, output_tokens=3)
    assert (stream.finish_reason, stream.pieces) == ("stop", 3)


@pytest.mark.parametrize("size", [1, 7, 10**9], ids=["bytewise", "ragged", "whole"])
def test_one_that_did_not_gets_what_a_direct_call_would_have_given(size):
    out, stream = follow(WITH_USAGE, keep_usage=False, size=size)
    assert out == WITHOUT_USAGE
    assert stream.usage == Usage(input_tokens=3, output_tokens=3)


@pytest.mark.parametrize(
    ("data", "kept"),
    [
        (b'{"id":"a","choices":[],"usage":null}', b'{"id":"a","choices":[]}'),
        (b'{"usage":null,"id":"a","choices":[]}', b'{"id":"a","choices":[]}'),
        (b'{"id": "a", "usage" : null , "choices": [ ]}', b'{"id": "a" , "choices": [ ]}'),
        (b'{"choices":[],"usage":null}', b'{"choices":[]}'),
        (
            rb'{"choices":[{"delta":{"content":"say \"usage\": null, please"}}]}',
            rb'{"choices":[{"delta":{"content":"say \"usage\": null, please"}}]}',
        ),
        (
            b'{"choices":[{"delta":{"content":"x"}}],"usage":{"prompt_tokens":1,"completion_tokens":1}}',
            b'{"choices":[{"delta":{"content":"x"}}]}',
        ),
        (b'{"choices":[],"x_groq":{"usage":{"a":1}},"usage":null}', b'{"choices":[],"x_groq":{"usage":{"a":1}}}'),
        (b'{"choices":[],"usage":{"prompt_tokens":1,"completion_tokens":1}}', b""),
        (b'{"id":"kept","choices":[],"prompt_filter_results":[]}', b'{"id":"kept","choices":[],"prompt_filter_results":[]}'),
    ],
)
def test_usage_that_nobody_asked_for_is_cut_out_and_nothing_else(data, kept):
    [*out] = ChatStream(keep_usage=False).feed(b"data: " + data + b"\n\n")
    assert b"".join(out) == (b"data: " + kept + b"\n\n" if kept else b"")


def test_keep_alives_go_on_once_there_is_an_answer_and_nothing_follows_the_end():
    said, finish = chunk({"content": "x"}), chunk(finish="stop")
    out, stream = follow(b": wait\n\n" + said + b": wait\n\n:\n\ndata:\n\nid: 5\n\n" + finish + DONE + chunk({"content": "late"}))
    assert out == said + b": wait\n\n:\n\n" + finish + DONE
    assert stream.done


@pytest.mark.parametrize(
    ("raw", "begun"),
    [
        (chunk({"role": "assistant", "content": "", "refusal": None}), False),
        (chunk({"role": "assistant"}), False),
        (b'data: {"choices":[]}\n\n', False),
        (chunk({"content": "x"}), True),
        (chunk({"reasoning_content": "hm"}), True),
        (chunk({"tool_calls": [{"index": 0, "function": {"name": "f"}}]}), True),
        (chunk({"refusal": "no"}), True),
        (chunk({}, finish="stop"), True),
    ],
)
def test_a_role_alone_is_not_yet_an_answer(raw, begun):
    stream = ChatStream(keep_usage=False)
    assert len(list(stream.feed(raw))) == 1
    assert stream.begun is begun


SAID = chunk({"content": "x"})


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        SAID,
        SAID + chunk(finish="stop")[:-1],
        SAID + chunk({"content": "y"}, index=1) + chunk(finish="stop"),  # the second answer never ended
        SAID + b"data: [DO",
        b": nothing but comments\n\n",
    ],
)
def test_a_stream_that_stops_before_its_end_is_no_whole_answer(raw):
    with pytest.raises(UpstreamStreamBroken, match="before its end"):
        follow(raw)


@pytest.mark.parametrize(
    "raw",
    [
        SAID + chunk(finish="stop"),  # some servers send no [DONE]
        SAID + DONE,  # nor all of them a finish reason
        SAID + chunk({"content": "y"}, index=1) + chunk(finish="stop", index=1) + chunk(finish="length"),
    ],
)
def test_one_that_said_its_ending_is(raw):
    out, _ = follow(raw)
    assert out.removesuffix(DONE) == raw.removesuffix(DONE)


@pytest.mark.parametrize(
    "event",
    [
        b"data: not json\n\n",
        b'data: {"id": \n\n',
        b"data: [1,2]\n\n",
        b'data: {"choices":"x"}\n\n',
        b'data: {"choices":[{"delta":"x"}]}\n\n',
        b'data: {"choices":[{"delta":{"content":"\xff"}}]}\n\n',
        b"data: " + b"[" * 5_000 + b"\n\n",
    ],
)
def test_what_is_no_chunk_breaks_the_stream_after_what_came_before_it(event):
    out = ChatStream(keep_usage=True).feed(SAID + event + SAID)
    assert next(out) == SAID
    with pytest.raises(UpstreamStreamBroken, match="not a chat completion chunk"):
        next(out)


@pytest.mark.parametrize(
    "event",
    [
        b'data: {"error":{"message":"overloaded","type":"server_error","code":"busy"}}\n\n',
        b'event: error\ndata: {"message":"overloaded","type":"server_error","code":"busy"}\n\n',
        b'data: {"object":"error","message":"overloaded","type":"server_error","code":"busy"}\n\n',
    ],
)
def test_error_events_are_understood_in_every_dialect(event):
    with pytest.raises(UpstreamRefused, match="overloaded") as raised:
        list(ChatStream(keep_usage=True).feed(event))
    assert (raised.value.type, raised.value.code) == ("server_error", "busy")


WHOLE = {"choices": [{"index": 0, "message": {"role": "assistant", "content": "hi"}, "finish_reason": "stop"}]}


@pytest.mark.parametrize(
    ("usage", "read"),
    [
        (None, None),
        ({}, None),
        ({"prompt_tokens": 5}, None),
        ({"prompt_tokens": 5, "completion_tokens": None}, None),
        ({"prompt_tokens": 5, "completion_tokens": 3, "total_tokens": 8}, Usage(5, 3)),
        ({"prompt_tokens": 5, "completion_tokens": 3, "prompt_tokens_details": None, "completion_tokens_details": {}}, Usage(5, 3)),
        ({"prompt_tokens": -5, "completion_tokens": 3}, None),
        ({"prompt_tokens": 5, "completion_tokens": -3}, None),
        (
            {
                "prompt_tokens": 5,
                "completion_tokens": 3,
                "prompt_tokens_details": {"cached_tokens": 9},
                "completion_tokens_details": {"reasoning_tokens": 2},
            },
            Usage(5, 3, cached_input_tokens=5, reasoning_tokens=2),
        ),
    ],
)
def test_usage_is_read_where_it_is_said_and_unknown_otherwise(usage, read):
    completion = read_completion(json.dumps({**WHOLE, "usage": usage}).encode())
    assert completion.usage == read
    assert completion.text == ("" if read else "hi")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html></html>",
        b'{"hello":"world"}',
        b'{"choices":[]}',
        b'{"choices":[{}]}',
        b'{"choices":[{"message":"hi"}]}',
        b'{"choices":{"message":{}}}',
        b"[]",
        b"null",
        b'{"error":{"message":"x"}}',
        b'{"choices":[{"message":{"content":"\xff"}}]}',
        b'{"choices":' + b"[" * 5_000,
        WITH_USAGE,
    ],
)
def test_what_is_no_completion_is_an_error(body):
    with pytest.raises(UpstreamError):
        read_completion(body)


@pytest.mark.parametrize("reason", ["error", "abort", "cancelled"])
def test_an_answer_that_its_server_gave_up_is_an_error(reason):
    begun, gone = chunk({"content": "half an ans"}), chunk({}, reason)
    for read in (ChatStream(keep_usage=True).feed, ChatStream(keep_usage=True).read):
        with pytest.raises(UpstreamError, match=f"gave up its answer: it ended with `{reason}`"):
            list(read(begun + gone + DONE))
    whole = json.dumps({"choices": [{"message": {"content": "half an ans"}, "finish_reason": reason}]}).encode()
    for read_whole in (read_completion, read_events):
        with pytest.raises(UpstreamError, match=f"gave up its answer: it ended with `{reason}`"):
            read_whole(whole)


@given(st.binary(max_size=60))
def test_no_bytes_of_an_upstream_raise_anything_but_an_upstream_error(raw):
    for read in (
        read_completion,
        lambda raw: refused(500, raw, {}, 0),
        lambda raw: list(ChatStream(keep_usage=False).feed(b"data: " + raw + b"\n\n")),
    ):
        with suppress(UpstreamError):
            read(raw)


OTHER = b'{"error":{"message":"key sk-1 may not","type":"t","param":"n","code":"c"}}'
OPENAI = b'{"error":{"message":"too much","type":"requests","param":"n","code":"rate_limit_exceeded"}}'


@pytest.mark.parametrize(
    ("status", "body", "seen"),
    [
        (429, OPENAI, (429, "too much", "requests", "rate_limit_exceeded", "n")),
        (400, OPENAI, (400, "too much", "requests", "rate_limit_exceeded", "n")),
        (500, b'{"error":"plain words"}', (500, "plain words", "server_error", None, None)),
        (400, b'{"object":"error","message":"flat","type":"BadRequestError","code":400}', (400, "flat", "BadRequestError", "400", None)),
        (400, b'[{"error":{"message":"listed","code":400,"status":"INVALID"}}]', (400, "listed", "INVALID", "400", None)),
        (502, b"<html>bad gateway</html>", (502, "the model's provider answered with status 502", "server_error", None, None)),
        (503, b"", (503, "the model's provider answered with status 503", "server_error", None, None)),
        (529, b'{"detail":"x"}', (529, "x", "server_error", None, None)),
        (413, b'{"error":{"message":{"odd":1}}}', (413, "the model's provider answered with status 413", "invalid_request_error", None, None)),
        *(
            (status, OTHER, (502, f"the model's provider did not accept the gateway's call: status {status}", "upstream_error", "upstream_refused", None))
            for status in (201, 204, 301, 302, 307, 401, 403, 404, 501)
        ),
    ],
)  # fmt: skip
def test_an_error_goes_through_unless_it_is_about_the_gateways_own_credentials(status, body, seen):
    error = refused(status, body, {}, 0)
    assert (error.status, error.message, error.type, error.code, error.param) == seen


@pytest.mark.parametrize(
    ("said", "passed"),
    [
        ("7", "7"),
        ("0.5", "1"),
        ("-1", None),
        ("1e9", None),
        ("9" * 10, None),
        ("soon", None),
        ("7\r\nset-cookie: x=y", None),
        ("\u0663", None),
        ("", None),
    ],
)
def test_only_a_wait_that_clients_understand_is_passed_on(said, passed):
    assert refused(429, OPENAI, {"retry-after": said}, 0).headers() == ({} if passed is None else {"retry-after": passed})


def test_texts_of_an_upstream_are_cut_short():
    error = refused(400, json.dumps({"error": {"message": "m" * 10_000, "type": "t" * 1_000, "code": "c" * 1_000}}).encode(), {}, 0)
    assert [len(text) for text in (error.message, error.type, error.code)] == [2_000, 200, 200]


@pytest.mark.parametrize(
    "usage",
    [
        None,
        [],
        "5",
        {"prompt_tokens": "5", "completion_tokens": 5},
        {"prompt_tokens": 1e3, "completion_tokens": 5},
        {"prompt_tokens": True, "completion_tokens": 5},
        {"prompt_tokens": 5, "completion_tokens": MOST_TOKENS + 1},
        {"prompt_tokens": 10**400, "completion_tokens": 5},
    ],
)
def test_usage_that_cannot_be_meant_is_no_usage_and_the_answer_is_good(usage):
    body = {"choices": [{"message": {"role": "assistant", "content": "hi"}, "finish_reason": "stop"}], "usage": usage}
    completion = read_completion(json.dumps(body).encode())
    assert (completion.usage, completion.text) == (None, "hi")


def test_several_choices_have_ended_only_when_each_has():
    stream = ChatStream(keep_usage=True, choices=2)
    ended = b'{"choices":[{"index":%d,"delta":{"content":"a"},"finish_reason":"stop"}]}'
    list(stream.feed(b"data: " + ended % 0 + b"\n\n"))
    with pytest.raises(UpstreamStreamBroken):
        stream.ended()
    list(stream.feed(b"data: " + ended % 1 + b"\n\n"))
    assert stream.ended() == b"data: [DONE]\n\n"


def test_a_chunk_that_cannot_be_written_again_breaks_the_stream():
    chunk = b'{"choices":[{"index":0,"delta":{"content":"a"}}],"usage":{},"x":"\xff"}'
    with pytest.raises(UpstreamStreamBroken):
        list(ChatStream(keep_usage=False).feed(b"data: " + chunk + b"\n\n"))


LIKE = b'{"id":"c","object":"chat.completion.chunk","choices":[{"index":0,"delta":{"content":"%b"},"finish_reason":null}]%b}'
spellings = [
    b"",
    b',"usage":null',
    b',"usage":null,"obfuscation":"a1b2"',
    b',"usage":null,"obfuscation":""',
    b',"obfuscation":"x","usage":null',
    b',"usage":{"prompt_tokens":1,"completion_tokens":2}',
    b',"error":{"message":"late"}',
    b',"usage":{},"x":"\xff"',
]
said = st.one_of(
    st.text(max_size=6).map(lambda text: json.dumps(text, ensure_ascii=False)[1:-1].encode("utf-8", "surrogatepass")),
    st.text(max_size=6).map(lambda text: json.dumps(text)[1:-1].encode()),
    st.sampled_from(
        [
            b"",
            b"index",
            b"c",
            b"usage",
            b'"',
            b"\\",
            b"\\x",
            b"a\nb",
            b"\x00",
            b"\xff",
            b"\xc0\x80",
            b"\xed\xa0\x80",
            b'"},"delta":{"content":"',
        ]
    ),
)
odd = st.one_of(
    st.builds(lambda text, more, end: b"data: " + LIKE % (text, more) + end, said, st.sampled_from(spellings), st.sampled_from([b"\n\n", b"\n\n\n", b"\r\r", b"\n"])),
    st.sampled_from(
        [
            b": wait\n\n", b"\n", b"\xef\xbb\xbf", DONE, chunk({"content": "b"}, index=1), chunk({"role": "assistant", "content": "Hi"}), chunk({}, finish="stop"),
            b'data: {"choices":[{"delta":{"content":"one"}}],\ndata: "usage":null}\n\n',
            b'data: {"choices":[{"index":0,"delta":{"content":"same"}}],"model":"same"}\n\n',
        ]
    ),
)  # fmt: skip

plain = st.text("abc ", min_size=1, max_size=4).map(str.encode)


@st.composite
def streams(draw):
    """Events of a stream that is mostly of one kind of chunk."""
    more, end = draw(st.sampled_from(spellings[:5])), draw(st.sampled_from([b"\n\n", b"\r\n\r\n"]))
    return draw(st.lists((plain | said).map(lambda text: b"data: " + LIKE % (text, more) + end) | odd, max_size=12))


def trace(pieces: list[bytes], *, keep_usage: bool) -> tuple[object, ...]:
    """Everything there is to see of a stream: what came out, what was kept, and how it ended."""
    stream, out, error = ChatStream(keep_usage=keep_usage), b"", ""
    try:
        for piece in pieces:
            for event in stream.feed(piece):
                out += event
        out += stream.ended()
    except UpstreamError as raised:
        error = str(raised)
    return out, error, stream.pieces, stream.begun, stream.done, stream.usage, stream.finish_reason


@given(streams(), st.lists(st.integers(0, 2_000), max_size=8), st.booleans())
def test_a_stream_means_the_same_however_it_was_cut(sent, cuts, keep_usage):
    raw = b"".join(sent)
    places = sorted({0, len(raw), *(cut for cut in cuts if cut < len(raw))})
    bytewise = trace([raw[at : at + 1] for at in range(len(raw))], keep_usage=keep_usage)
    assert trace([raw[start:end] for start, end in pairwise(places)], keep_usage=keep_usage) == bytewise
    assert trace(sent, keep_usage=keep_usage) == bytewise


def like(text: bytes, more: bytes = b"") -> bytes:
    return b"data: " + LIKE % (text, more) + b"\n\n"


@pytest.mark.parametrize("more", spellings[:5])
def test_usual_chunks_are_passed_on_together_and_each_counts(more):
    stream = ChatStream(keep_usage=True)
    assert list(stream.feed(like(b"One", more))) == [like(b"One", more)]
    together = like(b" two", more) + like(" \u00e9 \U0001f600".encode(), more) + like(rb" \"three\"\n", more)
    assert list(stream.feed(together)) == [together]
    assert stream.pieces == 4


@pytest.mark.parametrize(
    "event",
    [
        like(b'x"'),
        like(b"x\\"),
        like(b"x\n"),
        like(b"\\q"),
        like(b"\xff"),
        like(b"\xed\xa0\x80"),
        like(b"x", b',"usage":'),
        like(b"x")[:-4] + b"\n\n",
    ],
)
def test_what_only_looks_like_the_usual_chunk_breaks_the_stream(event):
    stream = ChatStream(keep_usage=True)
    list(stream.feed(like(b"One") + like(b"two")))
    list(stream.feed(like(b"three")))
    with pytest.raises(UpstreamStreamBroken, match="not a chat completion chunk"):
        list(stream.feed(event))


def test_an_error_that_looks_like_the_usual_chunk_is_an_error():
    stream = ChatStream(keep_usage=True)
    list(stream.feed(like(b"One") + like(b"two")))
    with pytest.raises(UpstreamRefused, match="late"):
        list(stream.feed(like(b"three", b',"error":{"message":"late"}')))


def read(raw: bytes, size: int = 10**9, **fields: int) -> list[object]:
    """The events of a stream that ends well."""
    stream = ChatStream(keep_usage=True, **fields)
    out = [event for at in range(0, len(raw), size) for event in stream.read(raw[at : at + size])]
    stream.ended()
    return out


TOKEN = {"token": "a", "logprob": -0.5, "bytes": [97], "top_logprobs": [{"token": "b", "logprob": -1.5, "bytes": None}]}
MIXED = (
    chunk({"role": "assistant", "content": "", "refusal": None})
    + chunk({"reasoning_content": "Hm"})
    + b": wait\n\n"
    + chunk({"reasoning": "m."})
    + b'data: {"choices":[{"index":0,"delta":{"content":"a"},"logprobs":{"content":['
    + json.dumps(TOKEN).encode()
    + b"]}}]}\n\n"
    + chunk({"content": "b"}, index=1)
    + chunk({"tool_calls": [{"index": 0, "id": "c1", "type": "function", "function": {"name": "f", "arguments": ""}}]})
    + chunk({"tool_calls": [{"index": 0, "function": {"arguments": "{}"}}]})
    + chunk({"tool_calls": [{"index": 1, "id": "c2", "type": "custom", "custom": {"name": "g", "input": "go"}}]})
    + chunk({"refusal": "No."}, index=1)
    + chunk({}, finish="tool_calls")
    + chunk({}, finish="length", index=1)
    + b'data: {"choices":[],"usage":{"prompt_tokens":5,"completion_tokens":3,"prompt_tokens_details":{"cached_tokens":2}}}\n\n'
    + DONE
)


@pytest.mark.parametrize("size", [1, 7, 10**9], ids=["bytewise", "ragged", "whole"])
def test_a_stream_is_read_into_events(size):
    assert read(MIXED, size, choices=2) == [
        Reasoning("Hm"),
        Reasoning("m."),
        Text("a", logprobs=[TOKEN]),
        Text("b", choice=1),
        ToolBegan(0, "c1", "f"),
        ToolArguments(0, "{}"),
        ToolBegan(1, "c2", "g", custom=True),
        ToolArguments(1, "go"),
        Refusal("No.", choice=1),
        Finished("tool_calls"),
        Finished("length", choice=1),
        Used(Usage(5, 3, cached_input_tokens=2)),
    ]


def test_reading_keeps_what_accounting_needs():
    stream = ChatStream(keep_usage=True)
    events = stream.read(MIXED)
    assert not stream.begun
    next(events)
    assert stream.begun
    list(events)
    assert (stream.pieces, stream.finish_reason, stream.usage, stream.done) == (9, "tool_calls", Usage(5, 3, cached_input_tokens=2), True)


def calls(*deltas: dict[str, object]) -> list[object]:
    return read(b"".join(chunk({"tool_calls": [delta]}) for delta in deltas) + chunk(finish="tool_calls"))[:-1]


F, G = {"name": "f", "arguments": "1"}, {"name": "g", "arguments": "2"}


@pytest.mark.parametrize(
    ("deltas", "arguments"),
    [
        ([{"index": 0, "id": "a", "function": F}, {"index": 1, "id": "b", "function": G}], [(0, "1"), (1, "2")]),
        ([{"id": "a", "function": F}, {"id": "b", "function": G}], [(0, "1"), (1, "2")]),
        ([{"index": 0, "id": "a", "function": F}, {"index": 0, "id": "b", "function": G}], [(0, "1"), (1, "2")]),
        ([{"index": 5, "id": "a", "function": F}, {"index": 5, "id": "a", "function": {"arguments": "3"}}], [(0, "1"), (0, "3")]),
        ([{"index": 1, "id": "a", "function": F}, {"function": {"arguments": "3"}}], [(0, "1"), (0, "3")]),
    ],
)
def test_tool_calls_are_told_apart_in_every_servers_way(deltas, arguments):
    events = calls(*deltas)
    assert [(event.call, event.text) for event in events if isinstance(event, ToolArguments)] == arguments
    assert [(event.id, event.name) for event in events if isinstance(event, ToolBegan)] == [("a", "f"), ("b", "g")][
        : len({at for at, _ in arguments})
    ]


def test_a_call_of_the_older_kind_gets_an_id_of_its_own():
    deltas = [{"function_call": {"name": "f", "arguments": ""}}, {"function_call": {"arguments": "{}"}}]
    began, piece, ending = read(b"".join(map(chunk, deltas)) + chunk(finish="function_call"))
    assert (began.name, piece, ending) == ("f", ToolArguments(0, "{}"), Finished("tool_calls"))
    assert began.id.startswith("call_")
    other, *_ = read(chunk(deltas[0], id="another").replace(b'"id": "c"', b'"id": "d"') + chunk(finish="stop"))
    assert other.id != began.id


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("stop", "stop"),
        ("length", "length"),
        ("content_filter", "content_filter"),
        ("model_length", "length"),
        ("eos_token", "stop"),
        (None, "stop"),
    ],
)
def test_why_an_answer_ended_is_said_in_one_way(said, meant):
    assert read(SAID + chunk(finish=said) + DONE) == [Text("x"), Finished(meant)]
    body = json.dumps({"choices": [{"message": {"content": "x"}, "finish_reason": said}]}).encode()
    assert read_events(body) == [Text("x"), Finished(meant)]


def test_stop_after_a_tool_call_means_that_the_client_is_to_run_it():
    assert calls({"index": 0, "id": "a", "function": F}) == [ToolBegan(0, "a", "f"), ToolArguments(0, "1")]
    assert read(chunk({"tool_calls": [{"index": 0, "id": "a", "function": F}]}) + chunk(finish="stop"))[-1] == Finished("tool_calls")


@pytest.mark.parametrize(
    "raw",
    [
        SAID + chunk(finish="error"),
        SAID + chunk(finish="the user's words"),
        SAID + chunk(finish="stop") + SAID,
        chunk({"tool_calls": [{"index": 0, "id": "a"}]}),
        chunk({"content": 5}),
        chunk({"content": "x"}, index=-1),
        chunk({"tool_calls": [{"index": -1, "id": "a", "function": F}]}),
        b'data: {"choices":[{"delta":{"content":"a"},"logprobs":{"content":[{}]}}]}\n\n',
        SAID,
        SAID + b"data: [DONE]",
    ],
)
def test_what_cannot_be_understood_is_an_error_and_no_event(raw):
    with pytest.raises(UpstreamError) as raised:
        read(raw)
    assert "the user's words" not in str(raised.value)


def test_a_repeated_ending_is_one():
    assert read(SAID + chunk(finish="stop") + chunk(finish="stop") + DONE) == [Text("x"), Finished("stop")]


@pytest.mark.parametrize("choices", [1, 2])
def test_cut_anywhere_a_stream_ends_as_an_error_or_was_whole(choices):
    raw = MIXED if choices == 2 else SAID + chunk(finish="stop") + DONE
    whole = read(raw, choices=choices)
    for cut in range(len(raw)):
        try:
            came = read(raw[:cut], choices=choices)
        except UpstreamStreamBroken:
            continue
        assert [event for event in whole if not isinstance(event, Used)] == [event for event in came if not isinstance(event, Used)]


def test_a_whole_answer_is_the_same_events_in_larger_pieces():
    message = {
        "role": "assistant",
        "reasoning": "Hm.",
        "content": [{"type": "thinking", "thinking": [{"type": "text", "text": "So."}]}, {"type": "text", "text": "a"}],
        "tool_calls": [
            {"id": "", "type": "function", "function": {"name": "f", "arguments": "{}"}},
            {"id": "c2", "type": "custom", "custom": {"name": "g", "input": "go"}},
        ],
    }
    choices = [
        {"index": 0, "message": message, "finish_reason": "stop"},
        {"index": 1, "message": {"refusal": "No.", "content": None}, "finish_reason": "stop"},
    ]
    events = read_events(json.dumps({"id": "x", "choices": choices, "usage": {"prompt_tokens": 5, "completion_tokens": 3}}).encode())
    made = next(event for event in events if isinstance(event, ToolBegan))
    assert made.id.startswith("call_")
    assert events == [
        Reasoning("Hm."),
        Reasoning("So."),
        Text("a"),
        ToolBegan(0, made.id, "f"),
        ToolArguments(0, "{}"),
        ToolBegan(1, "c2", "g", custom=True),
        ToolArguments(1, "go"),
        Finished("tool_calls"),
        Refusal("No.", choice=1),
        Finished("stop", choice=1),
        Used(Usage(5, 3)),
    ]


@pytest.mark.parametrize(
    ("message", "empty", "content"),
    [
        ({"content": "hi"}, False, "hi"),
        ({"content": [{"type": "text", "text": "h"}, {"type": "text", "text": "i"}]}, False, "hi"),
        ({"content": ""}, True, ""),
        ({"content": None}, True, None),
        ({"content": None, "reasoning_content": "hm", "tool_calls": []}, True, None),
        ({"content": None, "refusal": "no"}, False, None),
        ({"content": None, "tool_calls": [{"id": "a", "function": F}]}, False, None),
        ({"content": None, "function_call": F}, False, None),
        ({"content": None, "audio": {"id": "x"}}, False, None),
    ],
)
def test_an_answer_that_says_nothing_is_empty(message, empty, content):
    completion = read_completion(json.dumps({"choices": [{"message": message, "finish_reason": "function_call"}]}).encode())
    assert (completion.empty, completion.content, completion.finish_reason) == (empty, content, "tool_calls")


deltas = st.dictionaries(
    st.sampled_from(["content", "refusal", "reasoning", "reasoning_content", "tool_calls", "function_call", "role", "x"]),
    st.recursive(
        st.none() | st.integers() | st.text(max_size=3),
        lambda inner: (
            st.lists(inner, max_size=2)
            | st.dictionaries(
                st.sampled_from(["index", "id", "function", "custom", "name", "arguments", "input", "text", "thinking"]), inner, max_size=4
            )
        ),
        max_leaves=6,
    ),
    max_size=3,
)


@given(st.lists(st.builds(chunk, deltas, st.none() | st.sampled_from(["stop", "x"]), st.integers(-1, 2)), max_size=4), deltas)
def test_whatever_an_upstream_says_is_read_or_is_its_error(sent, message):
    with suppress(UpstreamError):
        read(b"".join(sent))
    for look in (read_events, read_completion):
        with suppress(UpstreamError):
            look(json.dumps({"choices": [{"message": message}]}).encode())
