"""Breakers on a clock that is moved by hand: when they open, whom they let in, how they close."""

from __future__ import annotations

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from pointsman.core.fault import Fault
from pointsman.upstream.health import FAILURES, SOUND, BreakerSettings, Ticket
from pointsman.upstream.health import Health as OurHealth
from tests.conftest import EXAMPLES
from tests.upstream.conftest import Clock


class Health(OurHealth):
    """Breakers whose trial calls are told by their model: a test has one call at a time."""

    def __init__(self, *given: object) -> None:
        super().__init__(*given)
        self.trials: dict[str, Ticket] = {}

    def admit(self, model: str) -> bool:
        ticket = super().admit(model)
        if ticket is not None and ticket.trial:
            self.trials[model] = ticket
        return ticket is not None

    def observe(self, model, fault, ttft_ms=None, retry_after_s=None):
        super().observe(model, fault, ttft_ms, retry_after_s, self.trials.get(model))

    def release(self, model):
        super().release(model, self.trials.get(model, Ticket()))


def test_a_trial_can_be_ended_by_its_own_ticket_only():
    now = [0.0]
    health = OurHealth(lambda: now[0])
    for _ in range(5):
        health.observe("m", "server_error")
    now[0] = 11.0
    trial = health.admit("m")
    assert trial is not None
    health.release("m", Ticket())
    health.observe("m", None)
    assert (health.admit("m"), health.state("m")) == (None, "half_open")
    health.observe("m", None, ticket=trial)
    assert health.state("m") == "closed"


@pytest.fixture
def health(clock) -> Health:
    return Health(clock)


def fail(health: Health, times: int = 5, fault: Fault = "server_error") -> None:
    for _ in range(times):
        health.observe("m", fault)


def answer(health: Health, times: int, ttft_ms: float | None = None) -> None:
    for _ in range(times):
        health.observe("m", None, ttft_ms)


def test_a_model_that_nothing_is_known_of_may_be_called(health):
    assert (health.admit("m"), health.state("m"), health.out_of_service(), health.next_change_s()) == (True, "closed", {}, None)


@pytest.mark.parametrize("fault", sorted(FAILURES))
def test_it_opens_at_the_fifth_failure_in_a_row(health, fault):
    fail(health, 4, fault)
    assert (health.admit("m"), health.state("m")) == (True, "closed")
    fail(health, 1, fault)
    assert (health.admit("m"), health.state("m")) == (False, "open")
    assert health.out_of_service() == {"m": f"5 calls in a row failed, the last: `{fault}`"}


def test_it_opens_at_half_of_the_last_ten(health):
    for _ in range(4):
        answer(health, 1)
        fail(health, 1)
    answer(health, 1)
    assert health.state("m") == "closed"
    fail(health, 1, "timeout")
    assert health.out_of_service() == {"m": "5 of the last 10 calls failed, the last: `timeout`"}


def test_a_few_failures_among_many_answers_do_not_open_it(health):
    for _ in range(50):
        answer(health, 3)
        fail(health, 2)
    assert health.state("m") == "closed"


@pytest.mark.parametrize("fault", [*sorted(SOUND), "unavailable"])
def test_faults_of_the_request_do_not_count(health, fault):
    fail(health, 100, fault)
    assert health.state("m") == "closed"


def test_faults_of_the_request_show_that_the_endpoint_works(health):
    fail(health, 4)
    fail(health, 10, "malformed")
    fail(health, 4)
    assert health.state("m") == "closed"


def test_models_are_judged_each_by_itself(health):
    fail(health)
    assert (health.admit("other"), list(health.out_of_service())) == (True, ["m"])


def test_after_the_cooldown_one_trial_call_at_a_time_is_let_in_and_closes_it(health, clock):
    fail(health)
    assert health.next_change_s() == 1_010.0
    clock.now_s += 9.9
    assert not health.admit("m")
    clock.now_s = 1_010.0
    assert (health.state("m"), health.out_of_service(), health.next_change_s()) == ("half_open", {}, None)
    assert [health.admit("m") for _ in range(3)] == [True, False, False]
    answer(health, 1)
    assert (health.state("m"), [health.admit("m") for _ in range(3)]) == ("closed", [True, True, True])


