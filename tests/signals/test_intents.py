"""Intents are recognised from a few examples, and what is none of them is said to be none."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from pointsman.errors import ConfigError
from pointsman.signals.embedding import shipped
from pointsman.signals.intents import Intents, fit
from pointsman.signals.reading import read

EXAMPLES = {
    "refund": [
        "I want my money back",
        "How do I get a refund?",
        "please return the payment for my order",
        "refund the purchase I made yesterday",
        "I was charged twice, give me the money back",
        "can I be reimbursed for this item",
    ],
    "login": [
        "I cannot sign in",
        "my password does not work",
        "the login page rejects me",
        "reset my password please",
        "I am locked out of my account",
        "sign in fails with an error",
    ],
    "weather": [
        "what is the weather like tomorrow",
        "will it rain in Oslo this weekend",
        "how cold is it outside",
        "is it going to snow tonight",
        "give me the forecast for Monday",
        "do I need an umbrella today",
    ],
}


@pytest.fixture(scope="module")
def intents() -> Intents:
    return fit(EXAMPLES, shipped())


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("how can I get my money back for the shoes?", "refund"),
        ("PLEASE REFUND MY ORDER!!!", "refund"),
        ("I forgot my password and can't sign in", "login"),
        ("does it rain tomorrow?", "weather"),
        ("Prove that the square root of two is irrational.", None),
        ("write a haiku about trains", None),
        ("", None),
        ("\u0e01\u0e01\u0e01", None),
    ],
)
def test_intents_are_recognised_and_others_are_none(intents: Intents, text: str, label: str | None) -> None:
    guess = intents.guess(text)
    assert guess.label == label
    assert 0 <= guess.confidence <= 1


def test_a_guess_says_what_it_could_be_instead_and_why(intents: Intents) -> None:
    guess = intents.guess("how do I get a refund for my order")
    assert (guess.best, guess.why) == ("refund", "How do I get a refund?")
    assert guess.runner_up in {"login", "weather"}
    assert guess.confidence > 0.5 > intents.guess("write a haiku about trains").confidence


@given(st.text(max_size=200))
def test_case_and_spacing_change_nothing(intents: Intents, text: str) -> None:
    assert intents.guess(f"  {text}\n") == intents.guess(text)
    if text.isascii():
        assert intents.guess(text.upper()) == intents.guess(text)


def test_a_text_that_was_read_already_gives_the_same_guess(intents: Intents) -> None:
    text = "how can I get my money back?"
    assert intents.judge(read(text, shipped())) == intents.guess(text)


def test_a_text_is_read_as_the_embedder_reads_it() -> None:
    for text in ("", "Déjà-vu, déjà vu?", "\N{ARABIC LIGATURE SALLALLAHOU ALAYHE WASALLAM} " * 2_000):
        assert np.array_equal(read(text, shipped()).vector, shipped().embed([text])[0])


def test_the_same_examples_give_the_same_intents() -> None:
    once, again = (fit(EXAMPLES, shipped()) for _ in range(2))
    assert (once.threshold, once.sharpness) == (again.threshold, again.sharpness)
    assert np.array_equal(once.nearness.meanings, again.nearness.meanings)


def test_two_examples_of_one_intent_are_enough_to_begin_with() -> None:
    assert fit({"only": ["boil an egg", "fry an egg"]}, shipped()).guess("how do I boil eggs").label == "only"


@pytest.mark.parametrize(
    ("examples", "says"),
    [
        ({}, "no intents"),
        ({"a": []}, "intent `a` has fewer than two examples"),
        ({"a": ["x y", "x y"]}, "intent `a` has fewer than two examples"),
        ({"a": ["x y", ""]}, "holds no word that is known"),
    ],
)
def test_examples_that_cannot_be_learned_from_are_refused(examples: dict[str, list[str]], says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        fit(examples, shipped())


class Letters:
    """An embedder that has no pieces: how often each letter occurs."""

    name = "letters"
    dims = 26

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        counts = np.array([[text.lower().count(chr(97 + letter)) for letter in range(26)] for text in texts], np.float32)
        return counts.reshape(-1, 26) / np.maximum(np.linalg.norm(counts.reshape(-1, 26), axis=1, keepdims=True), 1e-9)


def test_any_embedder_will_do() -> None:
    assert fit({"a": ["aaa", "aaab", "aab"], "z": ["zzz", "zzy", "zzzy"]}, Letters()).guess("aaaab").label == "a"
