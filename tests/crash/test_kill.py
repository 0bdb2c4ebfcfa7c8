"""`kill -9` at any moment loses nothing acknowledged, writes nothing twice and leaves the chain whole; processes share a log."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path
from random import Random

import pytest

from pointsman.stores.logfile import LogFile, verify

APPENDER = Path(__file__).with_name("appender.py")
ROUNDS = int(os.environ.get("POINTSMAN_CRASH_ROUNDS", "8"))


def start(path: Path, durability: str, name: str, tasks: int, count: int = 0, before: tuple[str, ...] = ()) -> subprocess.Popen[bytes]:
    words = [*before, sys.executable, str(APPENDER), str(path), durability, name, str(tasks), str(count)]
    return subprocess.Popen(words, stdout=subprocess.PIPE)


def logged(path: Path) -> Counter[str]:
    file = LogFile(path)
    try:
        return Counter(record.decision for record in file.recent(10**9))
    finally:
        file.close()


def test_what_was_acknowledged_survives_kill_9(tmp_path):
    chance, survived = Random(1121), 0
    for number in range(ROUNDS):
        if number % 10 == 0:  # a log dies ten times, each time over what the earlier deaths left
            path, acknowledged, checkpoint = tmp_path / f"{number}.db", set[str](), None
        # Every other round two processes write, and both die.
        names = [f"r{number}x", f"r{number}y"][: 1 + number % 2]
        running = [start(path, chance.choice(["crash", "power"]), name, tasks=chance.choice([1, 8, 64])) for name in names]
        for process in running:
            for _ in range(chance.randrange(1, 300)):
                acknowledged.add(process.stdout.readline().decode().strip())
        for process in running:
            process.kill()
        for process in running:
            acknowledged.update(process.communicate()[0].decode().split())
            assert process.returncode == -9
        found, records = verify(path, checkpoint), logged(path)
        assert found.ok, found.broken
        assert set(records.values()) == {1}
        assert acknowledged - records.keys() == set()
        checkpoint = found.head
        survived += len(acknowledged)
    assert survived > ROUNDS


@pytest.mark.parametrize("attempt", range(3))
def test_two_processes_that_start_together_make_one_chain(tmp_path, attempt):
    path = tmp_path / "log.db"
    running = [start(path, "crash", name, tasks=8, count=40) for name in ("x", "y")]
    printed = [process.communicate()[0].decode().split() for process in running]
    assert [process.returncode for process in running] == [0, 0]
    assert verify(path).ok
    assert logged(path) == Counter(printed[0] + printed[1])
    assert [len(ids) for ids in printed] == [320, 320]


def test_power_syncs_once_for_each_lone_append(tmp_path):
    strace = shutil.which("strace")
    if strace is None or subprocess.run([strace, "true"], capture_output=True, check=False).returncode:
        pytest.skip("strace is not here, or may not trace")
    syncs = {}
    for durability in ("crash", "power"):
        trace = tmp_path / f"{durability}.trace"
        prefix = (strace, "-f", "-e", "trace=fsync,fdatasync,write", "-o", str(trace))
        process = start(tmp_path / f"{durability}.db", durability, "s", tasks=1, count=20, before=prefix)
        assert len(process.communicate()[0].split()) == 20
        since_last, seen = 0, []
        for line in trace.read_text().splitlines():
            if "sync(" in line:
                since_last += 1
            elif 'write(1, "s-0-' in line:
                seen.append(since_last)
                since_last = 0
        syncs[durability] = seen
    assert len(syncs["power"]) == len(syncs["crash"]) == 20
    assert all(count >= 1 for count in syncs["power"]), "a sync stands before each acknowledgement"
    assert sum(syncs["crash"][1:]) == 0
