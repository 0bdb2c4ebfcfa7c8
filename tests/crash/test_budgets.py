"""`kill -9` at any moment overspends no hard budget, leaves no reservation behind, and wastes little of it."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from pathlib import Path
from random import Random

import pytest

from pointsman.stores.budgets import Position
from pointsman.stores.logfile import verify
from pointsman.stores.sqlite import SqliteLog
from pointsman.stores.sqlite_budgets import SqliteBudgets
from tests.crash.spender import now_ms

SPENDER = Path(__file__).with_name("spender.py")
SEEDS = int(os.environ.get("POINTSMAN_BUDGET_SEEDS", "1"))
FIGURES = os.environ.get("POINTSMAN_BUDGET_FIGURES")  #: a file to add each seed's figures to

TASKS, CALLS = 32, 5_000  # a process, of which two run at any time
MOST, LIMIT = 1_000, 2_000_000  # calls cost 400 on average
LEASE_MS = 500


class Scene:
    """Two processes on one store, and the ledger of what their calls cost."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.store, self.ledger = folder / "log.db", folder / "ledger"
        self.ledger.touch()
        self.chance = Random(seed)
        self.running = [self.start(), self.start()]

    def start(self) -> subprocess.Popen[bytes]:
        words = [self.store, self.ledger, self.chance.random(), TASKS, CALLS, LIMIT, MOST, LEASE_MS]
        return subprocess.Popen([sys.executable, str(SPENDER), *map(str, words)])

    def kill_one(self) -> None:
        """Once some more calls have gone out."""
        at, goal = self.chance.randrange(2), self.ledger.stat().st_size + self.chance.randrange(1, 8_000)
        while self.ledger.stat().st_size < goal and self.running[at].poll() is None:
            time.sleep(0.001)
        self.running[at].kill()
        self.running[at].wait()
        self.running[at] = self.start()

    def owed(self) -> int:
        return sum(map(int, self.ledger.read_text().split()))


def positions(path: Path, at_ms: int) -> list[Position]:
    async def read() -> list[Position]:
        async with SqliteLog(path) as log:
            return await SqliteBudgets(log).positions(at_ms)

    return asyncio.run(read())


@pytest.mark.parametrize("seed", range(SEEDS))
def test_what_was_owed_when_processes_died_is_within_the_limit(tmp_path, seed):
    scene = Scene(tmp_path, seed)
    kills = scene.chance.randrange(1, 4)
    for _ in range(kills):
        scene.kill_one()
    assert [process.wait() for process in scene.running] == [0, 0]
    ended_ms, owed = now_ms(), scene.owed()
    if FIGURES:
        with Path(FIGURES).open("a") as file:
            file.write(f"{seed} {kills} {owed / LIMIT:.4f}\n")
    assert 0.9 * LIMIT <= owed <= LIMIT
    found = positions(scene.store, ended_ms + 2 * LEASE_MS)
    assert {position.account.budget for position in found} == {"all", "each key"}
    assert not any(position.leased for position in found), "a reservation outlived its process"
    assert all(owed <= position.spent + position.presumed <= LIMIT for position in found if position.account.budget == "all")
    assert verify(scene.store).ok
