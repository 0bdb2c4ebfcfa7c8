"""What looking at the answer gains over routing by the prompt alone, on recorded outcomes with answers; every call paid.

    python benchmarks/cascade.py [--tracks a,b] [--seeds N]    # writes benchmarks/results/cascade.json

Both routers use the same prompt-only predictions, folds, labels, seeds and draws. The data are found through POINTSMAN_DATA (default:
../shared/data beside the project). `--kept DIR` keeps what was predicted and how queries went, for another run of the same code: one that
was stopped goes on.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from pointsman.estimators import floors
from pointsman.estimators.outcomes import Outcomes
from pointsman.evals import collection, figures, frontier, parity
from pointsman.evals.baselines import named
from pointsman.evals.cascade_runs import Gone, compare, ends, go, run
from pointsman.evals.crossfit import cross_fit
from pointsman.evals.evaluate import SEEDS
from pointsman.evals.folds import Fold, budget, k_fold
from pointsman.evals.read import read
from pointsman.evals.references import oracle_router, reference_points, zero_router
from pointsman.evals.resample import Draws, Interval, draws
from pointsman.evals.rows import whole
from pointsman.evals.sight import Look, Priors, checked, priors
from pointsman.evals.tool_answers import answered

ROOT = Path(__file__).parents[1]
RESULT = ROOT / "benchmarks" / "results" / "cascade.json"
DATA = Path(os.environ.get("POINTSMAN_DATA", ROOT.parent / "shared" / "data"))
FIGURES = ("aiq", "auc", "quality", "over_best", "cp0", "cp98", "cp1", "kept_quality_0", "kept_cost_0", "kept_quality_1", "kept_cost_1")
BASELINES = ("task-table", "tfidf-ridge")
GONE = ("quality", "cost_usd", "calls", "cheap", "lead")
PAIR_FIGURES = ("apgr", "cpt50", "cpt80")


@dataclass(frozen=True, slots=True)
class Track:
    """A data set, the task of it, a label budget."""

    data: str
    task: str = ""
    labels: int | None = None
    look: Look = checked


TRACKS = {
    "gsm8k-pair": Track("routellm_gsm8k"),
    "routerbench": Track("routerbench"),
    "zeroeval-math": Track("zeroeval", "math-l5"),
    "zeroeval-crux": Track("zeroeval", "crux"),
    "zeroeval-gsm": Track("zeroeval", "gsm"),
    "mmlu-pro": Track("mmlu_pro", labels=1500),
    "bfcl": Track("bfcl", look=answered),
}


def outcomes_of(track: Track) -> Outcomes:
    """A track's outcomes with answers, its realistic pool, whole."""
    folder = DATA / "outcomes" / track.data
    found, pool = read(folder, answers=True), collection.realistic_pool(folder)
    found = found.pool(pool) if pool else found
    if track.task:
        found = found.rows([at for at, query in enumerate(found.queries) if query.task == track.task])
    return whole(found, drop=True).outcomes


def predictions(name: str, outcomes: Outcomes, folds: list[Fold], seed: int, kept: Path | None) -> list[Priors]:
    """What the blend says of each fold, from the folder where it was kept, if it was."""
    file = None if kept is None else kept / f"{name}-{seed}-{outcomes.digest()[:12]}.npz"
    if file is not None and file.exists():
        with np.load(file) as told:
            return [Priors(told[f"unseen{at}"], told[f"quality{at}"], told[f"cost{at}"]) for at in range(len(folds))]
    found = []
    for number, fold in enumerate(folds, 1):
        found.append(priors(outcomes, fold, seed))
        progress(name)(f"seed {seed}, fold {number} of {len(folds)}: predicted from the prompt")
    if file is not None:
        arrays = {
            f"{part}{at}": values
            for at, one in enumerate(found)
            for part, values in (("unseen", one.unseen), ("quality", one.quality), ("cost", one.cost_usd))
        }
        file.parent.mkdir(parents=True, exist_ok=True)
        np.savez(file, **arrays)
    return found


def gone(name: str, outcomes: Outcomes, folds: list[Fold], known: list[Priors], seed: int, kept: Path | None) -> Gone:
    """How queries went, from the folder where it was kept, if it was."""
    file = None if kept is None else kept / f"{name}-{seed}-{outcomes.digest()[:12]}-gone.npz"
    if file is not None and file.exists():
        with np.load(file) as told:
            return Gone(*(told[part] for part in GONE))
    found = go(outcomes, folds, known, seed, TRACKS[name].look, progress(name))
    if file is not None:
        np.savez(file, **{part: getattr(found, part) for part in GONE})
    return found


