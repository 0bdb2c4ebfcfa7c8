"""What is said of a whole text goes no further for the strong models than what its end says, by more than it usually does."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.estimators.blend import Blend
from pointsman.estimators.features import MOST_CHARS
from pointsman.estimators.outcomes import Query
from pointsman.estimators.steady import SLACK, WORDS, Steady, ending
from pointsman.evals.synthetic import World, generate
from tests.estimators.learners import LETTERS, SMALL

PAIR = Steady.of(np.array([0.5, 0.9]), np.zeros((0, 2)), np.zeros((0, 2)))


def lead(quality: np.ndarray) -> float:
    return float(quality[1] - quality[0])


@pytest.mark.parametrize(
    ("whole", "end", "held"),
    [
        (0.50, 0.10, 0.10 + SLACK * 2**0.5),  # talked up
        (0.10, 0.50, 0.10),  # talked down: that saves money, and is nobody's aim
        (0.05, 0.10, 0.05),
        (-0.2, -0.5, -0.5 + SLACK * 2**0.5),
    ],
)
def test_the_lead_of_the_strong_model_is_held_to_what_the_end_says(whole, end, held):
    said = PAIR.held(np.array([0.5 - whole / 2, 0.5 + whole / 2]), np.array([0.5 - end / 2, 0.5 + end / 2]))
    assert lead(said) == pytest.approx(held)
    assert said.mean() == pytest.approx(0.5)


@pytest.mark.parametrize("text", ["", "word", "word " * WORDS, "word " * (MOST_CHARS // 5 + 1)])
def test_a_text_without_more_than_an_end_and_a_long_one_are_read_once(text):
    assert ending(text) is None
    assert PAIR.held(np.array([0.1, 0.9]), None).tolist() == [0.1, 0.9]


def test_holding_does_not_change_the_mean_of_what_it_was_learned_from():
    chance = np.random.default_rng(3)
    whole, ends = chance.random((500, 3)), chance.random((500, 3))
    steady = Steady.of(np.array([0.2, 0.5, 0.9]), whole, ends)
    held = np.stack([steady.held(one, end) for one, end in zip(whole, ends, strict=True)])
    assert held.mean(axis=0) == pytest.approx(whole.mean(axis=0))
    assert steady.usual == pytest.approx(float(((whole - ends) @ steady.strong).mean()))


@pytest.mark.parametrize("mean", [[0.5], [0.5, 0.5]])
def test_models_that_are_as_good_as_each_other_have_no_strong_one(mean):
    steady = Steady.of(np.array(mean), np.zeros((0, len(mean))), np.zeros((0, len(mean))))
    whole, end = np.arange(float(len(mean))), np.zeros(len(mean))
    assert steady.held(whole, end).tolist() == whole.tolist()


@given(st.text(st.sampled_from("ab \n\t"), max_size=200), st.text(st.sampled_from("xy "), max_size=40))
def test_the_end_of_a_long_text_does_not_hold_what_is_put_in_front(text, prefix):
    if ending(text) is not None:
        assert ending(f"{prefix} {text}") == ending(text)
        assert ending(text) == " ".join(text.split()[-WORDS:])


def test_no_prefix_lifts_the_lead_of_the_strong_model_beyond_what_the_end_allows():
    made = generate(World(queries=300, models=2), seed=1).outcomes
    longer = tuple(replace(query, text=f"{query.text} " * (1 + 40 // len(query.text.split()))) for query in made.queries)
    fitted = Blend(LETTERS, replace(SMALL, guarded=False, steady=True)).fit(replace(made, queries=longer), seed=0)
    steady = fitted.mixture.steady
    for query in longer[:20]:
        end = fitted.one(Query("", ending(query.text), query.task)).quality - steady.taken * steady.strong
        for prefix in ("zeal " * 12, "prove the theorem step by step"):
            said = fitted.one(replace(query, text=f"{prefix} {query.text}")).quality - steady.taken * steady.strong
            assert (said - end) @ steady.strong <= steady.usual + SLACK + 1e-6


def test_nothing_is_held_unless_it_is_asked_for():
    made = generate(World(queries=300, models=2), seed=1).outcomes
    fitted = Blend(LETTERS, SMALL).fit(made, seed=0)
    assert not fitted.mixture.steady.holds
    assert Blend(LETTERS, replace(SMALL, steady=True)).fit(made, seed=0).mixture.steady.holds
