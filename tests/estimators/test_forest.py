from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from pointsman.estimators.forest import Forest, Growth, grow

GROWTH = Growth(trees=30, pull=0.0)


def step(count=300, seed=0):
    chance = np.random.default_rng(seed)
    features = chance.normal(size=(count, 6)).astype(np.float32)
    targets = np.stack([features[:, 0] > 0, features[:, 0] <= 0], axis=1).astype(np.float32)
    return features, targets


def test_trees_find_the_one_feature_that_tells():
    features, targets = step()
    forest, unseen = grow(features, targets, np.arange(300), GROWTH, 0)
    assert forest.predict(np.array([2, 0, 0, 0, 0, 0], np.float32))[0] > 0.6
    assert forest.predict(np.array([-2, 0, 0, 0, 0, 0], np.float32))[0] < 0.4
    assert ((unseen[:, 0] > 0.5) == (features[:, 0] > 0)).mean() > 0.8


def test_all_trees_at_once_end_where_each_alone_does():
    features, targets = step()
    forest, _ = grow(features, targets, np.arange(300), GROWTH, 0)
    for row, other in pairwise(features[:20]):
        ends = []
        for at in forest.roots:
            while forest.below[at] != at:
                at = forest.below[at] if row[forest.feature[at]] < forest.threshold[at] else forest.below[at] + 1
            ends.append(at)
        assert forest.leaves(row).tolist() == ends
        assert forest.leaves(np.stack((other, row))).tolist() == [forest.leaves(other).tolist(), ends]


def test_the_unseen_predictions_of_noise_know_nothing():
    features, _ = step(400)
    noise = np.random.default_rng(9).random((400, 1)).astype(np.float32)
    forest, unseen = grow(features, noise, np.arange(400), GROWTH, 0)
    seen = np.array([forest.predict(row)[0] for row in features])
    assert np.corrcoef(seen, noise[:, 0])[0, 1] > 0.4
    assert abs(np.corrcoef(unseen[:, 0], noise[:, 0])[0, 1]) < 0.15


def test_groups_stay_on_one_side():
    features, _ = step(200)
    groups = np.arange(200) // 2
    features[1::2] = features[::2]
    noise = np.repeat(np.random.default_rng(3).random((100, 1)), 2, axis=0).astype(np.float32)
    leaking = grow(features, noise, np.arange(200), GROWTH, 0)[1]
    kept = grow(features, noise, groups, GROWTH, 0)[1]
    assert np.corrcoef(leaking[:, 0], noise[:, 0])[0, 1] > 0.1 + np.corrcoef(kept[:, 0], noise[:, 0])[0, 1]


def test_no_leaf_is_smaller_than_allowed_and_none_says_more_than_was_seen():
    features, targets = step()
    forest, _ = grow(features, targets, np.arange(300), Growth(trees=3, leaf=150), 0)
    assert len(forest.feature) <= 3
    assert forest.value.min() >= 0
    assert forest.value.max() <= 1


def test_pull_draws_to_the_mean():
    features, targets = step()
    ranges = [
        float(np.ptp(grow(features, targets, np.arange(300), Growth(trees=10, pull=pull), 0)[0].value)) for pull in (0.0, 50.0, 5000.0)
    ]
    assert ranges[0] > ranges[1] > ranges[2]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"below": np.array([99, 1, 2], np.int32)}, "outside"),
        ({"roots": np.array([-1], np.int32)}, "outside"),
        ({"below": np.array([1, 0, 2], np.int32)}, "circles"),
        ({"below": np.array([2, 1, 2], np.int32)}, "outside"),
        ({"below": np.array([1, 1, 2**31 - 1], np.int32)}, "outside"),
        ({"value": np.zeros((1, 1), np.float32)}, "length"),
    ],
)
def test_trees_that_would_mislead_are_refused(change, said):
    places = np.arange(3, dtype=np.int32)
    sound = Forest(
        np.zeros(1, np.int32),
        np.zeros(3, np.int32),
        np.zeros(3, np.float32),
        np.array([1, 1, 2], np.int32),
        np.zeros((3, 1), np.float32),
    )
    assert sound.leaves(np.ones(1, np.float32)).tolist() == [places[2]]
    with pytest.raises(ValueError, match=said):
        replace(sound, **change)
