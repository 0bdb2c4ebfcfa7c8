"""Which models are worth calling now: a circuit breaker for each, fed with what its calls came to.

    closed ──(failures, quota, a slow first token)──> open ──(cooldown is over)──> half-open ──(a trial call succeeds)──> closed
                                                       ^                              │
                                                       └──(the trial call fails: twice the cooldown)

What is slow is told from what is usual: first tokens from first tokens, and whole answers from whole ones of about the same length, whose
headers come after their last word. A model is one model at one endpoint. A rate limit that names a time takes a model out until then,
without opening its breaker. No clock, no tasks: time comes in, and states follow from it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from math import ceil, inf
from typing import Final, Literal, NamedTuple

from pointsman.core.fault import Fault
from pointsman.upstream.slowness import Times

State = Literal["closed", "open", "half_open"]

FAILURES: Final[frozenset[Fault]] = frozenset({"unreachable", "timeout", "broken", "server_error", "overloaded", "refused"})
"""Faults that speak against the endpoint. `quota` opens the breaker by itself."""

SOUND: Final[frozenset[Fault]] = frozenset({"malformed", "context_length", "content_filter", "invalid_output"})
"""Faults of a request that an endpoint in good health has found."""

_Size = tuple[int, int]
"""A kind of times: by the answer's length, and by the request's, each up to four times as long."""
_FIRST_TOKEN: Final = -1  # a kind of times; those of whole answers are 0, 1, 2, ...: each of answers up to twice as long
_SPENT: Final = "its account's quota is used up"
_SAME_S = 1.0  # a rate limit's end that moves by less is the same end, told by another call


@dataclass(frozen=True, slots=True)
class BreakerSettings:
    """When a model is taken out of service, and for how long."""

    failures: int = 5  #: in a row; also the fewest among the last `window` calls
    window: int = 10
    share: float = 0.5  #: of the last `window` calls
    cooldown_s: float = 10.0  #: the first; each further one is twice as long
    longest_cooldown_s: float = 300.0
    slow_factor: float = 5.0  #: times its usual time to the first token, or to a whole answer of about that length
    slow_samples: int = 8


class Ticket(NamedTuple):
    """Leave to call a model once."""

    trial: int = 0  #: number of the trial call, 0: it is none


_NO_TRIAL = Ticket()


class Health:
    """The breakers. `clock` is monotonic, in seconds."""

    def __init__(self, clock: Callable[[], float], settings: BreakerSettings | None = None) -> None:
        self._clock = clock
        self._settings = settings or BreakerSettings()
        self._breakers: dict[str, _Breaker] = {}

    def admit(self, model: str) -> Ticket | None:
        """Leave to call it now. In half-open this is the one trial call, which ends with `observe` or `release` of its ticket."""
        breaker = self._breakers.get(model)
        return _NO_TRIAL if breaker is None else breaker.admit(self._clock())

    def observe(
        self,
        model: str,
        fault: Fault | None,
        took_ms: float | None = None,
        retry_after_s: float | None = None,
        ticket: Ticket | None = None,
        tokens: int | None = None,
        asked: int = 0,
    ) -> bool:
        """What a call came to, `fault` is `None` where it succeeded; whether that is news. Only the trial's own ticket is its verdict.

        `took_ms`: until the first token, or, with the `tokens` that it has, until the answer was whole. `asked`: tokens of the request:
        long ones take longer, and are compared with long ones.
        """
        size = (_FIRST_TOKEN if tokens is None else max(0, tokens).bit_length(), max(0, asked).bit_length() // 2)
        breaker, now_s = self._breaker(model), self._clock()
        before = breaker.state(now_s)
        breaker.observe(now_s, fault, took_ms, retry_after_s, ticket or _NO_TRIAL, size)
        return fault is not None or before != "closed" or breaker.state(now_s) != before

    def hold_back(self, model: str, for_s: float) -> bool:
        """Nothing more may be asked of it for so long, says its last good answer; whether that is news."""
        return self._breaker(model).hold_back(self._clock(), for_s)

    def release(self, model: str, ticket: Ticket) -> None:
        """The call that was admitted was not made, or ended without a verdict: its client left."""
        if (breaker := self._breakers.get(model)) is not None and breaker.has_trial(ticket):
            breaker.trial_until_s = None

    def kept(self, models: Iterable[str]) -> Health:
        """The same breakers of these models, and nothing of any other: for a configuration that reaches these as before.

        Calls that began earlier tell the earlier `Health` what they came to: of a model that is kept, both hear it.
        """
        kept = Health(self._clock, self._settings)
        kept._breakers = {model: self._breaker(model) for model in models}
        return kept

    def _breaker(self, model: str) -> _Breaker:
        if (breaker := self._breakers.get(model)) is None:
            breaker = self._breakers[model] = _Breaker(self._settings)
        return breaker

    def state(self, model: str) -> State:
        """`open`: out of service; `half_open`: one trial call at a time."""
        breaker = self._breakers.get(model)
        return "closed" if breaker is None else breaker.state(self._clock())

    def out_of_service(self) -> dict[str, str]:
        """Models that may not be called, and why. A sentence stays the same while its cause does."""
        now_s = self._clock()
        reasons = ((model, breaker.reason(now_s)) for model, breaker in self._breakers.items())
        return {model: reason for model, reason in reasons if reason is not None}

    def next_change_s(self) -> float | None:
        """When, by the clock, `out_of_service` will next say something else if nothing is observed."""
        now_s = self._clock()
        return min((end_s for breaker in self._breakers.values() if (end_s := breaker.out_until_s(now_s)) > now_s), default=None)


@dataclass(slots=True)
class _Breaker:
    settings: BreakerSettings
    failed: deque[bool] = field(init=False)  # of the last calls
    in_a_row: int = 0
    why: str = ""
    opened: int = 0  # times since it was last closed; 0: it is closed
    open_until_s: float = -inf
    was_slow: bool = False  # that is why it is open
    trials: int = 0  # handed out so far
    trial_until_s: float | None = None  # a trial call is under way; from then on another may be made
    limited_until_s: float = -inf
    limited: str = ""
    times: dict[_Size, Times] = field(default_factory=dict)  # of first tokens, and of whole answers by size

    def __post_init__(self) -> None:
        self.failed = deque(maxlen=self.settings.window)

    def state(self, now_s: float) -> State:
        if self.out_until_s(now_s) > now_s:
            return "open"
        return "half_open" if self.opened else "closed"

    def out_until_s(self, now_s: float) -> float:
        """The end of what keeps it out; of two causes, of the one that `reason` names."""
        return self.open_until_s if self.open_until_s > now_s else self.limited_until_s

    def reason(self, now_s: float) -> str | None:
        if self.open_until_s > now_s:
            return self.why
        return self.limited if self.limited_until_s > now_s else None

    def admit(self, now_s: float) -> Ticket | None:
        state = self.state(now_s)
        if state == "open" or (state == "half_open" and self.trial_until_s is not None and now_s < self.trial_until_s):
            return None
        if state == "closed":
            return _NO_TRIAL
        self.trial_until_s = now_s + self.settings.cooldown_s
        self.trials += 1
        return Ticket(self.trials)

    def has_trial(self, ticket: Ticket) -> bool:
        """Whether this is the trial call under way."""
        return self.trial_until_s is not None and ticket.trial == self.trials

    def observe(
        self, now_s: float, fault: Fault | None, took_ms: float | None, retry_after_s: float | None, ticket: Ticket, size: _Size
    ) -> None:
        if fault == "rate_limit":
            self._limit(now_s, retry_after_s)
        elif fault == "quota":
            self._spent(now_s, retry_after_s)
        elif self.opened and not self.has_trial(ticket):
            pass  # it was under way when the breaker opened, or was made all the same: no verdict
        elif fault is None or fault in SOUND:
            self._succeeded(now_s, took_ms if fault is None else None, size)
        elif fault in FAILURES:
            self._failed(now_s, fault)

    def _succeeded(self, now_s: float, took_ms: float | None, size: _Size) -> None:
        # A trial call decides by itself only about slowness: the first call after an outage may well be slow.
        slow = None if took_ms is None else self._times_of(size).slow(took_ms, alone=self.was_slow)
        if slow is not None:
            self._open(now_s, slow)
            self.was_slow = True
        elif self.opened:
            self._close()
        else:
            self.failed.append(False)
            self.in_a_row = 0

    def _times_of(self, size: _Size) -> Times:
        if (times := self.times.get(size)) is None:
            times = self.times[size] = Times(
                self.settings.slow_samples, self.settings.slow_factor, "first token" if size[0] == _FIRST_TOKEN else "a whole answer"
            )
        return times

    def _failed(self, now_s: float, fault: Fault) -> None:
        self.failed.append(True)
        self.in_a_row += 1
        if (why := f"a trial call failed: `{fault}`" if self.opened else self._too_many(fault)) is not None:
            self._open(now_s, why)

    def _too_many(self, fault: Fault) -> str | None:
        settings = self.settings
        if self.in_a_row >= settings.failures:
            return f"{self.in_a_row} calls in a row failed, the last: `{fault}`"
        failures = sum(self.failed)
        if failures >= max(settings.failures, settings.share * len(self.failed)):
            return f"{failures} of the last {len(self.failed)} calls failed, the last: `{fault}`"
        return None

    def _open(self, now_s: float, why: str, for_s: float | None = None) -> None:
        longest_s = self.settings.longest_cooldown_s
        doubled_s = self.settings.cooldown_s * 2.0 ** min(self.opened, 32)
        self.open_until_s = now_s + min(doubled_s if for_s is None else for_s, longest_s)
        self.opened += 1
        self.why = why
        self._start_anew()

    def _close(self) -> None:
        self.opened = 0
        self._start_anew()

    def _start_anew(self) -> None:
        self.failed.clear()
        self.in_a_row = 0
        self.trial_until_s = None
        self.was_slow = False
        for times in self.times.values():
            times.start_anew()

    def _spent(self, now_s: float, retry_after_s: float | None) -> None:
        # Calls that were under way when it opened say the same again: the cooldown is not prolonged by them.
        if self.open_until_s <= now_s or self.why != _SPENT:
            self._open(now_s, _SPENT, self.settings.longest_cooldown_s if retry_after_s is None else retry_after_s)

    def _limit(self, now_s: float, retry_after_s: float | None) -> None:
        self.trial_until_s = None
        if retry_after_s is not None:
            self.hold_back(now_s, retry_after_s)

    def hold_back(self, now_s: float, for_s: float) -> bool:
        wait_s = min(for_s, self.settings.longest_cooldown_s)
        if now_s + wait_s <= self.limited_until_s + (_SAME_S if self.limited_until_s > now_s else 0.0):
            return False
        self.limited_until_s = now_s + wait_s
        self.limited = f"rate limited for {ceil(wait_s)} s"
        return True
