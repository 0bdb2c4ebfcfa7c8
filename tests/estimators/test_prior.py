"""What priors, prices and predictions come to."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pointsman.core.gate import Ask
from pointsman.core.model import Energy, Model, Speed
from pointsman.core.prices import Price
from pointsman.core.request import Request
from pointsman.core.rule import Ruling
from pointsman.core.score import Estimate
from pointsman.core.signals import Prediction, Signals, TokenCount, Tokens
from pointsman.estimators.prior import PriorEstimator

STATED = Speed(ttft_ms=100, ms_per_output_token=10, round_trip_ms=0, source="stated")
MODEL = Model("m", price=Price(input=1, output=10), speed=STATED, energy=Energy(wh_per_input_ktok=0, wh_per_output_ktok=1))
GUESSED = replace(MODEL, speed=replace(STATED, source="default"))
TOLD = Prediction("m", 0.8, 0.7, 9)


def estimate(model: Model, told: Prediction | None, *, limit: int | None = None, choices: int = 1) -> Estimate:
    """Of a request with 100 tokens; 50 are usual."""
    tokens = Tokens((TokenCount("chars", 100, exact=True),), output=50 if limit is None else min(limit, 50))
    signals = Signals(tokens=tokens, predicted=() if told is None else (told,))
    request = Request("auto", "", choices=choices, max_output_tokens=limit)
    return PriorEstimator([model])(Ask(request, signals, Ruling("general", ()), "auto"), (model,)).row(0)


@pytest.mark.parametrize(
    ("told", "more", "cost_picousd", "p50_ms", "energy_wh"),
    [
        pytest.param(None, {}, 100 + 50 * 10, 600, 0.05, id="nothing was learned"),
        pytest.param(TOLD, {}, 100 + 50 * 10, 600, 0.05, id="its outcomes tell no lengths"),
        pytest.param(replace(TOLD, output_tokens=200), {}, 100 + 200 * 10, 2_100, 0.2, id="lengths, at today's prices"),
        pytest.param(replace(TOLD, output_tokens=200), {"limit": 20}, 100 + 20 * 10, 300, 0.02, id="within the client's limit"),
        pytest.param(replace(TOLD, output_tokens=20), {"limit": 200}, 100 + 20 * 10, 300, 0.02, id="below it"),
        pytest.param(replace(TOLD, output_tokens=20), {"choices": 3}, 100 + 60 * 10, 300, 0.06, id="of each choice"),
        pytest.param(replace(TOLD, cost_picousd=777), {"choices": 2}, 1_554, 600, 0.1, id="costs alone, as they were"),
        pytest.param(replace(TOLD, latency_ms=9_000), {}, 100 + 50 * 10, 600, 0.05, id="a stated speed goes before learned times"),
    ],
)
def test_lengths_and_costs_that_were_learned(told, more, cost_picousd, p50_ms, energy_wh):
    found = estimate(MODEL, told, **more)
    assert (found.cost_picousd, found.total_ms, found.energy_wh) == (cost_picousd, p50_ms, pytest.approx(energy_wh))


def test_times_that_were_learned_stand_for_a_speed_that_is_nobodys_figure():
    assert estimate(GUESSED, replace(TOLD, latency_ms=9_000)).total_ms == 9_000


def test_a_price_that_is_unknown_stays_unknown():
    for told in (replace(TOLD, output_tokens=200), replace(TOLD, cost_picousd=777)):
        assert estimate(replace(MODEL, price=None), told).cost_picousd is None
