"""How fast the decision log takes and checks records, beside SQLite alone and SHA-256 alone on the same disk.

    python benchmarks/log.py [--folder .] [--out benchmarks/results/log.json]

`folder` decides the file system: a temporary one in memory makes every sync free and the figures meaningless.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import apsw

from pointsman.stores.chain import GENESIS, link
from pointsman.stores.database import open_writer
from pointsman.stores.log import Durability
from pointsman.stores.logfile import verify
from pointsman.stores.sqlite import SqliteLog

BODY = json.dumps({"request": "r" * 400, "candidates": [{"model": f"m{n}", "quality": n / 10, "total": n / 7} for n in range(24)]}).encode()
TASKS = 64
RUNS = 3


def middle(measure: Callable[[Path], dict[str, float]], folder: Path) -> dict[str, float]:
    """The run with the median throughput of three, each on a fresh file."""
    results = []
    for _ in range(RUNS):
        with tempfile.TemporaryDirectory(dir=folder) as fresh:
            results.append(measure(Path(fresh) / "log.db"))
    return sorted(results, key=lambda result: next(iter(result.values())))[RUNS // 2]


def spread(seconds: list[float]) -> dict[str, float]:
    """Latency quantiles in microseconds."""
    cuts = statistics.quantiles(seconds, n=100)
    return {"p50_us": round(cuts[49] * 1e6, 1), "p99_us": round(cuts[98] * 1e6, 1)}


def bare(durability: Durability, rows: int) -> Callable[[Path], dict[str, float]]:
    """Plain inserts, a transaction each: no chain, no thread, no event loop."""

    def measure(path: Path) -> dict[str, float]:
        connection = open_writer(path, durability, 5.0, 2**28, None)
        connection.execute("CREATE TABLE bare(seq INTEGER PRIMARY KEY, kind, decision, at_ns, body); CREATE INDEX b ON bare(decision)")
        seconds = []
        for n in range(rows):
            start = time.perf_counter()
            connection.execute("INSERT INTO bare VALUES (?, ?, ?, ?, ?)", (n, "decision", f"{n:016x}", n, BODY))
            seconds.append(time.perf_counter() - start)
        connection.close()
        return {"per_s": round(rows / sum(seconds)), **spread(seconds)}

    return measure


def appends(durability: Durability, tasks: int, rows: int) -> Callable[[Path], dict[str, float]]:
    """Appends by so many callers, each waiting for its record."""

    async def scene(path: Path) -> dict[str, float]:
        seconds: list[float] = []

        async def client(log: SqliteLog, first: int) -> None:
            for n in range(first, rows, tasks):
                start = time.perf_counter()
                await log.append("decision", f"{n:016x}", BODY)
                seconds.append(time.perf_counter() - start)

        async with SqliteLog(path, durability, queue_limit=rows) as log:
            start = time.perf_counter()
            await asyncio.gather(*(client(log, n) for n in range(tasks)))
            await log.flush()
            elapsed = time.perf_counter() - start
        return {"per_s": round(rows / elapsed), **spread(seconds)}

    return lambda path: asyncio.run(scene(path))


def hashing(_: Path) -> dict[str, float]:
    """SHA-256 of the chain alone."""
    prev, rows, start = GENESIS, 50_000, time.perf_counter()
    for n in range(rows):
        prev = link(prev, n, b"decision", b"0123456789abcdef", n, BODY)
    return {"per_s": round(rows / (time.perf_counter() - start))}


def verifying(path: Path) -> dict[str, float]:
    """The walk over a log of 100,000 records."""
    rows = 100_000

    async def fill() -> None:
        async with SqliteLog(path, "async", queue_limit=rows) as log:
            for n in range(rows):
                await log.append("decision", f"{n:016x}", BODY)

    asyncio.run(fill())
    start = time.perf_counter()
    found = verify(path)
    elapsed = time.perf_counter() - start
    if not found.ok or found.records != rows:
        raise SystemExit(f"the log did not verify: {found}")
    return {"per_s": round(rows / elapsed)}


MEASURES: dict[str, Callable[[Path], dict[str, float]]] = {
    "baseline: sha256 of the chain alone": hashing,
    "baseline: bare insert a row, synchronous=NORMAL": bare("crash", 5_000),
    "baseline: bare insert a row, synchronous=FULL": bare("power", 500),
    "crash, 1 caller": appends("crash", 1, 5_000),
    f"crash, {TASKS} callers": appends("crash", TASKS, 20_000),
    "power, 1 caller": appends("power", 1, 500),
    f"power, {TASKS} callers": appends("power", TASKS, 10_000),
    f"async, {TASKS} callers": appends("async", TASKS, 20_000),
    "verify": verifying,
}


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--folder", type=Path, default=Path())
    options.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "log.json")
    chosen = options.parse_args()
    results = {}
    print(f"{'':50} {'records/s':>10} {'p50 us':>10} {'p99 us':>10}")
    for name, measure in MEASURES.items():
        results[name] = found = middle(measure, chosen.folder)
        print(f"{name:50} {found['per_s']:>10,} {found.get('p50_us', ''):>10} {found.get('p99_us', ''):>10}")
    added = results["crash, 1 caller"]["p50_us"] - results["baseline: bare insert a row, synchronous=NORMAL"]["p50_us"]
    print(f"added to a bare insert by chain, thread and event loop: {added:.0f} us at the median")
    machine = {"cpus": os.cpu_count(), "system": f"{platform.system()} {platform.machine()}", "python": platform.python_version()}
    report = {"machine": {**machine, "sqlite": apsw.sqlite_lib_version()}, "body_bytes": len(BODY), "added_p50_us": round(added, 1)}
    chosen.out.parent.mkdir(parents=True, exist_ok=True)
    chosen.out.write_text(json.dumps({**report, "results": results}, indent=2) + "\n")


if __name__ == "__main__":
    main()
