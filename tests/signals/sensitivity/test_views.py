"""Text is read as it is meant, and what is found leads back to where it stands."""

from __future__ import annotations

import base64
import gzip
import html
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.signals.sensitivity.decode import MOST_LAYERS, views
from pointsman.signals.sensitivity.fold import fold, folded
from pointsman.signals.sensitivity.view import View, replaced

SECRET = "4111111111111111"


def b64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


DISGUISES = {
    "full width": "".join(chr(ord(c) + 0xFEE0) for c in SECRET),
    "zero width": "\u200b".join(SECRET),
    "combining": "".join(c + "\u0301" for c in SECRET),
    "keycaps": "".join(c + "\ufe0f\u20e3" for c in SECRET),
    "Arabic": "".join(chr(0x660 + int(c)) for c in SECRET),
    "circled": "".join(chr(0x2460 + int(c) - 1) for c in SECRET),
    "negative circled": "".join(chr(0x2776 + int(c) - 1) for c in SECRET),
    "braille blanks": "\u2800".join(SECRET),
    "tatweel": "\u0640".join(SECRET),
    "lines": "4111\n1111\n1111\n1111",
    "lines of Windows": "4111 1111\r\n1111 1111",
    "commas": "4111,1111,1111,1111",
    "cells": "| 4111 | 1111 | 1111 | 1111 |",
    "bold": "**4111** **1111** **1111** **1111**",
    "tags of HTML": "4111<b>1111</b>1111<i>1111</i>",
    "comments of HTML": "4111<!-- -->1111<!-- -->1111<!-- -->1111",
    "a list": '["4111", "1111", "1111", "1111"]',
    "a list in JSON": r'"[\"4111\", \"1111\", \"1111\", \"1111\"]"',
    "spaced": " ".join(SECRET),
    "dashed": "-".join(SECRET),
    "in pairs": "41 11 11 11 11 11 11 11",
    "letters for digits": "4l11 1I11 1111 1l11".replace(" ", ""),
    "tags": "".join(chr(0xE0000 + ord(c)) for c in SECRET),
    "selectors": "".join(chr(0xE0100 + ord(c) - 16) for c in SECRET),
    "base64": b64(SECRET),
    "base64 wrapped": b64(SECRET * 6)[:40] + "\n" + b64(SECRET * 6)[40:],
    "base64 thrice": b64(b64(b64(SECRET))),
    "UTF-16 in base64": base64.b64encode(SECRET.encode("utf-16-le")).decode(),
    "gzip in base64": base64.b64encode(gzip.compress(SECRET.encode())).decode(),
    "Latin-1 in base64": base64.b64encode(f"für Müller: {SECRET}".encode("latin-1")).decode(),
    "quoted-printable": "".join(f"={ord(c):02X}" for c in SECRET),
    "quoted-printable in lines": "=\r\n".join("".join(f"={ord(c):02X}" for c in SECRET[at : at + 5]) for at in (0, 5, 10, 15)),
    "octal": "".join(f"\\{ord(c):03o}" for c in SECRET),
    "hex with a prefix": "0x" + SECRET.encode().hex(),
    "hex": SECRET.encode().hex(),
    "hex with gaps": SECRET.encode().hex(" "),
    "percent": "".join(f"%{ord(c):02x}" for c in SECRET),
    "percent twice": quote("".join(f"%{ord(c):02x}" for c in SECRET)),
    "entities": "".join(f"&#{ord(c)};" for c in SECRET),
    "hex entities": "".join(f"&#x{ord(c):x}" for c in SECRET),
    "escapes": "".join(f"\\u{ord(c):04x}" for c in SECRET),
    "program's escapes": "".join(f"\\x{ord(c):02x}" for c in SECRET),
    "all at once": b64(quote("".join(chr(ord(c) + 0xFEE0) + "\u200d" for c in SECRET))),
}


@pytest.mark.parametrize("disguised", DISGUISES.values(), ids=DISGUISES)
@pytest.mark.parametrize("around", ["{}", "before {} after", "été 🎉 {} — да", "x\n{}\ny"])
def test_a_disguised_number_is_read_and_traced_back(disguised, around):
    text = around.format(disguised)
    start = text.index(disguised)
    for view in views(View(text)):
        if (at := view.text.find(SECRET)) >= 0:
            begin, end = view.origin(at, at + len(SECRET))
            assert start - 1 <= begin < end <= start + len(disguised) + 1
            return
    pytest.fail("not read")


@pytest.mark.parametrize("text", ["", "plain words", "state-of-the-art internationalization", "100 % of A&B", "a b c", "C:\\temp"])
def test_ordinary_text_is_read_as_it_stands(text):
    assert next(iter(views(View(text)))).text == text


def test_layers_are_bounded():
    text = SECRET
    for _ in range(MOST_LAYERS + 1):
        text = b64(text)
    assert not any(SECRET in view.text for view in views(View(text)))


@given(st.text())
def test_folding_twice_changes_no_more_than_folding_once(text):
    assert fold(fold(text)) == fold(text)
    fold(text).encode()  # half surrogates are gone


@given(st.text(alphabet=st.characters() | st.sampled_from("aб１\u200b\ufdfa\u0301é")), st.data())
def test_a_span_of_folded_text_comes_from_what_was_folded_to_it(text, data):
    view = folded(View(text))
    start = data.draw(st.integers(0, len(view.text)))
    end = data.draw(st.integers(start, len(view.text)))
    first, last = view.origin(start, end)
    assert 0 <= first <= last <= len(text) or start == end
    if start < end:
        assert view.text[start:end] in fold(text[first:last])


@given(
    st.text(alphabet="ab ", max_size=1_500),
    st.lists(st.tuples(st.integers(0, 1_500), st.integers(0, 9), st.text("xyz", max_size=4)), max_size=5),
)
def test_what_is_not_replaced_is_found_where_it_was(text, wanted):
    stretches, done = [], 0
    for start, length, new in sorted(wanted):
        if start >= done and start + length <= len(text):
            stretches.append((start, start + length, new))
            done = start + length
    view = replaced(View(text), "decoded", stretches)
    assert (view is None) == (not stretches)
    if view is not None:
        for at, character in enumerate(view.text):
            if character in "ab":
                first, last = view.origin(at, at + 1)
                assert text[first:last] == character


@given(st.text(max_size=300))
def test_no_text_is_too_odd_to_be_read(text):
    for view in views(View(text)):
        view.text.encode()
        assert len(view.text) <= 5 * len(text) + 200


@given(st.text(alphabet="0123456789abcdefABCDEF+/=%&#;x\\u -", max_size=200))
def test_no_almost_encoded_text_is_too_odd_either(text):
    assert list(views(View(text + html.escape(text))))


@pytest.mark.parametrize(
    "table", ["4111,1111,1111,1111\n5500,0000,0000,0004\n", "| Jane | 4111 | 1111 | 1111 | 1111 |\n| Bob | 5500 | 0000 | 0000 | 0004 |"]
)
def test_every_row_of_a_table_of_cards_is_read(table):
    together = "".join(view.text for view in views(View(table)))
    assert SECRET in together
    assert "5500000000000004" in together


def test_a_table_of_figures_is_none_of_cards():
    figures = "\n".join(f"| item | {at} | 4111 | 1111 | {at + 3} |" for at in range(1000, 1040))
    assert [view.text for view in views(View(figures))] == [figures]


def test_what_is_unpacked_is_no_longer_than_what_was_packed():
    packed = base64.b64encode(gzip.compress(b"a" * 1_000_000)).decode()
    assert all(len(view.text) <= len(packed) for view in views(View(packed)))
