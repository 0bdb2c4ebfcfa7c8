"""What is promised of the detectors is kept on samples that they were not written on."""

from __future__ import annotations

from collections import Counter

import pytest

from pointsman.signals.sensitivity.detect import Detector, Settings
from pointsman.signals.sensitivity.measure import Share, confusion
from pointsman.testing.sensitive_texts import VALUES, WAYS, benign, sensitive

PROMISED = {"plain": 0.98, "normalisable": 0.95, "encoded": 0.80}
SEED = 77


def test_recall_is_what_is_promised(detector):
    result = confusion(detector, sensitive(3 * len(WAYS) * len(VALUES), SEED))
    assert {group: result.recall[group].rate for group in PROMISED if result.recall[group].rate < PROMISED[group]} == {}
    assert sum(share.of for share in result.by_way.values()) == sum(share.of for share in result.by_type.values())
    assert len(result.misses) == sum(share.of - share.hits for share in result.recall.values())


def test_false_positives_are_at_most_what_is_promised(detector):
    assert confusion(detector, benign(1_000, SEED)).false_positives.rate <= 0.01


def test_a_detector_that_finds_nothing_misses_everything():
    result = confusion(Detector(Settings(recognisers=())), sensitive(50, SEED))
    assert {share.hits for share in result.recall.values()} == {0}
    assert set(result.table["card"]) == {"nothing"}


def test_samples_follow_from_their_seed_and_cover_every_type_in_every_way():
    assert list(sensitive(400, 1)) == list(sensitive(400, 1)) != list(sensitive(400, 2))
    assert list(benign(50, 1)) == list(benign(50, 1))
    pairs = Counter((sample.type, sample.way) for sample in sensitive(len(VALUES) * len(WAYS)))
    assert set(pairs.values()) == {1}
    assert len(VALUES) == 12


@pytest.mark.parametrize(("share", "interval"), [(Share(0, 0), (0.0, 1.0)), (Share(0, 100), (0.0, 0.037)), (Share(100, 100), (0.963, 1.0))])
def test_a_share_comes_with_its_interval(share, interval):
    assert share.interval == interval
