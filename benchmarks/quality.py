"""How good routing is, on recorded outcomes: our learners beside every baseline, on the same folds, labels, seeds and draws.

    python benchmarks/quality.py                               # every part of the table, as many at once as there are cores
    python benchmarks/quality.py --parts gsm8k,probes           # some of them; the others stay in the file as they were
    python benchmarks/quality.py --print                        # the table from the file, nothing measured
    python benchmarks/quality.py --reproduce                    # baselines beside the figures stated for them; no learner of ours
    python benchmarks/quality.py --learner NAME [--parts a,b]   # another learner on the tracks; writes nothing but --out
    python benchmarks/quality.py --learner NAME --development   # train and validation splits only: for choosing between settings
    python benchmarks/quality.py --learner NAME --test          # learn from train and validation, read the test split: once a release

Writes benchmarks/results/quality.json, and the baselines of the same runs to benchmarks/results/quality-baselines.json. NAME is a word of
`pointsman.evals.learners.LEARNERS`, or of `BASELINES` or `CONTROLS` in `pointsman.evals.baselines`, or `module:attribute`. The data are
found through POINTSMAN_DATA (default: ../shared/data beside the project). Every configuration run with --learner is added to
benchmarks/results/quality-tried.json, so that the file says how many were looked at. Several runs may write at the same time.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # parts run side by side

import quality_promises as promises
from quality_data import DATA, RESULTS, TRACKS, about, change, outcomes_of, progress
from quality_reproduction import oracle_apgr, reproduce
from quality_table import FILES, POOLS, shown_table

from pointsman.cli.table import table
from pointsman.evals.baselines import named
from pointsman.evals.evaluate import SEEDS, Evaluation, Protocol, Result, evaluate
from pointsman.evals.report import Origin, document, rows

DEVELOPMENT = ("train", "val")
OURS = {name: ("blend",) if name in POOLS else ("blend-untagged",) for name in TRACKS} | dict.fromkeys(
    ("mmlu-300", "mmlu-1500", "mmlu-5000"), ("blend-untagged", "blend")
)
PROMISES: Mapping[str, Callable[[], dict[str, Any]]] = {
    "probes": lambda: promises.probes(len(SEEDS)),
    "intervals": lambda: promises.intervals(4),
    "floors": lambda: promises.floors(200),
    "noise": lambda: promises.noise(1_000),
    "unseen": lambda: promises.unseen(1_000),
}
PARTS = (*PROMISES, *(name for name in TRACKS if name not in ("mmlu-300", "mmlu-5000", "gsm8k-300")))
"""Those of the table; the longest come first."""
TOLD = ("apgr", "cpt50", "cpt80", "aiq", "aiq_over_zero", "cp0", "cp1", "over_best", "over_zero_at_best_cost")
KEPT = ("kept_quality_0", "kept_cost_0", "kept_quality_1", "kept_cost_1")
BY_SEED = ("apgr", "aiq", "kept_quality_0", "kept_cost_0")


def run_track(name: str, learners: Sequence[str], protocol: Protocol, splits: tuple[str, ...]) -> tuple[Evaluation, Origin]:
    """Judge learners and the track's baselines."""
    track = TRACKS[name]
    outcomes, origin = outcomes_of(track.data)
    if splits:
        outcomes = outcomes.rows([at for at, query in enumerate(outcomes.queries) if query.split in splits])
        origin = replace(origin, splits=splits)
    judged = [named(word) for word in dict.fromkeys((*learners, *track.baselines))]
    evaluation = evaluate(outcomes, judged, replace(protocol, labels=track.labels), progress(name))
    print(f"\n{name}: {evaluation.queries:,} queries, {len(evaluation.models)} models; zero AIQ {evaluation.zero_aiq:.4f}")
    print(table(list(rows(evaluation)), right=frozenset(range(1, 10))))
    return evaluation, origin


def measure(name: str, protocol: Protocol, folder: Path) -> None:
    """Measure a part of the table and write it down."""
    begun = time.monotonic()
    if name in PROMISES:
        found, baselines = PROMISES[name](), None
    else:
        evaluation, origin = run_track(name, OURS[name], protocol, ())
        found, baselines = _ours(evaluation, origin, OURS[name]), _baselines(evaluation, OURS[name])
    head = {**about(), "command": f"python benchmarks/quality.py --parts {name}", "minutes": round((time.monotonic() - begun) / 60, 1)}
    change(folder / "quality.json", lambda there: (there or {}) | {name: head | found})
    if baselines is not None:
        change(folder / "quality-baselines.json", lambda there: (there or {}) | {name: head | baselines})


