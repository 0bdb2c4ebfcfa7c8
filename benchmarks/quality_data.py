"""The outcome tables that quality is measured on, and the tracks: a table, its pool, a label budget, and the figure that counts."""

from __future__ import annotations

import fcntl
import json
import os
import platform
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from pointsman.estimators.outcomes import Outcomes
from pointsman.evals import collection
from pointsman.evals.baselines import BASELINES, CONTROLS
from pointsman.evals.read import read
from pointsman.evals.report import Origin
from pointsman.evals.rows import assume_cost, whole

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results"
DATA = Path(os.environ.get("POINTSMAN_DATA", ROOT.parent / "shared" / "data"))
ASSUMED_OUTPUT_TOKENS = 256


@dataclass(frozen=True, slots=True)
class Track:
    """A data set, its pool, a label budget, and the figure that counts."""

    data: str
    labels: int | None
    figure: str
    baselines: tuple[str, ...] = tuple(BASELINES)


_CONTROLLED = (*BASELINES, *CONTROLS)
TRACKS = {
    "mmlu-300": Track("routellm_mmlu", 300, "apgr"),
    "mmlu-1500": Track("routellm_mmlu", 1500, "apgr", _CONTROLLED),
    "mmlu-5000": Track("routellm_mmlu", 5000, "apgr"),
    "gsm8k-300": Track("routellm_gsm8k", 300, "apgr"),
    "gsm8k": Track("routellm_gsm8k", None, "apgr", _CONTROLLED),
    "routerbench": Track("routerbench", None, "aiq", _CONTROLLED),
    "mmlu-pro": Track("mmlu_pro", 1500, "aiq"),
    "zeroeval": Track("zeroeval", None, "aiq"),
    "ulab": Track("ulab_llmrouter", None, "aiq"),
    "bfcl": Track("bfcl", None, "aiq"),
    "alpaca-eval": Track("alpaca_eval", None, "aiq"),
}


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


def change(path: Path, by: Callable[[Any], Any], indent: int | None = None) -> None:
    """Make a JSON file anew from what it holds, `None` where there is none; processes that do so wait for each other."""
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        found = by(json.loads(path.read_text(encoding="utf-8")) if path.exists() else None)
        new = path.with_suffix(".new")
        new.write_text(json.dumps(found, sort_keys=indent is None, indent=indent) + "\n", encoding="utf-8")
        new.replace(path)
    finally:
        os.close(folder)


def about() -> dict[str, Any]:
    """When and where."""
    return {"measured": datetime.now(UTC).date().isoformat(), "python": platform.python_version(), "numpy": np.__version__}


def progress(what: str) -> Callable[[str], None]:
    """Lines on standard error."""
    return lambda line: print(f"{time.strftime('%H:%M:%S')} {what}: {line}", file=sys.stderr, flush=True)
