"""Budgets as values: who pays, when they begin anew, what their thresholds ask, and the most that a call can cost."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pointsman.core.budget import (
    LARGEST,
    Budget,
    Pressure,
    Spend,
    Standing,
    Subjects,
    Threshold,
    frugal,
    payers,
    pressure,
    thrifty,
    too_dear,
)
from pointsman.core.budget_bound import Size, upper_bound
from pointsman.core.budget_window import NEVER_MS, Window
from pointsman.core.prices import Price, Tier, Usage, cost_picousd
from pointsman.core.score import Weights, dial
from pointsman.signals.tokens import count


def ms(text: str, zone: str = "UTC") -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp() * 1000)


# Windows


@pytest.mark.parametrize(
    ("window", "now", "start", "until"),
    [
        (Window("hour"), "2026-11-22T10:59:59.999", "2026-11-22T10:00", "2026-11-22T11:00"),
        (Window("day"), "2026-11-22T00:00", "2026-11-22T00:00", "2026-11-23T00:00"),
        (Window("day"), "2026-11-22T23:59:59.999", "2026-11-22T00:00", "2026-11-23T00:00"),
        (Window("week"), "2026-11-22T12:00", "2026-11-16T00:00", "2026-11-23T00:00"),  # a Sunday
        (Window("month"), "2024-02-29T12:00", "2024-02-01T00:00", "2024-03-01T00:00"),
        (Window("month"), "2026-12-31T12:00", "2026-12-01T00:00", "2027-01-01T00:00"),
        (Window("day", zone="America/New_York"), "2026-11-22T04:59", "2026-11-21T05:00", "2026-11-22T05:00"),
        (Window("day", zone="Europe/Berlin"), "2026-03-29T10:00", "2026-03-28T23:00", "2026-03-29T22:00"),  # of 23 hours
        (Window("day", zone="Europe/Berlin"), "2026-10-25T10:00", "2026-10-24T22:00", "2026-10-25T23:00"),  # of 25 hours
        (Window("day", zone="Asia/Kolkata"), "2026-11-22T18:30", "2026-11-22T18:30", "2026-11-23T18:30"),
        (Window("day", zone="Pacific/Apia"), "2011-12-30T10:00", "2011-12-30T10:00", "2011-12-31T10:00"),  # a day was left out
    ],
)
def test_a_calendar_window_begins_and_ends_by_its_zone(window, now, start, until):
    assert window.span(ms(now)) == (ms(start), ms(start), ms(start), ms(until), ms(until))


ZONES = ["UTC", "Europe/Berlin", "America/St_Johns", "America/Sao_Paulo", "Australia/Lord_Howe", "Asia/Kolkata", "Africa/Cairo"]
MOMENTS = st.integers(ms("1990-01-01"), ms("2040-01-01"))


@given(st.sampled_from(["hour", "day", "week", "month"]), st.sampled_from(ZONES), MOMENTS)
def test_calendar_windows_follow_each_other_without_gap_or_overlap(per, zone, now_ms):
    window = Window(per, zone=zone)
    span = window.span(now_ms)
    assert span.slot <= now_ms < span.until_ms
    assert window.span(span.slot) == window.span(span.until_ms - 1) == span
    assert window.span(span.until_ms).slot == span.until_ms


@given(st.sampled_from(["hour", "day", "week", "month"]), MOMENTS, st.floats(0, 0.9) | st.floats(0.9, 1.1))
def test_a_rolling_window_counts_everything_within_its_length(per, now_ms, share):
    window, length_ms = Window(per, rolling=True), {"hour": 1, "day": 24, "week": 168, "month": 720}[per] * 3_600_000
    ago_ms = int(share * length_ms)
    now, then = window.span(now_ms), window.span(now_ms - ago_ms)
    counts = now.first <= then.slot <= now.last
    assert counts or ago_ms >= length_ms
    assert not counts or ago_ms <= length_ms * 31 / 30
    assert counts == (then.ends_ms > now.slot)


def test_without_a_period_a_budget_never_begins_anew():
    assert Window().span(0) == Window().span(ms("2400-01-01")) == (0, 0, 0, NEVER_MS, NEVER_MS)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: Window("year"), "`year` is no period"),
        (lambda: Window(rolling=True), "cannot be rolling"),
        (lambda: Window("day", rolling=True, zone="Europe/Berlin"), "has no time zone"),
        (lambda: Window("day", zone="Mars/Olympus"), "no time zone that this machine knows"),
        (lambda: Window("day", zone="../../etc/passwd"), "no time zone that this machine knows"),
        (lambda: Budget("b", -1), "must lie between 0 and"),
        (lambda: Budget("b", LARGEST + 1), "must lie between 0 and"),
        (lambda: Budget("b", True), "must lie between 0 and"),
        (lambda: Budget("b", 1.5), "must lie between 0 and"),
        (lambda: Budget("b", None), "must lie between 0 and"),
        (lambda: Budget("b", 1, unit="eur"), "cannot be counted"),
        (lambda: Budget("b", 1, scope="planet"), "has no subject"),
        (lambda: Budget("b", 1, subject="x"), "has no subject"),
        (lambda: Budget("b", 1, thresholds=(Threshold(1.1, "warn"),)), "share of 1.1"),
        (lambda: Budget("b", 1, thresholds=(Threshold(0.5, "panic"),)), "`panic`"),
    ],
)
def test_what_is_no_budget_is_refused(make, said):
    with pytest.raises(ValueError, match=said):
        make()


# Payers and thresholds


def test_a_request_is_booked_on_every_budget_that_it_belongs_to():
    budgets = [
        Budget("everything", 1),
        Budget("each team", 1, scope="team"),
        Budget("red", 1, scope="team", subject="red", window=Window("day")),
        Budget("blue", 1, scope="team", subject="blue"),
        Budget("each org", 1, scope="org"),
        Budget("runs", 1, scope="run"),
    ]
    found = payers(budgets, Subjects(team="red", key="k", run="r1"))
    assert [payer.account for payer in found] == [
        ("everything", "ever", "all"), ("each team", "ever", "red"), ("red", "day", "red"), ("runs", "ever", "r1"),
    ]  # fmt: skip
    assert [payer.name for payer in found[:2]] == ["budget `everything`", "budget `each team` of team `red`"]


LOW = (Threshold(0.5, "warn"), Threshold(0.8, "downgrade"), Threshold(0.9, "cheapest"), Threshold(1.0, "refuse"))


@pytest.mark.parametrize(
    ("limit", "used", "does"),
    [
        (100, 0, "nothing"),
        (100, 49, "nothing"),
        (100, 50, "warn"),
        (100, 80, "downgrade"),
        (100, 99, "cheapest"),
        (100, 900, "refuse"),
        (0, 0, "refuse"),
    ],
)
def test_the_strictest_threshold_reached_counts(limit, used, does):
    assert Budget("b", limit, thresholds=LOW).does(used) == does


def test_pressure_is_the_strictest_of_all_and_what_hard_budgets_leave():
    hard, soft, tokens = Budget("hard", 100), Budget("soft", 10, hard=False, thresholds=LOW), Budget("tokens", 7, unit="tokens")
    used = [(hard, 40), (soft, 9), (tokens, 9), (Budget("wide", 1000), 0)]
    found = pressure([Standing(payers([budget], Subjects())[0], amount) for budget, amount in used])
    assert found == Pressure("cheapest", "budget `soft`", left_picousd=60, left_tokens=0)
    assert pressure([]) == Pressure()


@given(st.builds(Weights, *[st.floats(0, 1) for _ in range(5)]).filter(lambda weights: weights.total > 0.01))
def test_frugal_weights_keep_their_sum_and_never_weigh_cost_less(weights):
    weights = weights.normalised()
    assert frugal(weights).cost >= weights.cost
    assert frugal(weights).total == pytest.approx(1, abs=1e-8)


def test_frugal_weights_weigh_cost_where_only_quality_counted():
    assert frugal(dial(1.0)) == Weights(0.5, 0.5, 0, 0, 0)


@given(st.lists(st.none() | st.integers(0, 5), min_size=1), st.sampled_from(["nothing", "warn", "downgrade", "cheapest", "refuse"]))
def test_the_thrifty_choice_is_never_empty_and_never_the_dearest(costs, does):
    places = thrifty(costs, does)
    known = sorted(cost for cost in costs if cost is not None)
    assert places
    if known and does in ("downgrade", "cheapest"):
        assert {costs[at] for at in places} <= set(known[: (len(known) + 1) // 2])
    else:
        assert places == list(range(len(costs)))


@pytest.mark.parametrize(
    ("left", "bound", "refused"),
    [
        (Pressure(), Spend(None, 10**9), False),
        (Pressure(left_picousd=5), Spend(5, 10**9), False),
        (Pressure(left_picousd=5), Spend(6, 0), True),
        (Pressure(left_picousd=5), Spend(None, 0), True),
        (Pressure(left_tokens=5), Spend(None, 5), False),
        (Pressure(left_tokens=5), Spend(0, 6), True),
    ],
)
def test_what_cannot_be_afforded_is_refused_with_a_reason(left, bound, refused):
    assert (too_dear(left, bound) is not None) == refused


# The most that a call can cost

RATE = st.none() | st.integers(0, 50)
TIERS = st.lists(
    st.builds(Tier, st.integers(0, 300), RATE, RATE, RATE, RATE, RATE, RATE), max_size=2, unique_by=lambda tier: tier.above_input_tokens
)
PRICES = st.builds(
    lambda rates, per_request, per_second, tiers: Price(
        *rates, per_request, per_second, tuple(sorted(tiers, key=lambda tier: tier.above_input_tokens))
    ),
    st.tuples(*[RATE] * 6),
    st.integers(0, 9),
    st.none() | st.integers(0, 9),
    TIERS,
)
SIZES = st.builds(
    Size,
    input_bytes=st.integers(0, 500),
    output_tokens=st.integers(0, 100),
    context_tokens=st.integers(1, 700),
    choices=st.integers(1, 3),
    tools=st.booleans(),
    seconds=st.floats(0, 100),
)


@st.composite
def usages(draw, size: Size) -> Usage:
    """Of a call that keeps to its size; parts of the input and output are among them."""
    read, written = draw(st.integers(0, size.input_tokens)), draw(st.integers(0, size.choices * size.output_tokens))
    cached = draw(st.integers(0, read))
    stored = draw(st.integers(0, read - cached))
    return Usage(read, written, cached, stored, draw(st.integers(0, stored)), draw(st.integers(0, written)))


@given(PRICES, SIZES, st.data())
def test_no_call_of_that_size_costs_more_than_its_bound(price, size, data):
    bound, usage = upper_bound(price, size), data.draw(usages(size))
    cost = cost_picousd(price, usage, data.draw(st.floats(0, size.seconds)))
    assert usage.input_tokens + usage.output_tokens <= bound.tokens
    if bound.picousd is not None:
        assert cost is not None
        assert cost <= bound.picousd


def test_unknown_prices_have_no_bound_and_images_count_as_the_dearest():
    size = Size(input_bytes=100, output_tokens=10, context_tokens=10**6)
    assert upper_bound(None, size) == Spend(None, 174)
    assert upper_bound(Price(input=1), size).picousd is None
    assert upper_bound(Price(1, 1), Size(100, 10, 10**6, images=2)).tokens == 100_174
    assert upper_bound(Price(1, 1), Size(100, 10, 8_192, images=2)).tokens == 8_202


@given(st.text())
@settings(deadline=None)  # the vocabulary is read at the first
def test_a_text_has_no_more_tokens_than_bytes(text):
    assert count(text, "o200k") <= len(text.encode())


def test_moments_beyond_the_epoch_are_moments():
    assert Window("month").span(-1).until_ms == 0
    assert datetime.fromtimestamp(Window("day").span(ms("2026-01-01T05:00")).slot / 1000, UTC).isoformat() == "2026-01-01T00:00:00+00:00"
