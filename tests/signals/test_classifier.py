"""A classifier learns from labelled texts, says how sure it is, and is read from a file only as it was written."""

from __future__ import annotations

import hashlib
import json
import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pointsman.errors import ConfigError
from pointsman.signals import classifier
from pointsman.signals.classifier import MAGIC, Classifier, fit, load
from pointsman.signals.embedding import StaticEmbedder, shipped
from pointsman.signals.wordpiece import WordPiece

THINGS = {
    "maths": ["sum", "integral", "root", "fraction", "equation", "triangle", "derivative", "product"],
    "cooking": ["soup", "bread", "omelette", "sauce", "cake", "stew", "salad", "dough"],
    "travel": ["flight", "hotel", "visa", "train", "passport", "luggage", "airport", "cruise"],
}
ASKING = ["what is the {}", "help me with a {}", "tell me about the {}", "how long does the {} take", "is this {} right"]
LABELLED = [(asking.format(thing), label) for label, things in THINGS.items() for thing in things for asking in ASKING]
TEXTS, LABELS = [text for text, _ in LABELLED], [label for _, label in LABELLED]


@pytest.fixture(scope="module")
def fitted() -> Classifier:
    return fit(TEXTS, LABELS, shipped())


def test_it_tells_what_it_has_learned_and_abstains_from_the_rest(fitted: Classifier) -> None:
    assert fitted.guess("how do I bake bread and cake?").label == "cooking"
    assert fitted.guess("WHAT IS THE INTEGRAL OF A PRODUCT").label == "maths"
    unknown = fit(TEXTS, LABELS, shipped(), sure=0.8).guess("hm")
    assert unknown.label is None
    assert unknown.best in THINGS


def test_its_quality_stands_beside_the_baseline(fitted: Classifier) -> None:
    quality = fitted.quality
    assert quality.examples == len(TEXTS)
    assert quality.baseline == pytest.approx(1 / 3)
    assert quality.accuracy > 0.9
    assert quality.calibration_error < 0.15


def test_labels_that_say_nothing_are_not_learned() -> None:
    shuffled = random.Random(5).sample(LABELS, len(LABELS))
    assert fit(TEXTS, shuffled, shipped()).quality.accuracy < 0.45


def test_what_an_example_would_be_taken_for_without_itself_is_what_fitting_without_it_gives() -> None:
    texts, labels = TEXTS[::7], LABELS[::7]
    known = fit(texts, labels, shipped())
    again = 0
    for at, label in enumerate(labels):
        without = fit(texts[:at] + texts[at + 1 :], labels[:at] + labels[at + 1 :], shipped())
        again += without.guess(texts[at]).best == label
    # The rarity of words and the middle are those of all examples in the closed form, so that it may differ by an example.
    assert abs(known.quality.accuracy * len(texts) - again) <= 1


def test_a_dumped_classifier_is_the_same_when_it_is_loaded(fitted: Classifier) -> None:
    again = load(fitted.dump(), shipped())
    assert again.dump() == fitted.dump() == fit(TEXTS, LABELS, shipped()).dump()
    assert again.quality == fitted.quality
    assert again.guess("soup or salad") == fitted.guess("soup or salad")


@pytest.mark.parametrize("label", ["a", "b"])
def test_more_examples_than_can_be_learned_from_are_thinned_evenly(monkeypatch: pytest.MonkeyPatch, label: str) -> None:
    monkeypatch.setattr(classifier, "MOST_EXAMPLES", 10)
    known = fit([f"{label} {n}" for n in range(60)], ["x"] * 30 + ["y"] * 30, shipped())
    assert (known.quality.examples, known.quality.left_out) == (10, 50)
    assert known.shares.tolist() == [0.5, 0.5]


@pytest.mark.parametrize(
    ("texts", "labels", "says"),
    [
        ([], [], "0 labels"),
        (["a", "b"], ["x", "x"], "1 labels"),
        (["a", "b", "c"], ["x", "x", "y"], "label `y` has one example"),
        (["a"], ["x", "y"], "1 texts and 2 labels"),
    ],
)
def test_what_cannot_be_learned_from_is_refused(texts: list[str], labels: list[str], says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        fit(texts, labels, shipped())


def sealed(body: bytes) -> bytes:
    return body + hashlib.sha256(body).digest()


def described(**changes: object) -> bytes:
    head = json.loads(fit(["a", "b", "c", "d"], ["x", "x", "y", "y"], shipped()).dump()[len(MAGIC) :].split(b"\n", 1)[0])
    return sealed(MAGIC + json.dumps({**head, **changes}).encode() + b"\n")


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "does not begin like one"),
        (b"\x80\x04\x95pickle", "does not begin like one"),
        (MAGIC, "not a whole classifier"),
        (sealed(MAGIC), "description cannot be read"),
        (sealed(MAGIC + b"{}\n"), "description cannot be read"),
        (sealed(MAGIC + b"[" * 50_000 + b"\n"), "description cannot be read"),
        (sealed(MAGIC + b"1" * 5_000 + b"\n"), "description cannot be read"),
        (sealed(MAGIC + b"\xff\n"), "description cannot be read"),
        (described(labels=["x"]), "description cannot be read"),
        (described(labels=["x"] * 1_000_000), "description cannot be read"),
        (described(labels=[1, 2]), "description cannot be read"),
        (described(sharpness=float("nan")), "description cannot be read"),
        (described(quality={}), "description cannot be read"),
        (described(extra=1), "description cannot be read"),
        (described(embedder="another"), "learned with the embedder `another`"),
        (described(), "not as many as it says"),
    ],
)
def test_other_files_are_refused(content: bytes, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        load(content, shipped())


@settings(max_examples=50)
@given(st.data())
def test_a_file_in_which_a_byte_was_changed_is_refused(data: st.DataObject) -> None:
    content = bytearray(_SMALL)
    at = data.draw(st.integers(0, len(content) - 1))
    content[at] ^= data.draw(st.integers(1, 255))
    with pytest.raises(ConfigError):
        load(bytes(content), _TINY)


def test_numbers_that_are_none_are_refused() -> None:
    body = _SMALL[:-36] + np.array([np.inf], "<f4").tobytes()
    with pytest.raises(ConfigError, match="not finite"):
        load(sealed(body), _TINY)


_TINY = StaticEmbedder("tiny", WordPiece(["a", "b", "c"]), np.array([[3, 0], [0, 4], [-3, 0]], np.int8))
_SMALL = fit(["a", "a b", "b c", "c"], ["x", "x", "y", "y"], _TINY).dump()
