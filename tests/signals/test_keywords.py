"""Word lists find what people write, in whatever clothes, and never take long over it."""

from __future__ import annotations

import json
import re

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
        "**internal** only",
        "*inter*nal ~~only~~",
        "a*internal only*",
        "`internal`-only",
        "internal-only",
        "Internal\u2013Only",
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


@pytest.mark.parametrize(
    "text", ["", "international only", "internal onlyx", "**internal** onlyx", "internal, only", "only internal", "内部"]
)
def test_another_word_is_not(text):
    assert not occurs(text)


def test_words_are_looked_for_in_everything_the_model_reads():
    definition = {"name": "f", "parameters": {"file": {"file_data": "internal only"}}}
    assert occurs("hello", tools=[{"type": "function", "function": definition}])
    assert occurs("hello", user="internal only")
    assert occurs("hello", metadata={"note": "internal only"})


@pytest.mark.parametrize(
    "url", ["data:internal only", "data:,internal%20only", "data:text/plain;base64,SW50ZXJuYWwgb25seTogbmV4dCB5ZWFy", "internal only"]
)
def test_files_are_searched_where_they_are_text(url):
    assert occurs([{"type": "image_url", "image_url": {"url": url}}])


def test_token_numbers_count_as_containing_every_list():
    assert found(Content((), (), {"input": [5338, 318]}), LISTS) == ("marked", "other")


def test_a_text_too_long_to_search_counts_as_containing_every_list():
    assert found(Content((), (), {"messages": [{"content": "x" * (MOST_CHARS + 1)}]}), LISTS) == ("marked", "other")


