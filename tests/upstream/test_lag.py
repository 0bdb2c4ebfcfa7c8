"""A loop that is late for long is told from one that pauses, and from models that are slow; by a clock that is moved by hand."""

from __future__ import annotations

import asyncio

import pytest

from pointsman.core.fault import Fault
from pointsman.upstream.health import BreakerSettings, Health, Ticket
from pointsman.upstream.lag import EVERY_S, MOST_S, Lag
from pointsman.upstream.limits import Limits, RetryBudget
from pointsman.upstream.watch import Watch
from tests.server.coroutines import pytest_pyfunc_call as pytest_pyfunc_call


class Clock:
    """Seconds, moved by hand."""

    def __init__(self) -> None:
        self.now_s = 1_000.0

    def __call__(self) -> float:
        return self.now_s


async def beats(lag: Lag, clock: Clock, *late_s: float) -> bool:
    for each in late_s:
        clock.now_s += EVERY_S + each
        lag.stop()
        lag.beat()
    lag.stop()
    return lag.is_late


LATE = 1.1 * MOST_S


@pytest.mark.parametrize(
    ("late_s", "is_late"),
    [
        ((0.0,) * 9, False),
        ((10.0,), False),  # a pause
        ((LATE, 0.0, LATE, 0.0, LATE), False),
        ((LATE, LATE), True),
        ((LATE, LATE, LATE, 0.9 * MOST_S), False),  # it has caught up
    ],
)
async def test_two_late_beats_in_a_row_are_a_queue_that_stands(late_s, is_late):
    lag = Lag(clock := Clock())
    lag.start()
    assert await beats(lag, clock, *late_s) is is_late


async def test_it_looks_again_and_again_until_it_is_stopped():
    lag = Lag(clock := Clock())
    lag.start()
    clock.now_s += 1_000.0
    while not lag.is_felt() or lag._due_s < clock.now_s:
        await asyncio.sleep(0)
    lag.stop()


@pytest.mark.parametrize(("late_s", "out"), [(0.0, {"m"}), (0.06, set())])
async def test_what_is_measured_while_the_loop_is_late_is_not_held_against_a_model(late_s, out):
    clock, fault = Clock(), None
    lag = Lag(clock)
    watch = Watch(Health(clock, BreakerSettings()), Limits({}, clock), RetryBudget(clock), lag=lag)
    lag.start()
    for took_ms in (*[50.0] * 40, *[5_000.0] * 8):
        if took_ms > 50:
            await beats(lag, clock, late_s)
        watch.ended("m", Ticket(), fault, took_ms, None)
    assert watch.health.out_of_service().keys() == out


async def test_it_is_felt_before_the_timer_has_rung_and_failures_count_all_the_same():
    lag, clock, fault = Lag(clock := Clock()), clock, "timeout"
    failed: Fault = fault
    watch = Watch(Health(clock, BreakerSettings()), Limits({}, clock), RetryBudget(clock), lag=lag)
    assert not lag.is_felt(), "it has not been started"
    lag.start()
    lag.stop()
    clock.now_s += EVERY_S + 0.06
    assert lag.is_felt()
    for _ in range(5):
        watch.ended("m", Ticket(), failed, None, None)
    assert watch.health.state("m") == "open"
