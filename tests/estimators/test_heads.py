from __future__ import annotations

import numpy as np
import pytest

from pointsman.estimators import heads
from pointsman.estimators.features import Scale, read
from pointsman.estimators.heads import Views
from pointsman.estimators.tabular import groups_of
from pointsman.testing.estimators import sample_outcomes
from tests.estimators.learners import LETTERS

ONE = Views(penalties=(8.0,))


def fitted(count=60, views=ONE):
    outcomes = sample_outcomes(count)
    readings = [read(query, LETTERS) for query in outcomes.queries]
    scale = Scale.of(readings, 4, with_tasks=True)
    targets, groups = np.nan_to_num(outcomes.quality).astype(np.float32), groups_of(outcomes.queries)
    return readings, scale, targets, heads.fit(readings, scale, targets, targets.shape[1], groups, views, 0)


def predictions(readings, scale, head):
    return np.stack([head.predict(one, scale, head.near(one, scale)) for one in readings])


@pytest.mark.parametrize("size", [3, 10])
def test_what_is_said_of_a_fold_without_it_is_what_a_fit_without_it_says(size):
    chance = np.random.default_rng(0)
    rows, targets, groups = chance.normal(size=(30, 4)), chance.normal(size=(30, 2)), np.arange(30) // size
    around = rows - rows.mean(axis=0)
    wanted = (targets - targets.mean(axis=0)).astype(np.float32)
    solved = heads.solve((around @ around.T).astype(np.float32), wanted, 2.0)
    unseen, centred = solved.without(wanted, groups, centred=False), solved.without(wanted, groups)
    for group in np.unique(groups):
        out = groups == group
        kept, mean = rows[~out] - rows[~out].mean(axis=0), targets[~out].mean(axis=0)
        weights = np.linalg.solve(kept.T @ kept + 2.0 * np.eye(4), kept.T @ (targets[~out] - mean))
        refitted = (rows[out] - rows[~out].mean(axis=0)) @ weights + mean - targets.mean(axis=0)
        assert unseen[out] == pytest.approx(refitted, abs=1e-4)
        assert centred[out] == pytest.approx(refitted - refitted.mean(axis=0), abs=1e-4)


def test_a_greater_penalty_draws_to_the_mean():
    spread = []
    for penalty in (1.0, 100.0, 1e5):
        readings, scale, _, (head, *_) = fitted(views=Views(penalties=(penalty,)))
        spread.append(float(predictions(readings, scale, head).std(axis=0).mean()))
    assert spread[0] > spread[1] > spread[2] == pytest.approx(0, abs=1e-3)


def test_noise_gets_the_greatest_penalty():
    noise = np.random.default_rng(1).random((160, 2)).astype(np.float32)
    outcomes = sample_outcomes(160)
    readings = [read(query, LETTERS) for query in outcomes.queries]
    scale = Scale.of(readings, 4, with_tasks=False)
    head, *_ = heads.fit(readings, scale, noise, 2, groups_of(outcomes.queries), Views(penalties=(0.01, 1e4)), 0)
    assert predictions(readings, scale, head).std(axis=0).max() < 0.05


def test_parts_that_do_not_fit_are_refused():
    *_, (head, *_) = fitted()
    with pytest.raises(ValueError, match="length"):
        heads.Heads(head.kept[:-1], 2.0, head.gains, head.near_weights, head.flat_weights, head.offset, 1.0)
    with pytest.raises(ValueError, match="number"):
        heads.Heads(head.kept, 2.0, head.gains, head.near_weights, head.flat_weights[:, :1], head.offset, 1.0)