def test_a_trial_call_that_finds_a_fault_in_the_request_closes_it_too(health, clock):
    fail(health)
    clock.now_s += 10
    assert health.admit("m")
    health.observe("m", "context_length")
    assert health.state("m") == "closed"


def test_each_trial_call_that_fails_doubles_the_cooldown_up_to_the_longest(health, clock):
    fail(health)
    cooldowns_s = []
    for _ in range(8):
        end_s = health.next_change_s()
        cooldowns_s.append(end_s - clock.now_s)
        clock.now_s = end_s
        assert health.admit("m")
        fail(health, 3, "unreachable")  # the trial call, and two that were under way
    assert cooldowns_s == [10, 20, 40, 80, 160, 300, 300, 300]
    assert health.out_of_service() == {"m": "a trial call failed: `unreachable`"}


def test_once_closed_it_starts_with_the_first_cooldown_again(health, clock):
    fail(health)
    clock.now_s += 10
    health.admit("m")
    fail(health, 1)
    clock.now_s += 20
    health.admit("m")
    answer(health, 1)
    fail(health, 4)
    assert health.state("m") == "closed"
    fail(health, 1)
    assert health.next_change_s() == clock.now_s + 10


def test_a_trial_call_that_never_reports_makes_way_after_a_cooldown(health, clock):
    fail(health)
    clock.now_s += 10
    assert health.admit("m")
    clock.now_s += 9.9
    assert not health.admit("m")
    clock.now_s += 0.1
    assert [health.admit("m"), health.admit("m")] == [True, False]


def test_a_trial_call_that_takes_longer_than_a_cooldown_still_counts(health, clock):
    fail(health)
    clock.now_s += 10
    assert health.admit("m")
    clock.now_s += 60
    answer(health, 1)
    assert health.state("m") == "closed"


def test_a_trial_call_without_a_verdict_is_given_back(health, clock):
    fail(health)
    clock.now_s += 10
    assert health.admit("m")
    health.release("m")
    assert (health.state("m"), health.admit("m")) == ("half_open", True)


def test_calls_that_were_under_way_when_it_opened_change_nothing(health, clock):
    fail(health, 15)
    answer(health, 3)
    assert health.next_change_s() == 1_010.0
    clock.now_s += 10
    fail(health, 1)
    answer(health, 1)
    assert health.state("m") == "half_open"


@pytest.mark.parametrize(("retry_after_s", "for_s"), [(None, 300.0), (60.0, 60.0), (86_400.0, 300.0)])
def test_a_used_up_quota_opens_it_at_once_and_for_long(health, clock, retry_after_s, for_s):
    health.observe("m", "quota", None, retry_after_s)
    clock.now_s += 5
    health.observe("m", "quota", None, retry_after_s)
    assert health.out_of_service() == {"m": "its account's quota is used up"}
    assert health.next_change_s() == 1_000.0 + for_s


def test_a_rate_limit_takes_it_out_for_as_long_as_it_says(health, clock):
    health.observe("m", "rate_limit", None, 20.5)
    assert (health.admit("m"), health.state("m"), health.out_of_service()) == (False, "open", {"m": "rate limited for 21 s"})
    clock.now_s += 1
    health.observe("m", "rate_limit", None, 19.6)
    assert (health.out_of_service(), health.next_change_s()) == ({"m": "rate limited for 21 s"}, 1_020.5)
    clock.now_s = 1_020.5
    assert (health.admit("m"), health.state("m"), health.out_of_service()) == (True, "closed", {})


def test_a_rate_limit_that_ends_later_prolongs_it_and_one_without_a_time_does_nothing(health, clock):
    fail(health, 100, "rate_limit")
    assert health.state("m") == "closed"
    health.observe("m", "rate_limit", None, 5.0)
    health.observe("m", "rate_limit", None, 3_600.0)
    assert (health.out_of_service(), health.next_change_s()) == ({"m": "rate limited for 300 s"}, 1_300.0)


