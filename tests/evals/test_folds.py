"""Splits, budgets and draws: what a learner may see, and how luck is measured."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.errors import ConfigError
from pointsman.estimators.outcomes import Query
from pointsman.evals.folds import Fold, budget, frozen_test, k_fold, leave_one_task_out
from pointsman.evals.resample import draws, interval


def queries(groups, tasks=None, splits=None):
    return [
        Query(
            str(at),
            "text",
            group=f"g{group}",
            task=(tasks or ["t"])[at % len(tasks or ["t"])],
            split=(splits or ["train"])[at % len(splits or ["train"])],
        )
        for at, group in enumerate(groups)
    ]


@given(st.lists(st.integers(0, 30), min_size=40, max_size=120), st.integers(0, 5))
def test_every_query_is_judged_once_and_never_beside_its_group(groups, seed):
    asked = queries([*groups, *range(31, 41)])
    folds = list(k_fold(asked, 5, seed))
    assert sorted(np.concatenate([fold.judged for fold in folds]).tolist()) == list(range(len(asked)))
    for fold in folds:
        assert len(fold.train) + len(fold.judged) == len(asked)
        assert not {asked[i].group for i in fold.train} & {asked[i].group for i in fold.judged}


def test_folds_are_of_like_size_and_depend_on_the_seed_only():
    asked = queries(range(1000))
    first, again, other = ([fold.judged.tolist() for fold in k_fold(asked, 5, seed)] for seed in (1, 1, 2))
    assert [len(fold) for fold in first] == [200] * 5
    assert first == again != other


def test_queries_without_a_group_stand_alone():
    alone = [Query(str(at), "text") for at in range(10)]
    assert len(list(k_fold(alone, 5, 0))) == 5


def test_too_few_groups_are_refused():
    with pytest.raises(ConfigError, match="3 groups of queries do not make 5 folds"):
        list(k_fold(queries([1, 2, 3, 3, 3]), 5, 0))


def test_the_test_split_is_judged_and_nothing_else():
    asked = queries(range(9), splits=["train", "val", "test"])
    (fold,) = frozen_test(asked)
    assert fold.judged.tolist() == [2, 5, 8]
    with pytest.raises(ConfigError, match="no test split"):
        list(frozen_test(queries(range(4))))


def test_a_task_left_out_takes_its_near_duplicates_along():
    asked = queries([0, 1, 2, 0, 4, 5], tasks=["a", "b", "a", "b"])
    folds = dict(leave_one_task_out(asked))
    assert folds["a"].judged.tolist() == [0, 2, 4]
    assert folds["a"].train.tolist() == [1, 5]  # 3 is a near-duplicate of 0


def test_a_budget_draws_labels_from_the_training_queries_only():
    fold = Fold(np.arange(50, 100), np.arange(50))
    few = budget(fold, 10, seed=3)
    assert len(set(few.train.tolist())) == 10
    assert set(few.train.tolist()) <= set(range(50, 100))
    assert few.train.tolist() == budget(fold, 10, seed=3).train.tolist() != budget(fold, 10, seed=4).train.tolist()
    assert budget(fold, None, 3) is fold
    assert budget(fold, 50, 3) is fold


def test_draws_take_groups_whole():
    made = draws(["a", "a", "b", "c", "", ""], seed=1, count=250)
    weights = np.concatenate(list(made.chunks()))
    assert weights.shape == (250, 6)
    assert (weights[:, 0] == weights[:, 1]).all()
    assert (weights[:, 4] != weights[:, 5]).any()
    assert ((weights[:, 0] + weights[:, 2:].sum(axis=1)) == 5).all()


def test_the_interval_of_a_mean_is_two_standard_errors_wide():
    values = np.random.default_rng(0).normal(0, 1, 400)
    drawn = np.concatenate([weights @ values / 400 for weights in draws([""] * 400, seed=1).chunks()])
    found = interval(float(values.mean()), drawn)
    assert found.high - found.low == pytest.approx(2 * 1.96 / 20, rel=0.1)
    assert found.low < values.mean() < found.high


def test_an_interval_may_reach_never_but_not_the_unknown():
    assert interval(1.0, np.array([1.0, 2.0, np.inf])).high == np.inf
    assert np.isnan(interval(1.0, np.array([1.0, np.nan])).high)
