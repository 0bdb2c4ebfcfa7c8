"""The reader of server-sent events does not care how bytes arrive."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pointsman.errors import UpstreamStreamBroken
from pointsman.wire.sse import SSEReader, encode


def read(raw: bytes, cuts: list[int] | None = None, max_bytes: int = 4_000_000) -> tuple[list[tuple[str, bytes, bytes]], object]:
    """Events of a stream fed in pieces, and how it ended."""
    reader, events = SSEReader(max_bytes), []
    edges = [0, *sorted(cut % (len(raw) + 1) for cut in cuts or []), len(raw)]
    try:
        for start, end in pairwise(edges):
            for event in reader.feed(raw[start:end]):
                events.append((event.name, event.data, event.raw))
    except UpstreamStreamBroken as error:
        return events, str(error)
    return events, reader.pending


@pytest.mark.parametrize(
    ("raw", "events"),
    [
        (b"data: one\n\n", [("message", b"one")]),
        (b"data: one\r\n\r\ndata: two\r\n\r\n", [("message", b"one"), ("message", b"two")]),
        (b"data: one\r\rdata: two\r\rx", [("message", b"one"), ("message", b"two")]),
        (b"data: one\n\rdata: two\n\n", [("message", b"one"), ("message", b"two")]),
        (b"data: one\r\n\ndata: two\n\r\n", [("message", b"one"), ("message", b"two")]),
        (b"event: ping\ndata: {}\n\n", [("ping", b"{}")]),
        (b"data: a\ndata: b\ndata:c\ndata:  d\n\n", [("message", b"a\nb\nc\n d")]),
        (b": keep-alive\n\n", [("message", b"")]),
        (b"id: 7\nretry: 10\ndata: x\nunknown: y\n\n", [("message", b"x")]),
        (b"\xef\xbb\xbfdata: after a byte order mark\n\n", [("message", b"after a byte order mark")]),
        (b"\n\n\ndata: x\n\n", [("message", b"x")]),
        (b"data\n\n", [("message", b"")]),
        (b"data: never ended", []),
        (b"data: never ended\n", []),
    ],
)
@pytest.mark.parametrize("size", [1, 3, 10**9], ids=["bytewise", "ragged", "whole"])
def test_events_come_out_as_the_standard_says(raw, events, size):
    found, _ = read(raw, list(range(0, len(raw), size)))
    assert [(name, data) for name, data, _ in found] == events


streams = st.lists(
    st.sampled_from([b"data: ", b"x", b"\n", b"\r", b"\r\n", b"\n\n", b":", b"event: e", b"\xef\xbb\xbf", b"\xff", b"[DONE]", b"long" * 9])
).map(b"".join) | st.binary(max_size=60)


@given(streams, st.lists(st.integers(0, 10_000), max_size=8), st.sampled_from([5, 20, 10**6]))
@example(b"\xef\xbb\xbfdata: x\n\n", [1, 2], 10**6)
@example(b"data: x\r\n\r\n", [8, 9, 10], 10**6)
@example(b"data: x\r\n\r", [9, 10], 10**6)
def test_ragged_bytewise_and_whole_streams_give_the_same_events(raw, cuts, max_bytes):
    whole = read(raw, [], max_bytes)
    assert read(raw, cuts, max_bytes) == whole
    assert read(raw, list(range(len(raw))), max_bytes) == whole


@given(streams, st.integers(0, 60))
@example(b"event: e\ndata: x\n\ndata: y\rdata: z\n\n", 0)
def test_the_usual_lines_are_read_as_any_others(raw, cut):
    """A stream's first bytes go the long way, in case of a byte order mark; the rest goes the short way where it can."""
    slow, _ = read(b": x\n\n" + raw)
    assert read(b": x\n\n" + raw, [5, 5 + cut])[0] == slow


@given(streams)
def test_no_byte_is_lost_or_made_up(raw):
    """But for empty lines before an event."""
    events, _ = read(raw)
    rest = raw.removeprefix(b"\xef\xbb\xbf").lstrip(b"\r\n")
    for _, _, part in events:
        assert rest.startswith(part)
        rest = rest.removeprefix(part).lstrip(b"\r\n")


@pytest.mark.parametrize("blank", [b"\n", b"\r\n", b"\r"])
def test_empty_lines_are_no_events(blank):
    assert read(b": x\n\n" + blank * 4_000_000 + b"data: y\n\n", [5, 3_000_000])[0] == [
        ("message", b"", b": x\n\n"),
        ("message", b"y", b"data: y\n\n"),
    ]


def test_an_endless_event_is_refused_before_it_fills_the_memory():
    reader = SSEReader(max_bytes=1_000)
    with pytest.raises(UpstreamStreamBroken, match="more than 1,000 bytes"):
        for _ in range(1_000):
            list(reader.feed(b"data: no end in sight"))


def test_events_before_a_fault_are_delivered():
    reader = SSEReader(max_bytes=20)
    events = reader.feed(b"data: fine\n\ndata: " + b"x" * 100)
    assert next(events).data == b"fine"
    with pytest.raises(UpstreamStreamBroken):
        next(events)


@given(st.binary().filter(lambda data: not set(data) & set(b"\r\n")))
def test_what_is_encoded_is_read_again(data):
    [event] = SSEReader().feed(encode(data))
    assert event.data == data
