"""How fast a log is verified, signed, exported and erased from, beside SHA-256 and SQLite alone; and how fast decisions are made again.

    python benchmarks/audit.py [--records 200000] [--runs 5] [--out benchmarks/results/audit.json]

Each figure is the median of so many runs, with the slowest and the fastest. Bodies are decisions as the gateway records them.
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
from contextlib import redirect_stdout
from hashlib import sha256
from io import StringIO
from pathlib import Path

import apsw
import msgspec

from pointsman.build.world import current_snapshot, signal_settings
from pointsman.cli import main as command
from pointsman.config.load import load
from pointsman.core.record import record
from pointsman.core.request import Caller
from pointsman.gateway import Inquiry, World, decide_request
from pointsman.stores.chain import link
from pointsman.stores.checkpoints import Checkpoint, add_checkpoint, read_checkpoints
from pointsman.stores.content_keys import ContentKeys
from pointsman.stores.export import Export, write_csv, write_jsonl, write_parquet
from pointsman.stores.logfile import LogFile, verify
from pointsman.stores.merkle import Tree
from pointsman.stores.places import Places
from pointsman.stores.proofs import check_proof, prove_record
from pointsman.stores.signing import load_public, load_signer, make_key, public_file
from pointsman.stores.sqlite import SqliteLog

CONFIG = """
version: 1
models:
  - {id: inside, provider: openai-compatible, base_url: "http://127.0.0.1:9/v1", perimeter: on_prem, price: {input: 1, output: 2}}
  - {id: outside, provider: openai-compatible, base_url: "http://127.0.0.1:9/v1", price: {input: 5, output: 20}}
policies:
  - {name: health data stays inside, when: '"phi" in labels', require: {perimeter: [on_prem]}}
routes:
  auto: {dial: 0.7, plan: fallback}
