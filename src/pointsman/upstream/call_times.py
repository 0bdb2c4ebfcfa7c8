"""What the latest calls took, by model and task class, for the SLAs that they are compared with.

No clock, no tasks: time comes in. Decisions see none of it before it stands in a snapshot.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import product
from math import ceil, inf

from pointsman.core.latency import MOST_SAMPLES, SIZES, Latencies, Measured, Of, Sized, Sla
from pointsman.core.outcome import Outcome

EVERY_S = 10.0
"""How often what was measured is looked at."""

_MATTERS = 0.2  # a 95th percentile of 200 calls strays by about so much though nothing has changed

Key = tuple[str, Of, str | None]
_ANY = 0  # tokens


@dataclass(frozen=True, slots=True)
class CallTimeSettings:
    """What the times are for. Without an SLA nothing is kept."""

    slas: tuple[Sla, ...] = ()
    tasks: frozenset[str] = frozenset()  #: task classes measured for themselves; a client may name any other
    window_s: float = 3600.0


class CallTimes:
    """The last times of each kind and of each size of prompts, not older than the window. `clock` is monotonic, in seconds."""

    def __init__(self, clock: Callable[[], float], settings: CallTimeSettings = CallTimeSettings()) -> None:
        self.settings = settings
        self._clock = clock
        self._enough = frozenset(sla.min_samples for sla in settings.slas)
        self._latest: dict[tuple[Key, int], deque[tuple[float, float]]] = {}  # by the longest prompt: (when, milliseconds)
        self._said: dict[Key, Measured] = {}
        self._looked_s = -inf
        self._due = False

    def ended(self, outcome: Outcome, age_s: float = 0.0) -> bool:
        """Take in a call that ended so long ago; whether `measured` is worth asking now."""
        if not self.settings.slas:
            return False
        now_s = self._clock()
        # An upstream that reports too little must not make long prompts count as short ones.
        asked = max(outcome.reckoned_input_tokens, 0 if outcome.usage is None else outcome.usage.input_tokens)
        tasks = (None, outcome.task) if outcome.task in self.settings.tasks else (None,)
        sizes = (*(size for size in SIZES if asked <= size), _ANY)
        for of, took_ms in _times(outcome):
            for task, size in product(tasks, sizes):
                latest = self._latest.setdefault(((outcome.model, of, task), size), deque(maxlen=MOST_SAMPLES))
                before = len(latest)
                latest.append((now_s - age_s, took_ms))
                self._due |= before < len(latest) in self._enough
        return self._due or now_s - self._looked_s >= EVERY_S

    def measured(self) -> Latencies:
        """The 95th percentiles (nearest rank) of what there is enough of; each stays as it was said until it changes so that it matters.

        Looked at no more often than `EVERY_S`, or at once when there are enough samples for the first time.
        """
        now_s = self._clock()
        if self._due or now_s - self._looked_s >= EVERY_S:
            self._due, self._looked_s = False, now_s
            self._forget(now_s - self.settings.window_s)
            found = {
                key: self._found(key) for (key, size), latest in self._latest.items() if size == _ANY and self._counts(key, len(latest))
            }
            self._said = {key: self._said[key] if self._is_as_said(key, new) else new for key, new in found.items()}
        return self._said

    def next_look_s(self) -> float | None:
        """When, by the clock, to look again though nothing ends: times grow old."""
        return self._looked_s + EVERY_S if self._latest else None

    def _forget(self, before_s: float) -> None:
        for latest in self._latest.values():
            while latest and latest[0][0] < before_s:
                latest.popleft()
        self._latest = {key: latest for key, latest in self._latest.items() if latest}

    def _counts(self, key: Key, samples: int) -> bool:
        return any(sla.of == key[1] and samples >= sla.min_samples for sla in self.settings.slas)

    def _found(self, key: Key) -> Measured:
        *shorter, (_, samples, p95_ms) = (_percentile(size, [ms for _, ms in self._latest.get((key, size), ())]) for size in (*SIZES, _ANY))
        return Measured(samples, p95_ms, tuple(shorter))

    def _is_as_said(self, key: Key, new: Measured) -> bool:
        if (said := self._said.get(key)) is None:
            return False
        slas = [sla for sla in self.settings.slas if sla.of == key[1]]
        return all(_is_alike(slas, before, now) for before, now in zip(said.parts, new.parts, strict=True))


def _times(outcome: Outcome) -> Iterator[tuple[Of, float]]:
    """What a call says of its model's speed.

    A whole stream says nothing: it takes as long as its client reads. A call that was given up before anything came counts with the time
    it was waited for, lest a model seem fast whose slow calls are all given up.
    """
    given_up = outcome.fault == "timeout" and outcome.ttft_ms is None
    if outcome.ttft_ms is not None:
        yield "first_token", outcome.ttft_ms
    elif outcome.ok or given_up:
        yield "whole", outcome.total_ms
    if given_up:
        yield "first_token", outcome.total_ms


def _percentile(size: int, times_ms: list[float]) -> Sized:
    return Sized(size, len(times_ms), round(sorted(times_ms)[ceil(0.95 * len(times_ms)) - 1], 3) if times_ms else 0.0)


def _is_alike(slas: list[Sla], said: Sized, new: Sized) -> bool:
    if any(_standing(sla, new) != _standing(sla, said) for sla in slas):
        return False
    if new.samples < min(sla.min_samples for sla in slas):
        return True  # nobody looks at either
    return abs(new.p95_ms - said.p95_ms) <= _MATTERS * said.p95_ms and new.samples < 2 * said.samples


def _standing(sla: Sla, measured: Sized) -> bool | None:
    return None if measured.samples < sla.min_samples else measured.p95_ms > sla.p95_ms
