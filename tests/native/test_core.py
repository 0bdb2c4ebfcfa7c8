"""What is compiled gives what its definition in Python gives, and touches nothing but the buffers that it is given."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path
from random import Random
from zlib import crc32

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from pointsman import native
from pointsman.estimators import bounds, features, surface
from pointsman.estimators.forest import Growth, grow
from pointsman.estimators.grams import grams
from pointsman.native import core
from pointsman.signals import characters
from pointsman.signals import grams as signal_grams
from pointsman.signals.canonical import levelled, words_of
from pointsman.signals.wordpiece import WordPiece, words

if core is None:
    if native.missing and shutil.which("cc") and (Path(sysconfig.get_paths()["include"]) / "Python.h").exists():
        raise AssertionError(
            "there is a compiler, and no core of the sources that lie here: touch setup.py, run `make .venv/.dev`, read what it says"
        )
    pytest.skip("the core is not compiled here", allow_module_level=True)

TELLING = (
    *(
        "a) b) c) d)",
        "(a) one (b) two",
        "a. x b. y c. z a. again",
        "a: b: ",
        "what which remaining calculate statements",
        "___",
        "```py```",
    ),
    *(
        "def f(): return ==->#include",
        "1,000.50 12. 3.. 4,,5 .5 0.1.2.3 999999999999999999999999999.9",
        "$5 50% x^2 {a;b} \\frac",
        "word" * 40,
    ),
    *(
        "... !!! ???? !\x00!! \x00",
        "éè ñ ß ﬁ İ ı Σς Ꮳ",
        "— –– ——— “x” … €",
        "中文字한글 a＿b︳c",
        "🙂🙂🙂",
        "\u200b\u00ad\u0301\ufffd\ue000",
        "\ud800",
        " \t\n\x0b\x1c\u00a0\u2028",
    ),
)
LONG = st.builds(lambda one, times: (one * times)[:20_000], st.sampled_from(TELLING), st.integers(1, 400))
TEXTS = st.one_of(st.text(), LONG, st.lists(st.one_of(st.sampled_from(TELLING), st.text(max_size=8)), max_size=60).map("".join))
FINITE = {"allow_nan": False, "allow_infinity": False, "width": 32}


@given(TEXTS)
def test_a_text_looks_the_same(text):
    np.testing.assert_array_equal(surface.surface(text), surface._surface(surface._levelled(text)))


@given(st.lists(TEXTS, min_size=1, max_size=2))
def test_words_and_pieces_are_counted_alike(texts):
    texts = [features.ends(text) for text in texts]
    for ours, defined in zip(features.counted(*texts), features._counted(grams(*texts)), strict=True):
        for column, expected in zip(ours, defined, strict=True):
            assert column.dtype == expected.dtype
            np.testing.assert_array_equal(column, expected)


@given(TEXTS)
def test_tokens_are_estimated_alike(text):
    assert characters.estimated(text) == characters._estimated(text)


@given(TEXTS)
def test_words_are_the_same(text):
    assert words_of(text) == words(levelled(text))


@given(st.lists(st.sampled_from(["rout", "er", "ers", "router", "x", "", "é", "rout" * 40])))
def test_words_are_spelt_alike(said):
    spelling = WordPiece(["rout", "##er", "##s", "ers", "x"])
    pieces, hashes = spelling.look_up(said)
    assert pieces.tolist() == sorted(piece for word in said for piece in spelling.ids(word))
    assert hashes.tolist() == [crc32(word.encode()) for word in said]


@given(st.lists(st.sampled_from([*range(20), 2**32 - 1]), max_size=300))
def test_slots_are_the_same(hashes):
    ours, defined = signal_grams.grams(np.array(hashes, np.int64)), signal_grams._grams(np.array(hashes, np.int64))
    np.testing.assert_array_equal(ours.slots, defined.slots)
    np.testing.assert_array_equal(ours.damped, defined.damped)


@given(TEXTS, st.integers(0, 9))
def test_weights_are_of_length_one(text, seed):
    one = features.counted(features.ends(text))[0]
    rarities = np.random.default_rng(seed).random(1 << 17, np.float32)
    weights = np.empty_like(one.weight)
    core.weighed(one.rarity, one.bucket, one.weight, rarities, weights)
    expected = one.weight * rarities[one.rarity]
    held = np.bincount(one.bucket, expected, 2 * features.BUCKETS)
    for at, part in enumerate((held[: features.BUCKETS], held[features.BUCKETS :])):
        expected[one.rarity & 1 == at] *= features._inverse(float(part @ part))
    np.testing.assert_allclose(weights, expected, rtol=1e-5, atol=1e-7)


@given(arrays(np.float32, (40, 24), elements=st.floats(-9, 9, **FINITE)), st.lists(st.integers(0, 39), max_size=60), st.integers(0, 9))
def test_rows_are_added_up(rows, places, seed):
    values = np.random.default_rng(seed).random(len(places), np.float32)
    total = np.ones(24, np.float32)
    core.gathered(values, np.array(places, np.intp), rows, total)
    np.testing.assert_allclose(total, 1 + values @ rows[places], rtol=1e-4, atol=1e-4)


@given(arrays(np.int8, (40, 24)), st.lists(st.integers(0, 39), max_size=60))
def test_small_rows_are_added_up_exactly(table, places):
    total = np.zeros(24, np.float32)
    core.summed(table, np.array(places, np.intp), np.ones(len(places), np.float32), total)
    np.testing.assert_array_equal(total, table[places].sum(axis=0, dtype=np.int64))


@given(
    arrays(np.float64, 30, elements=st.floats(-0.5, 1.5)),
    arrays(np.float64, 30, elements=st.floats(0, 1e6)),
    arrays(np.float64, 30, elements=st.floats(0, 2)),
)
def test_bounds_are_the_same(expected, evidence, logits):
    doubt = bounds.Doubt(logits)
    np.testing.assert_allclose(doubt.bounds(expected, evidence), bounds._bounds(expected, evidence, *doubt._fixed), atol=1e-12)


def test_every_tree_is_walked_to_its_leaf():
    chance = np.random.default_rng(3)
    seen = chance.normal(size=(200, 6)).astype(np.float32)
    forest = grow(seen, seen[:, :2], np.arange(200), Growth(trees=20), 0)[0]
    for row, leaves in zip(seen[:20], forest.leaves(seen[:20]), strict=True):
        for root, leaf in zip(forest.roots, leaves, strict=True):
            at = root
            while forest.below[at] != at:
                at = forest.below[at] + (row[forest.feature[at]] >= forest.threshold[at])
            assert leaf == at


# What does not fit


def empty(kind: str, size: int):
    return np.zeros(size, kind)


FLOATS, PLACES, SMALL = empty("f4", 4), empty("i8", 4), empty("i4", 4)
ODD = np.frombuffer(bytes(33), np.uint8)[1:]  # not where numbers may begin
MISFITS = {
    "numbers too few": ("surface", (b"text", b"%", bytes(4096), FLOATS), ValueError),
    "cues too few": ("surface", (b"text", b"%", bytes(4095), empty("f4", 200)), ValueError),
    "room for fewer": ("counted", (b" some words ", FLOATS, PLACES, PLACES.copy(), FLOATS.copy()), ValueError),
    "nothing to damp by": ("counted", (b" some ", b"", empty("i8", 50), empty("i8", 50), empty("f4", 50)), ValueError),
    "a rarity beyond": ("weighed", (PLACES + 9, PLACES, FLOATS, FLOATS, FLOATS.copy()), IndexError),
    "a bucket beyond": ("weighed", (PLACES, PLACES + 8192, FLOATS, FLOATS, FLOATS.copy()), IndexError),
    "a bucket before": ("weighed", (PLACES, PLACES - 1, FLOATS, FLOATS, FLOATS.copy()), IndexError),
    "weights too few": ("weighed", (PLACES, PLACES, FLOATS, FLOATS, empty("f4", 3)), ValueError),
    "slots too few": ("slotted", (PLACES, FLOATS, empty("i8", 6), empty("f4", 7)), ValueError),
    "a root beyond": ("leaves", (FLOATS, SMALL, FLOATS, SMALL, SMALL + 4, PLACES.copy()), IndexError),
    "a child beyond": ("leaves", (FLOATS, SMALL, FLOATS, SMALL + 4, SMALL, PLACES.copy()), IndexError),
    "a feature beyond": ("leaves", (FLOATS, SMALL + 9, FLOATS, SMALL + 1, SMALL, PLACES.copy()), IndexError),
    "a walk in circles": ("leaves", (FLOATS - 1, SMALL, FLOATS, np.array([1, 0, 2, 3], "i4"), SMALL, PLACES.copy()), IndexError),
    "trees of other lengths": ("leaves", (FLOATS, SMALL, FLOATS[:3], SMALL, SMALL, PLACES.copy()), ValueError),
    "a row beyond": ("gathered", (FLOATS, PLACES + 4, FLOATS, empty("f4", 1)), IndexError),
    "a row before": ("gathered", (FLOATS, PLACES - 1, FLOATS, empty("f4", 1)), IndexError),
    "nothing to add to": ("gathered", (FLOATS, PLACES, FLOATS, empty("f4", 0)), ValueError),
    "places too few": ("summed", (bytes(16), PLACES[:3], FLOATS, empty("f4", 4)), ValueError),
    "a piece beyond": ("summed", (bytes(16), PLACES + 4, FLOATS, empty("f4", 4)), IndexError),
    "half a number": ("gathered", (bytes(6), PLACES, FLOATS, empty("f4", 1)), ValueError),
    "numbers that lie askew": ("gathered", (ODD[:16], PLACES, FLOATS, empty("f4", 1)), ValueError),
    "groups too few": ("tally", (b"text", bytes(255), bytes(256)), ValueError),
    "bounds of fewer": ("bounded", (FLOATS, FLOATS, FLOATS, FLOATS, 0.02, 0.8, 1.6, empty("f8", 1), FLOATS.copy()), ValueError),
    "room for fewer words": ("spelled", (["a", "b"], {"a": 1, "b": 2}, empty("i8", 1), empty("i8", 2)), ValueError),
    "a word that is not in it": ("spelled", (["a"], {}, empty("i8", 1), empty("i8", 1)), KeyError),
    "what is no number": ("spelled", (["a"], {"a": "b"}, empty("i8", 1), empty("i8", 1)), TypeError),
    "kinds too few": ("words", (b"text", bytes(255)), ValueError),
    "what cannot be written": ("gathered", (FLOATS, PLACES, FLOATS, bytes(4)), BufferError | TypeError),
}


@pytest.mark.parametrize(("name", "arguments", "error"), MISFITS.values(), ids=MISFITS)
def test_what_does_not_fit_is_refused(name, arguments, error):
    with pytest.raises(error.__args__ if hasattr(error, "__args__") else error):
        getattr(core, name)(*arguments)


@given(st.integers(0, 2**32))
def test_walks_never_leave_trees_of_any_kind(seed):
    chance = Random(seed)
    nodes, trees = chance.randrange(1, 9), chance.randrange(4)
    below, feature, roots = ([chance.randrange(-1, nodes + 1) for _ in range(size)] for size in (nodes, nodes, trees))
    found = np.zeros(2 * trees, np.int64)
    try:
        core.leaves(
            empty("f4", 2 * nodes),
            *(np.array(one, kind) for one, kind in zip((feature, feature, below, roots), ("i4", "f4", "i4", "i4"), strict=True)),
            found,
        )
    except IndexError:
        return
    assert all(0 <= at < nodes and below[at] == at for at in found)


DOING_WITHOUT = """
import json
from pathlib import Path
from pointsman.build.learning import learning_of
from pointsman.config.load import load
from pointsman.estimators.bundle import dump
from pointsman.estimators.blend import Blend
from pointsman.evals.synthetic import World, generate
from pointsman.native import core
from pointsman.signals.embedding import shipped
made = generate(World(queries=300), seed=1).outcomes
fitted = Blend(shipped()).fit(made.rows(range(250)), seed=0)
Path("bundle").write_bytes(dump(fitted))
model = {"id": "model-0", "provider": "openai-compatible", "base_url": "http://127.0.0.1:9/v1"}
config = {"version": 1, "models": [model], "routes": {"auto": {}}, "learned": {"bundle": "bundle"}}
print(core is None, *("the compiled core is not there" in one for one in learning_of(load(json.dumps(config), "test", {})).remarks))
print(*fitted.predict(made.queries[250:]).quality.ravel().tolist())
"""


def test_doing_without_gives_the_same(tmp_path):
    figures = []
    for wanted, without in (("0", "True"), ("1", "False")):
        environment = {**os.environ, native.VARIABLE: wanted}
        out = subprocess.run(
            [sys.executable, "-c", DOING_WITHOUT], env=environment, cwd=tmp_path, check=True, capture_output=True, text=True
        )
        told, figured = out.stdout.splitlines()
        assert told.split() == [without, *["False"] * (len(told.split()) - 1)]  # who does without of his own will is not told
        figures.append([float(one) for one in figured.split()])
    np.testing.assert_allclose(*figures, atol=2e-4)


def test_one_compiled_from_other_sources_is_not_used_and_that_is_told(tmp_path):
    package = tmp_path / "pointsman"
    shutil.copytree(Path(native.__file__).parents[1], package, ignore=shutil.ignore_patterns("__pycache__"))
    (package / "native" / "tally.c").write_text("/* changed */")
    out = subprocess.run(
        [sys.executable, "-c", DOING_WITHOUT],
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        cwd=tmp_path,
        check=True,
        capture_output=True,
        text=True,
    )
    assert out.stdout.split("\n")[0].split()[0] == "True"
    assert "True" in out.stdout.split("\n")[0].split()[1:]
