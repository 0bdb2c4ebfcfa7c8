from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pointsman.estimators.stack import carried, guard, stacked


def columns(seed, count=3, rows=40):
    return list(np.random.default_rng(seed).normal(size=(count, rows, 1)))


@given(st.integers(0, 1000), st.lists(st.floats(0, 3), min_size=3, max_size=3))
@settings(max_examples=30, deadline=None)
def test_weights_that_made_the_truth_are_found(seed, weights):
    parts = columns(seed)
    truth = sum(weight * part for weight, part in zip(weights, parts, strict=True))
    assert stacked(parts, truth, leaning=1e4) == pytest.approx(weights, abs=1e-4)


@given(st.integers(0, 1000))
@settings(max_examples=30, deadline=None)
def test_no_weight_is_negative_and_no_single_part_is_nearer(seed):
    parts, truth = columns(seed), columns(seed + 1, 1)[0]
    weights = stacked(parts, truth, leaning=1e4)
    left = float(((truth - sum(w * p for w, p in zip(weights, parts, strict=True))) ** 2).sum())
    assert min(weights) >= 0
    for part in parts:
        alone = max(0.0, float((part * truth).sum() / (part**2).sum()))
        assert left <= float(((truth - alone * part) ** 2).sum()) + 1e-6


def test_the_fewer_the_rows_the_nearer_to_equal_weights():
    part, other, truth = columns(0, 3, rows=4000)
    truth = truth + part
    few, many = (stacked([part[:n], other[:n]], truth[:n]) for n in (4, 4000))
    assert abs(few[0] - 0.5) < abs(many[0] - 0.5)
    assert many == pytest.approx((1, 0), abs=0.1)


def outcomes(informed, rows=600, seed=0):
    """A cheap and a dear model, equally good, each on half of the queries."""
    chance = np.random.default_rng(seed)
    first = chance.random(rows) < 0.5
    quality = np.stack([first, ~first], axis=1).astype(float)
    expected = quality * 0.4 + 0.3 if informed else chance.random((rows, 2))
    return quality, np.tile([1.0, 2.0], (rows, 1)), expected, np.tile([1.0, 2.0], (rows, 1))


def test_choosing_by_query_is_worth_it_where_the_expectation_knows_something():
    verdict = guard(*outcomes(informed=True))
    assert verdict.routes
    assert verdict.low > 0.1
    assert verdict.said.startswith("choosing by query gains +0.")


@pytest.mark.parametrize("seed", range(6))
def test_it_is_not_where_the_expectation_is_chance(seed):
    verdict = guard(*outcomes(informed=False, seed=seed))
    assert not verdict.routes
    assert "one model, or a mix, is as good" in verdict.said


def test_knowing_what_queries_cost_is_no_reason_to_differ_in_quality():
    chance = np.random.default_rng(0)
    cost = np.stack([np.ones(900), np.where(chance.random(900) < 0.5, 1.5, 20.0)], axis=1)  # the dear model is cheap on half of the queries
    quality = (chance.random((900, 2)) < (0.5, 0.9)).astype(float)
    for differs in (0.0, 0.02):
        expected = quality.mean(axis=0) + differs * chance.normal(size=(900, 2))
        assert not guard(quality, cost, expected, cost).routes


@pytest.mark.parametrize("shape", [(0, 3), (1, 3), (50, 1)])
def test_with_nothing_to_compare_nothing_is_claimed(shape):
    assert not guard(*(np.ones(shape) for _ in range(4))).routes


@pytest.mark.parametrize(("holds", "least", "most"), [(1.0, 0.5, 1.0), (0.0, 0.0, 0.1), (-1.0, 0.0, 0.0)])
def test_what_does_not_hold_for_other_tasks_is_not_carried_to_new_ones(holds, least, most):
    chance = np.random.default_rng(0)
    strange = chance.normal(0, 0.1, (900, 3))
    quality = holds * strange + chance.normal(0, 0.1, (900, 3)) + 0.5
    tasks = np.array(list("abcdefghijkl"))[np.arange(900) % 12]
    assert least <= carried(strange + quality.mean(axis=0), quality, tasks) <= most
    assert carried(strange + quality.mean(axis=0), quality, tasks[np.arange(900) % 9]) == 0.0
