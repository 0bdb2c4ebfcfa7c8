"""Processes on fixed cores, and what they use. Linux only."""

from __future__ import annotations

import os
import platform
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

MEASURING, MEASURED = (*sorted(os.sched_getaffinity(0)), -1)[:2]
"""The core of the load generator and the model server, and the core of the gateway; -1 where there is no second one."""

_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
_SLICE = Path("/proc/sys/kernel/sched_rr_timeslice_ms")
_STOP_S = 6.0


class Process:
    """A program and all that it starts, on one core."""

    def __init__(
        self, command: Sequence[str], core: int, output: Path, env: Mapping[str, str] | None = None, real_time: bool = False
    ) -> None:
        """Its output goes to the file `output`, and it runs in that file's folder."""
        # A proxy's address in the environment would be used for the loopback, too.
        inherited = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
        with output.open("wb") as file:
            self._child = subprocess.Popen(
                pinned(command, core, real_time),
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=file,
                cwd=output.parent,
                env={**inherited, **(env or {})},
                start_new_session=True,
            )
        self.output = output

    @property
    def pid(self) -> int:
        """Of the program itself."""
        return self._child.pid

    @property
    def ended(self) -> bool:
        """Whether the program has ended by itself."""
        return self._child.poll() is not None

    def said(self) -> str:
        """The end of its output."""
        return self.output.read_text(errors="replace")[-2000:]

    def cpu_s(self) -> float:
        """User and system time of all its processes so far."""
        return sum(sum(map(int, stat[11:15])) for _, stat in self._processes()) / _TICKS_PER_S

    def pss_mib(self) -> float:
        """Memory of all its processes; what several share counts in parts."""
        return sum(_pss_kib(pid) for pid, _ in self._processes()) / 1024

    def stop(self) -> None:
        """End all of it."""
        for sent in (signal.SIGTERM, signal.SIGKILL):
            for pid, _ in self._processes():
                with suppress(ProcessLookupError):
                    os.kill(pid, sent)
            with suppress(subprocess.TimeoutExpired):
                self._child.wait(_STOP_S)
                if not any(self._processes()):
                    return

    def _processes(self) -> Iterator[tuple[int, list[str]]]:
        """Id and fields of /proc/PID/stat, from the state on, of every process in its session."""
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                with suppress(OSError):
                    stat = (entry / "stat").read_text().rpartition(")")[2].split()
                    if int(stat[3]) == self.pid and stat[0] != "Z":
                        yield int(entry.name), stat


def pinned(command: Sequence[str], core: int, real_time: bool = False) -> list[str]:
    """The command, to run on one core only."""
    return ["taskset", "-c", str(core), *(("chrt", "-r", "5") if real_time else ()), *command]


@contextmanager
def ahead_of_others(wanted: bool) -> Iterator[bool]:
    """Whether what is measured may run under SCHED_RR, ahead of all other work; its slices are short within, so that threads take turns."""
    if not wanted:
        yield False
        return
    try:
        usual = _SLICE.read_text()
        _SLICE.write_text("2")
    except OSError:
        yield False
        return
    try:
        yield True
    finally:
        _SLICE.write_text(usual)


def busy_s() -> float:
    """What the processors of the machine have worked so far."""
    return sum(map(int, Path("/proc/stat").read_text().split(maxsplit=9)[1:4])) / _TICKS_PER_S


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as found:
        port: int = found.getsockname()[1]
        return port


def described() -> dict[str, object]:
    """The machine, for the results."""
    names = (line.partition(":")[2].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name"))
    memory_kib = int(Path("/proc/meminfo").read_text().split(maxsplit=2)[1])
    return {
        "processor": next(names, platform.machine()),
        "cores": os.cpu_count(),
        "memory_gib": round(memory_kib / 2**20),
        "system": f"{platform.system()} {platform.release().partition('-')[0]} {platform.machine()}",
        "python": platform.python_version(),
    }


def until(ready: Callable[[], bool], limit_s: float) -> bool:
    """Ask every few milliseconds; whether it became true in time."""
    end = time.monotonic() + limit_s
    while not (found := ready()) and time.monotonic() < end:
        time.sleep(0.005)
    return found


def _pss_kib(pid: int) -> int:
    with suppress(OSError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1])
    return 0
