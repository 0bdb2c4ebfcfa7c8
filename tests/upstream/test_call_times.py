"""What calls took, on a clock that is moved by hand: what counts, what is believed, and when a change is one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.core.latency import MOST_SAMPLES, Measured, Sla
from pointsman.core.outcome import Outcome
from pointsman.upstream.call_times import EVERY_S, CallTimes, CallTimeSettings

SLA = Sla(500, min_samples=3)
FIRST = Sla(100, min_samples=2, of="first_token")


class Timed:
    """Times on a clock that is moved by hand."""

    def __init__(self, *slas: Sla, window_s: float = 3600.0) -> None:
        self.now_s = 1_000.0
        self.times = CallTimes(lambda: self.now_s, CallTimeSettings(slas, frozenset({"code"}), window_s))

    def ended(self, *took_ms: float, age_s: float = 0.0, **fields: object) -> bool:
        said = {"decision": "d", "attempt": 1, "model": "m", "status": "ok", "task": "code", **fields}
        return [self.times.ended(Outcome(**said, total_ms=ms), age_s) for ms in took_ms][-1]

    def later(self, seconds: float = EVERY_S) -> dict[tuple[str, str, str | None], Measured]:
        self.now_s += seconds
        return dict(self.times.measured())


def whole(samples: int, p95_ms: float, *tasks: str | None) -> dict[tuple[str, str, str | None], Measured]:
    return {("m", "whole", task): Measured(samples, p95_ms) for task in tasks or ("code", None)}


def test_without_an_sla_nothing_is_kept():
    timed = Timed()
    assert not timed.ended(*range(1_000))
    assert (timed.later(), timed.times.next_look_s(), timed.times._latest) == ({}, None, {})


def test_it_is_said_as_soon_as_there_are_enough_calls_and_looked_at_now_and_then():
    timed = Timed(SLA)
    assert timed.ended(100), "nobody has looked yet"
    assert timed.times.measured() == {}
    assert not timed.ended(200)
    assert timed.ended(300), "now there are enough"
    assert timed.times.measured() == whole(3, 300.0)
    assert not timed.ended(900)
    assert timed.times.measured() == whole(3, 300.0)
    timed.now_s += EVERY_S
    assert timed.ended(900)
    assert timed.times.measured() == whole(5, 900.0)


@pytest.mark.parametrize(
    ("fields", "kinds"),
    [
        ({}, {"whole"}),
        ({"ttft_ms": 7.0}, {"first_token"}),  # a whole stream takes as long as its client reads
        ({"ttft_ms": 7.0, "status": "aborted"}, {"first_token"}),
        ({"ttft_ms": 7.0, "status": "error", "fault": "broken"}, {"first_token"}),
        ({"status": "aborted"}, set()),
        ({"status": "error", "fault": "server_error"}, set()),
        ({"status": "error", "fault": "malformed"}, set()),
        ({"status": "error", "fault": "timeout"}, {"whole", "first_token"}),  # given up: it takes at least so long
        ({"status": "error", "fault": "timeout", "ttft_ms": 7.0}, {"first_token"}),
    ],
)
def test_what_counts(fields, kinds):
    timed = Timed(Sla(1, min_samples=1), Sla(1, min_samples=1, of="first_token"))
    timed.ended(400, **fields)
    found = timed.times.measured()
    assert {key[1] for key in found} == kinds
    assert {measured.p95_ms for key, measured in found.items() if key[1] == "first_token"} <= {fields.get("ttft_ms", 400.0)}


def test_task_classes_that_only_a_client_knows_have_no_times_of_their_own():
    timed = Timed(SLA)
    for number in range(50):
        timed.ended(100, task=f"made up {number}")
    assert timed.later() == whole(50, 100.0, None)
    assert len(timed.times._latest) == 1


def test_old_calls_and_those_beyond_the_last_are_forgotten():
    timed = Timed(SLA, window_s=60)
    timed.ended(*[9_000] * 10, *[10] * MOST_SAMPLES)
    assert timed.later() == whole(MOST_SAMPLES, 10.0)
    assert timed.times.next_look_s() == timed.now_s + EVERY_S
    assert timed.later(51) == {}, "then the prior is believed, and the model is tried again"
    assert timed.times.next_look_s() is None


def test_what_the_log_tells_is_as_old_as_it_is():
    timed = Timed(SLA, window_s=60)
    timed.ended(100, 100, 100, age_s=50)
    assert timed.times.measured() == whole(3, 100.0)
    assert timed.later(11) == {}


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ([100.0], whole(10, 100.0)),  # one call more is no news
        ([115.0] * 9, whole(10, 100.0)),  # nor is a little more time
        ([140.0] * 9, whole(19, 140.0)),
        ([100.0] * 10, whole(20, 100.0)),  # twice the evidence is
    ],
)
def test_a_change_is_said_once_it_matters(more, said):
    timed = Timed(SLA)
    timed.ended(*[100.0] * 10)
    assert timed.later() == whole(10, 100.0)
    timed.ended(*more)
    assert timed.later() == said


def test_a_limit_that_is_crossed_always_matters():
    timed = Timed(SLA)
    timed.ended(*[498.0] * 10)
    timed.later()
    timed.ended(*[502.0] * 2)
    assert timed.later() == whole(12, 502.0)
    timed.ended(*[498.0] * 60)
    assert timed.later() == whole(72, 498.0)


@given(st.lists(st.floats(0.001, 1e6), min_size=1, max_size=MOST_SAMPLES))
def test_the_percentile_is_a_time_that_was_measured_and_bounds_nineteen_of_twenty(times):
    timed = Timed(Sla(500, min_samples=1))
    timed.ended(*times)
    found = timed.times.measured()["m", "whole", None]
    assert found.samples == len(times)
    assert any(found.p95_ms == round(ms, 3) for ms in times)
    assert sum(round(ms, 3) <= found.p95_ms for ms in times) >= 0.95 * len(times)
    assert sum(round(ms, 3) < found.p95_ms for ms in times) < 0.95 * len(times)
