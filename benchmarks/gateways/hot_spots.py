"""Where a gateway's time goes while it is kept busy: by function with py-spy, by library with perf."""

from __future__ import annotations

import re
import subprocess
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from gateways.contenders import Gateway
from gateways.environments import Environments, Missing, program
from gateways.machine import MEASURING, pinned
from gateways.steps import Bench

_SECONDS = 8
_MOST_LINES = 30
_FRAME = re.compile(r"(?P<function>.+) \((?P<file>.+?)(:\d+)?\)")


Table = list[tuple[str, float]]
"""Names, and the share of the gateway's time that each takes; most first."""


def hot_spots(bench: Bench, gateway: Gateway, environments: Environments) -> tuple[dict[str, Table], dict[str, str]]:
    """Tables by what is told apart in them, and why others are left out."""
    running, targets, _ = bench.start(gateway)
    found: dict[str, Table] = {}
    missing: dict[str, str] = {}
    try:
        for tool, look in (("py-spy", _by_function), ("perf", _by_library)):
            try:
                path = program("perf") if tool == "perf" else str(environments.pip(tool, tool)[0] / tool)
                found |= _while_busy(bench, targets["plain"], partial(look, path, running.pid, bench.folder))
            except Missing as why:
                missing[tool] = str(why)
    finally:
        running.stop()
    return found, missing


def _while_busy(bench: Bench, target: str, look: Callable[[], dict[str, Table]]) -> dict[str, Table]:
    busy = bench.keep_busy(target, _SECONDS + 2)
    try:
        return look()
    finally:
        busy.stop()


def _by_function(spy: str, pid: int, folder: Path) -> dict[str, Table]:
    stacks = str(folder / "stacks.txt")
    how = ["--duration", str(_SECONDS), "--rate", "200", "--threads", "--format", "raw", "--output", stacks]
    _run([spy, "record", "--pid", str(pid), *how])
    own: Counter[str] = Counter()
    within: Counter[str] = Counter()
    for line in Path(stacks).read_text().splitlines():
        stack, _, times = line.rpartition(" ")
        thread, *frames = [_short(frame) for frame in stack.split(";")]
        if not thread.endswith("MainThread"):
            continue  # it waits for work most of the time, and py-spy cannot tell
        own[frames[-1]] += int(times)
        for frame in set(frames):
            within[frame] += int(times)
    packages: Counter[str] = Counter()
    for frame, times in own.items():
        packages[_package(frame)] += times
    return {
        title: [(name, round(count / own.total(), 4)) for name, count in counted.most_common(_MOST_LINES)]
        for title, counted in (("function", own), ("function and what it calls", within), ("package", packages))
    }


def _by_library(perf: str, pid: int, folder: Path) -> dict[str, Table]:
    data = str(folder / "perf.data")
    _run([perf, "record", "-q", "-F", "999", "-o", data, "-p", str(pid), "--", "sleep", str(_SECONDS)])
    report = _run([perf, "report", "-i", data, "--no-children", "--sort", "dso", "--stdio", "-q", "-g", "none"])
    lines = [line.split() for line in report.splitlines() if line.strip()]
    return {"library": [(line[1], round(float(line[0].rstrip("%")) / 100, 4)) for line in lines[: _MOST_LINES // 2]]}


def _package(frame: str) -> str:
    """The package of ours that a frame is in, else the library.

    >>> _package("send (pointsman/upstream/connection.py)"), _package("run (asyncio/runners.py)"), _package("__init__ (<string>)")
    ('pointsman.upstream', 'asyncio', 'made by dataclasses')
    """
    file = frame.rpartition("(")[2].rstrip(")")
    if file.startswith("<string>"):
        return "made by dataclasses"
    steps = file.split("/")
    return ".".join(steps[:2]) if steps[0] == "pointsman" and len(steps) > 2 else steps[0]


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
