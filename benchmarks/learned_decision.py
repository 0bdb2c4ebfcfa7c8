"""What a decision costs with everything that is learned in it, beside the same decision without.

`python benchmarks/learned_decision.py [--queries 5000]` prints a table and writes benchmarks/results/learned_decision.json. A pool of 50
models, a bundle fitted on synthetic outcomes of them, eight intents and three classifiers; prompts of 2,000 tokens (o200k) are prose of the
manual with a synthetic question at the end, and no two in a row are the same. Timed is one request at a time, from its bytes to its plan,
in one thread: the processor's time, which other work on the machine stretches less than the clock's. Rows run in turn in one process, so
that their differences hold on another machine; the milliseconds do not. Memory is that of a process of its own for each row, after its
requests; so is the row without the compiled core.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # as `pointsman serve` does

import numpy as np

from pointsman import native
from pointsman.build.world import offline_world
from pointsman.config.load import load
from pointsman.core.request import Caller
from pointsman.estimators import bundle
from pointsman.estimators.blend import Blend
from pointsman.evals.synthetic import TOPICS, generate
from pointsman.evals.synthetic import World as Outcomes
from pointsman.gateway import Inquiry, World, decide_request
from pointsman.signals import classifier
from pointsman.signals.embedding import shipped
from pointsman.signals.tokens import count

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results" / "learned_decision.json"
MODELS, PROMPTS, EXAMPLES = 50, 100, 800
QUANTILES = (10.0, 50.0, 99.0, 99.9)  # the first is what a quiet machine takes


@dataclass(frozen=True, slots=True)
class Row:
    """What is in a decision; tokens, needs and two word lists are in all of them."""

    name: str
    guessed: bool = False  #: intents and classifiers
    predicted: bool = False  #: the bundle
    provider: str = "openai-compatible"  #: with `openai`, tokens are counted, not estimated


HEADINGS = tuple(name for kind in ("cpu", "wall") for name in (f"{kind} p10 ms", "p50", "p99", "p99.9"))

ROWS = (
    Row("nothing learned"),
    Row("bundle", predicted=True),
    Row("intents, classifiers", guessed=True),
    Row("all", guessed=True, predicted=True),
    Row("all, tokens counted", guessed=True, predicted=True, provider="openai"),
)
TEXTS = {"2,000 tokens": (2_000, True), "2,000 tokens, not all ASCII": (2_000, False), "7 words": (0, True)}
"""Tokens before the question, and whether all that is not ASCII is left out of them."""


def train(folder: Path, queries: int) -> None:
    """Write the bundle and the classifiers."""
    made = generate(Outcomes(queries=queries, models=MODELS, tasks=len(TOPICS), specialism=2.0), seed=5).outcomes
    (folder / "quality.bundle").write_bytes(bundle.dump(Blend(shipped()).fit(made, seed=1)))
    asked = generate(Outcomes(queries=EXAMPLES, tasks=len(TOPICS)), seed=11).outcomes.queries
    for name, labels in (("task", [one.task for one in asked]), ("difficulty", [_difficulty(one.text) for one in asked])):
        (folder / name).write_bytes(classifier.fit([one.text for one in asked], labels, shipped()).dump())


def _difficulty(text: str) -> str:
    return "hard" if len(text) > 75 else "easy"


def world(row: Row, folder: Path) -> World:
    """The world of a row."""
    models = [
        {
            "id": f"model-{at}",
            "provider": row.provider,
            "base_url": "http://127.0.0.1:9/v1",
            "price": {"input": round(0.1 + at / 10, 1), "output": round(0.3 + at / 5, 1)},
            "quality": {"general": 0.4 + at / 100},
        }
        for at in range(MODELS)
    ]
    words = {"secret": ["project nightjar", "not for onward sharing"], "legal": ["attorney work product", "litigation hold"]}
    config: dict[str, object] = {"version": 1, "models": models, "routes": {"auto": {"dial": 0.5}}, "keywords": words}
    config["store"] = {"path": str(folder / "none.db")}
    if row.predicted:
        config["learned"] = {"bundle": str(folder / "quality.bundle")}
    if row.guessed:
        asked = generate(Outcomes(queries=200, tasks=len(TOPICS)), seed=12).outcomes.queries
        config["intents"] = {topic: [one.text for one in asked if one.task == topic][:8] for topic in TOPICS}
        config["classifiers"] = {
            name: str(folder / (name if name == "difficulty" else "task")) for name in ("task", "domain", "difficulty")
        }
    return offline_world(load(json.dumps(config), "benchmark", {}))


def bodies(tokens: int, *, ascii_only: bool) -> list[bytes]:
    """Requests. The prose is lines of the manual's pages that begin with a letter."""
    chance = random.Random(7)
    asked = generate(Outcomes(queries=PROMPTS, tasks=len(TOPICS)), seed=13).outcomes.queries
    pages = [line for page in sorted((ROOT / "docs").glob("*.md")) for line in page.read_text().splitlines() if line[:1].isalpha()]
    prose = "\n".join(pages)
    prose = prose.encode("ascii", "ignore").decode() if ascii_only else prose
    texts = []
    for one in asked:
        text, size = one.text, tokens * 4
        at = chance.randrange(len(prose) - 8 * tokens - 1)
        for _ in range(3 if tokens else 0):
            text = f"{prose[at : at + size]}\n{one.text}"
            size = size * tokens // count(text, "o200k")
        texts.append(text)
    return [json.dumps({"model": "auto", "messages": [{"role": "user", "content": text}]}).encode() for text in texts]


