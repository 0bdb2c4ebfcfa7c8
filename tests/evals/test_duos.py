"""Pairs on recorded answers: who is asked, what is paid, and that what they gain on queries they were not learned from."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from pointsman.estimators.accord import Accord
from pointsman.estimators.outcomes import Outcomes, Query
from pointsman.evals import duos, frontier
from pointsman.evals.cascades import worths
from pointsman.evals.sight import Sight

COSTS = np.array([0.001, 0.0012, 0.0008, 0.05])
MODELS = ("first", "second", "echo", "strong")


def letters(questions: int = 200, seed: int = 0) -> Outcomes:
    """Single letters. The first two err by themselves, so that they seldom agree where one is wrong; `echo` says what the first says."""
    chance = np.random.default_rng(seed)
    quality = (chance.random((questions, 4)) < [0.8, 0.75, 1.0, 0.95]).astype(np.float64)
    quality[:, 2] = quality[:, 0]
    missed = 1 + chance.integers(3, size=(questions, 4))
    missed[:, 2] = missed[:, 0]
    said = (np.arange(questions)[:, None] + np.where(quality == 1, 0, missed)) % 4
    answers = tuple(tuple("ABCD"[one] for one in row) for row in said)
    asked = tuple(Query(f"q{i}", f"Question {i}?\nA) one\nB) two\nC) three\nD) four", "choice", f"g{i}") for i in range(questions))
    cost = np.tile(COSTS, (questions, 1))
    return Outcomes(MODELS, asked, quality, cost, cost * 1e4, cost * 1e4, cost, answers)


def sight_of(outcomes: Outcomes, learned_on: Outcomes | None = None) -> Sight:
    """All answers, seen by somebody who knows the means."""
    shape = outcomes.quality.shape
    prior = np.tile((learned_on or outcomes).quality.mean(axis=0), (shape[0], 1))
    told = tuple(tuple((text or "").lower() for text in row) for row in outcomes.answers)
    after = np.repeat(prior[:, None, :], shape[1], axis=1)
    return Sight(MODELS, prior, outcomes.cost_usd, prior, after, told, Accord.unlearned(), np.zeros(shape[1]))


def test_models_that_err_by_themselves_are_paired() -> None:
    outcomes = letters()
    pair = duos.best(outcomes, sight_of(outcomes), worths(outcomes.cost_usd, 24))
    assert pair is not None
    assert {MODELS[pair.first], MODELS[pair.second]} != {"first", "echo"}
    assert MODELS[pair.strong] == "strong"


def test_no_pair_is_formed_where_two_calls_cost_as_much_as_the_strong_model() -> None:
    outcomes = letters()
    dear = replace(outcomes, cost_usd=np.full_like(outcomes.cost_usd, 0.01))
    assert duos.best(dear, sight_of(dear), worths(dear.cost_usd, 12)) is None
    two = outcomes.pool(("first", "strong"))
    assert duos.best(two, replace(sight_of(outcomes), models=two.models), worths(two.cost_usd, 12)) is None


@pytest.mark.parametrize("value", [1e-6, 0.05, 0.2, 1e3])
def test_every_call_is_paid(value: float) -> None:
    outcomes = letters()
    sight = sight_of(outcomes)
    went = duos.went(outcomes, sight, duos.learn(outcomes, sight, 0, 1, 3), np.array([value]))
    ways = {1: set(COSTS), 2: {COSTS[0] + COSTS[1]}, 3: {COSTS[0] + COSTS[1] + COSTS[3]}}
    assert all(
        any(cost == pytest.approx(way) for way in ways[int(calls)])
        for cost, calls in zip(went.cost_usd[:, 0], went.calls[:, 0], strict=True)
    )


def test_the_strong_model_is_asked_where_the_two_differ() -> None:
    outcomes = letters()
    sight = sight_of(outcomes)
    went = duos.went(outcomes, sight, duos.learn(outcomes, sight, 0, 1, 3), np.array([0.3]))
    differ = np.array([row[0] != row[1] for row in outcomes.answers])
    assert (went.calls[:, 0] == np.where(differ, 3, 2)).all()
    assert (went.quality[differ, 0] == outcomes.quality[differ, 3]).all()


def test_on_other_queries_a_pair_beats_routing_by_a_prompt_that_tells_nothing() -> None:
    learned_on, judged, worth = letters(), letters(seed=1), worths(letters().cost_usd, 24)
    pair = duos.best(learned_on, sight_of(learned_on), worth)
    assert pair is not None
    single = judged.quality.mean(axis=0), judged.cost_usd.mean(axis=0)
    by_prompt = frontier.aiq_range(frontier.hull(single[1], single[0]), float(single[1].min()), float(single[1].max()))
    assert duos.area(judged, duos.went(judged, sight_of(judged, learned_on), pair, worth)) > by_prompt + 0.01


def test_one_answer_that_is_believed_is_kept() -> None:
    outcomes = letters()
    sight = sight_of(outcomes)
    seen = replace(sight, confidence=np.where(outcomes.quality == 1, 0.9, 0.3))
    look = duos.looked(outcomes, seen)
    assert look is not None
    (weak,) = look.asked
    went = duos.went(outcomes, seen, look, np.array([0.3]))
    right = outcomes.quality[:, weak] == 1
    assert (went.calls[right, 0] == 1).all()
    assert (went.quality[~right, 0] == outcomes.quality[~right, 3]).all()
    assert duos.after(outcomes, seen, look).lead[~right].min() > duos.after(outcomes, seen, look).lead[right].max()


def test_nothing_is_looked_at_where_no_model_is_cheap() -> None:
    outcomes = letters()
    dear = replace(outcomes, cost_usd=np.full_like(outcomes.cost_usd, 0.01))
    assert duos.looked(dear, sight_of(dear)) is None
