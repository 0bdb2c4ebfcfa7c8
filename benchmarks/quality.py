"""How good routing is, on recorded outcomes: our learners beside every baseline, on the same folds, labels, seeds and draws.

    python benchmarks/quality.py --reproduce                  # baselines beside the figures stated for them; no learner of ours
    python benchmarks/quality.py --learner NAME [--tracks a,b] # a learner on the tracks; writes benchmarks/results/quality-NAME.json
    python benchmarks/quality.py --learner NAME --development  # train and validation splits only: for choosing between settings
    python benchmarks/quality.py --learner NAME --test         # learn from train and validation, read the test split: once a release

NAME is a word of `pointsman.evals.learners.LEARNERS` or of `pointsman.evals.baselines.BASELINES`, or `module:attribute`. The data are
found through POINTSMAN_DATA (default: ../shared/data beside the project). Every configuration that was run with --learner is added to
`tried` in benchmarks/results/quality-tried.json, so that the file says how many were looked at.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from pointsman.cli.table import table
from pointsman.estimators.outcomes import Outcomes
from pointsman.evals import collection, pair
from pointsman.evals.baselines import BASELINES, named
from pointsman.evals.evaluate import SEEDS, Evaluation, Protocol, evaluate
from pointsman.evals.figures import weak_and_strong
from pointsman.evals.read import read
from pointsman.evals.report import Origin, document, rows
from pointsman.evals.rows import assume_cost, whole
from pointsman.evals.unseen import unseen_tasks

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results"
DATA = Path(os.environ.get("POINTSMAN_DATA", ROOT.parent / "shared" / "data"))
ASSUMED_OUTPUT_TOKENS = 256
DEVELOPMENT = ("train", "val")


@dataclass(frozen=True, slots=True)
class Track:
    """A data set, its pool, a label budget, and the figure that counts."""

    data: str
    labels: int | None
    figure: str
    baselines: tuple[str, ...] = tuple(BASELINES)


_POOLS = ("random", "means", "task-table", "knn-100", "k-means", "tfidf-ridge", "mf", "shuffled-control")
TRACKS = {
    "mmlu-300": Track("routellm_mmlu", 300, "apgr"),
    "mmlu-1500": Track("routellm_mmlu", 1500, "apgr"),
    "mmlu-5000": Track("routellm_mmlu", 5000, "apgr"),
    "gsm8k-300": Track("routellm_gsm8k", 300, "apgr"),
    "gsm8k": Track("routellm_gsm8k", None, "apgr"),
    "routerbench": Track("routerbench", None, "aiq"),
    "mmlu-pro": Track("mmlu_pro", 1500, "aiq", _POOLS),
    "zeroeval": Track("zeroeval", None, "aiq", _POOLS),
    "ulab": Track("ulab_llmrouter", None, "aiq", _POOLS),
    "bfcl": Track("bfcl", None, "aiq", _POOLS),
    "alpaca-eval": Track("alpaca_eval", None, "aiq", _POOLS),
}
UNSEEN = ("mmlu-1500", "mmlu-pro", "zeroeval", "ulab", "routerbench", "bfcl")


@cache
def outcomes_of(data: str) -> tuple[Outcomes, Origin]:
    """A data set with its realistic pool, whole. Parsed once, kept in memory only."""
    folder = DATA / "outcomes" / data
    found, pool = read(folder), collection.realistic_pool(folder)
    found = found.pool(pool) if pool else found
    if np.isnan(found.cost_usd).all():
        found = assume_cost(found, collection.prices(folder), ASSUMED_OUTPUT_TOKENS)
    kept = whole(found, drop=True)
    return kept.outcomes, Origin(data, kept.outcomes.models, kept.models, kept.queries)


def run_track(name: str, learners: Sequence[str], protocol: Protocol, splits: tuple[str, ...]) -> tuple[Evaluation, Origin]:
    """Judge learners and the track's baselines."""
    track = TRACKS[name]
    outcomes, origin = outcomes_of(track.data)
    if splits:
        outcomes = outcomes.rows([at for at, query in enumerate(outcomes.queries) if query.split in splits])
        origin = Origin(origin.source, origin.pool, origin.dropped_models, origin.dropped_queries, splits)
    judged = [named(word) for word in dict.fromkeys((*learners, *track.baselines))]
    budgeted = Protocol(protocol.seeds, protocol.folds, track.labels, protocol.draws, protocol.test)
    return evaluate(outcomes, judged, budgeted, progress(name)), origin


