"""Confidence in answers: what the conformance kit asks, combinations of several answers, and files that are not to be believed."""

from __future__ import annotations

import hashlib
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.core.answer import Grade
from pointsman.errors import ConfigError
from pointsman.estimators import confidence
from pointsman.estimators.accord import Accord, Given, Unasked
from pointsman.estimators.confidence import UNLEARNED
from pointsman.estimators.confidence_file import dump, load
from pointsman.estimators.logistic import fit as logistic
from pointsman.estimators.logistic import share
from pointsman.estimators.said import SIZE, said
from pointsman.testing.confidence import CHECKS, sample_answers


@pytest.fixture(scope="module")
def learned() -> confidence.Confidence:
    return confidence.fit(sample_answers()).confidence


@pytest.mark.parametrize("promise", CHECKS)
def test_it_keeps_what_confidence_promises(promise: str) -> None:
    CHECKS[promise](confidence.fit)


@given(st.text(), st.text())
def test_any_two_texts_have_their_numbers(question: str, answer: str) -> None:
    numbers = said(question, answer)
    assert numbers.shape == (SIZE,)
    assert np.isfinite(numbers).all()
    assert np.array_equal(numbers, said(question, answer))


@pytest.mark.parametrize(
    ("better", "worse"),
    [("2 + 3 = 5. The answer is 5.", "2 + 3 = 6. The answer is 6."), ("12 / 4 = 3", "12 / 0 = 3"), ("1,000 - 1 = 999", "1,000 - 1 = 99")],
)
def test_sums_that_are_not_true_show(better: str, worse: str) -> None:
    assert not np.array_equal(said("?", better)[42:47], said("?", worse)[42:47])
    assert said("?", better)[43] == 0 < said("?", worse)[43]


def test_an_answer_that_doubts_itself_is_less_sure(learned: confidence.Confidence) -> None:
    sure = learned.predict("small", "sums", 0.5, (), "It is 4 + 1 = 5. The answer is 5.", "4 + 1?")
    doubtful = learned.predict("small", "sums", 0.5, (), "I am not sure, perhaps 4", "4 + 1?")
    assert sure > doubtful + 0.2


def test_a_further_model_gains_more_where_the_answer_is_doubtful(learned: confidence.Confidence) -> None:
    told = [("large", 0.8)]
    sure, doubtful = (
        learned.gain("small", 0.5, (), text, told, "4 + 1?")[0]
        for text in ("It is 4 + 1 = 5. The answer is 5.", "I am not sure, perhaps 4")
    )
    assert doubtful > sure


def test_grades_without_an_opinion_say_nothing(learned: confidence.Confidence) -> None:
    bare = learned.predict("small", "sums", 0.5, (), "It is 5", "4 + 1?")
    assert learned.predict("small", "sums", 0.5, (Grade("hint", None), Grade("never seen", 0.0)), "It is 5", "4 + 1?") == bare


def _answers(chance: np.random.Generator) -> tuple[tuple[Given, ...], list[float]]:
    """Two models that are right with 0.7; where both are, they agree; wrong answers differ."""
    right = [float(chance.random() < 0.7) for _ in range(2)]
    return tuple(Given(f"m{at}", 0.7, "right" if one else f"wrong {at}") for at, one in enumerate(right)), right


def test_agreement_is_learned() -> None:
    chance = np.random.default_rng(0)
    sets, right = zip(*(_answers(chance) for _ in range(300)), strict=True)
    then = [(Unasked(one, 0.7, (0.7, 0.7)), 1.0 if len({each.comes_to for each in one}) == 1 else 0.3) for one in sets]
    accord = Accord.of(("m0", "m1"), sets, right, then)
    agree, differ = ((Given("m0", 0.7, "7"), Given("m1", 0.7, told)) for told in ("7", "8"))
    assert accord.best(agree)[1] > 0.85 > 0.6 > accord.best(differ)[1]
    assert accord.quality(Unasked(agree, 0.7, (0.7, 0.7)), 0.9) > accord.quality(Unasked(differ, 0.7, (0.7, 0.7)), 0.5)


def test_before_there_are_data_the_most_confident_answer_is_best() -> None:
    accord = Accord.unlearned()
    assert accord.best((Given("a", 0.3, "7"), Given("b", 0.6, "8"), Given("c", 0.5, "7")))[0] == 1
    assert accord.best((Given("a", 0.3),)) == (0, 0.3)
    assert accord.quality(Unasked((Given("a", 0.3),), 0.5, (0.8,)), 0.3) == pytest.approx(0.8)


def test_weights_lean_to_what_was_known_before() -> None:
    rows, truth = np.ones((4, 1)), np.array([1.0, 1.0, 1.0, 0.0])
    loose, firm = (logistic(rows, truth, np.array([0.0]), strength) for strength in (1e-6, 1e6))
    assert share(loose[0]) == pytest.approx(0.75, abs=1e-4)
    assert firm[0] == pytest.approx(0.0, abs=1e-4)


def _resealed(file: bytes, old: bytes, new: bytes) -> bytes:
    start = file.index(b"\n") + 1
    length = int.from_bytes(file[start : start + 8], "little")
    head = file[start + 8 : start + 8 + length].replace(old, new)
    json.loads(head)
    body = file[:start] + len(head).to_bytes(8, "little") + head + file[start + 8 + length : -32]
    return body + hashlib.sha256(body).digest()


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'"models":["large","small"]', b'"models":["large"]'),
        (b'"checks":["hint"]', b'"checks":[]'),
        (b'"features":1', b'"features":2'),
        (b'"forests":[true,true]', b'"forests":[true,false]'),
        (b'"shapes":[[2]', b'"shapes":[[1]'),
        (b'"voices":[]', b'"voices":["a"]'),
        (b'"models":["large","small"]', b'"models":"ls"'),
    ],
)
def test_a_file_made_to_mislead_is_refused(learned: confidence.Confidence, old: bytes, new: bytes) -> None:
    with pytest.raises(ConfigError, match="does not hold a confidence"):
        load(_resealed(dump(learned), old, new))


@pytest.mark.parametrize("file", [b"", b"pointsman confidence 2\n", b"pointsman confidence 1\n" + bytes(80), bytes(200)])
def test_a_file_of_another_kind_is_refused(file: bytes) -> None:
    with pytest.raises(ConfigError, match="train anew"):
        load(file)


def test_what_was_never_learned_can_be_kept_too() -> None:
    assert load(dump(UNLEARNED)).predict("m", "", 0.5, (Grade("a", 0.25),), "text") == 0.25


def test_a_file_that_is_too_long_is_not_read(learned: confidence.Confidence) -> None:
    with pytest.raises(ConfigError, match="at most 100 are read"):
        load(dump(learned), most_bytes=100)
