"""One timer for all clocks of a call: it interrupts whoever waits, once, and nobody else."""

from __future__ import annotations

import asyncio

import pytest

from pointsman.errors import ShuttingDown, UpstreamTimeout
from pointsman.gateway.clock import Clock

BOTH_LOOPS = True
FOREVER = 3600.0
SOON = 0.02


def now() -> float:
    return asyncio.get_running_loop().time()


def started(total_s: float) -> Clock:
    return Clock(asyncio.get_running_loop(), now() + total_s)


def never() -> asyncio.Future[None]:
    return asyncio.get_running_loop().create_future()


async def test_what_comes_in_time_is_given_through():
    clock = started(FOREVER)
    assert await clock.wait(asyncio.sleep(0, "it")) == "it"
    with pytest.raises(ZeroDivisionError):
        await clock.wait(failing())
    clock.stop()


async def failing() -> None:
    await asyncio.sleep(0)
    raise ZeroDivisionError


@pytest.mark.parametrize("total_s", [SOON, 0.0, -1.0])
async def test_the_total_interrupts_whatever_is_waited_for(total_s):
    clock = started(total_s)
    with pytest.raises(UpstreamTimeout, match="in time"):
        await clock.wait(never())
    clock.stop()


async def test_an_expectation_interrupts_before_the_total_and_says_why():
    clock = started(FOREVER)
    clock.expect(SOON, "too slow")
    with pytest.raises(UpstreamTimeout, match="too slow"):
        await clock.wait(never())
    with pytest.raises(UpstreamTimeout, match="too slow"):  # and from then on
        await clock.wait(asyncio.sleep(0))
    clock.stop()


async def test_an_expectation_beyond_the_total_is_the_total():
    clock = started(SOON)
    clock.expect(FOREVER, "too slow")
    with pytest.raises(UpstreamTimeout, match="finish in time"):
        await clock.wait(never())
    clock.stop()


async def test_every_expectation_replaces_the_one_before():
    clock = started(FOREVER)
    for _ in range(10):
        clock.expect(SOON * 20, "too slow")
        await clock.wait(asyncio.sleep(SOON))
    clock.expect(SOON, "now")
    clock.expect(FOREVER, "later")
    await clock.wait(asyncio.sleep(SOON * 3))
    clock.stop()


async def test_time_that_passes_while_nobody_waits_is_the_clients():
    clock = started(FOREVER)
    clock.expect(SOON, "too slow")
    await asyncio.sleep(SOON * 3)
    assert await clock.wait(asyncio.sleep(0, "it")) == "it"
    clock.stop()


async def test_nor_does_it_count_for_the_total():
    clock = started(SOON)
    await asyncio.sleep(SOON * 2)
    began = now()
    with pytest.raises(UpstreamTimeout):
        await clock.wait(never())
    assert SOON / 2 < now() - began < SOON + 0.25
    await asyncio.sleep(SOON * 2)
    with pytest.raises(UpstreamTimeout):
        await clock.wait(never())
    clock.stop()


async def test_more_time_may_be_allowed():
    clock = started(SOON)
    clock.expect(SOON / 2, "too slow")
    clock.allow(now() + FOREVER)
    clock.expect(FOREVER / 2, "too slow")
    await clock.wait(asyncio.sleep(SOON * 3))
    clock.stop()


async def test_an_interruption_is_raised_where_somebody_waits_or_the_next_time_and_the_first_one_counts():
    clock = started(FOREVER)
    waiting = asyncio.ensure_future(clock.wait(never()))
    await asyncio.sleep(0)
    clock.interrupt(ShuttingDown("first"))
    clock.interrupt(ShuttingDown("second"))
    with pytest.raises(ShuttingDown, match="first"):
        await waiting
    with pytest.raises(ShuttingDown, match="first"):
        await clock.wait(failing())
    clock.stop()


async def test_a_cancellation_is_not_taken_for_an_interruption():
    clock = started(FOREVER)
    waiting = asyncio.ensure_future(clock.wait(never()))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    clock.stop()


async def test_a_cancellation_at_the_moment_of_an_interruption_is_not_lost():
    clock = started(FOREVER)
    waiting = asyncio.ensure_future(clock.wait(never()))
    await asyncio.sleep(0)
    clock.interrupt(ShuttingDown("too"))
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    clock.stop()


async def test_after_an_interruption_the_task_can_wait_for_other_things():
    clock = started(SOON)

    async def work() -> str:
        with pytest.raises(UpstreamTimeout):
            await clock.wait(never())
        async with asyncio.timeout(FOREVER):
            await asyncio.sleep(SOON)
        return "done"

    task = asyncio.ensure_future(work())
    assert await task == "done"
    assert task.cancelling() == 0
    clock.stop()


async def test_a_clock_that_was_stopped_interrupts_nobody():
    clock = started(SOON)
    clock.stop()
    await clock.wait(asyncio.sleep(SOON * 3))