def measure(name: str, seeds: tuple[int, ...], count: int, kept: Path | None) -> dict[str, Any]:
    """One track."""
    track = TRACKS[name]
    outcomes, runs, first = outcomes_of(track), [], None
    for seed in seeds:
        folds = [budget(fold, track.labels, seed) for fold in k_fold(outcomes.queries, 5, seed)]
        known = predictions(name, outcomes, folds, seed, kept)
        went = gone(name, outcomes, folds, known, seed, kept)
        runs.append(run(outcomes, folds, known, went, seed))
        first = first or went
    assert first is not None
    drawn = draws([query.group for query in outcomes.queries], seeds[0], count)
    found = compare(runs, drawn)
    single = outcomes.cost_usd.mean(axis=0)
    zero, oracle = (frontier.aiq_range(of(outcomes), float(single.min()), float(single.max())) for of in (zero_router, oracle_router))
    best = np.full(len(outcomes.queries), int(np.argmax(outcomes.quality.mean(axis=0))))
    names = (*PAIR_FIGURES, *FIGURES) if len(outcomes.models) == 2 else FIGURES
    for figure in names:
        one = found[figure]
        told = (_told(each) for each in (one.predictive, one.cascade, one.difference))
        print(f"{name:14s} {figure:15s} predictive {next(told)}   cascade {next(told)}   difference {next(told)}", flush=True)
    bounds = parity.bounds(runs[0].predictive, outcomes, drawn) | baselines(outcomes, drawn, seeds[0], track.labels)
    for router, costs in bounds.items():
        print(f"{name:14s} {router:15s} " + "   ".join(f"{figure} {_told(one)}" for figure, one in costs.items()), flush=True)
    return {
        "queries": len(outcomes.queries),
        "models": outcomes.models,
        "labels": track.labels,
        "digest": outcomes.digest(),
        "seeds": seeds,
        "draws": count,
        "references": [asdict(point) for point in reference_points(outcomes, best)],
        "zero_aiq": zero,
        "oracle_aiq": oracle,
        "bounds": {router: {figure: asdict(one) for figure, one in costs.items()} for router, costs in bounds.items()},
        "figures": {figure: asdict(found[figure]) for figure in names},
        "calls": [np.round(one.calls, 3).tolist() for one in runs],
        "curve": [
            [float(c), float(q)] for c, q in zip(runs[0].cascade.cost_usd.mean(axis=0), runs[0].cascade.quality.mean(axis=0), strict=True)
        ],
        "floor": floor(outcomes, first),
    }


def baselines(outcomes: Outcomes, drawn: Draws, seed: int, labels: int | None) -> dict[str, dict[str, Interval]]:
    """What simple learners pay for the best single model's quality, one seed."""
    folds = [budget(fold, labels, seed) for fold in k_fold(outcomes.queries, 5, seed)]
    learned = {each: cross_fit(named(each), outcomes, folds, seed) for each in BASELINES}
    return {each: parity.every(figures.sample(outcomes, judged, seed)[0], drawn) for each, judged in learned.items()}


def _told(one: Interval) -> str:
    return f"{one.value:.4f} [{one.low:.4f}, {one.high:.4f}]"


def floor(outcomes: Outcomes, gone: Gone, limit: float = 0.02, risk: float = 0.1, redraws: int = 200) -> dict[str, Any]:
    """Weak model, then the best where that promises more: a threshold set on a drawn calibration set, judged on the whole slice."""
    (weak, strong), sure = ends(outcomes), -gone.lead
    thresholds = np.quantile(sure, np.linspace(1, 0, 41))
    losses = np.where(sure[:, None] >= thresholds, (outcomes.quality[:, strong] - gone.cheap)[:, None], 0.0)
    chance, broken, share = np.random.default_rng(0), 0, []
    true, asked_little, size = losses.mean(axis=0), (sure[:, None] >= thresholds).mean(axis=0), min(2_000, len(sure))
    for _ in range(redraws):
        setting = floors.boldest(losses[chance.integers(len(sure), size=size)], limit, risk).setting
        broken += setting is not None and bool(true[setting] > limit)
        share.append(0.0 if setting is None else float(asked_little[setting]))
    hindsight = float(np.max(np.where(true <= limit, asked_little, 0.0)))
    one = bool((gone.cheap == outcomes.quality[:, weak]).all())
    pair = {
        "weak": outcomes.models[weak] if one else "a pair, or one that is looked at",
        "strong": outcomes.models[strong],
        "calibration": size,
        "limit": limit,
        "risk": risk,
    }
    found = {
        **pair,
        "redraws": redraws,
        "violations": broken / redraws,
        "weak_share": float(np.mean(share)),
        "weak_share_hindsight": hindsight,
    }
    print(f"  floor: violations {found['violations']:.1%}, weak share {found['weak_share']:.1%} (hindsight {hindsight:.1%})", flush=True)
    return found


def progress(what: str) -> Callable[[str], None]:
    """Lines on standard error."""
    return lambda line: print(f"{time.strftime('%H:%M:%S')} {what}: {line}", file=sys.stderr, flush=True)


def main() -> int:
    """Run, and add to the file of results what was measured."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tracks", metavar="NAMES", default=",".join(TRACKS), help=f"with commas, of {', '.join(TRACKS)} (default: all)")
    parser.add_argument("--seeds", metavar="N", type=int, default=len(SEEDS), help="how many of the five seeds (default: all)")
    parser.add_argument("--draws", metavar="N", type=int, default=2000, help="bootstrap draws (default: 2000)")
    parser.add_argument("--kept", metavar="DIR", type=Path, help="where to keep predictions and courses, for another run of the same code")
    parser.add_argument("--out", metavar="FILE", type=Path, default=RESULT, help="where to write the results")
    given = parser.parse_args()
    if not (DATA / "index.json").exists():
        print(f"{DATA}: no data there: set POINTSMAN_DATA to the collection's folder", file=sys.stderr)
        return 2
    for name in given.tracks.split(","):
        measured = measure(name, tuple(SEEDS[: given.seeds]), given.draws, given.kept)
        found = json.loads(given.out.read_text(encoding="utf-8")) if given.out.exists() else {"tracks": {}}
        about = {"measured": datetime.now(UTC).date().isoformat(), "python": platform.python_version(), "numpy": np.__version__}
        document = {**about, "tracks": {**found["tracks"], name: measured}}
        given.out.write_text(json.dumps(document, indent=1, default=list) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
