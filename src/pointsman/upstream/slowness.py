"""What is slow, beside what is usual."""

from __future__ import annotations

from collections import deque
from statistics import median, median_low

_EARLIER_SAMPLES = 20  # before anything can be called slow
_NOTICED_MS = 100.0  # what takes less is not slow, whatever is usual
_STEP = 1.05  # how far one sample moves the usual time: a lasting change is forgotten within some tens of samples


class Times:
    """How long calls of one kind took: the last ones, and what was usual before them.

    The usual time is a running median that forgets: every sample moves it towards itself by a twentieth at most, however far off it is,
    which settles where as many are above as below.
    """

    def __init__(self, samples: int, factor: float, what: str) -> None:
        self._what = what
        self._last: deque[float] = deque()
        self._samples = samples
        self._factor = factor
        self._earlier: list[float] = []  # the first ones, until there are enough for a median
        self._usual_ms: float | None = None

    def slow(self, took_ms: float, *, alone: bool) -> str | None:
        """Take a sample in; the sentence if the last ones are slow. `alone`: a trial call, which is judged by itself."""
        if not 0.001 <= took_ms <= 1e9:  # nothing that a clock has measured
            return None
        self._last.append(took_ms)
        if len(self._last) > self._samples:
            self._earlier_was(self._last.popleft())
        if took_ms <= _NOTICED_MS or self._usual_ms is None or (len(self._last) < self._samples and not alone):
            return None
        most_ms = max(_NOTICED_MS, self._factor * self._usual_ms)
        if took_ms <= most_ms or (now_ms := took_ms if alone else median_low(self._last)) <= most_ms:  # one that is quick makes none slow
            return None
        sentence = f"{self._what} takes {_duration(now_ms)}, usually {_duration(self._usual_ms)}"
        if alone:
            self._earlier_was(took_ms)
        return sentence

    def start_anew(self) -> None:
        """Forget the last ones: what comes next is judged without them."""
        self._last.clear()

    def _earlier_was(self, took_ms: float) -> None:
        if self._usual_ms is not None:
            low_ms, high_ms = self._usual_ms / _STEP, self._usual_ms * _STEP
            self._usual_ms = low_ms if took_ms < low_ms else min(took_ms, high_ms)
            return
        self._earlier.append(took_ms)
        if len(self._earlier) >= _EARLIER_SAMPLES:
            self._usual_ms = median(self._earlier)
            self._earlier.clear()


def _duration(milliseconds: float) -> str:
    return f"{milliseconds / 1000:.1f} s" if milliseconds >= 100 else f"{milliseconds:.0f} ms"
