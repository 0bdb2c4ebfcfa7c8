"""Rate limits: never more in a minute than the limit, whose limit it was is said, and waiting as long as told helps."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.core.rate import Owner, Rates
from pointsman.errors import RateLimited

KEY, TEAM = Owner("key", "k", 3, None), Owner("team", "acme/ml", 5, 100)


class Clock:
    now_s = 1_000.0

    def __call__(self) -> float:
        return self.now_s


def admitted(rates: Rates, *owners: Owner) -> bool:
    try:
        rates.admit(owners)
    except RateLimited:
        return False
    return True


@given(limit=st.integers(1, 20), waits_s=st.lists(st.floats(0, 40), max_size=120))
def test_no_minute_lets_in_more_than_the_limit(limit, waits_s):
    clock, owner, let_in = Clock(), Owner("key", "k", limit, None), []
    rates = Rates(clock)
    for wait_s in waits_s:
        clock.now_s += wait_s
        if admitted(rates, owner):
            let_in.append(clock.now_s)
    for start_s in let_in:
        assert sum(start_s <= at_s < start_s + 60 for at_s in let_in) <= limit


@given(limit=st.integers(1, 1_000), uses=st.lists(st.tuples(st.floats(0, 30), st.integers(1, 300), st.integers(0, 300)), max_size=60))
def test_tokens_held_and_used_stay_under_the_limit_and_waiting_helps(limit, uses):
    clock, owner = Clock(), Owner("key", "k", None, limit)
    rates, counted = Rates(clock), []
    for wait_s, held, used in uses:
        clock.now_s += wait_s
        try:
            reservation = rates.reserve((owner,), held)
        except RateLimited as refused:
            assert held > limit or int(refused.headers()["retry-after"]) <= 61
            if held <= limit:
                clock.now_s += int(refused.headers()["retry-after"])
                rates.reserve((owner,), held).settle(0)
            continue
        reservation.settle(min(used, held))
        counted.append((clock.now_s, min(used, held)))
    for start_s, _ in counted:
        assert sum(used for at_s, used in counted if start_s <= at_s < start_s + 60) <= limit


def test_which_limit_was_reached_is_said():
    rates = Rates(Clock())
    for _ in range(3):
        rates.admit((KEY, TEAM))
    with pytest.raises(RateLimited, match=r"key `k` has reached its limit of 3 requests a minute: try again in 61 s") as refused:
        rates.admit((KEY, TEAM))
    assert (refused.value.status, refused.value.code, refused.value.param) == (429, "rate_limit_exceeded", "key.requests_per_minute")
    assert refused.value.headers() == {
        "x-ratelimit-limit-requests": "3",
        "x-ratelimit-remaining-requests": "0",
        "x-ratelimit-reset-requests": "61s",
        "retry-after": "61",
    }
    for _ in range(2):  # the refused one was not counted against the team
        rates.admit((TEAM,))
    with pytest.raises(RateLimited, match="team `acme/ml` has reached its limit of 5 requests a minute"):
        rates.admit((TEAM,))


def test_what_can_never_pass_is_not_told_to_wait():
    with pytest.raises(RateLimited, match=r"may use 101 tokens, team `acme/ml` has 100 a minute: ask for a shorter") as refused:
        Rates(Clock()).reserve((TEAM,), 101)
    assert "retry-after" not in refused.value.headers()
    assert refused.value.headers()["x-should-retry"] == "false"


def test_what_runs_holds_its_room_however_long():
    clock = Clock()
    rates = Rates(clock)
    reservation = rates.reserve((TEAM,), 80)
    clock.now_s += 300
    with pytest.raises(RateLimited):
        rates.reserve((TEAM,), 30)
    reservation.settle(10)
    rates.reserve((TEAM,), 90).settle(0)


def test_headers_name_the_nearest_limit_of_each_unit():
    rates = Rates(Clock())
    rates.admit((KEY, TEAM))
    assert rates.headers((KEY, TEAM)) == {
        "x-ratelimit-limit-requests": "3",
        "x-ratelimit-remaining-requests": "2",
        "x-ratelimit-reset-requests": "61s",
        "x-ratelimit-limit-tokens": "100",
        "x-ratelimit-remaining-tokens": "100",
        "x-ratelimit-reset-tokens": "0s",
    }
    assert rates.headers(()) == {}


def test_a_share_of_the_limits_is_kept_by_each_of_several_processes():
    rates = Rates(Clock(), share=0.5)
    assert [admitted(rates, Owner("key", "k", 4, None)) for _ in range(3)] == [True, True, False]
