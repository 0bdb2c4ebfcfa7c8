"""The gateway as a process of its own, on the loop it serves with, in front of a scripted upstream in the test's."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from pointsman.core.codec import from_json
from pointsman.core.outcome import Outcome
from pointsman.stores.content_keys import ContentKeys
from pointsman.stores.logfile import LogFile, verify
from pointsman.stores.places import Places
from pointsman.testing import ScriptedUpstream
from tests.end_to_end.running import environment
from tests.faults.pools import FORBIDDEN, POLICY
from tests.server.raw import Connection

KEY = "an operator's key, long enough"


@dataclass
class Running:
    """A gateway that serves."""

    process: asyncio.subprocess.Process
    port: int
    folder: Path

    async def ask(self, path: str, body: object = None) -> Connection:
        connection = await Connection.open(self.port)
        await connection.request(path, body, key=KEY)
        return connection

    async def status(self, path: str) -> int:
        connection = await self.ask(path)
        try:
            return (await connection.answered()).status
        finally:
            connection.close()

    async def ended(self) -> int:
        """Its exit status; it has told of no fault of its own."""
        status = await self.process.wait()
        assert "Traceback" not in self.said(), self.said()[-3000:]
        assert "a request failed:" not in self.said(), self.said()[-3000:]
        return status

    async def tasks(self) -> int:
        """How many tasks it has now, if it was started `counting`."""
        (counted := self.folder / COUNTED).unlink(missing_ok=True)
        self.process.send_signal(signal.SIGUSR1)
        while not counted.exists():
            await asyncio.sleep(0.002)
        return int(counted.read_text())

    def said(self) -> str:
        return (self.folder / "stderr.txt").read_text()

    def log(self) -> tuple[set[str], list[Outcome], dict[str, bytes]]:
        """Decisions, outcomes, and what was asked by decision, nothing of it twice. Only of a log whose chain is whole."""
        path = self.folder / "log.db"
        found = verify(path)
        assert found.ok, found.broken
        log, keys = LogFile(path), ContentKeys(Places.of(path).content_keys)
        try:
            decisions, asked = ([*log.recent(10**9, kind=kind)] for kind in ("decision", "content"))
            outcomes = [from_json(Outcome, entry.body) for entry in log.recent(10**9, kind="outcome")]
            for once in (decisions, asked):
                assert len({entry.decision for entry in once}) == len(once)
            assert len({(outcome.decision, outcome.attempt, outcome.model) for outcome in outcomes}) == len(outcomes)
            contents = {entry.decision: keys.open(entry.decision, entry.body) for entry in asked}
            return {entry.decision for entry in decisions}, outcomes, contents
        finally:
            log.close()
            keys.close()


def configuration(upstream: ScriptedUpstream, models: Sequence[Mapping[str, object]], **more: object) -> dict[str, object]:
    pool = [{"base_url": upstream.base_url, **found} for found in (FORBIDDEN, *models)]
    store = {"path": "log.db", **more.pop("store", {})}
    return {"version": 1, "models": pool, "routes": {}, "policies": [POLICY], "store": store, **more}


COUNTED = "tasks.txt"
_COUNTING = f"""
import asyncio, os, signal, sys

def count(*_):
    with open("{COUNTED}.new", "w") as file:
        file.write(str(len(asyncio.all_tasks())))
    os.replace("{COUNTED}.new", "{COUNTED}")

signal.signal(signal.SIGUSR1, count)
from pointsman.cli import main
sys.argv[0] = "pointsman"
sys.exit(main())
"""


@asynccontextmanager
async def started(folder: Path, config: Mapping[str, object], *, counting: bool = False) -> AsyncIterator[Running]:
    """Serve until the end of the block, unless it has ended by then. `counting`: able to say how many tasks it has."""
    (folder / "pointsman.yaml").write_text(json.dumps(config))
    with (folder / "stderr.txt").open("w") as errors:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, *(("-c", _COUNTING) if counting else ("-m", "pointsman")), "serve", "--port", "0"),
            cwd=folder,
            env={**environment(), "POINTSMAN_API_KEY": KEY},
            stdout=asyncio.subprocess.PIPE,
            stderr=errors,
            start_new_session=True,
        )
    try:
        try:
            said = (await process.stdout.readuntil(b"readyz")).decode()
        except asyncio.IncompleteReadError:
            pytest.fail((folder / "stderr.txt").read_text())
        running = Running(process, int(re.search(r"listens on http://[^:]+:(\d+)", said)[1]), folder)
        while await running.status("/readyz") != 200:
            await asyncio.sleep(0.01)
        yield running
    finally:
        if process.returncode is None:
            with suppress(ProcessLookupError):  # it may have ended just now
                os.killpg(process.pid, signal.SIGKILL)
            await process.wait()
        process._transport.close()
