"""One meaning or a refusal: what is judged is what is sent."""

from __future__ import annotations

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.errors import RequestError
from pointsman.wire.strict_json import parse_object


def nested(depth: int) -> bytes:
    return b'{"a":' * depth + b"1" + b"}" * depth


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "not JSON"),
        (b"   ", "not JSON"),
        (b"hello", "not JSON"),
        (b"[1]", "must be a JSON object"),
        (b'"text"', "must be a JSON object"),
        (b"null", "must be a JSON object"),
        (b'{"a":1}x', "not JSON"),
        (b'{"a":1,}', "not JSON"),
        (b"{'a':1}", "not JSON"),
        (b'{"a":NaN}', "not JSON"),
        (b'{"a":Infinity}', "not JSON"),
        (b'{"a":-Infinity}', "not JSON"),
        (b'{"a":1e999}', "not JSON"),
        (b'{"a":01}', "not JSON"),
        (b'{"a":' + b"9" * 5_000 + b"}", "not JSON"),
        (b'{"a\\u003a":1,"a":' + b"9" * 5_000 + b"}", "not JSON"),
        (b'\xef\xbb\xbf{"a":1}', "not JSON"),
        ('{"a":1}'.encode("utf-16"), "not JSON"),
        (b'{"a":"\xff"}', "not UTF-8"),
        (b'{"\xff":1}', "not UTF-8"),
        (b'{"a":"\xed\xa0\x80"}', "not UTF-8"),
        (b'{"a":"\\ud800"}', "not JSON"),
        (b'{"a":"\\udc00\\ud800"}', "not JSON"),
        (b'{"a":"\x00"}', "not JSON"),
        (b'{"a":"\n"}', "not JSON"),
        (nested(65), "more than 64 deep"),
        (nested(1_000), "more than 64 deep"),
        (nested(100_000), "more than 64 deep"),
        (b'{"a":' + b"[" * 100_000, "more than 64 deep|not JSON"),
        (b'{"a":[' + b",".join([b"{}"] * 50_000) + b"]}", "more than 50,000"),
        (b'{"model":"a","model":"b"}', "`model` twice"),
        (b'{"model":"a","mod\\u0065l":"b"}', "`model` twice"),
        (b'{"mod\\u0065l":"a","model":"b"}', "`model` twice"),
        (b'{"a":{"b":1,"b":1}}', "`b` twice"),
        (b'{"a":[{"b":1,"b":2}]}', "`b` twice"),
        # One colon is lost with the key, and one is made up by the escape.
        (b'{"a":1,"a":2,"c":"\\u003a"}', "`a` twice"),
        (b'{"a":1,"a":2,"c":"\\u003A"}', "`a` twice"),
        (b'{"a":"x:y","a":"z","c":"\\u003a\\u003a"}', "`a` twice"),
        (b'{"a\\u003a":1,"a:":2}', "`a:` twice"),
        (b'{"":1,"":2}', "`` twice"),
    ],
)
def test_what_has_no_single_meaning_is_refused(body, reason):
    with pytest.raises(RequestError, match=reason):
        parse_object(body)


@pytest.mark.parametrize(
    "body",
    [
        {"a": ":" * 100, "b:c": {"d": "\\:"}},
        {"a": "\\u003a", "a:": 1, ":": {}},
        {"a": 2**64, "b": -(2**70), "c": 1.5, "d": True, "e": None},
        {"a": "\x00\x1f\u2028 \U0001f600 e\u0301"},
    ],
)
def test_what_has_one_is_read(body):
    for ascii_only in (True, False):
        assert parse_object(json.dumps(body, ensure_ascii=ascii_only).encode()) == body


def test_depth_is_counted_as_configured():
    assert parse_object(nested(64)) == json.loads(nested(64))
    assert parse_object(nested(200), max_depth=200) == json.loads(nested(200))
    for depth in (950, 1_000, 1_100, 100_000):  # where Python's own limits are
        try:
            parse_object(nested(depth)[:-1] + b',"x\\u003a":1}', max_depth=1_000_000)
        except RequestError as error:
            assert "deep" in str(error)


pieces = st.sampled_from(
    [
        b"{",
        b"}",
        b"[",
        b"]",
        b'"a"',
        b'"a":',
        b'"b:"',
        b":",
        b",",
        b"1",
        b"-0.0",
        b"1e999",
        b"NaN",
        b"null",
        b'"\\u003a"',
        b'"\\ud800"',
        b"\xff",
        b" ",
    ]
)


@given(st.lists(pieces, max_size=40).map(b"".join) | st.binary(max_size=200))
def test_no_input_raises_anything_but_a_request_error(body):
    try:
        value = parse_object(body)
    except RequestError as error:
        assert error.status == 400
    else:
        assert msgspec.json.decode(msgspec.json.encode(value)) == value


scalars = st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8)
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4), max_leaves=12
)


@given(st.dictionaries(st.text(max_size=4), values, max_size=5), st.booleans())
def test_every_object_of_json_is_read_as_it_is(value, ascii_only):
    assert parse_object(json.dumps(value, ensure_ascii=ascii_only).encode()) == value


@given(st.dictionaries(st.text(max_size=4), values, min_size=1, max_size=5), st.data())
def test_a_key_said_twice_is_always_found(value, data):
    again = data.draw(st.sampled_from(sorted(value)))
    spelled = "".join(f"\\u{ord(c):04x}" if ord(c) < 0x10000 and data.draw(st.booleans()) else json.dumps(c)[1:-1] for c in again)
    body = json.dumps(value)[:-1] + f', "{spelled}": ' + json.dumps(data.draw(values)) + "}"
    with pytest.raises(RequestError, match="twice"):
        parse_object(body.encode())


@pytest.mark.parametrize("body", [b'{"a":[' + b"{}," * 500_001 + b"{}]}", b'{"a":[' + b"1," * 2_000_001 + b"1]}"])
def test_what_would_fill_the_memory_is_refused_before_it_is_read(body):
    with pytest.raises(RequestError, match="send less"):
        parse_object(body)
