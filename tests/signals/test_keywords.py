"""Word lists find what people write, in whatever clothes, and never take long over it."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.core.request import Content
from pointsman.signals.keywords import MOST_CHARS, found, plain, word_list

LISTS = {"marked": word_list(("internal only", "für uns", "内部机密")), "other": word_list(("zebra",))}


def occurs(content: object, **body: object) -> bool:
    return "marked" in found(Content((), (), {"messages": [{"role": "user", "content": content}], **body}), LISTS)


@pytest.mark.parametrize(
    "text",
    [
        "INTERNAL Only",
        "internal\n\t only",
        "**internal only**",
        "_internal only_",
        "__INTERNAL_ONLY__",
        "ｉｎｔｅｒｎａｌ　ｏｎｌｙ",
        "inter\u00adnal on\u200bly",
        "internal\u200bonly",
        "internal\u2060\u2066only",
        "in\U000e0041ternal only",
        "fu\u0308r uns",
        "这是内部机密文件",
        '{"note": "internal\\nonly"}',
        json.dumps({"note": ["für uns"]}),
    ],
)
def test_a_word_is_found_however_it_is_written(text):
    assert occurs(text)


@pytest.mark.parametrize("text", ["", "international only", "internal onlyx", "internal, only", "only internal", "内部"])
def test_another_word_is_not(text):
    assert not occurs(text)


def test_words_are_looked_for_in_everything_the_model_reads():
    definition = {"name": "f", "parameters": {"file": {"file_data": "internal only"}}}
    assert occurs("hello", tools=[{"type": "function", "function": definition}])
    assert not occurs([{"type": "image_url", "image_url": {"url": "data:internal only"}}], user="internal only")


def test_a_text_too_long_to_search_counts_as_containing_every_list():
    assert found(Content((), (), {"messages": [{"content": "x" * (MOST_CHARS + 1)}]}), LISTS) == ("marked", "other")


def test_runs_of_combining_marks_are_normalised_in_pieces():
    # As one piece this is quadratic, and would not end within the life of the suite.
    assert not occurs("a" + "\u0301\u0323" * (MOST_CHARS // 2 - 1))


@given(st.text())
def test_plain_text_is_plain_already(text):
    assert plain(plain(text)) == plain(text)
