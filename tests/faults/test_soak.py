"""For a while, at half of what it can take, with faults of every kind: nothing grows, nothing is left, nothing goes wrong inside.

Prints its figures (`pytest -s`). `POINTSMAN_SOAK_S` says for how long; from a minute on the slopes are judged, and the figures kept in
benchmarks/results/soak.json. Pairs and triples: at the beginning, (at most,) at the end.
"""

from __future__ import annotations

import asyncio
import json
import os
import platform
import re
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from random import Random

from pointsman.testing import ScriptedUpstream
from tests.faults.clients import CLIENTS
from tests.faults.process import KEY, Running, configuration, started
from tests.server.raw import Connection
from tests.server.served import model

SOAK_S = float(os.environ.get("POINTSMAN_SOAK_S", "2"))
CAPACITY_S = min(5.0, SOAK_S / 2)
JUDGED_FROM_S = 60.0
MOST_MB_PER_1000 = 1.0
ALL_APIS = ["chat", "responses", "messages"]
GOOD = ["ok", "ok", "ok", "ok", "drip-2", "ragged-7", "reasoning", "no-usage"]
BAD = ["error-500", "error-html-502", "flaky-2", "reset", "close", "tls-close", "cut-after-3", "fin-after-2", "error-event-after-3"]
BAD += ["malformed-after-3", "wrong-shape", "empty", "hang", "stall-after-3", "slow-first-token", "error-400", "ratelimit-20"]


RESULTS = Path(__file__).parents[2] / "benchmarks" / "results" / "soak.json"


def machine() -> dict[str, object]:
    return {"cpus": os.cpu_count(), "system": f"{platform.system()} {platform.machine()}", "python": platform.python_version()}


@dataclass(frozen=True)
class Sample:
    at_s: float
    answered: int
    rss_mb: float
    files: int
    threads: int
    tasks: int


async def sample(gateway: Running, began: float, answered: int) -> Sample:
    tasks = await gateway.tasks()
    proc = Path(f"/proc/{gateway.process.pid}")
    status = dict(line.split(":", 1) for line in (proc / "status").read_text().splitlines())
    files = len(list((proc / "fd").iterdir()))
    at_s = asyncio.get_running_loop().time() - began
    return Sample(at_s, answered, int(status["VmRSS"].split()[0]) / 1024, files, int(status["Threads"]), tasks)


def slope(samples: list[Sample]) -> float:
    """MB a thousand requests, by least squares."""
    mean_x = sum(found.answered for found in samples) / len(samples)
    mean_y = sum(found.rss_mb for found in samples) / len(samples)
    over = sum((found.answered - mean_x) * (found.rss_mb - mean_y) for found in samples)
    return 1000 * over / max(1.0, sum((found.answered - mean_x) ** 2 for found in samples))


class Load:
    """Requests of every kind, some of whose clients leave."""

    def __init__(self, gateway: Running) -> None:
        self.gateway, self.chance, self.answers = gateway, Random(11), Counter()
        self.tasks: set[asyncio.Task[None]] = set()

    def begin(self, faulty: bool) -> None:
        task = asyncio.create_task(self.one(faulty))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def one(self, faulty: bool) -> None:
        client = self.chance.choice(list(CLIENTS.values()))
        name = "auto" if not faulty else self.chance.choice([*(f"to-{script}" for script in BAD), *GOOD, *GOOD, *BAD])
        stream, leaves = self.chance.random() < 0.6, faulty and self.chance.random() < 0.1
        connection = await Connection.open(self.gateway.port)
        try:
            await connection.request(client.path, {**client.body(name, "one two three four"), "stream": stream}, key=KEY)
            if leaves:
                await asyncio.sleep(self.chance.uniform(0, 0.05))
                self.answers["left"] += 1
                return
            answer = await connection.answered()
            whole = answer.status == 200 and (not stream or client.ended_well(answer.body))
            self.answers["whole" if whole else "broken off" if answer.status == 200 else str(answer.status)] += 1
        finally:
            connection.close()

    async def over(self) -> None:
        while self.tasks:
            await asyncio.gather(*self.tasks)


