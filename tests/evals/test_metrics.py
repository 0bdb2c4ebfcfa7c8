"""Metrics against figures worked out by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from pointsman.evals import calibration, frontier, gains, pair
from pointsman.evals.choice import entropy_bits
from pointsman.evals.ranking import best_first

WEAK, STRONG = np.array([0.0, 1, 0, 1]), np.array([1.0, 1, 1, 0])
"""Strong gains 1, 0, 1, -1: it leads by one answer of four."""


@pytest.mark.parametrize(
    ("score", "apgr", "cpt50"),
    [
        pytest.param([9, 2, 8, 1], (0.5 + 1.5 + 2 + 1.5) / 4, 0.25, id="oracle order: reaches 1, 2, 2, 1"),
        pytest.param([1, 2, 0, 9], (-0.5 - 1 - 0.5 + 0.5) / 4, 1.0, id="worst order: reaches -1, -1, 0, 1"),
        pytest.param([9, 1, 7, 8], (0.5 + 0.5 + 0.5 + 1) / 4, 0.25, id="reaches 1, 0, 1, 1"),
    ],
)
def test_apgr_and_cpt_of_four_queries(score, apgr, cpt50):
    curve = pair.curve(WEAK, STRONG, np.array(score, dtype=float), seed=0)
    assert pair.apgr(curve) == pytest.approx(apgr)
    assert pair.cpt(curve, 0.5) == cpt50


def test_a_random_order_has_an_apgr_of_one_half():
    chance = np.random.default_rng(1)
    weak, strong = (chance.random(2000) < 0.5).astype(float), (chance.random(2000) < 0.8).astype(float)
    found = [pair.apgr(pair.curve(weak, strong, chance.random(2000), seed)) for seed in range(300)]
    assert np.mean(found) == pytest.approx(0.5, abs=0.01)


def test_routellm_reads_a_pair_at_ten_quantiles():
    # Eleven queries with scores 0 to 10: thresholds are the scores, so the shares are 11/11, 10/11, ... 2/11 and, above the last, 0.
    weak, strong, score = np.zeros(11), np.array([0.0] * 5 + [1.0] * 6), np.arange(11.0)
    curve = pair.routellm_curve(weak, strong, score)
    assert curve.share * 11 == pytest.approx([0, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11])
    assert curve.pgr * 6 == pytest.approx([0, 2, 3, 4, 5, 6, 6, 6, 6, 6, 6])
    assert pair.routellm_apgr(curve) == pytest.approx((6 * 0.5 + 5) / 11)
    assert pair.routellm_cpt(curve, 0.5) == pytest.approx(3 / 11)


def test_routellm_sends_tied_scores_together():
    curve = pair.routellm_curve(WEAK, STRONG, np.ones(4))
    assert set(curve.share) == {0.0, 1.0}
    assert pair.routellm_apgr(curve) == pytest.approx(0.5)


POINTS = np.array([1.0, 2, 3, 2]), np.array([0.5, 0.4, 0.9, 0.8])


def test_the_hull_is_upper_convex_and_never_falls():
    hull = frontier.hull(np.append(POINTS[0], [2.5, 4]), np.append(POINTS[1], [0.8, 0.3]))
    assert hull.vertices == ((1.0, 0.5), (2.0, 0.8), (3.0, 0.9))


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        pytest.param(lambda hull: frontier.aiq_range(hull, 1, 4), (0.65 + 0.85 + 0.9) / 3, id="AIQ over range, flat beyond the dearest"),
        pytest.param(lambda hull: frontier.aiq_routerbench(hull, 4), (0.65 + 0.85 + 0.9) / 4, id="AIQ as the code divides it"),
        pytest.param(lambda hull: hull.at(2.5), 0.85, id="between two settings by a coin"),
        pytest.param(lambda hull: frontier.cost_at_parity(hull, 3, 0.9), 1.0, id="CP(0) of the dearest setting"),
        pytest.param(lambda hull: frontier.cost_at_parity(hull, 3, 0.9, 10), 2 / 3, id="CP(10)"),
        pytest.param(lambda hull: frontier.cost_at_parity(hull, 3, 0.95), math.inf, id="never reached"),
        pytest.param(lambda hull: frontier.cost_at_parity(hull, 3, 0.1), 1 / 3, id="reached by all"),
        pytest.param(lambda hull: frontier.qnc(hull, np.array([0.2, 0.85]), np.array([1.0, 5.0])), 0.5, id="QNC"),
    ],
)
def test_figures_of_a_hull(value, expected):
    assert value(frontier.hull(*POINTS)) == pytest.approx(expected)


def test_below_the_cheapest_setting_there_is_no_quality():
    assert math.isnan(frontier.hull(*POINTS).at(0.5))


def test_auc_joins_the_points_as_they_are():
    # 1 -> 2 at 0.5 -> 0.4, up to 0.8 at the same cost, then 0.8 -> 0.9.
    assert frontier.cost_quality_auc(*POINTS, 1, 3) == pytest.approx((0.45 + 0.85) / 2)
    assert frontier.cost_quality_auc(*POINTS, 1, 4) == pytest.approx((0.45 + 0.85 + 0.9) / 3)


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (gains.ogr(0.8, 0.7, 0.9), 0.5),
        (gains.ogr(0.6, 0.7, 0.9), -0.5),
        (gains.perf_gain(0.66, 0.6), 0.1),
        (gains.cost_save(0.73), 0.27),
        (gains.cost_save(math.inf), -math.inf),
        (gains.arena(0.7814, 0.30), 0.7614),
        (gains.arena(0.5, 0.0001), gains.arena(0.5, 0.0044)),
        (gains.arena(0.9, 1000), 0.0),
        (gains.overspend(11, 10), 0.1),
        (gains.overspend(9, 10), 0.0),
    ],
)
def test_gains(found, expected):
    assert found == pytest.approx(expected, abs=5e-5)


def test_no_way_to_the_oracle_is_no_number():
    assert math.isnan(gains.ogr(0.5, 0.7, 0.7))


@pytest.mark.parametrize(("chosen", "bits"), [([0, 0, 0], 0.0), ([0, 1, 2, 3], 2.0), ([0, 0, 0, 1], 0.8113)])
def test_entropy_of_choices(chosen, bits):
    assert entropy_bits(np.array(chosen), 4) == pytest.approx(bits, abs=1e-4)


def test_ece_averages_over_bins_of_equal_mass():
    predicted, quality = np.array([0.9, 0.1, 0.9, 0.1]), np.array([1.0, 0, 0, 0])
    assert calibration.ece(predicted, quality, bins=2) == pytest.approx((0.1 + 0.4) / 2)
    assert calibration.ece(predicted, quality, bins=15) == pytest.approx((0.1 + 0.1 + 0.1 + 0.9) / 4)


@pytest.mark.parametrize(
    ("predicted", "quality", "auc"),
    [
        ([0.1, 0.2, 0.3, 0.4], [0, 0, 1, 1], 1.0),
        ([0.4, 0.3, 0.2, 0.1], [0, 0, 1, 1], 0.0),
        ([0.5, 0.5, 0.5, 0.5], [0, 0, 1, 1], 0.5),
        ([0.1, 0.3, 0.3, 0.4], [0, 0, 1, 1], 0.875),
        ([0.1, 0.2], [1, 1], math.nan),
    ],
)
def test_auc_counts_pairs_and_halves_ties(predicted, quality, auc):
    found = calibration.auc(np.array(predicted), np.array(quality, dtype=float))
    assert found == pytest.approx(auc, nan_ok=True)


def test_auc_within_tasks_is_blind_to_the_task():
    # The prediction knows the task only: one task is always right, the other never but once.
    predicted, quality = np.array([0.9] * 4 + [0.1] * 4), np.array([1.0, 1, 1, 0, 1, 0, 0, 0])
    assert calibration.auc(predicted, quality) == pytest.approx(0.75)
    assert calibration.auc_within(predicted, quality, ["a"] * 4 + ["b"] * 4) == 0.5


def test_coverage_counts_expectations_inside():
    low, high = np.array([0.1, 0.4]), np.array([0.3, 0.6])
    assert calibration.coverage(low, high, np.array([0.2, 0.7])) == 0.5
    assert math.isnan(calibration.coverage(low * math.nan, high, low))


def test_ties_are_broken_by_seeded_chance():
    orders = [best_first(np.zeros(1000), seed) for seed in (1, 1, 2)]
    assert (orders[0] == orders[1]).all()
    assert (orders[0] != orders[2]).any()
    # The first hundred of a thousand equal ones are no particular hundred.
    assert 300 < orders[0][:100].mean() < 700
    assert best_first(np.array([0.0, 5, 5]), 3)[2] == 0