"""
EVERY = 1_000  #: records between checkpoints
DISTINCT = 500  #: bodies that are really decided; the others repeat them


async def fill(places: Places, records: int) -> int:
    """A log of decisions, its checkpoints signed; bytes of a body."""
    snapshot, kept = current_snapshot(config := load(CONFIG, "benchmark", {}))
    world = World(snapshot, signal_settings(config, snapshot))
    bodies = []
    for number in range(DISTINCT):
        said = {"model": "auto", "messages": [{"role": "user", "content": "word " * number}]}
        headers = {"x-pointsman-labels": "phi"} if number % 3 else {}
        decision = decide_request(Inquiry(json.dumps(said).encode(), Caller("key"), headers), world)
        bodies.append((decision.request.id, msgspec.json.encode(record(decision))))
    async with SqliteLog(places.log, "async", queue_limit=records) as log:
        await log.put_snapshot(snapshot.id, kept)
        for number in range(records - 1):
            await log.append("decision", *bodies[number % DISTINCT])
    return len(bodies[0][1])


def sign(places: Places) -> None:
    """Checkpoints at every thousandth record, as a gateway would have made them."""
    signer = load_signer(places.key)
    log = LogFile(places.log)
    tree, hashes = Tree(), [row[6] for row in log.chain()]
    log.close()
    with places.checkpoints.open("w") as lines:
        for size in range(EVERY, len(hashes) + 1, EVERY):
            tree.extend(hashes[size - EVERY : size])
            made = Checkpoint(size, tree.root(), hashes[size - 1], "2026-01-01T00:00:00.000000Z", tuple(tree.peaks), signer.id)
            signed = Checkpoint(made.size, made.root, made.head, made.at, made.peaks, made.key, signer.sign(made.signed))
            lines.write(f"{signed}\n")


def measures(places: Places, folder: Path, records: int) -> dict[str, tuple[Callable[[], object], int]]:
    """What is timed, and how many records each goes over."""
    keys, marks = load_public(public_file(places.key)), [known.mark for known in read_checkpoints(places.checkpoints)]
    export = folder / "log.jsonl"
    log = LogFile(places.log)
    rows = [row for _, row in zip(range(20_000), log.chain(), strict=False)]

    def exported(write: Callable[..., object], name: str, *more: object) -> None:
        with (folder / name).open("wb") as out:
            write(log.chain(), *more, out)

    def csv() -> None:
        with (folder / "log.csv").open("w", newline="") as out:
            write_csv(log.chain(), out)

    def new_checkpoint() -> None:
        places.checkpoints.write_text("".join(f"{known}\n" for known in read_checkpoints(places.checkpoints)[:-1]))
        made = add_checkpoint(places.log, places.checkpoints, load_signer(places.key), keys)
        assert made is not None
        assert made.size == records

    def replay() -> None:
        with redirect_stdout(StringIO()) as said:
            status = command(("replay", "--log", str(places.log), "--json"))
        told = json.loads(said.getvalue())
        assert (status, told["identical"]) == (0, records - 1), told

    def proof() -> None:
        assert check_proof(prove_record(log, 5, read_checkpoints(places.checkpoints)[-1]).encode(), keys)[0]

    return {
        "baseline: sha256 of the same bytes": (lambda: [sha256(row[4]).digest() for row in rows], len(rows)),
        "baseline: the chain's hash alone": (lambda: [link(row[5], *row[:5]) for row in rows], len(rows)),
        "baseline: SQLite reads all rows": (lambda: sum(1 for _ in log.chain()), records),
        "verify, the chain": (lambda: verify(places.log), records),
        f"verify, a checkpoint every {EVERY:,}": (lambda: verify(places.log, None, marks), records),
        "export as JSON Lines": (lambda: exported(write_jsonl, "log.jsonl", log.get_snapshot), records),
        "export as CSV": (csv, records),
        "export as Parquet": (lambda: exported(write_parquet, "log.parquet"), records),
        "verify the export, the chain": (lambda: Export(export).verify(), records),
        f"verify the export, a checkpoint every {EVERY:,}": (lambda: Export(export).verify(None, marks), records),
        f"a checkpoint over {EVERY:,} new records": (new_checkpoint, EVERY),
        "prove one record and check the proof": (proof, 1),
        "replay": (replay, records),
    }


def sealing(folder: Path, runs: int) -> dict[str, float]:
    """Seconds to seal a content of 2,000 bytes, once its key is there."""
    keys, took = ContentKeys(folder / "keys"), []

    async def scene() -> None:
        await keys.seal("subject", "d", b"x", 0)
        for number in range(1_000 * runs):
            start = time.perf_counter()
            await keys.seal("subject", f"d{number}", b"x" * 2_000, 0)
            took.append(time.perf_counter() - start)

    asyncio.run(scene())
    keys.close()
    cuts = statistics.quantiles(took, n=100)
    return {"p50_us": round(cuts[49] * 1e6, 1), "p99_us": round(cuts[98] * 1e6, 1)}


def timed(measure: Callable[[], object], records: int, runs: int) -> dict[str, float]:
    """Records a second: the median run, the slowest, the fastest; and by this process's own time, whoever else is at work."""
    speeds, own = [], []
    for _ in range(runs):
        start, used = time.perf_counter(), time.process_time()
        measure()
        speeds.append(records / (time.perf_counter() - start))
        own.append(records / (time.process_time() - used))
    spread = {"slowest_per_s": round(min(speeds)), "fastest_per_s": round(max(speeds))}
    return {"per_s": round(statistics.median(speeds)), **spread, "per_cpu_s": round(statistics.median(own))}


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--folder", type=Path, default=Path())
    options.add_argument("--records", type=int, default=200_000)
    options.add_argument("--runs", type=int, default=5)
    options.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "audit.json")
    chosen = options.parse_args()
    results: dict[str, dict[str, float]] = {}
    with tempfile.TemporaryDirectory(dir=chosen.folder) as fresh:
        places = Places.of(Path(fresh) / "log.db")
        make_key(places.key)
        body_bytes = asyncio.run(fill(places, chosen.records))
        sign(places)
        print(f"{'records a second':55} {'median':>10} {'slowest':>10} {'fastest':>10} {'by CPU':>10}")
        for name, (measure, records) in measures(places, Path(fresh), chosen.records).items():
            results[name] = found = timed(measure, records, chosen.runs)
            print(f"{name:55} {found['per_s']:>10,} {found['slowest_per_s']:>10,} {found['fastest_per_s']:>10,} {found['per_cpu_s']:>10,}")
        results["seal a content of 2,000 bytes"] = found = sealing(Path(fresh), chosen.runs)
        print(f"seal a content of 2,000 bytes: {found['p50_us']} us at the median, {found['p99_us']} us at the 99th percentile")
    machine = {"cpus": os.cpu_count(), "system": f"{platform.system()} {platform.machine()}", "python": platform.python_version()}
    about = {"machine": {**machine, "sqlite": apsw.sqlite_lib_version()}, "records": chosen.records, "body_bytes": body_bytes}
    chosen.out.parent.mkdir(parents=True, exist_ok=True)
    chosen.out.write_text(json.dumps({**about, "runs": chosen.runs, "results": results}, indent=2) + "\n")


if __name__ == "__main__":
    main()