def _ours(of: Evaluation, origin: Origin, ours: Sequence[str]) -> dict[str, Any]:
    said = document(of, origin)
    kept = ("data_sha256", "config_sha256", "origin", "protocol", "learners", "queries", "models", "references")
    results = {one.name: _figures(one) | _calibrated(one) | {"less": _less(one, of)} for one in of.results if one.name in ours}
    bounds = {"zero_aiq": of.zero_aiq, "oracle_aiq": of.oracle_aiq}
    if len(of.models) == 2:
        bounds["oracle_apgr"] = oracle_apgr(origin.source)
    return {word: said[word] for word in kept} | bounds | {"ours": results}


def _baselines(of: Evaluation, ours: Sequence[str]) -> dict[str, Any]:
    results = {one.name: _figures(one) | _calibrated(one) for one in of.results if one.name not in ours}
    return {"seeds": len(of.protocol.seeds), "labels": of.protocol.labels, "zero_aiq": of.zero_aiq, "baselines": results}


def _figures(of: Result) -> dict[str, Any]:
    return {name: _rounded(asdict(of.figures[name]).values()) for name in (*TOLD, *KEPT) if name in of.figures}


def _calibrated(of: Result) -> dict[str, Any]:
    by_seed = {name: [round(value, 5) for value in of.by_seed[name]] for name in BY_SEED if name in of.by_seed}
    return {"by_seed": by_seed, "worst_ece": round(max(one.ece for one in of.calibration), 4)}


def _less(one: Result, of: Evaluation) -> dict[str, Any]:
    others = [other for other in of.results if other is not one]
    return {o.name: {n: _rounded(asdict(one.against(o, n)).values()) for n in ("apgr", "aiq", "cp0") if n in one.figures} for o in others}


def _rounded(values: Any) -> list[float | None]:
    return [round(value, 5) if abs(value) < float("inf") else None for value in values]


def _read(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


def compare(given: argparse.Namespace, protocol: Protocol) -> dict[str, Any]:
    """Any learners on the tracks."""
    splits = DEVELOPMENT if given.development else ()
    found: dict[str, Any] = {**about(), "tracks": {}}
    for name in given.parts.split(","):
        found["tracks"][name] = document(*run_track(name, given.learner, protocol, splits))
    remember(given)
    return found


def remember(given: argparse.Namespace) -> None:
    """Add what was tried to the list of everything tried."""
    kind = "test" if given.test else "development" if given.development else "whole slice"
    tried = [{"at": about()["measured"], "on": kind, "tracks": given.parts, "settings": repr(named(name))} for name in given.learner]
    change(RESULTS / "quality-tried.json", lambda there: (there or []) + tried, indent=1)


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--parts", metavar="NAMES", help=f"with commas, of {', '.join((*PROMISES, *TRACKS))} (default: those of the table)")
    parser.add_argument("--jobs", metavar="N", type=int, default=os.cpu_count(), help="parts that run at once (default: one a core)")
    parser.add_argument(
        "--results", metavar="DIR", type=Path, default=RESULTS, help="where the table's files are (default: where they belong)"
    )
    parser.add_argument("--print", action="store_true", help="print the table from the file")
    parser.add_argument("--reproduce", action="store_true", help="print baselines beside the figures stated for them")
    parser.add_argument("--learner", metavar="NAME", action="append", default=[], help="a learner; may be given again")
    parser.add_argument("--seeds", metavar="N", type=int, default=len(SEEDS), help="how many of the five seeds (default: all)")
    parser.add_argument("--draws", metavar="N", type=int, default=1000, help="bootstrap draws (default: 1000)")
    parser.add_argument("--development", action="store_true", help="train and validation splits only")
    parser.add_argument("--test", action="store_true", help="learn from train and validation, read the test split")
    parser.add_argument("--out", metavar="FILE", type=Path, help="where to write what --learner found")
    given = parser.parse_args()
    given.parts = given.parts or ",".join(TRACKS if given.learner else PARTS)
    return given


def main() -> int:
    """Run; 1 where a figure stated for these data lies outside its tolerance."""
    given = arguments()
    if not (DATA / "index.json").exists():
        print(f"{DATA}: no data there: set POINTSMAN_DATA to the collection's folder", file=sys.stderr)
        return 2
    protocol = Protocol(tuple(SEEDS[: given.seeds]), draws=given.draws, test=given.test)
    if given.reproduce:
        found = reproduce()
        _written(RESULTS / "quality-reproduction.json", found)
        return 0 if all(line["within"] or line["other_data"] for line in found["lines"]) else 1
    if given.learner:
        found = compare(given, protocol)
        if given.out:
            _written(given.out, found)
        return 0
    if not given.print:
        with ProcessPoolExecutor(given.jobs) as several:
            list(several.map(partial(measure, protocol=protocol, folder=given.results), given.parts.split(",")))
    print(shown_table({name: _read(given.results / f"{name}.json") for name in FILES}))
    return 0


def _written(path: Path, found: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    print(f"\nwritten: {path}")


if __name__ == "__main__":
    sys.exit(main())
