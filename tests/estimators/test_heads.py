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
    targets = np.nan_to_num(outcomes.quality).astype(np.float32)
    return fitted_to(outcomes.queries, targets, views, with_tasks=True)


def fitted_to(queries, targets, views, with_tasks):
    readings = [read(query, LETTERS) for query in queries]
    scale = Scale.of(readings, 4, with_tasks=with_tasks)
    seen, tasks = [scale.see(one) for one in readings], np.array([query.task for query in queries])
    return seen, heads.fit(seen, scale, targets, targets.shape[1], groups_of(queries), tasks, views, 0).heads


def predictions(seen, head):
    return head.predict(seen, head.near(np.array([one.direction for one in seen])))


def test_texts_side_by_side_get_what_each_gets_alone():
    seen, head = fitted()
    alone = np.concatenate([head.predict([one], head.near(one.direction[None])) for one in seen])
    assert predictions(seen, head) == pytest.approx(alone, abs=1e-6)


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
        spread.append(float(predictions(*fitted(views=Views(penalties=(penalty,)))).std(axis=0).mean()))
    assert spread[0] > spread[1] > spread[2] == pytest.approx(0, abs=1e-3)


def test_noise_gets_the_greatest_penalty():
    noise = np.random.default_rng(1).random((160, 2)).astype(np.float32)
    fit = fitted_to(sample_outcomes(160).queries, noise, Views(penalties=(0.01, 1e4)), with_tasks=False)
    assert predictions(*fit).std(axis=0).max() < 0.05


def test_parts_that_do_not_fit_are_refused():
    _, head = fitted()
    with pytest.raises(ValueError, match="length"):
        heads.Heads(head.kept[:-1], 2.0, head.near_weights, head.flat_weights, head.offset, 1.0)
    with pytest.raises(ValueError, match="number"):
        heads.Heads(head.kept, 2.0, head.near_weights, head.flat_weights[:, :1], head.offset, 1.0)
