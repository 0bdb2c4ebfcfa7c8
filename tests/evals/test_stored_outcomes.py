"""Anchors on stored public outcomes: figures that must come out before any other is believed."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from pointsman.evals import pair
from pointsman.evals.collection import realistic_pool
from pointsman.evals.figures import weak_and_strong
from pointsman.evals.read import read

DATA = Path(os.environ.get("POINTSMAN_DATA", Path(__file__).parents[2].parent / "shared" / "data"))
pytestmark = pytest.mark.skipif(
    not (DATA / "index.json").exists(), reason="the stored outcomes are not here; POINTSMAN_DATA names their folder"
)


@pytest.fixture(scope="module")
def mmlu():
    pytest.importorskip("pyarrow")
    return read(DATA / "outcomes" / "routellm_mmlu")


def test_a_random_router_has_an_apgr_of_one_half(mmlu):
    weak, strong = (mmlu.quality[:, m] for m in weak_and_strong(mmlu))
    chance = np.random.default_rng(0)
    assert np.mean([pair.apgr(pair.curve(weak, strong, chance.random(len(weak)), 0)) for _ in range(100)]) == pytest.approx(0.5, abs=0.01)


def test_the_slice_is_the_one_that_its_index_describes(mmlu):
    assert mmlu.quality.shape == (8867, 2)
    assert mmlu.quality.mean(axis=0).tolist() == pytest.approx([0.8121, 0.6985], abs=5e-5)
    assert mmlu.quality.max(axis=1).mean() == pytest.approx(0.8629, abs=5e-5)
    assert len(realistic_pool(DATA / "outcomes" / "zeroeval")) == 12


def test_worked_examples_are_cut_from_the_prompts():
    pytest.importorskip("pyarrow")
    texts = [query.text for query in read(DATA / "outcomes" / "routerbench").queries if query.task != "mbpp"]
    assert np.median([len(text) for text in texts]) < 500
