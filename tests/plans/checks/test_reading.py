"""A long text is cut in the middle, and nothing that stands across a cut is cut in half."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.plans.checks.reading import HEAD, TAIL, read

VALUES = (
    "378282246310005",
    "4111 1111 1111 1111",
    "4111-1111-1111-1111",
    "DE89 3704 0044 0532 0130 00",
    "zebulon.quagmire@clinic.example.org",
    "+49 30 901820",
    "sk-live-9aF3kQ7ZpLw2RtYx8VbN1mHj",
    "https://intranet.example.org/patients?id=4711&name=quagmire",
)


@pytest.mark.parametrize("value", VALUES)
@pytest.mark.parametrize("border", ["head", "tail"])
def test_a_value_across_a_cut_is_read_whole(value, border):
    for inside in range(1, len(value)):
        before = (HEAD if border == "head" else 60_000 - TAIL) - inside - 1
        text = f"{'so on, ' * 10_000}"[:before] + f" {value}, " + "and so on " * 10_000
        text = text[:60_000]
        assert value in read(text), inside


@given(st.lists(st.sampled_from(("word ", "4111 1111 ", "a" * 500, "é", "中文", "\n", "x@y.example, ", "- ")), min_size=1, max_size=9))
def test_whatever_the_text_not_much_more_is_read_and_all_of_it_is_the_texts(pieces):
    text = "".join(pieces)
    text = (text * (80_000 // len(text) + 1))[:80_000]
    found = read(text)
    assert len(found) <= HEAD + TAIL + 801
    assert text.startswith(found[:HEAD])
    assert text.endswith(found[-TAIL:])


@pytest.mark.parametrize("length", [0, 1, HEAD + TAIL])
def test_a_text_that_is_not_long_is_read_whole(length):
    text = ("word " * 10_000)[:length]
    assert read(text) == text
