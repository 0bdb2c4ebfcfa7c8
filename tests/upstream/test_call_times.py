"""What calls took, on a clock that is moved by hand: what counts, what is believed, and when a change is one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.core.decide import decide
from pointsman.core.latency import MOST_SAMPLES, SIZES, Measured, Sized, Sla
from pointsman.core.model import Model, Speed
from pointsman.core.outcome import Outcome
from pointsman.core.prices import Usage
from pointsman.core.request import Request
from pointsman.core.signals import Signals, TokenCount, Tokens
from pointsman.core.snapshot import Route
from pointsman.upstream.call_times import EVERY_S, CallTimes, CallTimeSettings
from tests.worlds import snapshot

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

    def asked(self, tokens: int, *took_ms: float, **fields: object) -> None:
        """Calls with prompts of so many tokens."""
        self.ended(*took_ms, usage=Usage(input_tokens=tokens, output_tokens=10), **fields)

    def refused(self, tokens: int, **sla: object) -> str:
        """Why the gate refuses the model to a request of so many tokens, whose prior it keeps; empty: it passes."""
        model = Model("m", speed=Speed(ttft_ms=10, ms_per_output_token=0.1), context_tokens=2_000_000)
        route = Route("auto", ("m",), sla=Sla(500, min_samples=30, **sla))
        signals = Signals(tokens=Tokens((TokenCount("chars", tokens, False),), output=10, room=0))
        world = snapshot([model], route, latencies=self.later())
        [candidate] = decide(Request("r", "auto"), signals, world, route, 0).candidates
        return "".join(verdict.reason for verdict in candidate.verdicts)

    def later(self, seconds: float = EVERY_S) -> dict[tuple[str, str, str | None], Measured]:
        self.now_s += seconds
        return dict(self.times.measured())


def whole(samples: int, p95_ms: float, *tasks: str | None) -> dict[tuple[str, str, str | None], Measured]:
    """What is said of calls with short prompts, which count for all lengths."""
    shorter = tuple(Sized(size, samples, p95_ms) for size in SIZES)
    return {("m", "whole", task): Measured(samples, p95_ms, shorter) for task in tasks or ("code", None)}


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
    assert {key for key, _ in timed.times._latest} == {("m", "whole", None)}


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


@pytest.mark.parametrize("of", ["whole", "first_token"])
@pytest.mark.parametrize("fault", [None, "timeout"])
def test_who_sends_long_prompts_makes_no_model_slow_for_who_sends_short_ones(of, fault):
    timed = Timed(Sla(500, min_samples=30, of=of))

    def asked(tokens: int, ms: float, **fields: object) -> None:
        timed.asked(tokens, *[ms] * 30, **(fields or ({"ttft_ms": ms} if of == "first_token" else {})))

    asked(50, 80.0)
    for _ in range(20):  # more than are kept
        asked(30_000, 9_000.0, **({"status": "error", "fault": fault} if fault else {}))
    assert timed.refused(40, of=of) == timed.refused(400, of=of) == ""
    for tokens, told in ((25_000, "s of up to 64,000 tokens measured"), (40_000, "s measured")):
        assert "9,000 ms" in (why := timed.refused(tokens, of=of))
        assert told in why


def test_a_model_that_is_slow_for_short_prompts_is_refused_to_all():
    timed = Timed(Sla(500, min_samples=30))
    timed.asked(50, *[900.0] * 30)
    for tokens in (5, 500, 501, 20_000, 10**6):
        assert "p95 over all task classes is 900 ms (30 calls" in timed.refused(tokens)
    assert timed.refused(40).endswith("(30 calls of up to 1,000 tokens measured), SLA is 500 ms")


def test_what_only_longer_prompts_took_is_not_held_against_a_short_one():
    timed = Timed(Sla(500, min_samples=30))
    timed.asked(3_000, *[900.0] * 30)
    assert timed.refused(500) == "", "its prior is believed until calls like it were measured"
    assert "of up to 4,000 tokens" in timed.refused(501), "its model may count twice as many tokens"
    timed.asked(900, *[900.0] * 30)
    assert "30 calls of up to 1,000 tokens" in timed.refused(500)


def test_a_change_among_short_prompts_is_said_though_all_together_took_as_long():
    timed = Timed(Sla(500, min_samples=30))
    timed.asked(30_000, *[900.0] * 100)
    timed.asked(50, *[80.0] * 40)
    timed.later()
    timed.asked(50, *[90.0] * 5)
    assert timed.later()["m", "whole", None].like(50) == Sized(1_000, 40, 80.0), "too little to matter"
    timed.asked(50, *[600.0] * 5)
    assert timed.later()["m", "whole", None].like(50) == Sized(1_000, 50, 600.0)
    assert timed.later()["m", "whole", None].samples == 150


def test_where_nobody_says_how_long_the_prompt_was_the_call_counts_for_every_length():
    timed = Timed(Sla(500, min_samples=30))
    timed.ended(*[900.0] * 30)
    assert "900 ms" in timed.refused(5)


@pytest.mark.parametrize("usage", [Usage(input_tokens=1, output_tokens=10), None], ids=["reports one token", "reports nothing"])
def test_a_long_prompt_counts_as_one_whatever_its_upstream_reports(usage):
    timed = Timed(Sla(500, min_samples=30))
    timed.asked(50, *[80.0] * 30)
    timed.ended(*[9_000.0] * 300, usage=usage, reckoned_input_tokens=30_000)
    assert timed.refused(40) == ""
    assert "9,000 ms" in timed.refused(25_000)


def test_what_its_upstream_reports_counts_where_it_is_more_than_was_reckoned():
    timed = Timed(Sla(500, min_samples=30))
    timed.asked(50, *[80.0] * 30)
    timed.asked(30_000, *[9_000.0] * 300, reckoned_input_tokens=2)
    assert timed.refused(40) == ""
