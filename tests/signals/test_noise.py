"""Noise changes how a request is written and not what it asks; what is random comes from the seed."""

from __future__ import annotations

import random
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.signals.canonical import folded
from pointsman.signals.noise import GADGETS, NOISES, flips, greedy_prefix, worst_prefix

TEXT = "Find the total of these numbers. Show each step, and explain the answer! What about many errors?"


def by_capitals(texts: Sequence[str]) -> list[bool]:
    return [text.isupper() for text in texts]


@pytest.mark.parametrize("name", NOISES)
def test_noise_is_the_same_for_the_same_seed_and_changes_the_text(name: str) -> None:
    once, again = (NOISES[name](TEXT * 5, random.Random(3)) for _ in range(2))
    assert once == again != TEXT * 5


@given(st.text(), st.sampled_from(sorted(NOISES)), st.integers())
def test_any_text_can_be_made_noisy(text: str, name: str, seed: int) -> None:
    assert isinstance(NOISES[name](text, random.Random(seed)), str)


@pytest.mark.parametrize("name", ["capitals", "lower case", "mixed case", "spacing"])
def test_features_do_not_see_case_and_spacing(name: str) -> None:
    assert folded(NOISES[name](TEXT, random.Random(1))) == folded(TEXT)


def test_flips_are_the_share_of_choices_that_noise_changes() -> None:
    assert flips(by_capitals, ["a", "B", "c"], NOISES["capitals"], seed=1) == pytest.approx(2 / 3)
    assert flips(by_capitals, ["a", "b"], NOISES["lower case"], seed=1) == 0
    assert flips(by_capitals, [], NOISES["typos"], seed=1) == 0


def test_the_search_finds_the_word_that_decides() -> None:
    def share(texts: Sequence[str]) -> float:
        return sum("zeal" in text for text in texts) / len(texts)

    plain, worst = worst_prefix(share, ["one", "two"], ["ant", "bee", "zeal", "cow"], seed=4, tries=60)
    assert (plain, worst.share) == (0.0, 1.0)
    assert "zeal" in worst.text


def test_gadgets_are_tried_before_random_words() -> None:
    tried: list[str] = []

    def share(texts: Sequence[str]) -> float:
        tried.append(texts[0])
        return 0.0

    assert worst_prefix(share, ["x"], ["w"], seed=1, tries=10)[1].text == ""
    assert tried[1 : 1 + len(GADGETS)] == [f"{gadget} x" for gadget in GADGETS]


def test_a_prefix_is_built_word_by_word() -> None:
    def share(texts: Sequence[str]) -> float:
        return sum(text.split()[:2] == ["zeal", "bee"] for text in texts) + sum(text.startswith("zeal") for text in texts) / 2

    found = greedy_prefix(share, ["one", "two"], ["ant", "bee", "zeal"], seed=4, tries=60, most_words=3)
    assert found.text.split()[:2] == ["zeal", "bee"]
    assert found.share == 3
    assert greedy_prefix(lambda _: 0.0, ["x"], ["w"], seed=1, tries=5).text == ""
