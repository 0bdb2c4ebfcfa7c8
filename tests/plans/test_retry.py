"""Asking the same model again: when, how often, and after how long a wait."""

from __future__ import annotations

from collections import Counter
from random import Random
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.core.fault import RETRIED, Fault
from pointsman.core.plan import Execution, Retry
from pointsman.plans.retry import Patience
from pointsman.plans.steps import Deliver, Fail, Reached
from tests.plans.driving import Run, decision

ALONE = {"plan": "single", "fallback": ()}


@pytest.mark.parametrize("fault", get_args(Fault))
def test_a_model_is_asked_again_only_where_that_may_help(fault):
    run = Run({"m0": [fault, None]})
    ended = run(decision(1, **ALONE), Execution(retry=Retry(attempts=3)))
    if fault in RETRIED:
        assert (run.asked, len(run.waits)) == (["m0", "m0"], 1)
        assert isinstance(ended, Deliver)
    else:
        assert set(run.asked) == {"m0"}
        assert not run.waits


@pytest.mark.parametrize("attempts", [1, 2, 5])
def test_as_often_as_is_said_and_every_failure_is_told(attempts):
    run = Run({"m0": ["server_error"]})
    ended = run(decision(1, **ALONE), Execution(retry=Retry(attempts=attempts)))
    assert isinstance(ended, Fail)
    assert len(run.asked) == len(ended.failures) == len(run.waits) + 1 == attempts


def test_waits_are_drawn_from_all_of_a_span_that_doubles_up_to_its_longest():
    execution = Execution(retry=Retry(attempts=6, base_s=1.0, longest_s=4.0), most_calls=100)
    waits = []
    for seed in range(400):
        run = Run({"m0": ["server_error"]})
        run(decision(1, seed=seed, **ALONE), execution)
        waits.append([wait.seconds for wait in run.waits])
    for at, longest_s in enumerate([1.0, 2.0, 4.0, 4.0, 4.0]):
        drawn = [each[at] for each in waits]
        assert 0 <= min(drawn) < longest_s * 0.02
        assert longest_s * 0.98 < max(drawn) <= longest_s
        assert abs(sum(drawn) / len(drawn) - longest_s / 2) < longest_s * 0.06


@pytest.mark.parametrize("said_s", [None, 0.0, 1.5], ids=["of ours", "at once", "of the upstream"])
def test_clients_that_failed_together_do_not_come_back_together(said_s):
    """No tenth of a second holds more than a tenth of two hundred first retries."""
    bins: Counter[int] = Counter()
    execution = Execution(retry=Retry(attempts=2, base_s=8.0 if said_s is not None else 2.0, longest_s=8.0))
    for seed in range(200):
        run = Run({"m0": [("rate_limit", said_s) if said_s is not None else "rate_limit", None]})
        run(decision(1, seed=seed, **ALONE), execution)
        bins[int(run.waits[0].seconds * 10)] += 1
    assert max(bins.values()) <= 20


@given(st.floats(0, 3600), st.integers(0, 1000), st.floats(0.01, 10))
def test_an_upstream_is_taken_at_its_word_and_never_asked_before(said_s, seed, base_s):
    patience = Patience(Execution(retry=Retry(attempts=3, base_s=base_s), deadline_s=10_000.0), Random(seed))
    wait_s = patience.wait_s(1, Reached("m0", "rate_limit", said_s), others=False)
    assert said_s <= wait_s <= said_s + base_s / 4


def test_with_another_left_to_ask_a_model_that_wants_long_to_itself_gets_it():
    patience = Patience(Execution(retry=Retry(attempts=3, base_s=0.5)), Random(0))
    assert patience.wait_s(1, Reached("m0", "rate_limit", 0.6), others=True) is None
    assert patience.wait_s(1, Reached("m0", "rate_limit", 0.4), others=True) is not None


def test_a_wait_that_would_end_after_the_deadline_is_not_begun():
    run = Run({"m0": [("rate_limit", 20.0)]})
    ended = run(decision(1, **ALONE), Execution(retry=Retry(attempts=3), deadline_s=10.0))
    assert isinstance(ended, Fail)
    assert (run.asked, run.waits) == (["m0"], [])
    run = Run({"m0": [("rate_limit", 20.0)]})
    assert isinstance(run(decision(2), Execution(retry=Retry(attempts=3), deadline_s=10.0)), Deliver)
    assert run.asked == ["m0", "m1"]


def test_without_a_budget_for_retries_the_next_model_is_asked():
    run = Run({"m0": ["server_error"]}, budget=0)
    ended = run(decision(2), Execution(retry=Retry(attempts=3)))
    assert run.asked == ["m0", "m1"]
    assert ended.reached.model == "m1"


def test_the_same_seed_waits_the_same():
    waits = []
    for _ in range(2):
        run = Run({"m0": ["server_error"]})
        run(decision(1, seed=7, **ALONE), Execution(retry=Retry(attempts=4)))
        waits.append(run.waits)
    assert waits[0] == waits[1]