@dataclass(frozen=True, slots=True)
class Stated:
    """A figure that was stated, and how near ours should be. `why`: what differs where it was stated for other data than these."""

    what: str
    stated: float
    tolerance: float
    ours: Callable[[], tuple[float, float]]  #: mean, and SD over the seeds
    why: str = ""


def _learner(track: str, name: str, figure: str, labels: int | None) -> Callable[[], tuple[float, float]]:
    def measured() -> tuple[float, float]:
        outcomes, _ = outcomes_of(TRACKS[track].data)
        found = evaluate(outcomes, [named(name)], Protocol(labels=labels, draws=1), progress(track))
        by_seed = found.results[0].by_seed[figure]
        return float(np.mean(by_seed)), float(np.std(by_seed, ddof=1))

    return measured


def _random(data: str, lots: int = 400) -> Callable[[], tuple[float, float]]:
    def measured() -> tuple[float, float]:
        outcomes, _ = outcomes_of(data)
        weak, strong = weak_and_strong(outcomes)
        chance = np.random.default_rng(0)
        drawn = [
            pair.apgr(pair.curve(outcomes.quality[:, weak], outcomes.quality[:, strong], chance.random(len(outcomes.queries)), at))
            for at in range(lots)
        ]
        return float(np.mean(drawn)), float(np.std(drawn, ddof=1))

    return measured


def _oracle(data: str) -> Callable[[], tuple[float, float]]:
    def measured() -> tuple[float, float]:
        outcomes, _ = outcomes_of(data)
        weak, strong = weak_and_strong(outcomes)
        lead = outcomes.quality[:, strong] - outcomes.quality[:, weak]
        return pair.apgr(pair.curve(outcomes.quality[:, weak], outcomes.quality[:, strong], lead, 0)), 0.0

    return measured


def _reference(data: str, value: Callable[[Evaluation], float]) -> Callable[[], tuple[float, float]]:
    def measured() -> tuple[float, float]:
        outcomes, _ = outcomes_of(data)
        return value(evaluate(outcomes, [named("means")], Protocol((42,), draws=1), progress(data))), 0.0

    return measured