def test_of_two_causes_the_open_breaker_is_named_and_then_the_other(health, clock):
    health.observe("m", "rate_limit", None, 30.0)
    fail(health)
    assert (list(health.out_of_service().values()), health.next_change_s()) == (
        ["5 calls in a row failed, the last: `server_error`"],
        1_010.0,
    )
    clock.now_s += 10
    assert (health.out_of_service(), health.next_change_s(), health.admit("m")) == ({"m": "rate limited for 30 s"}, 1_030.0, False)
    clock.now_s += 20
    assert (health.state("m"), health.out_of_service()) == ("half_open", {})


def test_a_rate_limited_trial_call_is_no_verdict(health, clock):
    fail(health)
    clock.now_s += 10
    assert health.admit("m")
    health.observe("m", "rate_limit", None, 5.0)
    assert not health.admit("m")
    clock.now_s += 5
    assert (health.state("m"), health.admit("m")) == ("half_open", True)


def test_sentences_do_not_change_while_their_cause_does_not(health, clock):
    fail(health)
    health.observe("limited", "rate_limit", None, 9.0)
    health.observe("spent", "quota")
    said = health.out_of_service()
    for _ in range(8):
        clock.now_s += 1
        assert health.out_of_service() == said


def test_a_model_whose_first_token_takes_five_times_longer_than_usual_is_taken_out(health):
    answer(health, 28, ttft_ms=400)
    answer(health, 4, ttft_ms=5_200)
    assert health.state("m") == "closed"
    answer(health, 1, ttft_ms=5_200)
    assert health.out_of_service() == {"m": "first token takes 5.2 s, usually 0.4 s"}


@pytest.mark.parametrize("ttft_ms", [40, 400, 40_000])
def test_a_model_that_has_always_taken_that_long_is_not_slow(health, ttft_ms):
    answer(health, 200, ttft_ms=ttft_ms)
    assert health.state("m") == "closed"


def test_nothing_is_slow_before_it_is_known_what_is_usual(health):
    answer(health, 19, ttft_ms=40)
    answer(health, 8, ttft_ms=4_000)
    assert health.state("m") == "closed"


def test_single_slow_calls_and_nonsense_do_not_take_it_out(health):
    for _ in range(30):
        answer(health, 4, ttft_ms=400)
        answer(health, 3, ttft_ms=60_000)
        for nonsense in (float("nan"), float("inf"), -1.0, 0.0, 5e-324):
            health.observe("m", None, nonsense)
    assert health.state("m") == "closed"


def test_a_slow_model_comes_back_with_a_quick_trial_call_and_stays_out_with_a_slow_one(health, clock):
    answer(health, 28, ttft_ms=40)
    answer(health, 5, ttft_ms=900)
    assert health.out_of_service() == {"m": "first token takes 0.9 s, usually 40 ms"}
    clock.now_s += 10
    health.admit("m")
    answer(health, 1, ttft_ms=700)
    assert (health.out_of_service(), health.next_change_s()) == ({"m": "first token takes 0.7 s, usually 40 ms"}, clock.now_s + 20)
    clock.now_s += 20
    health.admit("m")
    answer(health, 1, ttft_ms=45)
    assert health.state("m") == "closed"
    answer(health, 50, ttft_ms=45)
    assert health.state("m") == "closed"


def test_what_is_usual_follows_a_lasting_change(health, clock):
    answer(health, 28, ttft_ms=100)
    for _ in range(200):
        answer(health, 1, ttft_ms=1_000)
        if (end_s := health.next_change_s()) is not None:
            clock.now_s = end_s
            assert health.admit("m")
    assert health.state("m") == "closed"


def test_the_first_call_after_an_outage_may_be_slow(health, clock):
    answer(health, 28, ttft_ms=40)
    fail(health)
    clock.now_s += 10
    health.admit("m")
    answer(health, 1, ttft_ms=5_000)
    assert health.state("m") == "closed"


def test_models_that_are_gone_are_forgotten(health):
    fail(health)
    assert health.kept(["other"]).state("m") == "closed"


def test_what_is_kept_is_one_and_the_same_whoever_hears_of_it(health):
    kept = health.kept(["m"])
    fail(health)
    assert kept.state("m") == health.state("m") == "open"


