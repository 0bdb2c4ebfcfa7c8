"""As many are let in each turn of a late loop as keep its turns short; nobody is refused by a loop that keeps up."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from pointsman.core.request import Caller
from pointsman.errors import Overloaded
from pointsman.server.admission import MOST_WAITING, TURN_S, Admission, Places, Refusals
from pointsman.upstream.lag import Lag
from tests.server.coroutines import pytest_pyfunc_call as pytest_pyfunc_call


class Loop:
    """An admission whose turns come when they are told to."""

    def __init__(self) -> None:
        self.now_s = 1_000.0
        self.lag = Lag()
        self.admission = Admission(self.lag, lambda: self.now_s)

    def turn(self, took_s: float, asking: int) -> int:
        """So many ask, and the loop comes by again after that time: how many were let in."""
        let_in = sum(self.admission.admits() for _ in range(asking))
        self.now_s += took_s
        self.admission.turn()
        return let_in

    def turns(self, took_s: Sequence[float], asking: int) -> list[int]:
        return [self.turn(each_s, asking) for each_s in took_s]


async def test_a_loop_that_keeps_up_refuses_nobody():
    assert Loop().turns([0.001] * 5, 1_000) == [1_000] * 5


async def test_long_turns_let_in_ever_fewer_but_one_always_and_short_ones_ever_more():
    loop = Loop()
    loop.lag.is_late = True
    fewer = loop.turns([5 * TURN_S] * 30, 1_000)
    assert fewer == sorted(fewer, reverse=True)
    assert (fewer[0], fewer[-1]) == (8, 1)
    more = loop.turns([0.1 * TURN_S] * 30, 1_000)
    assert more == sorted(more)
    assert more[-1] > 20


async def test_it_goes_on_when_the_loop_is_late_no_more_until_nobody_was_refused_for_a_while():
    loop = Loop()
    loop.lag.is_late = True
    loop.turn(0.1 * TURN_S, 100)
    loop.lag.is_late = False
    assert loop.turn(0.5, 100) < 100
    assert loop.turns([0.5] * 3, 1) == [1] * 3
    assert loop.turn(0.1 * TURN_S, 100) == 100


async def test_who_cannot_be_recorded_is_not_let_in_to_wait():
    loop = Loop()
    loop.lag.is_late = True
    loop.admission.waiting = MOST_WAITING
    assert loop.turn(0.1 * TURN_S, 10) == 0
    loop.lag.is_late = False
    assert loop.turns([0.5] * 3, 1) == [0, 0, 1], "it is not the loop that is behind"


@pytest.mark.parametrize("late", [False, True])
async def test_turns_are_followed_as_long_as_somebody_is_refused_and_no_longer(late):
    loop = Loop()
    loop.lag.is_late = late
    loop.admission.waiting = MOST_WAITING
    loop.admission.admits()
    for _ in range(5):
        await asyncio.sleep(0)
    assert not loop.admission._following


async def test_the_operator_hears_once_that_some_are_refused_and_once_how_many_were(caplog):
    refusals = Refusals()
    for _ in range(300):
        refusals.note("too many")
    refusals.look(1)  # there were more since it began
    assert caplog.messages == ["requests are refused with 429: too many"]
    refusals.look(300)
    assert caplog.messages[1:] == ["no request is refused any more: 300 were, with 429"]
    refusals.note("again")
    assert caplog.messages[2:] == ["requests are refused with 429: again"]


@pytest.mark.parametrize(("most", "share"), [(1, 1), (2, 2), (3, 3), (4, 3), (5, 4), (8, 6), (1_000, 750)])
async def test_one_key_has_three_quarters_of_the_places_and_root_all(most, share):
    for caller, its in ((Caller("k"), share), (Caller("env", role="root"), most)):
        places = Places("requests", Refusals())
        assert taken(places, caller, most) == its
        assert taken(places, Caller("other"), most) == min(share, most - its)
        places.give_back(caller)
        assert taken(places, caller, most) == 1


async def test_who_has_given_everything_back_is_forgotten():
    places = Places("requests", Refusals())
    for name in ("a", "b", "a"):
        places.take(Caller(name), 10)
    for name in ("a", "a", "b"):
        places.give_back(Caller(name))
    assert (places._taken, places._of) == (0, {})


def taken(places: Places, caller: Caller, most: int) -> int:
    """How many this caller gets before he is refused."""
    got = 0
    while True:
        try:
            places.require_room(most)
            places.take(caller, most)
        except Overloaded:
            return got
        got += 1
