from __future__ import annotations

import numpy as np
import pytest

from pointsman.estimators.floors import boldest


def drawn(count, seed):
    """Twenty settings; setting k loses k per cent on average."""
    chance = np.random.default_rng(seed)
    lot = chance.random((count, 1))
    return (lot < np.arange(20) / 100).astype(float)


def test_the_promise_is_broken_no_oftener_than_stated():
    found = [boldest(drawn(500, seed), limit=0.055, risk=0.1, seed=seed).setting for seed in range(200)]
    assert sum(setting is not None and setting > 5 for setting in found) <= 0.1 * 200
    assert np.mean([setting or 0 for setting in found]) > 2.0


def test_more_queries_allow_more():
    few, many = ([boldest(drawn(count, seed), limit=0.05).setting or 0 for seed in range(10)] for count in (300, 20_000))
    assert min(few) < min(many) <= max(many) <= 5


@pytest.mark.parametrize("losses", [np.zeros((0, 5)), np.zeros((10, 5)), np.ones((500, 5)), np.zeros((500, 0))])
def test_nothing_is_promised_where_nothing_can_be(losses):
    floor = boldest(losses, limit=0.02)
    assert floor.setting is None
    assert floor.said.startswith("no setting can be promised a loss of at most 0.02 at a risk of 10%")


def test_gains_count_against_losses():
    chance = np.random.default_rng(0).choice([-1.0, 0.0, 1.0], (3000, 1), p=[0.2, 0.6, 0.2])
    assert boldest(chance, limit=0.06).setting == 0
