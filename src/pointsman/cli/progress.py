"""What a long command is at."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

_QUIET_S = 10.0


class Progress:
    """Called with a line, prints it on standard error with the seconds since the start."""

    def __init__(self) -> None:
        self._start = time.monotonic()
        self._last, self._told = "", self._start

    def __call__(self, line: str) -> None:
        """Tell of a step."""
        self._last, self._told = line, time.monotonic()
        print(f"{self._told - self._start:6.1f} s  {line}", file=sys.stderr)

    def again(self) -> None:
        """Tell that the last step is not over."""
        print(f"{time.monotonic() - self._start:6.1f} s  still {self._last}", file=sys.stderr)


@contextmanager
def progress(quiet_s: float = _QUIET_S) -> Iterator[Progress]:
    """Tells of steps; where one takes long, every so many seconds that it goes on."""
    tell, over = Progress(), threading.Event()

    def patient() -> None:
        while not over.wait(quiet_s):
            tell.again()

    thread = threading.Thread(target=patient, daemon=True)
    thread.start()
    try:
        yield tell
    finally:
        over.set()
        thread.join()
