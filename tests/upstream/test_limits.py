"""Rate limits and retry budgets on a clock that is moved by hand."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from pointsman.upstream.limits import BUSY_S, Limits, LimitSettings, RetryBudget
from tests.conftest import EXAMPLES
from tests.upstream.conftest import Clock


def limits(clock: Clock, **settings: int) -> Limits:
    return Limits({"m": LimitSettings(**settings)}, clock)


def sent_at_once(room: Limits, tokens: int = 0) -> int:
    sent = 0
    while sent < 10_000 and room.reserve("m", tokens) == 0.0:
        sent += 1
    return sent


@pytest.mark.parametrize("settings", [{}, {"requests_per_minute": None, "tokens_per_minute": None, "concurrent": None}])
def test_what_has_no_limit_always_has_room(clock, settings):
    room = limits(clock, **settings)
    assert (room.reserve("m", 10**9), room.reserve("another", 10**9)) == (0.0, 0.0)
    for model in ("m", "another"):
        room.settle(model, 5, 5)
        room.done(model)


@pytest.mark.parametrize(("per_minute", "at_once", "wait_s"), [(60, 10, 1.0), (600, 100, 0.1), (3, 1, 20.0), (1, 1, 60.0)])
def test_ten_seconds_of_requests_may_come_at_once_and_the_rest_is_spread(clock, per_minute, at_once, wait_s):
    room = limits(clock, requests_per_minute=per_minute)
    assert sent_at_once(room) == at_once
    assert room.reserve("m", 0) == pytest.approx(wait_s)
    clock.now_s += wait_s
    assert sent_at_once(room) == 1


def test_tokens_are_held_until_it_is_known_how_many_were_used(clock):
    room = limits(clock, tokens_per_minute=6_000)
    assert (room.reserve("m", 4_000), room.reserve("m", 4_000)) == (0.0, pytest.approx(20.0))
    clock.now_s += 50
    assert room.reserve("m", 4_000) > 0
    room.settle("m", 4_000, 500)
    assert room.reserve("m", 5_500) == 0.0


def test_more_tokens_than_reserved_are_made_up_for(clock):
    room = limits(clock, tokens_per_minute=6_000)
    assert room.reserve("m", 1_000) == 0.0
    room.settle("m", 1_000, 9_000)
    assert room.reserve("m", 1_000) == pytest.approx(40.0)
    clock.now_s += 40
    assert room.reserve("m", 1_000) == 0.0


def test_a_call_larger_than_a_minute_passes_when_nothing_else_is_in_the_way(clock):
    room = limits(clock, tokens_per_minute=1_000)
    assert room.reserve("m", 50_000) == 0.0
    room.settle("m", 50_000, 800)
    assert room.reserve("m", 200) == 0.0
    assert room.reserve("m", 50_000) > 0


def test_places_are_taken_and_given_back(clock):
    room = limits(clock, concurrent=2)
    assert [room.reserve("m", 0) for _ in range(3)] == [0.0, 0.0, BUSY_S]
    room.done("m")
    assert [room.reserve("m", 0), room.reserve("m", 0)] == [0.0, BUSY_S]
    for _ in range(9):
        room.done("m")
    assert sent_at_once(room) == 2


def test_who_has_to_wait_takes_nothing(clock):
    room = limits(clock, requests_per_minute=600, tokens_per_minute=600, concurrent=3)
    assert room.reserve("m", 600) == 0.0
    assert all(room.reserve("m", 600) > 0 for _ in range(500))
    room.settle("m", 600, 0)
    assert [room.reserve("m", 300), room.reserve("m", 300), room.reserve("m", 1)] == [0.0, 0.0, BUSY_S]


class Calls(RuleBasedStateMachine):
    """Calls of any size at any time: what goes out within a minute stays within what is documented."""

    requests, tokens, concurrent = 30, 1_000, 4

    def __init__(self) -> None:
        super().__init__()
        self.clock = Clock()
        self.room = limits(self.clock, requests_per_minute=self.requests, tokens_per_minute=self.tokens, concurrent=self.concurrent)
        self.running: list[int] = []
        self.sent: list[float] = []
        self.used: list[tuple[float, int]] = []

    @rule(tokens=st.integers(0, 1_500))
    def call(self, tokens):
        if self.room.reserve("m", tokens) == 0.0:
            self.running.append(tokens)
            self.sent.append(self.clock.now_s)

    @rule(share=st.floats(0, 1), which=st.integers(0, 3))
    def end(self, share, which):
        if self.running:
            reserved = self.running.pop(which % len(self.running))
            # One call may be larger than the minute; then it counts as one.
            used = int(share * min(reserved, self.tokens))
            self.room.settle("m", reserved, used)
            self.room.done("m")
            self.used.append((self.clock.now_s, used))

    @rule(seconds=st.floats(0, 70))
    def time_passes(self, seconds):
        self.clock.now_s += seconds

    @rule(tokens=st.integers(0, 1_000))
    def whoever_waits_as_told_is_let_in(self, tokens):
        wait_s = self.room.reserve("m", tokens)
        while self.running:
            self.end(0, 0)
        if wait_s > 0:
            self.clock.now_s += wait_s
            self.call(tokens)
            assert self.sent[-1] == self.clock.now_s
        else:
            self.running.append(tokens)
            self.sent.append(self.clock.now_s)

    @invariant()
    def no_minute_has_more_requests_than_documented(self):
        since_s = self.clock.now_s - 60
        assert sum(at_s > since_s for at_s in self.sent) <= self.requests * 7 / 6

    @invariant()
    def no_minute_has_more_tokens_than_documented(self):
        since_s = self.clock.now_s - 60
        assert sum(tokens for at_s, tokens in self.used if at_s > since_s) <= 2 * self.tokens

    @invariant()
    def no_more_run_at_once_than_may(self):
        assert len(self.running) <= self.concurrent
        assert sum(min(tokens, self.tokens) for tokens in self.running) <= self.tokens


TestCalls = Calls.TestCase
TestCalls.settings = settings(max_examples=EXAMPLES, stateful_step_count=60, deadline=None)


@given(steps=st.lists(st.tuples(st.floats(-5, 90), st.integers(-10, 3_000), st.integers(-10, 3_000)), max_size=40))
def test_a_wait_is_never_negative_and_always_finite(steps):
    clock = Clock()
    room = limits(clock, requests_per_minute=10, tokens_per_minute=1_000, concurrent=2)
    for seconds, reserved, used in steps:
        clock.now_s += seconds
        assert 0.0 <= room.reserve("m", reserved) < 1e6
        room.settle("m", reserved, used)
        room.done("m")


@pytest.mark.parametrize("every_s", [0.0, 0.01, 0.05])
@pytest.mark.parametrize("attempts", [1, 3, 9])
def test_a_dead_upstream_gets_a_tenth_more_calls_than_there_are_requests(clock, every_s, attempts):
    budget = RetryBudget(clock)
    sent = 0
    for _ in range(1_000):
        budget.called("m")
        sent += 1
        sent += sum(budget.take("m") for _ in range(attempts))
        clock.now_s += every_s
    assert 1_100 <= sent <= 1_100 + 10


def test_a_few_retries_are_always_allowed_and_come_back(clock):
    budget = RetryBudget(clock)
    assert sum(budget.take("m") for _ in range(50)) == 10
    clock.now_s += 62
    assert sum(budget.take("m") for _ in range(50)) == 10


def test_calls_that_have_left_the_window_allow_no_retry(clock):
    budget = RetryBudget(clock, share=0.5, floor=0)
    for _ in range(10):
        budget.called("m")
    clock.now_s += 59
    assert budget.take("m")
    clock.now_s += 1.5
    assert not budget.take("m")


def test_upstreams_have_a_budget_each(clock):
    budget = RetryBudget(clock, floor=1)
    assert (budget.take("m"), budget.take("m"), budget.take("other")) == (True, False, True)


STEPS = st.lists(st.tuples(st.floats(0, 20) | st.just(0.0), st.sampled_from(["called", "take"]), st.integers(1, 60)), max_size=60)


@settings(max_examples=EXAMPLES, deadline=None)
@given(steps=STEPS, floor=st.integers(0, 5), share=st.sampled_from([0.0, 0.1, 0.5]))
def test_in_no_window_are_there_more_retries_than_the_floor_and_the_share_of_its_calls(steps, floor, share):
    clock = Clock()
    budget = RetryBudget(clock, share=share, floor=floor, window_s=60)
    calls: list[float] = []
    retries: list[float] = []
    for seconds, step, times in steps:
        clock.now_s += seconds
        for _ in range(times):
            if step == "called":
                budget.called("m")
                calls.append(clock.now_s)
            elif budget.take("m"):
                retries.append(clock.now_s)
                since_s = clock.now_s - 60
                assert sum(at_s > since_s for at_s in retries) <= floor + share * sum(at_s > since_s for at_s in calls) + 1e-9