def test_runs_of_combining_marks_are_normalised_in_pieces():
    # As one piece this is quadratic, and would not end within the life of the suite.
    assert not occurs("a" + "\u0301\u0323" * (MOST_CHARS // 2 - 1))


@given(st.text())
def test_plain_text_is_plain_already(text):
    assert plain(plain(text)) == plain(text)


BIRD = {"bird": word_list(("bluebird", "4111"))}


def bird(body: dict[str, object], translated: dict[str, object] | None = None) -> bool:
    return found(Content((), (), body, translated), BIRD) == ("bird",)


def in_chat(value: object) -> dict[str, object]:
    call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": value}}
    return {"messages": [{"role": "assistant", "content": None, "tool_calls": [call]}]}


def in_an_odd_part(value: object) -> dict[str, object]:
    return {"messages": [{"role": "user", "content": [{"type": "odd", "file": value, "source": value}]}]}


def in_messages(value: object) -> dict[str, object]:
    use = {"type": "tool_use", "id": "t", "name": "f", "input": value}
    return {"messages": [{"role": "assistant", "content": [{"type": "text", "text": "x"}, use]}]}


def in_a_server_tool(value: object) -> dict[str, object]:
    return {"messages": [{"role": "assistant", "content": [{"type": "server_tool_use", "id": "t", "name": "f", "input": value}]}]}


def in_a_document(value: object) -> dict[str, object]:
    source = {"type": "content", "content": [{"type": "odd", "data": value}]}
    return {"messages": [{"role": "user", "content": [{"type": "document", "source": source, "context": "x"}]}]}


def in_responses(value: object) -> dict[str, object]:
    return {"input": [{"type": "message", "role": "user", "content": "x"}, {"type": "odd_call", "action": value}]}


def in_a_tool(value: object) -> dict[str, object]:
    return {"input": "x", "tools": [{"type": "function", "parameters": value}]}


SHAPES = (in_chat, in_an_odd_part, in_messages, in_a_server_tool, in_a_document, in_responses, in_a_tool)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(
    "value",
    [
        {"bluebird": 1},
        {"type": "bluebird"},
        {"role": ["bluebird"]},
        {"file": {"file_data": "bluebird"}},
        {"type": "image_url", "image_url": {"url": "bluebird"}},
        {"content": [{"type": "file", "file": {"file_data": "bluebird"}}]},
        {"content": [{"type": "image", "source": {"type": "base64", "data": "bluebird"}}]},
        {"input_audio": {"data": {"url": "bluebird"}}},
        {"number": 4111},
        [[4111.0]],
    ],
)
def test_what_tools_and_unknown_parts_hold_is_the_users_whatever_its_fields_are_called(shape, value):
    assert bird(shape(value))


@pytest.mark.parametrize(
    "text",
    [
        r'{"a": "\u0062luebird", "a": "x"}',
        r'{"a": "\u0062luebird", "n": ' + "7" * 5_000 + "}",
        "[" * 100_000 + r'"\u0062luebird"' + "]" * 100_000,
        r'{"a": "\u0062luebird"} {"b": 1}',
        r'{"a": "\u0062luebird"} and more',
        r'see {"a": "\u0062luebird"}',
        r'{"a": "blue\u0062ird',
        r'{"a": "\ud835\udc1bluebird"}',  # a mathematical b, as a pair of surrogates
        r'{"a": "\ud835 \u0062luebird"}',
        r'{"a": "{\"b\": \"{\\\"c\\\": \\\"\\\\u0062luebird\\\"}\"}"}',
        r'{"a": "x\nbluebird\ty"}',
        r'{"\u0062luebird": 1}',
    ],
)
def test_escapes_do_not_hide_a_word_even_in_what_is_not_quite_json(text):
    assert bird(in_chat(text))


PICTURE = "iVBORw0KGgo" + "user" * 99 + "AA="  # begins as one


def test_the_bytes_of_files_and_the_apis_own_words_are_not_read():
    source = {"type": "base64", "media_type": "image/png", "data": PICTURE}
    result = {"type": "tool_result", "tool_use_id": "t", "content": [{"type": "image", "source": source}]}
    call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    bodies = (
        {"system": [{"type": "text", "text": "x"}], "messages": [{"role": "user", "content": [result, {"type": "text", "text": "x"}]}]},
        {
            "input": [
                {"type": "message", "role": "user", "content": [{"type": "input_image", "image_url": f"data:image/png;base64,{PICTURE}"}]}
            ]
        },
        {"input": [{"role": "user", "content": [{"type": "input_file", "file_data": PICTURE}]}]},
        {"messages": [{"role": "assistant", "content": "x", "tool_calls": [call]}, {"role": "tool", "content": "x"}]},
    )
    lists = {"ours": word_list(("user", "text", "function", "message", "content", "role", "type"))}
    assert [found(Content((), (), body), lists) for body in bodies] == [()] * len(bodies)


@pytest.mark.parametrize(
    "part",
    [
        {"type": "text", "image_url": {"url": "bluebird"}},
        {"type": "bluebird"},
        {"type": ["bluebird"]},
        {"type": "document", "source": {"type": "text", "data": "bluebird"}},
        {"type": "odd", "source": {"type": "base64", "data": "bluebird"}},
        {"type": "image_url", "image_url": {"url": ["bluebird"]}},
        [{"type": "file", "file": {"file_data": "bluebird"}}],
    ],
)
def test_bytes_and_marks_are_only_what_the_apis_know_as_such(part):
    assert bird({"messages": [{"role": "user", "content": [part]}]})
    assert bird({"messages": [{"role": "bluebird", "content": "x"}]})


def test_a_translation_is_searched_as_well_as_what_was_translated():
    assert bird({"input": "x"}, {"messages": [{"role": "user", "content": "bluebird"}]})
    assert bird({"input": "bluebird"}, {"messages": [{"role": "user", "content": "x"}]})


NAMES = st.sampled_from(
    ("type", "role", "id", "file", "file_data", "image_url", "url", "input_audio", "data", "source", "content", "a", "é")
)
FILLER = st.sampled_from((None, True, 1, 0.5, "x", "\\", '"', "text", "base64", "image_url", "file"))


def escaped(text: str) -> str:
    """A JSON string of nothing but escapes."""
    return '"' + re.sub("....", r"\\u\g<0>", text.encode("utf-16-be").hex()) + '"'


@st.composite
def hidden(draw: st.DrawFn) -> object:
    """A structure with a word of the list somewhere in it: as a value, as a name, or escaped within JSON in a string."""
    word = draw(st.sampled_from(("bluebird", "BlueBird", "ｂｌｕｅｂｉｒｄ", "𝐛luebird")))
    value = draw(st.sampled_from((word, {word: 1}, {"type": word}, [word])))
    strings = 0
    for wrap in draw(st.lists(st.sampled_from(("list", "object", "json", "escaped")), max_size=6)):
        if wrap == "list":
            value = [draw(FILLER), value, draw(FILLER)]
        elif wrap == "object":
            value = {"type": draw(FILLER), draw(NAMES): value}
        elif strings < 2:
            strings += 1
            value = escaped(value) if wrap == "escaped" and isinstance(value, str) else json.dumps(value)
    return value


@given(hidden(), st.sampled_from(SHAPES))
def test_a_word_is_found_wherever_in_a_structure_it_stands(value, shape):
    assert bird(shape(value))
