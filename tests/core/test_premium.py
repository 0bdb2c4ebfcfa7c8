"""The latest requests of one subject: counted exactly, whatever becomes of them in which order."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pointsman.core.codec import from_json, to_json
from pointsman.core.premium import PremiumCap, PremiumShare, Turns, most_of
from pointsman.core.request import Caller
from pointsman.core.signals import Signals


@given(st.integers(1, 12), st.lists(st.tuples(st.booleans(), st.integers(0, 15))))
def test_the_window_is_a_list_of_the_latest_requests(over, steps):
    """Each step is a request, and then one of so long ago turns out to have gone elsewhere."""
    turns, went = Turns(over), []
    for premium, ago in steps:
        went.append(premium)
        assert turns.take(premium) == len(went)
        if ago < len(went):
            went[-1 - ago] = False
            turns.release(len(went) - ago)
        assert turns.used == sum(went[-(over - 1) :] if over > 1 else [])


@given(st.integers(1, 10_000), st.integers(1, 10_000))
def test_a_share_is_reckoned_as_people_write_it(hundredths, over):
    most = most_of(hundredths / 10_000, over)
    assert most * 10_000 <= hundredths * over < (most + 1) * 10_000


def test_each_subject_has_its_name():
    def named(per: str, **caller: str) -> str:
        return PremiumCap("c", (), 1, 2, per).subject(Caller("k", **caller), "k/5f")

    assert named("key", team="red", org="acme") == "key `k`"
    assert named("team", team="red", org="acme") == "team `acme/red`"
    assert named("org", team="red", org="acme") == "org `acme`"
    assert named("user", team="red", org="acme") == "user `k/5f`"
    assert named("team") == named("org") == "key `k`"  # nobody is left out


def test_what_was_counted_is_on_record():
    signals = Signals(premium=(PremiumShare("dear", "key `k`", ("a", "b"), 3, 8, 20),))
    assert from_json(Signals, to_json(signals)) == signals
    assert from_json(Signals, '{"task":"chat"}').premium == ()  # of a log from before there were caps