def measure(worlds: dict[str, World], requests: list[bytes], rounds: int) -> dict[str, dict[str, float]]:
    """Milliseconds of each row, rows in turn."""
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in worlds}
    for at in range(rounds + 1):
        for name, each in worlds.items():
            for raw in requests:
                clock, processor = time.perf_counter(), time.process_time()
                decide_request(Inquiry(raw, Caller("bench"), {}), each)
                if at:  # the first round warms up
                    taken[name].append((time.process_time() - processor, time.perf_counter() - clock))
    found = {}
    for name, times in taken.items():
        cpu, wall = (np.percentile(part, QUANTILES) * 1e3 for part in np.array(times).T)
        pairs = (
            (f"{kind}_p{q:g}_ms", round(float(value), 3))
            for kind, part in (("cpu", cpu), ("wall", wall))
            for q, value in zip(QUANTILES, part, strict=True)
        )
        found[name] = dict(pairs)
    return found


def resident_mb() -> float:
    """Memory of this process that is in use now."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


def memory(row: Row, folder: Path) -> float:
    """Memory of a process that has answered the requests of a row."""
    return float(_apart(row, folder, 1, os.environ)["resident_mb"])


def uncompiled(row: Row, folder: Path, rounds: int) -> dict[str, dict[str, float]]:
    """Milliseconds of a row by text, in a process without the compiled core."""
    found: dict[str, dict[str, float]] = _apart(row, folder, rounds, {**os.environ, native.VARIABLE: "0"})["times"]
    return found


def _apart(row: Row, folder: Path, rounds: int, environment: Mapping[str, str]) -> dict[str, Any]:
    arguments = [sys.executable, __file__, "--only", row.name, "--folder", str(folder), "--rounds", str(rounds)]
    answer: dict[str, Any] = json.loads(subprocess.run(arguments, check=True, capture_output=True, text=True, env=environment).stdout)
    return answer


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--queries", type=int, default=5_000, help="that the bundle is fitted on; it keeps 4,096 of them")
    parser.add_argument("--rounds", type=int, default=10, help=f"of {PROMPTS} requests")
    parser.add_argument("--only", choices=[row.name for row in ROWS], help="print the memory and the times of one row")
    parser.add_argument("--folder", type=Path, help="of a bundle and classifiers that are there already")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = given.folder or Path(temporary)
        if not (folder / "quality.bundle").exists():
            train(folder, given.queries)
        if given.only:
            one = {given.only: world(next(row for row in ROWS if row.name == given.only), folder)}
            measure(one, bodies(2_000, ascii_only=True), 1)
            taken = resident_mb()
            times = {text: measure(one, bodies(size, ascii_only=plain), given.rounds)[given.only] for text, (size, plain) in TEXTS.items()}
            print(json.dumps({"resident_mb": taken, "times": times}))
            return
        report(folder, given.queries, given.rounds)


def report(folder: Path, queries: int, rounds: int) -> None:
    """The table and the file."""
    worlds = {row.name: world(row, folder) for row in ROWS}
    times = {text: measure(worlds, bodies(size, ascii_only=plain), rounds) for text, (size, plain) in TEXTS.items()}
    everything = next(row for row in ROWS if row.name == "all")
    for text, figures in uncompiled(everything, folder, rounds).items() if native.core else ():
        times[text]["all, core not compiled"] = figures
    used = {row.name: memory(row, folder) for row in ROWS}
    added = {name: round(mb - used["nothing learned"], 1) for name, mb in used.items()}
    for text, found in times.items():
        print(f"\n{text:<28}" + "".join(f"{name:>13}" for name in HEADINGS))
        for name, figures in found.items():
            print(f"{name:<28}" + "".join(f"{figure:>13.2f}" for figure in figures.values()))
    print("\nmemory added, MB: " + "; ".join(f"{name}: {mb:.0f}" for name, mb in added.items()))
    result = {
        "measured": datetime.now(UTC).isoformat(timespec="seconds"),
        "python": platform.python_version(),
        "numpy": np.__version__,
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}",
        "compiled_core": native.core is not None,
        "models": MODELS,
        "bundle_queries": queries,
        "decisions_a_row": rounds * PROMPTS,
        "times": times,
        "memory_added_mb": added,
    }
    RESULTS.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
