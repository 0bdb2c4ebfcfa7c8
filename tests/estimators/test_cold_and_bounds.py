from __future__ import annotations

import numpy as np
import pytest

from pointsman.estimators.bounds import Doubt
from pointsman.estimators.cold import PROBES, borrow
from pointsman.estimators.outcomes import Outcomes, Query
from pointsman.estimators.quantities import folded, smeared
from pointsman.estimators.tabular import groups_of, means, whole
from pointsman.testing.estimators import sample_outcomes

CHANCE = np.random.default_rng(0)
OTHERS = CHANCE.random((400, 4))


def table(quality, cost=None):
    quality = quality.reshape(400, -1)
    models, texts = tuple(f"m{at}" for at in range(quality.shape[1])), [f"text {at}" for at in range(400)]
    unknown = np.full_like(quality, np.nan)
    cost = unknown if cost is None else cost.reshape(400, -1)
    return Outcomes(models, tuple(map(Query, texts, texts)), quality, cost, unknown, unknown, unknown)


def probed(truth, probes, seed=1):
    quality = np.full(400, np.nan)
    at = np.random.default_rng(seed).choice(400, probes, replace=False)
    quality[at] = np.random.default_rng(seed + 1).random(probes) < truth[at]
    return quality


def borrowed(truth, probes, recorded=OTHERS):
    return borrow(table(probed(truth, probes)), table(recorded), OTHERS)


def test_a_new_model_like_another_is_recognised_from_a_hundred_probes():
    model = borrowed(OTHERS[:, 2], 100)
    said = np.array([model.quality(row) for row in OTHERS])
    assert np.corrcoef(said, OTHERS[:, 2])[0, 1] > 0.8


def test_the_others_answers_to_the_probes_tell_whether_those_were_easy():
    """All models are right on the same queries: the mean of the new one is known better than 50 labels of its own could tell."""
    right = (np.random.default_rng(9).random(400) < 0.6).astype(float)
    twins = np.tile(right[:, None], (1, 4))
    means = []
    for seed in range(20):
        probes = np.where(np.isfinite(probed(right, 50, seed)), right, np.nan)
        model = borrow(table(probes), table(twins), np.full((400, 4), right.mean()))
        means.append(model.quality(np.full(4, right.mean())))
    assert np.abs(np.array(means) - right.mean()).max() < 0.02


@pytest.mark.parametrize("gap", [-0.2, 0.0, 0.2])
@pytest.mark.parametrize("others", [1, 2, 4])
def test_a_new_model_may_be_better_or_worse_than_all_others(others, gap):
    known = 0.3 + 0.4 * OTHERS[:, :others]
    truth, recorded = known.mean(axis=1) + gap, np.random.default_rng(6).random(known.shape) < known
    models = [borrow(table(probed(truth, 300, seed)), table(recorded.astype(float)), known) for seed in range(8)]
    said = np.array([[model.quality(row) for row in known] for model in models])
    assert said.mean() == pytest.approx(truth.mean(), abs=0.04)


@pytest.mark.parametrize("given", [0.0, 1.0])
@pytest.mark.parametrize(("probes", "far"), [(1, 0.15), (5, 0.3), (300, 1.0)])
def test_the_fewer_its_probes_the_nearer_a_new_model_stays_to_the_others(given, probes, far):
    model = borrowed(np.full(400, given), probes)
    moved = np.abs(OTHERS @ model.weights + model.offset - OTHERS.mean(axis=1)).mean()
    assert far / 10 < moved < far


@pytest.mark.parametrize("probes", [3, 5, 10, 25, 49])
def test_a_few_probes_that_all_went_well_lift_a_new_model_by_no_more_than_they_tell(probes):
    """Hoeffding's bound of a mean that may lie anywhere, one-sided 95 %, is wider still."""
    quality = np.full(400, np.nan)
    quality[np.argsort(OTHERS.mean(axis=1))[:probes]] = 1.0  # those that the others do worst on
    model = borrow(table(quality[:, None]), table(OTHERS), OTHERS)
    assert max(map(model.quality, OTHERS)) <= 1 - 0.82 / np.sqrt(probes + 1) + 1e-9


def test_it_does_not_matter_in_what_order_the_others_stand():
    new, order = table(probed(OTHERS[:, 0], 100)), [2, 0, 3, 1]
    one, other = borrow(new, table(OTHERS), OTHERS), borrow(new, table(OTHERS[:, order]), OTHERS[:, order])
    assert other.weights == pytest.approx(one.weights[order])
    assert other.offset == pytest.approx(one.offset)


