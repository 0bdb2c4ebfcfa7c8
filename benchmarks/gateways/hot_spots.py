"""Where a gateway's time goes while it is kept busy: by function with py-spy, by library with perf."""

from __future__ import annotations

import re
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

from gateways.contenders import Gateway
from gateways.environments import Environments, Missing, program
from gateways.machine import MEASURING, pinned
from gateways.steps import Bench

_SECONDS = 8
_MOST_LINES = 30
_FRAME = re.compile(r"(?P<function>.+) \((?P<file>.+?)(:\d+)?\)")


def hot_spots(bench: Bench, gateway: Gateway, environments: Environments) -> Iterator[str]:
    """Tables, line by line."""
    running, targets, _ = bench.start(gateway)
    try:
        for tool, look in (("py-spy", _by_function), ("perf", _by_library)):
            try:
                path = program("perf") if tool == "perf" else str(environments.pip(tool, tool)[0] / tool)
                yield from _while_busy(bench, targets["plain"], partial(look, path, running.pid, bench.folder))
            except Missing as missing:
                yield f"left out: {missing}"
    finally:
        running.stop()


def _while_busy(bench: Bench, target: str, look: Callable[[], Iterator[str]]) -> Iterator[str]:
    busy = bench.keep_busy(target, _SECONDS + 2)
    try:
        yield from look()
    finally:
        busy.stop()


def _by_function(spy: str, pid: int, folder: Path) -> Iterator[str]:
    stacks = folder / "stacks.txt"
    _run(
        [
            spy,
            "record",
            "--pid",
            str(pid),
            "--duration",
            str(_SECONDS),
            "--rate",
            "200",
            "--threads",
            "--format",
            "raw",
            "--output",
            str(stacks),
        ]
    )
    own: Counter[str] = Counter()
    within: Counter[str] = Counter()
    for line in stacks.read_text().splitlines():
        stack, _, times = line.rpartition(" ")
        thread, *frames = [_short(frame) for frame in stack.split(";")]
        if not thread.endswith("MainThread"):
            continue  # it waits for work most of the time, and py-spy cannot tell
        own[frames[-1]] += int(times)
        for frame in set(frames):
            within[frame] += int(times)
    for title, counted in (("in the function itself", own), ("in it and what it calls", within)):
        yield f"\n{'share':>6}  {title}"
        yield from (f"{count / own.total():>6.1%}  {frame}" for frame, count in counted.most_common(_MOST_LINES))


def _by_library(perf: str, pid: int, folder: Path) -> Iterator[str]:
    data = str(folder / "perf.data")
    _run([perf, "record", "-q", "-F", "999", "-o", data, "-p", str(pid), "--", "sleep", str(_SECONDS)])
    for title, key in (("library", "dso"), ("symbol", "symbol")):
        yield f"\n{'share':>6}  {title}"
        report = _run([perf, "report", "-i", data, "--no-children", "--sort", key, "--stdio", "-q", "-g", "none"])
        lines = (line.split("  ") for line in report.splitlines() if line.strip())
        yield from (" ".join(" ".join(line).split()) for line, _ in zip(lines, range(_MOST_LINES // 2), strict=False))


def _short(frame: str) -> str:
    """A frame with as much of its file's path as says where it is.

    >>> _short("send (/usr/lib/python3/site-packages/uvicorn/protocols/http/httptools_impl.py:12)")
    'send (uvicorn/protocols/http/httptools_impl.py)'
    """
    found = _FRAME.fullmatch(frame)
    if found is None:
        return frame
    file = re.split(r"/(?:site-packages|src|python3\.\d+)/", found["file"])[-1]
    return f"{found['function']} ({file})"


def _run(command: Sequence[str]) -> str:
    """Its output. Raises `Missing` where it may not look into other processes."""
    done = subprocess.run(pinned(command, MEASURING), capture_output=True, text=True, check=False)
    if done.returncode:
        raise Missing(f"{Path(command[0]).name}: {done.stderr.strip()[-300:]}")
    return done.stdout
