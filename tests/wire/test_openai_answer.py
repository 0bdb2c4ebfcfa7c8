"""What upstreams answer: what is passed on, what is accounted, and what is no answer."""

from __future__ import annotations

import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.core.prices import Usage
from pointsman.errors import UpstreamError, UpstreamRefused, UpstreamStreamBroken
from pointsman.testing.answers import events
from pointsman.wire.openai_chat.answer import MOST_TOKENS, ChatStream, read_completion, refused

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
        ({"prompt_tokens": -5, "completion_tokens": 3}, Usage(0, 3)),
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


@given(st.binary(max_size=60))
def test_no_bytes_of_an_upstream_raise_anything_but_an_upstream_error(raw):
    for read in (
        read_completion,
        lambda raw: refused(500, raw, {}),
        lambda raw: list(ChatStream(keep_usage=False).feed(b"data: " + raw + b"\n\n")),
    ):
        with suppress(UpstreamError):
            read(raw)


OPENAI = b'{"error":{"message":"too much","type":"requests","param":"n","code":"rate_limit_exceeded"}}'


@pytest.mark.parametrize(
    ("status", "body", "seen"),
    [
        (429, OPENAI, (429, "too much", "requests", "rate_limit_exceeded", "n")),
        (400, OPENAI, (400, "too much", "requests", "rate_limit_exceeded", "n")),
        (500, b'{"error":"plain words"}', (500, "plain words", "server_error", None, None)),
        (400, b'{"object":"error","message":"flat","type":"BadRequestError","code":400}', (400, "flat", "BadRequestError", "400", None)),
        (400, b'[{"error":{"message":"listed","code":400,"status":"INVALID"}}]', (400, "listed", "invalid_request_error", "400", None)),
        (502, b"<html>bad gateway</html>", (502, "the model's provider answered with status 502", "server_error", None, None)),
        (503, b"", (503, "the model's provider answered with status 503", "server_error", None, None)),
        (529, b'{"detail":"x"}', (529, "the model's provider answered with status 529", "server_error", None, None)),
        (413, b'{"error":{"message":{"odd":1}}}', (413, "{'odd': 1}", "invalid_request_error", None, None)),
        *(
            (status, OPENAI, (502, f"the model's provider did not accept the gateway's call: status {status}", "upstream_error", "upstream_refused", None))
            for status in (201, 204, 301, 302, 307, 401, 402, 403, 404, 405, 418, 451, 501)
        ),
    ],
)  # fmt: skip
def test_an_error_goes_through_unless_it_is_about_the_gateways_own_credentials(status, body, seen):
    error = refused(status, body, {})
    assert (error.status, error.message, error.type, error.code, error.param) == seen
    assert error.try_another is (error.status in {408, 409, 429} or error.status >= 500)


@pytest.mark.parametrize(
    ("said", "passed"),
    [
        ("7", "7"),
        ("0.5", "0.5"),
        ("Wed, 21 Oct 2026 07:28:00 GMT", "Wed, 21 Oct 2026 07:28:00 GMT"),
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
    assert refused(429, OPENAI, {"retry-after": said}).headers() == ({} if passed is None else {"retry-after": passed})


def test_texts_of_an_upstream_are_cut_short():
    error = refused(400, json.dumps({"error": {"message": "m" * 10_000, "type": "t" * 1_000, "code": "c" * 1_000}}).encode(), {})
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
