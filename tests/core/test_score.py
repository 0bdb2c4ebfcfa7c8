"""The published formula: its worked examples, its two forms, its edges."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.core.decide import decide
from pointsman.core.model import Model, Prior, Speed
from pointsman.core.prices import Price, Usage, cost_picousd, per_mtok, usd
from pointsman.core.request import Request
from pointsman.core.score import Bounds, Estimate, Estimates, Score, Weights, dial, score, totals
from pointsman.core.score import millionths as grid
from pointsman.core.signals import Signals, TokenCount, Tokens
from pointsman.core.snapshot import Route
from pointsman.errors import ConfigError
from tests.worlds import snapshot, weights

# cost, latency, quality, security
WORKED = ((1.00, 0.95, 0.62, 1.00), (0.72, 0.70, 0.88, 1.00), (0.25, 0.55, 0.97, 0.40))


def millionths(*values: float) -> list[int]:
    return [round(value * 1_000_000) for value in values]


def worked(by: Weights) -> list[float]:
    cost, latency, quality, security = (millionths(*column) for column in zip(*WORKED, strict=True))
    return totals(quality, cost, latency, security, [0, 0, 0], by)


def test_the_published_example():
    assert [round(total, 2) for total in worked(Weights(quality=0.30, cost=0.30, latency=0.25, security=0.15))] == [0.87, 0.81, 0.56]


def test_with_quality_weight_and_floor_raised_the_second_is_chosen():
    shifted = Weights(quality=0.60, cost=0.30 * 4 / 7, latency=0.25 * 4 / 7, security=0.15 * 4 / 7)
    assert worked(shifted).index(max(worked(shifted))) == 1
    # The same through the whole decision: quality from priors; cost and latency chosen to give the example's terms over its pool.
    pool = [
        Model(
            name,
            price=Price(input=0, output=round((1 - cost) * 1_000_000)),
            speed=Speed(ttft_ms=(1 - latency) * 1000, ms_per_output_token=0, round_trip_ms=0),
            quality={"general": Prior(quality)},
            security=security,
        )
        for name, (cost, latency, quality, security) in zip(("local", "middle", "frontier"), WORKED, strict=True)
    ]
    route = Route("auto", ("local", "middle", "frontier"), bounds=Bounds((0, 100_000_000), (0.0, 1000.0)))
    signals = Signals(tokens=Tokens((TokenCount("chars", 0, True),), 100))

    def run(route: Route) -> list[tuple[str, float]]:
        decision = decide(Request("r", "auto"), signals, snapshot(pool, route), route, 0)
        return [(c.model, round(c.score.total, 2)) for c in decision.candidates if c.eligible]

    assert run(route) == [("local", 0.87), ("middle", 0.81), ("frontier", 0.56)]
    assert run(replace(route, weights=shifted.normalised(), quality_floor=0.80))[0][0] == "middle"
    assert [name for name, _ in run(replace(route, weights=shifted.normalised(), quality_floor=0.80))] == ["middle", "frontier"]


def test_the_published_cost_per_task():
    usage = Usage(input_tokens=200, output_tokens=50)
    dear = cost_picousd(Price(per_mtok(15), per_mtok(15)), usage)
    cheap = cost_picousd(Price(per_mtok("0.40"), per_mtok("0.40")), usage)
    assert (usd(dear), usd(cheap), dear / cheap) == ("0.00375", "0.0001", 37.5)


def scores(found: list[Estimate], security: list[float], *args: object, **more: object) -> list[Score]:
    columns = score(Estimates.of(found), [grid(value) for value in security], *args, **more)
    return [columns.row(at) for at in range(len(found))]


finite = st.floats(0, 1e6, allow_nan=False)
estimates = st.builds(
    Estimate,
    quality=st.integers(0, 1_000_000).map(lambda q: q / 1_000_000),
    quality_low=st.just(0.0),
    evidence=st.just(0),
    cost_picousd=st.none() | st.integers(0, 10**13),
    ttft_ms=finite,
    total_ms=finite,
    p95_ms=finite,
    energy_wh=st.none() | finite,
    input_tokens=st.just(1),
    tokenizer=st.just("chars"),
)
bounds = st.none() | st.just(Bounds((10**6, 10**12), (10.0, 60_000.0), (0.0, 5.0)))


@given(st.lists(estimates, min_size=1, max_size=8), st.floats(0, 1), weights, bounds)
def test_both_forms_rank_alike_when_security_is_equal(found, security, by, within):
    safe = [security] * len(found)
    additive = [s.total for s in scores(found, safe, by, "additive", within)]
    subtractive = [s.total for s in scores(found, safe, by, "subtractive", within)]

    def ranks(values: list[float]) -> list[int]:
        # Security shifts every additive total by the same amount, which can cost a total its last digit: nothing below 1e-12 counts.
        return sorted(range(len(values)), key=lambda at: (round(-values[at], 12), at))

    assert ranks(additive) == ranks(subtractive)


@given(st.lists(estimates, min_size=1, max_size=8), weights, bounds)
def test_terms_lie_between_0_and_1_and_so_does_the_additive_total(found, by, within):
    for points in scores(found, [0.5] * len(found), by, "additive", within):
        assert all(0 <= term <= 1 for term in points[:5])
        assert -1e-6 <= points.total <= 1 + 1e-6


def estimate(cost: int | None = 0, total_ms: float = 0.0, quality: float = 0.5) -> Estimate:
    return Estimate(quality, quality, 0, cost, 0.0, total_ms, total_ms, None, 1, "chars")


def test_equal_costs_give_1_to_all():
    assert [s.cost for s in scores([estimate(7), estimate(7)], [0, 0], Weights())] == [1.0, 1.0]


def test_an_unknown_cost_is_0_and_does_not_move_the_others():
    assert [s.cost for s in scores([estimate(0), estimate(None), estimate(10)], [0] * 3, Weights())] == [1.0, 0.0, 0.0]


def test_latency_over_its_budget_is_0():
    found = [estimate(total_ms=100), estimate(total_ms=300), estimate(total_ms=900)]
    assert [s.latency for s in scores(found, [0] * 3, Weights(), latency_budget_ms=250)] == [1.0, 0.0, 0.0]


def test_an_irrelevant_candidate_changes_the_order_under_pool_bounds_only():
    a, b, irrelevant = estimate(100, quality=0.5), estimate(200, quality=0.6), estimate(2_000, quality=0.0)
    fixed = Bounds((0, 400), (0, 1))

    def first(found: list[Estimate], within: Bounds | None) -> int:
        points = [s.total for s in scores(found, [0] * len(found), dial(0.5), bounds=within)]
        return points.index(max(points))

    assert (first([a, b], None), first([a, b, irrelevant], None)) == (0, 1)
    assert first([a, b], fixed) == first([a, b, irrelevant], fixed)


@pytest.mark.parametrize(
    "shares",
    [{"quality": -1, "cost": 2}, {"quality": 0, "cost": 0, "latency": 0, "security": 0}, {"quality": float("nan")}, {"cost": float("inf")}],
)
def test_impossible_weights_are_refused(shares):
    with pytest.raises(ConfigError, match="weights"):
        Weights(**shares).normalised()


@pytest.mark.parametrize("value", [-0.1, 1.1, float("nan")])
def test_an_impossible_dial_is_refused(value):
    with pytest.raises(ConfigError, match="dial"):
        dial(value)
