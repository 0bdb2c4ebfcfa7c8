"""Money is exact, never invented and never negative."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.core.prices import PICO, Price, Tier, Usage, cost_picousd, per_mtok, picousd, usd

rates = st.none() | st.integers(0, 10**9)
tokens = st.integers(0, 10**7)


@st.composite
def usages(draw: st.DrawFn) -> Usage:
    input_tokens, output_tokens = draw(tokens), draw(tokens)
    cached = draw(st.integers(0, input_tokens))
    written = draw(st.integers(0, input_tokens - cached))
    return Usage(input_tokens, output_tokens, cached, written, draw(st.integers(0, written)), draw(st.integers(0, output_tokens)))


@pytest.mark.parametrize(
    ("usd_per_million", "cost"),
    [("15", "0.00375"), ("0.40", "0.0001")],
)
def test_the_classic_request_costs_what_the_price_list_says(usd_per_million: str, cost: str) -> None:
    rate = per_mtok(usd_per_million)
    assert usd(cost_picousd(Price(rate, rate), Usage(200, 50)) or 0) == cost


def test_the_dear_model_costs_37_and_a_half_times_the_cheap_one() -> None:
    dear, cheap = (cost_picousd(Price(rate, rate), Usage(200, 50)) for rate in (per_mtok(15), per_mtok("0.4")))
    assert dear is not None
    assert cheap is not None
    assert Fraction(dear, cheap) == Fraction("37.5")


@pytest.mark.parametrize(
    ("price", "usage", "cost"),
    [
        pytest.param(Price(3, 5), Usage(100, 10), 350, id="plain"),
        pytest.param(Price(3, 5), Usage(100, 10, cached_input_tokens=40), 350, id="cached, no price for it: as input"),
        pytest.param(Price(3, 5, cached_input=1), Usage(100, 10, cached_input_tokens=40), 60 * 3 + 40 + 50, id="cached"),
        pytest.param(Price(3, 5, cached_input=0), Usage(100, 10, cached_input_tokens=40), 60 * 3 + 50, id="cached, free of charge"),
        pytest.param(Price(3, 5, cache_write=4), Usage(100, 10, cache_write_tokens=40), 60 * 3 + 160 + 50, id="written to the cache"),
        pytest.param(
            Price(3, 5, cache_write=4, cache_write_1h=6),
            Usage(100, 10, cache_write_tokens=40, cache_write_1h_tokens=30),
            60 * 3 + 10 * 4 + 30 * 6 + 50,
            id="written for an hour",
        ),
        pytest.param(Price(3, 5, cache_write=4), Usage(100, 0, 0, 40, 30), 60 * 3 + 160, id="an hour, no price for it: as any write"),
        pytest.param(Price(3, 5, reasoning=7), Usage(0, 10, reasoning_tokens=4), 6 * 5 + 4 * 7, id="reasoning"),
        pytest.param(Price(3, 5), Usage(0, 10, reasoning_tokens=4), 50, id="reasoning, no price for it: as output"),
        pytest.param(Price(3, 5, per_request=1000), Usage(1, 1), 1008, id="by the request"),
        pytest.param(Price(3, 5, cached_input=1), Usage(10, 0, cached_input_tokens=40), 40, id="a part larger than the whole"),
        pytest.param(Price(3, 5, cached_input=1), Usage(0, 0, cached_input_tokens=40), 40, id="a part of nothing"),
        pytest.param(Price(3, 5, reasoning=7), Usage(0, 2, reasoning_tokens=4), 28, id="more reasoning than output"),
        pytest.param(Price(0, 0), Usage(100, 10), 0, id="stated to be free"),
        pytest.param(Price(input=3), Usage(100, 0), 300, id="embeddings have no output"),
        pytest.param(Price(), Usage(), 0, id="nothing used needs no price"),
        pytest.param(Price(), Usage(1, 0), None, id="unknown input price"),
        pytest.param(Price(input=3), Usage(100, 1), None, id="unknown output price"),
        pytest.param(Price(output=3), Usage(1, 1), None, id="unknown input price, known output price"),
    ],
)
def test_costs(price: Price, usage: Usage, cost: int | None) -> None:
    assert cost_picousd(price, usage) == cost


@pytest.mark.parametrize(
    ("input_tokens", "cost"),
    [(199_999, 199_999 * 3 + 5), (200_000, 200_000 * 3 + 5), (200_001, 200_001 * 6 + 9), (500_001, 500_001 * 8 + 11)],
)
def test_a_long_input_is_charged_at_its_tier_from_the_first_token(input_tokens: int, cost: int) -> None:
    price = Price(3, 5, tiers=(Tier(200_000, 6, 9), Tier(500_000, 8, 11)))
    assert cost_picousd(price, Usage(input_tokens, 1)) == cost


def test_a_tier_does_not_inherit_the_price_of_cached_input() -> None:
    price = Price(3, 5, cached_input=1, tiers=(Tier(100, 6, 9),))
    assert cost_picousd(price, Usage(200, 0, cached_input_tokens=150)) == 200 * 6


@pytest.mark.parametrize(
    ("seconds", "cost"),
    [(None, None), (0.0, 0), (2.0, 2 * picousd("0.0009")), (1e-9, 1), (-1.0, 0)],
)
def test_owned_hardware_costs_its_time(seconds: float | None, cost: int | None) -> None:
    price = Price(per_second=picousd("0.0009"))
    assert cost_picousd(price, Usage(10_000, 500), seconds) == cost


def test_hardware_time_and_tokens_add_up_when_both_are_stated() -> None:
    assert cost_picousd(Price(input=3, per_second=PICO), Usage(10, 10), 1.0) == PICO + 30


def test_a_fraction_of_a_picodollar_is_rounded_up() -> None:
    assert cost_picousd(Price(per_second=1), Usage(), 0.25) == 1


@given(st.builds(Price, rates, rates, rates, rates, rates, rates, st.integers(0, 10**12)), usages())
def test_the_cost_is_the_sum_of_disjoint_parts(price: Price, usage: Usage) -> None:
    cached = price.input if price.cached_input is None else price.cached_input
    write = price.input if price.cache_write is None else price.cache_write
    hour = write if price.cache_write_1h is None else price.cache_write_1h
    reasoning = price.output if price.reasoning is None else price.reasoning
    parts = [
        (usage.input_tokens - usage.cached_input_tokens - usage.cache_write_tokens, price.input),
        (usage.cached_input_tokens, cached),
        (usage.cache_write_tokens - usage.cache_write_1h_tokens, write),
        (usage.cache_write_1h_tokens, hour),
        (usage.output_tokens - usage.reasoning_tokens, price.output),
        (usage.reasoning_tokens, reasoning),
    ]
    needed = [(usage.input_tokens, price.input), (usage.output_tokens, price.output)]
    unknown = any(count and rate is None for count, rate in needed)
    expected = None if unknown else price.per_request + sum(count * (rate or 0) for count, rate in parts if count)
    assert cost_picousd(price, usage) == expected


@given(st.builds(Price, *[rates] * 6), st.builds(Usage, *[tokens] * 6))
def test_no_usage_however_absurd_costs_less_than_nothing(price: Price, usage: Usage) -> None:
    assert (cost_picousd(price, usage) or 0) >= 0


@pytest.mark.parametrize("field", ["input_tokens", "output_tokens", "cached_input_tokens", "cache_write_tokens", "reasoning_tokens"])
def test_a_negative_token_count_is_refused_by_name(field: str) -> None:
    with pytest.raises(ValueError, match=f"token counts cannot be negative: `{field}` is -1"):
        Usage(**{field: -1})


@pytest.mark.parametrize("arguments", [{"input": -1}, {"per_request": -1}, {"per_second": -1}, {"tiers": (Tier(1, output=-1),)}])
def test_a_negative_price_is_refused(arguments: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="prices cannot be negative"):
        Price(**arguments)  # type: ignore[arg-type]


def test_tiers_out_of_order_are_refused() -> None:
    with pytest.raises(ValueError, match="sort them"):
        Price(1, 1, tiers=(Tier(200, 2, 2), Tier(100, 3, 3)))


@given(st.integers(-(10**26), 10**26))
def test_an_amount_survives_being_written_down(amount: int) -> None:
    assert picousd(usd(amount)) == amount
    assert Decimal(usd(amount)).scaleb(12) == amount


@pytest.mark.parametrize(
    ("text", "amount"),
    [
        ("15", 15 * PICO),
        (15, 15 * PICO),
        (Decimal("1.50"), 3 * PICO // 2),
        (0.1, PICO // 10),
        ("1e-12", 1),
        ("-0.5", -PICO // 2),
        ("0e999999999", 0),
    ],
)
def test_amounts_are_read_exactly(text: str | float | Decimal, amount: int) -> None:
    assert picousd(text) == amount


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("1e-13", "finer than a picodollar"),
        (0.1 + 0.2, "finer than a picodollar"),
        ("1e999999999", "beyond 1e15"),
        ("1e-999999999", "finer than"),
        ("nan", "not finite"),
        (float("inf"), "not finite"),
        ("two", "write it like"),
        ("", "write it like"),
        (True, "write it like"),
        (None, "write it like"),
    ],
)
def test_what_is_no_amount_is_refused(text: object, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        picousd(text)  # type: ignore[arg-type]


@pytest.mark.parametrize(("price", "rate"), [("15", 15_000_000), ("0.40", 400_000), (0.003625, 3_625), ("0.000001", 1)])
def test_a_price_per_million_is_a_whole_rate_per_token(price: str | float, rate: int) -> None:
    assert per_mtok(price) == rate


def test_a_price_finer_than_a_rate_is_refused() -> None:
    with pytest.raises(ValueError, match="finer than a picodollar per token"):
        per_mtok("0.0000001")
