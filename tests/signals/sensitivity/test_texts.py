"""The walk reads everything that a model reads, and says where it stands without repeating the user's words."""

from __future__ import annotations

import base64
import gzip
import json
from urllib.parse import quote_from_bytes

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.core.request import Content
from pointsman.signals.keywords import found, word_list
from pointsman.signals.sensitivity.files import read_file
from pointsman.signals.sensitivity.texts import UNREAD, pieces


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
        (
            {
                "model": "m",
                "user": "u",
                "metadata": {"a": "b", "pointsman_task": "t"},
                "stream": True,
                "temperature": 0.5,
                "max_tokens": 900,
            },
            [("/user", "u", ""), ("/metadata/*", "a", ""), ("/metadata/*", "b", "")],
        ),
        ({"seed": 4111111111111111, "41 11": None}, [("/*", "4111111111111111", ""), ("/*", "41 11", "")]),
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
    assert any("hello there" in text for text in texts({"messages": [{"role": "user", "content": [part]}]}))


TABLE = "Überweisung für Müller, größe, 4111 1111 1111 1111\n"
LATIN, WIDE = TABLE.encode("latin-1"), TABLE.encode("utf-16")
BARE = base64.b64encode(LATIN * 6).decode()
PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 2
PDF = b"%PDF-1.7\n\xe2\xe3\xcf\xd3" + bytes(500)


def chat(*parts: object) -> dict[str, object]:
    return {"messages": [{"role": "user", "content": [*parts]}]}


def file(data: str, name: str = "a") -> dict[str, object]:
    return {"type": "file", "file": {"filename": name, "file_data": data}}


def image(url: str) -> dict[str, object]:
    return {"type": "image_url", "image_url": {"url": url}}


def document(media_type: str, data: bytes) -> dict[str, object]:
    return {"type": "document", "source": {"type": "base64", "media_type": media_type, "data": base64.b64encode(data).decode()}}


@pytest.mark.parametrize(
    "body",
    [
        chat(file(data_url("text/csv", LATIN))),
        chat(file(BARE, "table.csv")),
        chat(file(BARE)),
        chat(file(data_url("text/csv", b"\0" + TABLE.encode()))),
        chat(file(data_url("text/csv;x=" + "a" * 300, TABLE.encode()))),
        chat(file(data_url("text/csv", LATIN).replace("data:", "DATA:"))),
        chat(file(data_url("text/plain;charset=utf-16", WIDE))),
        chat(file(data_url("text/plain;charset=utf-16", LATIN))),
        chat(file(data_url("application/octet-stream", TABLE.encode("utf-16-le")))),
        chat(file(data_url("application/octet-stream", TABLE.encode("utf-16-be")))),
        chat(file(data_url("text/plain", b"\xff\xfe" + LATIN))),
        chat(file(data_url("text/plain", PNG + LATIN))),
        chat(file(data_url("application/octet-stream", PNG + LATIN), "a.TXT")),
        chat(file("data:text/plain;charset=latin-1," + quote_from_bytes(LATIN))),
        chat(file("data:text/plain;base64," + base64.b64encode(LATIN).decode().replace("=", "%3D"))),
        chat(file("data:text/plain;base64,!" + base64.b64encode(LATIN).decode())),
        chat(file("data:text/plain;base64," + TABLE)),
        chat(image(TABLE)),
        chat(image("4111 1111 1111 1111")),
        chat(image(data_url("image/png", LATIN))),
        chat({"type": "input_audio", "input_audio": {"data": base64.b64encode(WIDE).decode(), "format": "wav"}}),
        chat(document("text/plain", LATIN)),
        chat(document("application/pdf", LATIN)),
        chat({"type": "odd", "blob": data_url("text/csv", LATIN)}),
        {"input": [{"role": "user", "content": [{"type": "input_image", "image_url": TABLE}]}]},
        {"input": [{"role": "user", "content": [{"type": "input_file", "filename": "a.txt", "file_data": data_url("", LATIN)}]}]},
        {"input": [{"role": "user", "content": [{"type": "input_file", "file_url": TABLE}]}]},
    ],
)
def test_a_text_is_read_however_its_file_is_written_and_called(body):
    assert any("4111 1111 1111 1111" in text.replace("\0", "") for text in texts(body))


@pytest.mark.parametrize("letters", ["größe", "größe ４１"])
def test_letters_are_read_as_they_are_meant_also_beside_a_letter_of_another_encoding(letters):
    assert any(f"{letters} ü" in text for text in texts(chat(file(data_url("text/plain", letters.encode() + b" \xfc")))))


@pytest.mark.parametrize(
    "part",
    [
        image(data_url("image/png", PNG)),
        image("https://a.example/b.png"),
        file(data_url("application/pdf", PDF)),
        file(data_url("application/pdf", b"%PDF-1.7\n1 0 obj (all letters) endobj")),
        file(data_url("application/gzip", gzip.compress(TABLE.encode()))),
        file(data_url("text/plain", PNG)),
        file(data_url("text/plain;charset=cp037", TABLE.encode("cp037"))),
        file(data_url("text/plain;charset=utf-7", TABLE.encode("utf-7"))),
        {"type": "input_audio", "input_audio": {"data": base64.b64encode(b"RIFF" + bytes(99)).decode(), "format": "wav"}},
        {"type": "video_url", "video_url": {"url": data_url("video/mp4", bytes(99))}},
        document("image/png", PNG),
        {"type": "image", "source": {"type": "url", "url": "https://a.example/b.png"}},
        {"type": "odd", "blob": data_url("image/png", PNG)},
    ],
)
def test_files_that_cannot_be_read_are_pointed_out(part):
    assert [piece.form for piece in pieces(chat(part)) if piece.form in UNREAD] == ["bytes"]


@pytest.mark.parametrize("data", [PNG, b"\xff\xd8\xff\xe0" + bytes(range(256)) * 9, PDF])
def test_no_text_is_made_of_them(data):
    assert not "".join(texts(chat(image(data_url("image/png", data)))))


@pytest.mark.parametrize(
    "part",
    [
        {"type": "text", "text": "data: a, b"},
        file(data_url("text/csv", LATIN)),
        file(data_url("application/octet-stream", WIDE)),
        file("data:text/plain,a%20b"),
        image("a note"),
    ],
)
def test_what_is_read_is_not_pointed_out(part):
    assert not [piece for piece in pieces(chat(part)) if piece.form in UNREAD]


@pytest.mark.parametrize(
    "body",
    [
        {"input": [5338, 318]},
        {"input": [[5338, 318], [29644]]},
        {"input": [5338]},
        {"prompt": [5338, 318]},
        {"prompt": [[5338]]},
        {"prompt": "x", "prompt_token_ids": [5338]},
    ],
)
def test_token_numbers_are_pointed_out(body):
    assert "tokens" in [piece.form for piece in pieces(body)]


@given(st.text(max_size=50).filter(lambda text: text.isprintable() and text.strip()))
def test_text_in_base64_is_that_text(text):
    assert text in (read_file(data_url("text/plain", text.encode())).text or "")


@given(st.text(max_size=300) | st.binary(max_size=300).map(lambda data: base64.b64encode(data).decode()), st.text(max_size=30))
def test_every_file_is_read_or_pointed_out(data, said):
    for written in (data, f"data:{said},{data}", f"data:{said};base64,{data}"):
        read = read_file(written, said)
        assert read.text or not read.whole or not data.strip().strip("=")


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