@pytest.mark.parametrize("probes", [0, 1, 10, 49])
def test_before_its_probes_it_is_believed_less_than_the_others(probes):
    model = borrowed(OTHERS.mean(axis=1), probes)
    said = np.array([model.quality(row) for row in OTHERS])
    assert model.labels == probes < PROBES
    assert said.mean() < OTHERS.mean() - 0.1
    assert said.min() >= 0


def test_a_new_model_costs_what_its_probes_say_of_its_length_beside_the_others():
    cost = np.exp(np.random.default_rng(4).normal(-7, 1, (400, 1))) * np.array([1.0, 2.0, 3.0])
    new = np.where(np.arange(400) % 20 == 0, 5 * cost[:, 0] ** 1.5, np.nan)
    model = borrow(table(probed(OTHERS[:, 0], 100), new), table(OTHERS[:, :3], cost), OTHERS[:, :3])
    assert model.quantity(0, cost[1]) == pytest.approx(5 * cost[1, 0] ** 1.5, rel=0.2)
    assert np.isnan(model.quantity(1, cost[1]))


def test_nothing_asked_of_no_others_is_no_error():
    model = borrow(table(np.full(400, np.nan)), table(np.zeros((400, 0))), np.zeros((400, 0)))
    assert 0 <= model.quality(np.zeros(0)) <= 1
    assert np.isnan(model.quantity(0, np.zeros(0)))


def test_bounds_hold_what_models_have_in_common():
    """Three models, whose true quality varies around the prediction by the query's unseen difficulty."""
    chance = np.random.default_rng(5)
    logit = chance.normal(0.5, 1.0, 4000)[:, None] + np.array([0.0, 0.3, 0.6])
    truth = 1 / (1 + np.exp(-logit))
    quality = (chance.random(truth.shape) < truth).astype(float)
    unseen = np.tile(quality.mean(axis=0), (4000, 1))
    low, high = Doubt.of(quality, unseen).bounds(unseen[0], np.full(3, 4000.0))
    inside = ((low <= truth) & (truth <= high)).mean(axis=0)
    assert inside == pytest.approx(0.9, abs=0.05)


def test_bounds_narrow_with_evidence_and_claim_nothing_without():
    doubt = Doubt(np.zeros(1))
    widths = [float(np.subtract(*doubt.bounds(np.array([0.7]), np.array([n]))[::-1])[0]) for n in (0.0, 10.0, 100.0, 10_000.0)]
    assert widths[0] == 1.0
    assert widths[0] > widths[1] > widths[2] > widths[3]
    assert widths[3] < 0.02


def test_costs_come_back_without_bias_and_never_beyond_what_was_seen():
    values = np.exp(np.random.default_rng(3).normal(-7, 1, (2000, 2)))
    directions, scores = folded(values)
    assert directions.unfold(scores) == pytest.approx(np.log(values))
    kept = smeared(values, directions, np.zeros_like(scores))
    assert kept.back(np.zeros((1, 2)))[0] == pytest.approx(values.mean(axis=0))
    assert (kept.back(np.full((1, 2), 99.0)) <= values.max(axis=0) * kept.factor).all()


def test_what_was_never_recorded_comes_back_as_unknown():
    values = np.array([[1.0, np.nan], [2.0, np.nan]])
    directions, scores = folded(values)
    assert np.isnan(smeared(values, directions, scores).back(scores)).tolist() == [[False, True], [False, True]]
    assert np.isfinite(folded(np.array([[0.0, np.nan], [np.nan, np.nan]]))[1]).all()


def test_gaps_are_filled_as_the_query_and_the_model_would_have_it():
    values = np.array([[1.0, 1.0, np.nan], [0.0, 0.0, 0.2], [1.0, np.nan, 1.0]])
    filled = whole(values, 0.5)
    assert np.array_equal(filled[np.isfinite(values)], values[np.isfinite(values)])
    assert filled[0, 2] > means(values, 0.5)[2] - 0.05
    assert whole(np.full((2, 2), np.nan), 0.5).tolist() == [[0.5, 0.5], [0.5, 0.5]]


def test_queries_without_a_group_go_together_by_text():
    outcomes = sample_outcomes(4)
    from dataclasses import replace

    alone = [replace(query, group="") for query in outcomes.queries]
    twins = [*alone, replace(alone[0], id="other", text=alone[0].text.upper() + " ")]
    assert groups_of(twins)[4] == groups_of(twins)[0]
    assert len(set(groups_of(twins).tolist())) == 4
    assert len(groups_of([])) == 0
