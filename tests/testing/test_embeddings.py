"""Vectors depend on the text alone, and come as they were asked for."""

from __future__ import annotations

import base64
import math
import struct

import pytest

from tests.testing.wire import playing

PATH = "/v1/embeddings"


async def vectors(call, **fields: object) -> list:
    answer = await call.json(PATH, "ok", **fields)
    assert [one["index"] for one in answer["data"]] == list(range(len(answer["data"])))
    return [one["embedding"] for one in answer["data"]]


@pytest.mark.parametrize(("input", "tokens"), [("one two", [2]), (["one", "two three"], [1, 2]), ([1, 2, 3], [3]), ([[1, 2], [3]], [2, 1])])
async def test_one_vector_for_each_input(input, tokens):
    async with playing() as call:
        answer = await call.json(PATH, "ok", input=input)
        assert answer["usage"] == {"prompt_tokens": sum(tokens), "total_tokens": sum(tokens)}
        assert [len(one["embedding"]) for one in answer["data"]] == [256] * len(tokens)
        assert all(math.isclose(math.hypot(*one["embedding"]), 1) for one in answer["data"])


async def test_the_same_text_has_the_same_vector_in_either_form():
    async with playing() as call:
        [one], [again], [other] = [await vectors(call, input=text, dimensions=8) for text in ("a", "a", "b")]
        assert one == again != other
        assert len(one) == 8
        [packed] = await vectors(call, input="a", dimensions=8, encoding_format="base64")
        assert struct.unpack("<8f", base64.b64decode(packed)) == pytest.approx(one, abs=1e-6)


@pytest.mark.parametrize(
    "fields", [{"input": ""}, {"input": []}, {"input": [""]}, {"input": 3}, {"dimensions": 0}, {"encoding_format": "x"}]
)
async def test_what_has_no_vector_is_refused(fields):
    async with playing() as call:
        assert (await call(PATH, {"model": "ok", "input": "a", **fields})).status == 400
