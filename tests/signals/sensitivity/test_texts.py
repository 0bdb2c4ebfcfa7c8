"""The walk reads everything that a model reads, and says where it stands without repeating the user's words."""

from __future__ import annotations

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.core.request import Content
from pointsman.signals.keywords import found, word_list
from pointsman.signals.sensitivity.texts import pieces, text_of


def texts(body: dict[str, object]) -> list[str]:
    return [piece.text for piece in pieces(body)]


def data_url(kind: str, data: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"


CALL = {"id": "c", "type": "function", "function": {"name": "f", "arguments": '{"a": 1}'}}


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"messages": [{"role": "user", "content": "hi"}]}, [("/messages/0/content", "hi", "user")]),
        ({"system": [{"type": "text", "text": "hi"}]}, [("/system/0/text", "hi", "")]),
        ({"instructions": "hi", "input": "ho"}, [("/instructions", "hi", ""), ("/input", "ho", "")]),
        ({"input": [{"role": "user", "content": [{"type": "input_text", "text": "hi"}]}]}, [("/input/0/content/0/text", "hi", "user")]),
        (
            {"messages": [{"role": "assistant", "content": None, "tool_calls": [CALL]}]},
            [
                ("/messages/0/tool_calls/0/id", "c", "assistant"),
                ("/messages/0/tool_calls/0/function/name", "f", "assistant"),
                ("/messages/0/tool_calls/0/function/arguments", '{"a": 1}', "assistant"),
            ],
        ),
        ({"model": "m", "user": "u", "metadata": {"a": "b"}, "stream": True}, []),
    ],
)
def test_texts_come_with_their_place_and_speaker(body, expected):
    assert [(piece.where, piece.text, piece.role) for piece in pieces(body)] == expected


def test_a_place_never_repeats_the_users_words():
    body = {
        "messages": [{"role": "assistant", "content": [{"type": "tool_use", "id": "t", "name": "f", "input": {"4111 1111": {"a": "x"}}}]}]
    }
    assert {piece.where for piece in pieces(body)} >= {"/messages/0/content/0/input/*", "/messages/0/content/0/input/*/*"}
    assert not any("4111" in piece.where for piece in pieces(body))


def test_a_name_stands_right_before_its_value():
    assert texts({"tools": [{"card": 41, "other": {"b": "c"}}]}) == ["card", "41", "other", "b", "c"]


@pytest.mark.parametrize(
    "part",
    [
        {"type": "image_url", "image_url": {"url": data_url("text/plain", b"hello there")}},
        {"type": "file", "file": {"filename": "a", "file_data": data_url("text/csv", b"hello there")}},
        {"type": "input_file", "file_data": data_url("application/json", b"hello there")},
        {"type": "document", "source": {"type": "base64", "media_type": "text/plain", "data": base64.b64encode(b"hello there").decode()}},
    ],
)
def test_files_are_read_when_they_are_text(part):
    assert "hello there" in texts({"messages": [{"role": "user", "content": [part]}]})


@pytest.mark.parametrize(
    "data", [b"\x89PNG\r\n\x1a\n" + bytes(range(256)), b"\xff\xd8\xff\xe0" * 900, b"%PDF-1.7\n\xe2\xe3\xcf\xd3" + bytes(500)]
)
def test_files_of_bytes_are_not(data):
    part = {"type": "image_url", "image_url": {"url": data_url("text/plain", data)}}
    assert texts({"messages": [{"role": "user", "content": [part]}]}) == []


@given(st.text(max_size=50).filter(lambda text: text.isprintable() and text.strip()))
def test_text_in_base64_is_that_text(text):
    assert text_of(data_url("text/plain", text.encode())) == text


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.sampled_from(("text", "base64", "type")),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(("type", "role", "content", "data", "source", "x")), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(JSON, st.sampled_from(("messages", "input", "system", "tools", "odd")))
def test_nothing_that_a_word_list_would_find_is_left_out(value, field):
    body = {field: [value, {"note": "bluebird"}]} if field != "messages" else {field: [{"role": "user", "content": value}, "bluebird"]}
    assert found(Content((), (), body), {"bird": word_list(("bluebird",))}) == ("bird",)
    assert any("bluebird" in text for text in texts(body))


@given(JSON)
def test_paths_lead_to_the_texts(value):
    body = {"messages": [{"role": "user", "content": value}]}
    for piece in pieces(body):
        node: object = body
        if piece.form == "text":
            for step in piece.path:
                node = node[step]  # type: ignore[index]
            assert node == piece.text
    json.dumps([piece.where for piece in pieces(body)])
