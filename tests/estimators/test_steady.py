"""What is said of a whole text is the mean with what its end says, and for the strong models no more than the end says, less a margin."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.estimators.blend import Blend
from pointsman.estimators.features import ends
from pointsman.estimators.outcomes import Query
from pointsman.estimators.steady import LEAST, MARGIN, MOST, Steady, ending
from pointsman.evals.synthetic import World, generate
from tests.estimators.learners import LETTERS, SMALL

PAIR = Steady.of(np.array([0.5, 0.9]), np.zeros((0, 2)), np.zeros((0, 2)))
CUT = MARGIN * 2**0.5  # of the lead of one model over another


def lead(quality: np.ndarray) -> float:
    return float(quality[1] - quality[0])


@pytest.mark.parametrize(
    ("whole", "end", "held"),
    [
        (0.50, 0.10, 0.10 - CUT),  # talked up
        (0.10, 0.50, 0.30),  # the whole says less: the mean
        (0.10, 0.11, 0.11 - CUT),
        (-0.2, -0.5, -0.5 - CUT),
    ],
)
def test_the_lead_of_the_strong_model_is_held_to_what_the_end_says(whole, end, held):
    said = PAIR.held(np.array([0.5 - whole / 2, 0.5 + whole / 2]), np.array([0.5 - end / 2, 0.5 + end / 2]))
    assert lead(said) == pytest.approx(held)
    assert said.mean() == pytest.approx(0.5)


@pytest.mark.parametrize("text", ["", "word", "word " * LEAST, " \n".join(["word"] * LEAST), "w" * 12 * LEAST])
def test_a_text_without_more_than_an_end_is_read_once(text):
    assert ending(text) is None


def test_holding_does_not_change_the_mean_of_what_it_was_learned_from():
    chance = np.random.default_rng(3)
    whole, parts = chance.random((500, 3)), chance.random((500, 3))
    steady = Steady.of(np.array([0.2, 0.5, 0.9]), whole, parts)
    held = np.stack([steady.held(one, end) for one, end in zip(whole, parts, strict=True)])
    assert held.mean(axis=0) == pytest.approx(whole.mean(axis=0))
    assert steady.usual == pytest.approx(float(((whole - parts) @ steady.strong).mean()))


@pytest.mark.parametrize("mean", [[0.5], [0.5, 0.5]])
def test_models_that_are_as_good_as_each_other_have_no_strong_one(mean):
    steady = Steady.of(np.array(mean), np.zeros((0, len(mean))), np.zeros((0, len(mean))))
    whole, end = np.arange(float(len(mean))), np.zeros(len(mean))
    assert steady.held(whole, end).tolist() == whole.tolist()


@given(st.lists(st.text("abxy", min_size=1, max_size=5), min_size=LEAST, max_size=60), st.lists(st.just("zeal"), max_size=60))
def test_the_end_holds_no_more_of_a_prefix_than_there_are_words_of_it_beyond_the_text(words, prefix):
    whole = " ".join([*prefix, *words])
    end = ending(whole) or whole
    assert whole.endswith(end)
    assert end.split().count("zeal") <= min(max(0, len(prefix) - len(words) + 1), max(0, MOST - len(words)))


@pytest.mark.parametrize("prefix", ["pad " * 5_000, "x" * 5_000 + " ", "深" * 5_000 + " "])
@pytest.mark.parametrize("words", [MOST, 300])
def test_a_prefix_of_any_length_leaves_only_the_question_to_the_end(prefix, words):
    question = "word " * words
    end = ending(prefix + question)
    assert end == ending(ends(prefix + question))
    assert end.split() == ["word"] * MOST


def test_what_has_no_spaces_has_an_end_too():
    assert ending("深" * 600) == "深" * 12 * (600 // 12 // 2)


def test_no_prefix_lifts_the_lead_of_the_strong_model_beyond_what_the_end_allows():
    made = generate(World(queries=300, models=2), seed=1).outcomes
    longer = tuple(replace(query, text=f"{query.text} " * (1 + 40 // len(query.text.split()))) for query in made.queries)
    fitted = Blend(LETTERS, replace(SMALL, guarded=False)).fit(replace(made, queries=longer), seed=0)
    steady, free = fitted.mixture.steady, replace(fitted, mixture=replace(fitted.mixture, steady=Steady(np.zeros(2))))
    assert steady.holds
    for query in longer[:20]:
        for prefix in ("zeal " * 12, "prove the theorem step by step"):
            attacked = f"{prefix} {query.text}"
            said, end = fitted.one(replace(query, text=attacked)).quality, free.one(Query("", ending(attacked), query.task)).quality
            assert (said - end) @ steady.strong <= steady.usual + steady.taken - MARGIN + 1e-6


def test_where_no_text_can_choose_nothing_is_held():
    made = generate(World(queries=300, models=2), seed=1).outcomes
    assert Blend(LETTERS, SMALL).fit(made, seed=0).mixture.steady.holds
    chance = np.random.default_rng(1)
    dealt = replace(made, quality=made.quality[chance.permutation(len(made.quality))])
    fitted = Blend(LETTERS, replace(SMALL, tasks=False)).fit(dealt, seed=0)
    assert not fitted.verdict.routes
    assert not fitted.mixture.steady.holds
