"""Embeddings: shown to routing, passed on as they are, and accounted."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.core.prices import Usage
from pointsman.core.request import Caller
from pointsman.errors import RequestError, UpstreamError
from pointsman.wire.dialect import Envelope
from pointsman.wire.openai_embeddings.dialect import EMBEDDINGS
from pointsman.wire.openai_embeddings.request import to_chat
from pointsman.wire.request import parse_request

BODY = {"model": "embed", "input": "one"}


@pytest.mark.parametrize(
    ("given", "texts"),
    [
        ("one", ["one"]),
        (["one"], ["one"]),
        (["one", " "], ["one", " "]),
        ([1, 2], ["[1,2]"]),
        ([[1, 2], [3]], ["[1,2]", "[3]"]),
        (["x"] * 2_048, ["x"] * 2_048),
    ],
)
def test_every_input_is_seen(given, texts):
    translation = to_chat(
        {**BODY, "input": given, "dimensions": 8, "encoding_format": "base64", "user": "u", "metadata": {"a": "b"}, "stream": None, "x": 1}
    )
    messages = [{"role": "user", "content": text} for text in texts]
    assert translation.body == {"model": "embed", "messages": messages, "user": "u", "metadata": {"a": "b"}}
    assert (translation.dropped, translation.untranslatable) == ((), ())


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"model": ""}, "model"),
        ({"input": None}, "input"),
        ({"input": ""}, "input"),
        ({"input": []}, "input"),
        ({"input": ["a", ""]}, "input"),
        ({"input": [[]]}, "input"),
        ({"input": [[1], []]}, "input"),
        ({"input": ["a", 1]}, "input"),
        ({"input": ["a"] * 2_049}, "input"),
        ({"input": [{"text": "a"}]}, "input[0]"),
        ({"input": [True]}, "input[0]"),
        ({"input": [[1.5]]}, "input[0][0]"),
        ({"dimensions": 0}, "dimensions"),
        ({"dimensions": "8"}, "dimensions"),
        ({"dimensions": True}, "dimensions"),
        ({"encoding_format": "int8"}, "encoding_format"),
        ({"user": 5}, "user"),
        ({"metadata": {"a": 1}}, "metadata[...]"),
        ({"stream": True}, "stream"),
        ({"messages": []}, "messages"),
        ({"prompt": "x"}, "prompt"),
        ({"Input": "hidden"}, "Input"),
        ({"DIMENSIONS": 1}, "DIMENSIONS"),
    ],
)
def test_a_malformed_field_is_named(fields, param):
    with pytest.raises(RequestError) as raised:
        to_chat({**BODY, **fields})
    assert (raised.value.status, raised.value.param) == (400, param)


names = st.sampled_from(["model", "input", "dimensions", "encoding_format", "user", "metadata", "stream", "INPUT"])
hostile = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names | st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(names | st.text(max_size=5), hostile, max_size=5), st.booleans())
def test_whatever_comes_is_a_request_or_a_request_error(fields, whole):
    body = {**BODY, **fields} if whole else fields
    try:
        translation = to_chat(body)
        request = parse_request(json.dumps(body).encode(), "dec_1", Caller(), {}, api="embeddings")
    except RequestError as error:
        assert error.status == 400
        json.dumps([error.message, error.param])
    else:
        assert request.messages == len(translation.body["messages"])


def test_it_is_passed_on_and_neither_streamed_nor_translated():
    assert EMBEDDINGS.own({**BODY, "dimensions": 8, "metadata": {"pointsman_labels": "pii"}}) == {**BODY, "dimensions": 8}
    assert (EMBEDDINGS.api, EMBEDDINGS.path) == ("embeddings", "/embeddings")
    with pytest.raises(RequestError):
        EMBEDDINGS.from_chat(BODY)
    for refused in (
        lambda: EMBEDDINGS.reader(BODY, own=True),
        lambda: EMBEDDINGS.writer(Envelope("d", "m", 0)),
        lambda: EMBEDDINGS.read_events(b"{}"),
        lambda: EMBEDDINGS.write_answer([], Envelope("d", "m", 0)),
    ):
        with pytest.raises(ValueError, match="embeddings"):
            refused()


@pytest.mark.parametrize(
    ("answer", "usage", "empty"),
    [
        ({"data": [{"embedding": [0.5, -1]}], "usage": {"prompt_tokens": 3, "total_tokens": 3}}, Usage(3, 0), False),
        ({"data": [{"embedding": "AAAA"}, {"embedding": []}], "usage": None}, None, False),
        ({"data": [{"embedding": [[0.5]]}], "usage": {"total_tokens": 3}}, None, False),
        ({"data": [], "usage": {"prompt_tokens": 0}}, Usage(0, 0), True),
    ],
)
def test_an_answer_is_accounted(answer, usage, empty):
    completion = EMBEDDINGS.read_completion(json.dumps(answer).encode())
    assert (completion.usage, completion.empty, completion.finish_reason, completion.text, completion.content) == (
        usage,
        empty,
        None,
        "",
        None,
    )


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{}",
        b'{"data":{}}',
        b'{"data":[1]}',
        b'{"data":[{}]}',
        b'{"data":[{"embedding":null}]}',
        b'{"data":[{"embedding":{}}]}',
        b'{"data":[{"embedding":[0.5}]}',
        b'{"error":{"message":"x"}}',
        b'{"data":' + b"[" * 5_000,
    ],
)
def test_what_is_no_list_of_embeddings_is_an_error(body):
    with pytest.raises(UpstreamError):
        EMBEDDINGS.read_completion(body)


@given(st.binary(max_size=40))
def test_no_bytes_of_an_upstream_raise_anything_but_an_upstream_error(raw):
    for body in (raw, b'{"data":[{"embedding":' + raw + b"}]}"):
        try:
            EMBEDDINGS.read_completion(body)
        except UpstreamError:
            pass
