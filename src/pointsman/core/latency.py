"""Levels of service: how long calls may take at the 95th percentile, and how long they take, as measured or else as expected."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple

from pointsman.core.model import Model
from pointsman.core.score import Estimate

Of = Literal["whole", "first_token"]
"""What is timed: a whole call that is not streamed, or a stream until its first content."""

SIZES = (1_000, 4_000, 16_000, 64_000)
"""Calls whose prompts have at most so many tokens are measured for themselves as well: long ones make no model slow for short ones."""

_APART = 2  # how far what a request is reckoned to have may be from what its model then reports

Breach = Literal["exclude", "penalise"]

MOST_SAMPLES = 200
"""Calls kept for each model, task class and thing that is timed."""


@dataclass(frozen=True, slots=True)
class Sla:
    """What a task class or a route asks of its models' 95th percentile."""

    p95_ms: float
    breach: Breach = "exclude"  #: a model over it is refused, or has a latency term of 0
    min_samples: int = 30  #: measured calls under which a prior is believed instead
    of: Of = "whole"


class Sized(NamedTuple):
    """What the latest calls with prompts of at most so many tokens took."""

    tokens: int  #: 0: of any length
    samples: int
    p95_ms: float


class Measured(NamedTuple):
    """What the latest calls of a model took."""

    samples: int
    p95_ms: float
    shorter: tuple[Sized, ...] = ()  #: the latest of each of `SIZES`; empty: they were not told apart

    @property
    def parts(self) -> tuple[Sized, ...]:
        """Shorter ones first, then all of them."""
        return (*self.shorter, Sized(0, self.samples, self.p95_ms))

    def like(self, tokens: int) -> Sized:
        """What a request of so many tokens is compared with: calls as long as it may turn out to be, and shorter ones.

        >>> measured = Measured(200, 9_000.0, (Sized(1_000, 50, 80.0), Sized(4_000, 90, 85.0)))
        >>> [measured.like(tokens).p95_ms for tokens in (500, 501, 2_001)]
        [80.0, 85.0, 9000.0]
        """
        return next((part for part in self.shorter if part.tokens >= _APART * tokens), self.parts[-1])


Latencies = Mapping[tuple[str, Of, str | None], Measured]
"""By model, what is timed, and task class; `None`: calls of every task class together."""


class Slas(NamedTuple):
    """Every SLA that holds for a request, and what they are compared with."""

    wanted: tuple[Sla, ...]
    latencies: Latencies

    def of(self, breach: Breach) -> tuple[Sla, ...]:
        """Those with this consequence."""
        return tuple(sla for sla in self.wanted if sla.breach == breach)


class Reading(NamedTuple):
    """What an SLA is compared with."""

    p95_ms: float
    samples: int  #: 0: it is a prior
    task: str | None = None  #: `None`: of every task class together
    tokens: int = 0  #: the longest prompt of the calls measured; 0: of any length


def reading(sla: Sla, latencies: Latencies, model: Model, task: str, estimate: Estimate) -> Reading:
    """What is measured for the task class, else for the model over all of them, where there are enough samples; else the prior.

    Calls with much longer prompts say nothing of this request.
    """
    for about in (task, None):
        measured = latencies.get((model.id, sla.of, about))
        if measured is not None and (found := measured.like(estimate.input_tokens)).samples >= sla.min_samples:
            return Reading(found.p95_ms, found.samples, about, found.tokens)
    return Reading(estimate.p95_ms if sla.of == "whole" else estimate.ttft_ms * model.speed.p95_over_p50, 0)


def missed(sla: Sla, latencies: Latencies, model: Model, task: str, estimate: Estimate) -> str | None:
    """The sentence that says by what a model is over the limit; `None` where it keeps it.

    >>> estimate = Estimate(0.9, 0.9, 0, 0, 200.0, 800.0, 1600.0, None, 10, "chars")
    >>> missed(Sla(500), {}, Model("m"), "chat", estimate)
    'p95 is expected to be 1,600 ms (a guess, as its `speed` is not stated, and fewer than 30 calls are measured), SLA is 500 ms'
    >>> missed(Sla(500), {("m", "whole", "chat"): Measured(143, 812.4)}, Model("m"), "chat", estimate)
    'p95 for `chat` is 812 ms (143 calls measured), SLA is 500 ms'
    """
    found = reading(sla, latencies, model, task, estimate)
    if found.p95_ms <= sla.p95_ms:
        return None
    what, calls = ("p95", "calls") if sla.of == "whole" else ("p95 of the first token", "streams")
    took, limit = _apart(found.p95_ms, sla.p95_ms)
    if not found.samples:
        why = "a guess, as its `speed` is not stated, and" if model.speed.source == "default" else "a prior:"
        return f"{what} is expected to be {took} ms ({why} fewer than {sla.min_samples} {calls} are measured), SLA is {limit} ms"
    about = "over all task classes" if found.task is None else f"for `{found.task}`"
    like = f" of up to {found.tokens:,} tokens" if found.tokens else ""
    return f"{what} {about} is {took} ms ({found.samples} {calls}{like} measured), SLA is {limit} ms"


def _apart(took_ms: float, limit_ms: float) -> tuple[str, str]:
    """Both in whole milliseconds, or with as many digits as it takes to tell them apart."""
    texts = ((f"{took_ms:,.{digits}f}", f"{limit_ms:,.{digits}f}") for digits in range(10))
    return next((pair for pair in texts if pair[0] != pair[1]), (f"{took_ms}", f"{limit_ms}"))


def shortfall(sla: Sla, latencies: Latencies, model: Model, task: str, estimate: Estimate) -> float:
    """By how much it is missed, from 0 (kept) to 1."""
    p95_ms = reading(sla, latencies, model, task, estimate).p95_ms
    return 0.0 if p95_ms <= sla.p95_ms else 1 - sla.p95_ms / p95_ms