_FULL = "stated for the full set (14,037 and 1,307 queries); ours is the part that is given out, with another mix of subjects"
_RB = "stated for 3,148 queries; ours are the 2,226 that are given out"
_CUT = f"{_RB}, and the worked examples before each question, which give the data set away, are cut"
_KNN = f"{_CUT}; neighbours by TF-IDF cosine, not by a static embedding"
_INDEX = 0.0001  # index.json states four digits
STATED = (
    Stated("MMLU, random, APGR", 0.500, 0.01, _random("routellm_mmlu")),
    Stated("GSM8K, random, APGR", 0.500, 0.01, _random("routellm_gsm8k")),
    Stated("MMLU, strong model, index.json", 0.8121, _INDEX, _reference("routellm_mmlu", lambda e: e.points[2].quality)),
    Stated("MMLU, oracle, index.json", 0.8629, _INDEX, _reference("routellm_mmlu", lambda e: e.points[-1].quality)),
    Stated("GSM8K, strong model, index.json", 0.8659, _INDEX, _reference("routellm_gsm8k", lambda e: e.points[2].quality)),
    Stated("GSM8K, oracle, index.json", 0.9318, _INDEX, _reference("routellm_gsm8k", lambda e: e.points[-1].quality)),
    Stated("RouterBench, best single, index.json", 0.8805, _INDEX, _reference("routerbench", lambda e: e.points[0].quality)),
    Stated("RouterBench, oracle, index.json", 0.9771, _INDEX, _reference("routerbench", lambda e: e.points[-1].quality)),
    Stated("MMLU, TF-IDF ridge, 1,500 labels, APGR", 0.653, 0.01, _learner("mmlu-1500", "tfidf-ridge", "apgr", 1500)),
    Stated("MMLU, TF-IDF ridge, 5,000 labels, APGR", 0.676, 0.01, _learner("mmlu-5000", "tfidf-ridge", "apgr", 5000)),
    Stated("MMLU, subject table, 1,500 labels, APGR", 0.673, 0.01, _learner("mmlu-1500", "task-table", "apgr", 1500)),
    Stated("MMLU, subject table, 5,000 labels, APGR", 0.694, 0.01, _learner("mmlu-5000", "task-table", "apgr", 5000)),
    Stated("GSM8K, TF-IDF ridge, about 700 labels, APGR", 0.579, 0.017, _learner("gsm8k", "tfidf-ridge", "apgr", 700)),
    Stated("MMLU, weak model", 0.681, 0.005, _reference("routellm_mmlu", lambda e: e.points[1].quality), _FULL),
    Stated("MMLU, strong model", 0.806, 0.005, _reference("routellm_mmlu", lambda e: e.points[2].quality), _FULL),
    Stated("MMLU, oracle", 0.859, 0.005, _reference("routellm_mmlu", lambda e: e.points[-1].quality), _FULL),
    Stated("MMLU, oracle, APGR", 1.268, 0.005, _oracle("routellm_mmlu"), f"{_FULL}: the strong model leads by .114, not .125"),
    Stated("GSM8K, oracle", 0.930, 0.005, _reference("routellm_gsm8k", lambda e: e.points[-1].quality), _FULL),
    Stated("GSM8K, oracle, APGR", 1.115, 0.005, _oracle("routellm_gsm8k"), f"{_FULL}: the strong model leads by .229, not .221"),
    Stated("RouterBench, zero router, AIQ range", 0.8242, 0.005, _reference("routerbench", lambda e: e.zero_aiq), _RB),
    Stated("RouterBench, oracle, AIQ range", 0.9700, 0.005, _reference("routerbench", lambda e: e.oracle_aiq), _RB),
    Stated("RouterBench, data set table, AIQ range", 0.8544, 0.01, _learner("routerbench", "task-table", "aiq", None), _RB),
    Stated("RouterBench, TF-IDF ridge, AIQ range", 0.852, 0.01, _learner("routerbench", "tfidf-ridge", "aiq", None), _CUT),
    Stated("RouterBench, k-means 32, AIQ range", 0.845, 0.01, _learner("routerbench", "k-means", "aiq", None), _CUT),
    Stated("RouterBench, kNN 20, AIQ range", 0.841, 0.01, _learner("routerbench", "knn-20", "aiq", None), _KNN),
)


def reproduce() -> dict[str, Any]:
    """Ours beside what was stated."""
    lines: list[dict[str, Any]] = []
    for stated in STATED:
        mean, spread = stated.ours()
        apart = mean - stated.stated
        lines.append(
            {
                "what": stated.what,
                "stated": stated.stated,
                "ours": round(mean, 4),
                "sd_over_seeds": round(spread, 4),
                "difference": round(apart, 4),
                "tolerance": stated.tolerance,
                "within": abs(apart) <= stated.tolerance,
                "other_data": stated.why,
            }
        )
    head = ("line", "stated", "ours", "SD", "apart", "tolerance", "")
    body = [
        (
            line["what"],
            f"{line['stated']:.4f}",
            f"{line['ours']:.4f}",
            f"{line['sd_over_seeds']:.4f}",
            f"{line['difference']:+.4f}",
            f"{line['tolerance']:.3f}",
            "" if line["within"] else "outside: other data" if line["other_data"] else "outside",
        )
        for line in lines
    ]
    print(table([head, *body], right=frozenset(range(1, 6))))
    names = dict.fromkeys(track.data for track in TRACKS.values() if track.data in ("routellm_mmlu", "routellm_gsm8k", "routerbench"))
    return {**about(), "data": {name: outcomes_of(name)[0].digest() for name in names}, "lines": lines}


