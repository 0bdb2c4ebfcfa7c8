"""The shipped table gives each text the same vector of length 1, whoever asks and whatever stands beside it."""

from __future__ import annotations

import gzip
import hashlib
import subprocess
import sys
from importlib import resources

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.catalogue.embedder import Embedder
from pointsman.signals import embedding
from pointsman.signals.embedding import MOST_CHARS, SHIPPED, StaticEmbedder, shipped
from pointsman.signals.wordpiece import WordPiece

SMALL = StaticEmbedder("small", WordPiece(["a", "b", "c"]), np.array([[3, 0], [0, 4], [-3, 0]], np.int8))


def test_its_name_is_its_content() -> None:
    folder = resources.files("pointsman.catalogue") / "embedding"
    content = (folder / "table.npy").read_bytes() + gzip.decompress((folder / "vocabulary.txt.gz").read_bytes())
    assert SHIPPED.endswith(f"-{hashlib.sha256(content).hexdigest()[:8]}")


def test_a_text_is_the_direction_of_its_pieces_mean() -> None:
    assert SMALL.embed(["a b", "b a ", "b b"]).tolist() == [[np.float32(0.6), np.float32(0.8)]] * 2 + [[0.0, 1.0]]


@pytest.mark.parametrize("text", ["", "  \n", "\u0627", "a c"], ids=["empty", "spaces", "unknown", "opposites"])
def test_a_text_that_points_nowhere_is_a_row_of_zeros(text: str) -> None:
    assert SMALL.embed([text]).tolist() == [[0.0, 0.0]]


def test_no_texts_are_no_rows() -> None:
    assert shipped().embed([]).shape == (0, shipped().dims)


@given(st.lists(st.text(max_size=50), max_size=5))
def test_vectors_are_of_length_one_and_do_not_depend_on_their_neighbours(texts: list[str]) -> None:
    known: Embedder = shipped()
    together = known.embed(texts)
    assert together.dtype == np.float32
    for text, row in zip(texts, together, strict=True):
        assert np.array_equal(known.embed([text])[0], row)
        assert np.linalg.norm(row) == pytest.approx(1.0, abs=1e-6) or not row.any()


# By model2vec 0.10.0 from the same table.
@pytest.mark.parametrize(
    ("text", "begins"),
    [
        ("how do I boil an egg", [0.0198611, -0.0686111, -0.0776388, -0.0920833]),
        ("def f(x): return x ** 2", [0.029978, -0.1817413, 0.1330272, -0.138648]),
        ("Über uns: 12.5 % €", [0.0282731, -0.0369725, 0.3153538, -0.0674205]),
    ],
)
def test_vectors_are_those_of_the_reference(text: str, begins: list[float]) -> None:
    assert shipped().embed([text])[0, : len(begins)] == pytest.approx(begins, abs=1e-6)


def test_texts_that_mean_the_like_are_nearer_than_others() -> None:
    egg, cooking, train = shipped().embed(["how do I boil an egg", "cooking eggs in hot water", "the 9:40 train was cancelled"])
    assert egg @ cooking > 0.5 > 0.2 > egg @ train


def test_of_a_long_text_both_ends_are_read() -> None:
    most, some = "a " * MOST_CHARS + "b " * MOST_CHARS, "a " * MOST_CHARS + "c " * MOST_CHARS
    assert SMALL.embed([most])[0].min() > 0.5
    assert SMALL.embed([some])[0].tolist() == [1.0, 0.0]  # two thirds say a, one third its opposite


def test_case_accents_and_forms_change_nothing() -> None:
    assert np.array_equal(*shipped().embed(["Caf\u00e9 ｏｌé_a\u00f1o", "CAFE ole ano"]))


def test_numpy_is_not_imported_before_it_is_needed() -> None:
    code = f"import sys, {embedding.__name__}; sys.exit('numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
