"""What live cascades make of several answers is what evaluations of recorded ones do."""

from __future__ import annotations

import numpy as np
import pytest

from pointsman.core.outlook import Heard
from pointsman.estimators.accord import OF_ANSWER, Accord
from pointsman.estimators.confidence import UNLEARNED, Confidence
from pointsman.estimators.outlook import outlook
from pointsman.evals.cascades import _state
from pointsman.evals.sight import Sight

MODELS = ("a", "b", "c", "d")


def accord(chance: np.random.Generator) -> Accord:
    return Accord(MODELS, chance.normal(size=OF_ANSWER + 2 * len(MODELS)), chance.normal(size=6))


@pytest.mark.parametrize("seed", range(40))
def test_evaluation_and_live_traffic_think_the_same_of_the_same_answers(seed):
    chance = np.random.default_rng(seed)
    learned = Confidence(**{**{name: getattr(UNLEARNED, name) for name in UNLEARNED.__slots__}, "accord": accord(chance)})
    prior, cost, sure = chance.random((1, 4)), np.sort(chance.random((1, 4))), chance.random((1, 4))
    says = tuple(str(one) for one in chance.choice(["7", "8", ""], 4))
    after = np.repeat(prior[:, None, :], 4, axis=1)
    sight = Sight(MODELS, prior, cost, sure, after, (says,), learned.accord, np.full(4, 0.5))
    asked = tuple(chance.permutation(4)[: 1 + seed % 3].tolist())
    state = _state(sight, 0, asked)
    heard = [Heard(MODELS[m], float(prior[0, m]), float(sure[0, m]), "", says[m]) for m in asked]
    told = outlook(learned, heard, [(MODELS[m], float(prior[0, m])) for m in state.places], "")
    assert (asked[told.best], told.confidence) == (state.delivered, pytest.approx(state.confidence))
    for each, same in zip(told.further, state.further, strict=True):
        assert (each.quality, each.settles, each.unsure) == pytest.approx((same.quality, same.settles, same.unsure))
        assert each.sure == (None if same.sure is None else pytest.approx(same.sure))


def test_a_model_that_is_no_better_on_the_whole_is_expected_to_do_as_it_was():
    told = outlook(UNLEARNED, [Heard("a", 0.6, 0.3, "5", "5")], [("b", 0.8), ("c", 0.4)], "4 + 1?")
    assert (told.best, told.confidence) == (0, 0.3)
    assert [round(one.quality, 3) for one in told.further] == [0.8, 0.4]


def test_where_it_is_not_known_what_an_answer_comes_to_the_better_of_two_is_expected():
    told = outlook(UNLEARNED, [Heard("a", 0.6, 0.3, "prose")], [("b", 0.8)], "why?")
    assert (told.further[0].settles, told.further[0].sure) == (1.0, None)