def measure(given: argparse.Namespace) -> dict[str, Any]:
    """The learners on the tracks."""
    protocol = Protocol(tuple(SEEDS[: given.seeds]), draws=given.draws, test=given.test)
    splits = DEVELOPMENT if given.development else ()
    found: dict[str, Any] = {**about(), "tracks": {}, "unseen_tasks": {}}
    for name in given.tracks.split(","):
        evaluation, origin = run_track(name, given.learner, protocol, splits)
        print(f"\n{name}: {evaluation.queries:,} queries, {len(evaluation.models)} models; zero AIQ {evaluation.zero_aiq:.4f}")
        print(table(list(rows(evaluation)), right=frozenset(range(1, 10))))
        found["tracks"][name] = document(evaluation, origin)
        if name in UNSEEN and not given.test and not given.development:
            outcomes, _ = outcomes_of(TRACKS[name].data)
            found["unseen_tasks"][name] = {word: _unseen(word, outcomes, given.draws) for word in (*given.learner, "tfidf-ridge")}
    return found


def _unseen(name: str, outcomes: Outcomes, count: int) -> list[dict[str, object]]:
    tasks = unseen_tasks(named(name), outcomes, SEEDS[0], progress("unseen tasks"), count)
    worst = tasks[0].over_best
    print(f"unseen tasks, {name}: worst `{tasks[0].task}` {100 * worst.value:+.2f} pt [{100 * worst.low:+.2f}, {100 * worst.high:+.2f}]")
    return [
        {"task": one.task, "queries": one.queries, "over_best": [one.over_best.value, one.over_best.low, one.over_best.high]}
        for one in tasks
    ]


def remember(given: argparse.Namespace, learners: Sequence[str]) -> None:
    """Add what was tried to the list of everything tried."""
    path = RESULTS / "quality-tried.json"
    tried = json.loads(path.read_text(encoding="utf-8")) if path.exists() else []
    kind = "test" if given.test else "development" if given.development else "whole slice"
    tried += [{"at": about()["measured"], "on": kind, "tracks": given.tracks, "settings": repr(named(name))} for name in learners]
    path.write_text(json.dumps(tried, indent=1) + "\n", encoding="utf-8")


def about() -> dict[str, Any]:
    """When and where."""
    return {"measured": datetime.now(UTC).date().isoformat(), "python": platform.python_version(), "numpy": np.__version__}


def progress(what: str) -> Callable[[str], None]:
    """Lines on standard error."""
    return lambda line: print(f"{time.strftime('%H:%M:%S')} {what}: {line}", file=sys.stderr, flush=True)


def main() -> int:
    """Run; 1 where a figure stated for these data lies outside its tolerance."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--reproduce", action="store_true", help="print baselines beside the figures stated for them")
    parser.add_argument("--learner", metavar="NAME", action="append", default=[], help="a learner; may be given again")
    parser.add_argument("--tracks", metavar="NAMES", default=",".join(TRACKS), help=f"with commas, of {', '.join(TRACKS)} (default: all)")
    parser.add_argument("--seeds", metavar="N", type=int, default=len(SEEDS), help="how many of the five seeds (default: all)")
    parser.add_argument("--draws", metavar="N", type=int, default=2000, help="bootstrap draws (default: 2000)")
    parser.add_argument("--development", action="store_true", help="train and validation splits only")
    parser.add_argument("--test", action="store_true", help="learn from train and validation, read the test split")
    parser.add_argument("--out", metavar="FILE", type=Path, help="where to write the results")
    given = parser.parse_args()
    if not (DATA / "index.json").exists():
        print(f"{DATA}: no data there: set POINTSMAN_DATA to the collection's folder", file=sys.stderr)
        return 2
    found = reproduce() if given.reproduce else measure(given)
    if not given.reproduce:
        remember(given, given.learner)
    name = "reproduction" if given.reproduce else "-".join(word.replace(":", ".") for word in given.learner) or "baselines"
    out = given.out or RESULTS / f"quality-{name}{'-test' if given.test else '-development' if given.development else ''}.json"
    out.write_text(json.dumps(found, indent=1 if given.reproduce else None) + "\n", encoding="utf-8")
    print(f"\nwritten: {out}")
    return 0 if not given.reproduce or all(line["within"] or line["other_data"] for line in found["lines"]) else 1


if __name__ == "__main__":
    sys.exit(main())