def config(upstream: ScriptedUpstream) -> dict[str, object]:
    clocks = {"first_token_timeout_s": 0.5, "idle_timeout_s": 0.5, "timeout_s": 2}
    pool = [model(script, script, apis=ALL_APIS, **clocks) for script in dict.fromkeys((*GOOD, *BAD))]
    routes = {
        f"to-{script}": {"models": ["forbidden", script], "fallback": ["forbidden", "ok"], "retry": {"base_s": 0.02}} for script in BAD
    }
    # Answers that can be gone on from are kept in memory, up to a bound: not for long here, so that growth can be told from it.
    store, health = {"responses_ttl_s": 5}, {"cooldown_s": 0.5, "longest_cooldown_s": 2}
    return configuration(upstream, pool, routes={"auto": {"models": ["ok"]}, **routes}, health=health, store=store)


async def capacity(gateway: Running) -> float:
    """Requests per second, as fast as 16 clients can go."""
    load, loop = Load(gateway), asyncio.get_running_loop()
    until = loop.time() + CAPACITY_S

    async def client() -> None:
        while loop.time() < until:
            await load.one(faulty=False)

    await asyncio.gather(*(client() for _ in range(16)))
    return load.answers.total() / CAPACITY_S


def test_half_of_what_it_can_take_with_mixed_faults(tmp_path: Path):
    asyncio.run(soak(tmp_path))


async def soak(folder: Path) -> None:
    async with ScriptedUpstream(keep=1000) as upstream, started(folder, config(upstream), counting=True) as gateway:
        rate = await capacity(gateway) / 2
        load, loop = Load(gateway), asyncio.get_running_loop()
        began, samples = loop.time(), [await sample(gateway, loop.time(), 0)]
        sent = 0
        while (at_s := loop.time() - began) < SOAK_S:
            while sent < at_s * rate:
                load.begin(faulty=True)
                sent += 1
            if at_s > len(samples) * max(SOAK_S / 200, 0.2):
                samples.append(await sample(gateway, began, load.answers.total()))
            await asyncio.sleep(0.005)
        await load.over()
        for _ in range(100):
            await Load(gateway).one(faulty=False)  # connections upstream that are old are closed by the next call
            samples.append(await sample(gateway, began, load.answers.total()))
            if samples[-1].files <= samples[0].files + 20 and samples[-1].tasks <= samples[0].tasks + 4:
                break
            await asyncio.sleep(0.1)
        forbidden = [exchange for exchange in upstream.ledger if "@forbidden" in exchange.model]
        gateway.process.terminate()
        assert await gateway.ended() == 0
        decisions, outcomes, _ = gateway.log()
    late = samples[len(samples) // 2 :]
    figures = {
        "seconds": round(SOAK_S, 1),
        "requests": sent,
        "per_s": round(rate, 1),
        "answers": dict(load.answers),
        "rss_mb": [round(found.rss_mb, 1) for found in (samples[0], samples[len(samples) // 2], samples[-1])],
        "rss_mb_per_1000_requests": round(slope(late), 3),
        "files": [samples[0].files, max(found.files for found in samples), samples[-1].files],
        "threads": [samples[0].threads, samples[-1].threads],
        "tasks": [samples[0].tasks, max(found.tasks for found in samples), samples[-1].tasks],
        "taken_out": dict(Counter(re.findall(r"out of service: (.*?)(?: takes|$)", gateway.said(), re.MULTILINE)).most_common(6)),
        "outcomes": dict(Counter(outcome.status for outcome in outcomes)),
    }
    sys.stdout.write(f"{json.dumps(figures)}\n")
    assert not forbidden
    assert load.answers.total() == sent
    assert load.answers["whole"] > sent / 3
    assert len({(outcome.decision, outcome.attempt) for outcome in outcomes}) == len(outcomes)
    assert {outcome.decision for outcome in outcomes} <= decisions
    assert samples[-1].files <= samples[0].files + 20
    assert samples[-1].threads <= samples[0].threads + 4
    assert samples[-1].tasks <= samples[0].tasks + 4
    if SOAK_S >= JUDGED_FROM_S:
        assert slope(late) <= MOST_MB_PER_1000
        RESULTS.write_text(json.dumps({"machine": machine(), **figures}, indent=2) + "\n")
