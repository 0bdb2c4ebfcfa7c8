"""Sheets as SVG and as PNG: what is drawn is where it was asked for, and nothing else."""

from __future__ import annotations

import string
import struct
import zlib
from xml.etree.ElementTree import fromstring

import numpy as np
import pytest
from numpy.typing import NDArray

from pointsman.evals.drawing import Line, Mark, Piece, Words, svg
from pointsman.evals.png import SCALE, png
from pointsman.evals.strokes import LETTERS, strokes

WIDTH, HEIGHT = 60, 40


def pixels(*pieces: Piece) -> NDArray[np.uint8]:
    """What a reader of PNG files sees; every chunk is checked."""
    found = png(pieces, WIDTH, HEIGHT)
    assert found[:8] == b"\x89PNG\r\n\x1a\n"
    chunks, at = [], 8
    while at < len(found):
        (size,) = struct.unpack(">I", found[at : at + 4])
        name, body, check = found[at + 4 : at + 8], found[at + 8 : at + 8 + size], found[at + 8 + size : at + 12 + size]
        assert struct.unpack(">I", check) == (zlib.crc32(name + body),)
        chunks.append((name, body))
        at += 12 + size
    assert [name for name, _ in chunks] == [b"IHDR", b"IDAT", b"IEND"]
    assert struct.unpack(">IIBBBBB", chunks[0][1]) == (WIDTH * SCALE, HEIGHT * SCALE, 8, 2, 0, 0, 0)
    rows = np.frombuffer(zlib.decompress(chunks[1][1]), np.uint8).reshape(HEIGHT * SCALE, -1)
    assert not rows[:, 0].any()
    return rows[:, 1:].reshape(HEIGHT * SCALE, WIDTH * SCALE, 3)


def inked(found: NDArray[np.uint8]) -> NDArray[np.bool_]:
    return (found < 255).any(axis=2)


def test_a_line_has_its_colour_and_its_width_and_the_rest_stays_white() -> None:
    found = pixels(Line([(10, 20), (50, 20)], "#d1495b", 2))
    assert found[20 * SCALE, 30 * SCALE].tolist() == [0xD1, 0x49, 0x5B]
    rows, columns = inked(found).nonzero()
    assert (rows.min(), rows.max()) == (20 * SCALE - 2, 20 * SCALE + 1)
    assert 10 * SCALE - 3 <= columns.min() <= columns.max() <= 50 * SCALE + 2


def test_a_dashed_line_has_gaps() -> None:
    row = inked(pixels(Line([(0, 20), (30, 20), (60, 20)], width=1, dash=(6, 4))))[20 * SCALE]
    assert int((np.diff(row.astype(int)) == -1).sum()) == 6
    assert 0.5 < row.mean() < 0.85


@pytest.mark.parametrize("shape", ["dot", "square", "diamond", "triangle"])
def test_a_mark_is_filled_and_stands_where_it_was_put(shape) -> None:
    found = inked(pixels(Mark(30, 20, shape)))
    assert found[20 * SCALE, 30 * SCALE]
    columns = found.nonzero()[1]
    assert abs(columns.mean() - 30 * SCALE) < 1
    assert 100 < found.sum() < 400


def test_every_letter_of_a_name_is_drawn_and_no_two_are_alike() -> None:
    letters = string.ascii_letters + string.digits + "-._:/(),$%+="
    assert set(letters) <= set(LETTERS)
    drawn = {letter: inked(pixels(Words(20, 20, letter))).tobytes() for letter in letters if letter not in "O0"}
    assert len(set(drawn.values())) == len(drawn)
    assert inked(pixels(Words(20, 20, "é"))).any()  # a box
    assert not inked(pixels(Words(20, 20, " "))).any()


@pytest.mark.parametrize(("anchor", "low", "high"), [("start", 30, 60), ("middle", 10, 50), ("end", 0, 30)])
def test_words_end_where_they_are_anchored(anchor, low: int, high: int) -> None:
    across = [x for stroke in strokes(Words(30, 20, "word", anchor)) for x, _ in stroke]
    assert low <= min(across) <= max(across) <= high
    upwards = [30 + 20 - y for stroke in strokes(Words(30, 20, "word", anchor, upright=True)) for _, y in stroke]
    assert upwards == pytest.approx(across)


def test_what_lies_beyond_the_sheet_is_not_drawn() -> None:
    assert not inked(pixels(Line([(-50, -50), (-10, -10)]), Mark(500, 500), Words(-100, 10, "x"))).any()


def test_svg_holds_the_same_with_every_text_escaped() -> None:
    pieces = [Line([(1, 2), (3, 4)], dash=(6, 4)), Mark(5, 6, "dot", "<a>"), Mark(5, 6, "square"), Words(7, 8, "a<b", "end", upright=True)]
    line, dot, square, words = fromstring(svg(pieces, 10, 10, "x", alone=False))
    assert (line.get("points"), line.get("stroke-dasharray")) == ("1.0,2.0 3.0,4.0", "6 4")
    assert (dot.tag, dot[0].text, square.tag) == ("circle", "<a>", "polygon")
    assert (words.text, words.get("text-anchor"), words.get("transform")) == ("a<b", "end", "rotate(-90 7.0 8.0)")
