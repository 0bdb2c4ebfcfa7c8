"""What a pool remembers of refusals: never more than it may, and never something else than it would work out."""

from __future__ import annotations

from itertools import combinations

from pointsman.core.model import Model
from pointsman.core.rule import Requirement
from pointsman.core.snapshot import Route
from tests.worlds import snapshot

NAMES = tuple(f"m{at}" for at in range(12))
POOL = snapshot([Model(name) for name in NAMES], Route("auto", NAMES)).pools["auto"]
MORE_THAN_ARE_REMEMBERED = [refused for size in range(4) for refused in combinations(NAMES, size)]


def test_who_is_left_is_right_beyond_what_is_remembered():
    assert len(MORE_THAN_ARE_REMEMBERED) == 299
    for _ in range(2):
        for refused in MORE_THAN_ARE_REMEMBERED:
            assert set(POOL.without(refused).names) == set(NAMES) - set(refused)
    assert len(POOL._fields) == 256


def test_combinations_of_policies_are_right_beyond_what_is_remembered():
    for _ in range(2):
        for at in range(300):
            named = ((f"policy-{at}", Requirement(model=(NAMES[at % 12],))),)
            assert POOL.judged(named, ()).field.names == [NAMES[at % 12]]
    assert len(POOL._judged) == 256
