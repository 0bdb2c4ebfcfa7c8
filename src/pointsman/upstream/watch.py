"""What is kept in mind of upstreams between calls: their health, their limits, and how often they were asked again."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from pointsman.core.fault import Fault
from pointsman.core.outcome import Outcome
from pointsman.errors import UpstreamUnavailable
from pointsman.upstream.call_times import CallTimes
from pointsman.upstream.health import Health, Ticket
from pointsman.upstream.lag import Lag
from pointsman.upstream.limits import Limits, RetryBudget

_WORTH_S: Final = 1.0  # what is back sooner is back before decisions know that it was gone


@dataclass(frozen=True, slots=True)
class Watch:
    """Asked before every call, told after it. One for a process; it outlives configurations."""

    health: Health
    limits: Limits
    retries: RetryBudget
    changed: list[Callable[[], None]] = field(default_factory=list)  #: called when a model's health or latency may have changed
    times: CallTimes = field(default_factory=lambda: CallTimes(time.monotonic))
    lag: Lag = field(default_factory=Lag)  #: one for a process

    def admit(self, model: str, tokens: int, *, forced: bool, again: bool) -> Ticket:
        """Take room for a call of so many tokens. Raises `UpstreamUnavailable` where it should not be made now.

        `forced` ignores the model's health, never its limits. `again`: a retry, which adds nothing to the budget for retries.
        """
        ticket = self.health.admit(model)
        if ticket is None and not forced:
            raise UpstreamUnavailable(f"`{model}` is out of service for a while")
        if (wait_s := self.limits.reserve(model, tokens)) > 0:
            self.health.release(model, ticket or Ticket())
            raise UpstreamUnavailable(f"`{model}` has reached a limit that the gateway keeps for it", wait_s)
        if not again:
            self.retries.called(model)
        return ticket or Ticket()

    def ended(
        self,
        model: str,
        ticket: Ticket,
        fault: Fault | None,
        took_ms: float | None,
        retry_after_s: float | None,
        tokens: int | None = None,
        asked: int = 0,
    ) -> None:
        """A call ended, well or with a failure of the upstream's. `took_ms`: see `Health.observe`; our own slowness is not counted."""
        took_ms = None if took_ms is None or self.lag.is_felt() else took_ms
        if self.health.observe(model, fault, took_ms, retry_after_s, ticket, tokens, asked):
            for tell in self.changed:
                tell()

    def used_up(self, model: str, for_s: float) -> None:
        """A good answer says that it was the last for so long."""
        if for_s >= _WORTH_S and self.health.hold_back(model, for_s):
            for tell in self.changed:
                tell()

    def took(self, outcome: Outcome) -> None:
        """How long a call took, however it ended."""
        if self.times.ended(outcome):
            for tell in self.changed:
                tell()

    def left(self, model: str, ticket: Ticket) -> None:
        """A call ended without saying anything of the upstream: the client left, or the fault was ours."""
        self.health.release(model, ticket)

    def settle(self, model: str, reserved_tokens: int, used_tokens: int | None) -> None:
        """Give back what a call took of the limits beyond what it used; `None`: unknown, so all of it stays taken."""
        self.limits.settle(model, reserved_tokens, reserved_tokens if used_tokens is None else used_tokens)
        self.limits.done(model)
