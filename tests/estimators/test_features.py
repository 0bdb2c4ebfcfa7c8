from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.estimators.features import BUCKETS, FLAT, MOST_CHARS, Scale, read
from pointsman.estimators.features import ends as read_of
from pointsman.estimators.grams import PIECE, ends, grams
from pointsman.estimators.outcomes import Query
from pointsman.estimators.surface import SIZE, surface
from tests.estimators.learners import LETTERS

WORDS, PIECES = 0, 1


def test_hashes_are_the_same_in_every_process():
    code = "from pointsman.estimators.grams import grams; print([int(h) for part in grams('Two words, naïve') for h in part])"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True, env={"PYTHONHASHSEED": "7"}).stdout
    assert eval(said) == [int(h) for part in grams("Two words, naïve") for h in part]
    assert int(grams("word")[WORDS][0]) == 12026648812944059506  # a bundle fitted elsewhere relies on it


@pytest.mark.parametrize(
    ("one", "other", "alike"),
    [
        ("The Cat", "the cat", True),
        ("the cat", "the\n\n  cat!", True),
        ("the cat", "cat the", False),
        ("the cat", "thecat", False),
        ("cat", "cats", False),
    ],
)
def test_words_and_pairs_do_not_mind_case_and_spacing(one, other, alike):
    assert np.array_equal(np.sort(grams(one)[WORDS]), np.sort(grams(other)[WORDS])) is alike


def test_a_word_has_the_same_hash_wherever_it_stands():
    assert {int(grams("cat")[WORDS][0])} <= {int(h) for h in grams("a black cat sat on " * 20 + "the mat")[WORDS]}


def test_pieces_go_over_the_edge_of_a_word_but_not_over_two():
    assert len(grams("ab")[PIECES]) == 1  # " ab "
    assert len(grams("abcd")[PIECES]) == len("abcd") + 2 - PIECE + 1
    assert len(grams("a b c")[PIECES]) == 0


@given(st.text(max_size=300))
def test_any_text_can_be_read(text):
    words, pieces = grams(text)
    assert words.dtype == pieces.dtype == np.uint64
    numbers = surface(text)
    assert numbers.shape == (SIZE,)
    assert np.isfinite(numbers).all()


@given(st.text(max_size=60), st.integers(1, 20))
def test_what_is_left_of_a_text_is_short(text, most):
    assert len(ends(text, most)) <= most + 1


@pytest.mark.parametrize("text", ["", "9" * 5000, "1.2.3.4,5", ".,.,", "1,000,000.50", "٣", "\ud800"])
def test_numbers_in_any_form_can_be_read(text):
    assert np.isfinite(surface(text)).all()


def test_a_reading_is_a_matter_of_the_query_alone():
    one, again = (read(Query("a", "add 2 and 3", "sums", tools="calculator"), LETTERS) for _ in range(2))
    assert np.array_equal(one.embedding, again.embedding)
    assert not np.array_equal(one.surface, read(Query("a", "add 2 and 3", "sums"), LETTERS).surface)


@given(st.text(max_size=300), st.text(max_size=100), st.sampled_from(["", "calculator"]))
def test_two_texts_at_once_are_read_as_each_alone(text, end, tools):
    both = read(Query("", text, tools=tools), LETTERS, end)
    for row, alone in enumerate((text, end)):
        one = read(Query("", alone, tools=tools), LETTERS)
        assert np.array_equal(both.embedding[row], one.embedding[0])
        assert np.array_equal(both.surface[row], one.surface[0])
        assert all(map(np.array_equal, both.counted[row], one.counted[0]))


@given(st.text(max_size=3 * MOST_CHARS))
def test_of_a_long_query_the_beginning_and_the_end_are_read(text):
    kept = read_of(text)
    assert kept == text if len(text) <= MOST_CHARS else len(kept) == MOST_CHARS
    assert (kept[:500], kept[-250:]) == (text[:500], text[-250:])


def test_views_are_of_length_one_or_nothing():
    readings = [read(Query("", text, task), LETTERS) for text, task in [("one cat", "x"), ("two dogs ran", "y"), ("", "")]]
    scale = Scale.of(readings, 8, with_tasks=True)
    for one in map(scale.see, readings):
        row = np.zeros(scale.width, np.float32)
        np.add.at(row, one.places, one.values)
        for view in (row[:BUCKETS], row[BUCKETS : 2 * BUCKETS], one.direction):
            assert np.linalg.norm(view) == pytest.approx(1, abs=1e-5) or not view.any()
        assert np.array_equal(row[2 * BUCKETS : FLAT], one.dense[:SIZE])
    assert scale.see(readings[0]).places[-1] == FLAT
    assert scale.see(readings[2]).places[-1] < FLAT
    assert not Scale.of(readings, 8, with_tasks=False).tasks


@pytest.mark.parametrize(
    "change",
    [
        str.upper,
        str.lower,
        lambda text: text.replace(" ", "   "),
        lambda text: f"  {text}\n",
        lambda text: text.replace(" ", "\t"),
        lambda text: text.replace(" ", "\n"),
    ],
)
def test_case_and_white_space_change_nothing_that_is_seen(change):
    text = "Which is TRUE?\nA) 12 cats\nB) 2.5 Dogs ran {x}"
    assert np.array_equal(surface(text), surface(change(text)))
    for one, other in zip(grams(text), grams(change(text)), strict=True):
        assert set(one.tolist()) == set(other.tolist())