def whole(health: Health, times: int, took_ms: float, tokens: int) -> None:
    for _ in range(times):
        OurHealth.observe(health, "m", None, took_ms, tokens=tokens)


def test_a_whole_answer_is_slow_beside_whole_answers_of_about_its_length(health):
    whole(health, 28, 300, 20)
    whole(health, 28, 9_000, 600)
    answer(health, 28, ttft_ms=50)
    assert health.out_of_service() == {}, "long ones take long, and first tokens are another matter"
    whole(health, 8, 2_000, 20)
    assert health.out_of_service() == {"m": "a whole answer takes 2.0 s, usually 0.3 s"}


def test_whoever_asks_much_makes_no_model_slow_for_those_who_ask_little(health):
    whole(health, 28, 300, 20)
    for _ in range(28):
        OurHealth.observe(health, "m", None, 9_000, tokens=20, asked=30_000)
    assert health.out_of_service() == {}


def test_answers_that_grow_longer_are_not_slow(health):
    for tokens in range(1, 4_000, 5):
        whole(health, 1, 200 + 20 * tokens, tokens)
    assert health.out_of_service() == {}


FAULTS: list[Fault | None] = [None, "rate_limit", "quota", "unavailable", *sorted(FAILURES), *sorted(SOUND)]


class Breakers(RuleBasedStateMachine):
    """One model, its callers and the time that passes, against what is promised of breakers."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = Clock()
        self.settings = BreakerSettings(cooldown_s=4, longest_cooldown_s=20)
        self.health = Health(self.clock, self.settings)
        self.trial_since_s: float | None = None
        self.observed_s = self.clock.now_s

    @rule(seconds=st.floats(0, 30))
    def time_passes(self, seconds):
        before, change_s = self.health.out_of_service(), self.health.next_change_s()
        self.clock.now_s += seconds
        if change_s is None or self.clock.now_s < change_s:
            assert self.health.out_of_service() == before

    @rule()
    def until_the_next_change(self):
        before, change_s = self.health.out_of_service(), self.health.next_change_s()
        if change_s is not None:
            self.clock.now_s = change_s
            assert self.health.out_of_service() != before

    @rule()
    def a_caller_asks(self):
        state = self.health.state("m")
        admitted = self.health.admit("m")
        leased = self.trial_since_s is not None and self.clock.now_s < self.trial_since_s + self.settings.cooldown_s
        assert admitted == (state == "closed" or (state == "half_open" and not leased))
        if admitted and state == "half_open":
            self.trial_since_s = self.clock.now_s

    @rule(
        fault=st.sampled_from(FAULTS),
        ttft_ms=st.none() | st.sampled_from([50.0, 60.0, 5_000.0]),
        retry_after_s=st.none() | st.floats(0, 100),
    )
    def a_call_ends(self, fault, ttft_ms, retry_after_s):
        tried = self.trial_since_s is not None and self.health.state("m") == "half_open"
        self.health.observe("m", fault, ttft_ms, retry_after_s)
        self.observed_s = self.clock.now_s
        if tried and (fault in SOUND or (fault is None and ttft_ms is None)):
            assert self.health.state("m") == "closed"
        if tried and fault in FAILURES:
            assert self.health.state("m") == "open"
        if fault != "unavailable":
            self.trial_since_s = None

    @rule()
    def a_client_leaves(self):
        self.health.release("m")
        self.trial_since_s = None

    @rule(times=st.integers(1, 8))
    def it_fails(self, times):
        for _ in range(times):
            self.a_call_ends("server_error", None, None)

    @invariant()
    def no_one_is_kept_out_longer_than_the_longest_cooldown(self):
        change_s = self.health.next_change_s()
        assert change_s is None or self.clock.now_s < change_s <= self.observed_s + self.settings.longest_cooldown_s

    @invariant()
    def what_is_open_is_out_of_service_and_nothing_else(self):
        assert ("m" in self.health.out_of_service()) == (self.health.state("m") == "open")


TestBreakers = Breakers.TestCase
TestBreakers.settings = settings(max_examples=EXAMPLES, stateful_step_count=60, deadline=None)
