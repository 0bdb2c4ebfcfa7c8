"""An evaluation as a table for reading, and as JSON for keeping."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import islice

from pointsman.evals.evaluate import Evaluation, Result
from pointsman.evals.resample import Interval

HEADS = {
    "apgr": "APGR",
    "pgr50": "PGR(50 %)",
    "cpt50": "CPT50",
    "cpt80": "CPT80",
    "aiq": "AIQ",
    "aiq_over_zero": "AIQ - zero",
    "ogr": "OGR",
    "cp0": "CP(0)",
    "cp1": "CP(1)",
    "arena": "Arena",
    "aiq_routerbench": "AIQ (RouterBench)",
    "auc": "cost-quality AUC",
    "perf_gain": "PerfGain",
    "cost_save": "CostSave",
    "qnc": "QNC",
}
_PAIR = ("apgr", "cpt50", "cpt80", "aiq", "cp1")
_SHARE = ("apgr", "pgr50", "cpt50", "cpt80")
_POOL = ("aiq", "aiq_over_zero", "quality", "cp0", "cp1", "arena")
_PLAIN = {
    "dearest_share": "share of dearest",
    "routellm_apgr": "APGR (RouteLLM)",
    "routellm_cpt50": "CPT50 (RouteLLM)",
    "routellm_cpt80": "CPT80 (RouteLLM)",
}
_CALIBRATION = {"ece": "mean ECE", "brier": "mean Brier", "auc": "mean AUC", "auc_within_task": "AUC within tasks"}
_WIDE = 6  # figures with intervals in one table
COMPARED = ("apgr", "aiq", "auc", "quality_at_best_cost")
"""The figures that are compared between learners, in pairs, on the same draws."""


@dataclass(frozen=True, slots=True)
class Origin:
    """What an evaluation was made from, so that it can be made again."""

    source: str
    pool: tuple[str, ...]
    dropped_models: tuple[str, ...] = ()
    dropped_queries: int = 0
    splits: tuple[str, ...] = ()  #: empty: all


def rows(of: Evaluation) -> Iterator[tuple[str, ...]]:
    """The table: a head, a row for each learner, best first."""
    names = _main(of)
    yield ("learner", *(HEADS.get(name, name) for name in names), "choice bits", "worst ECE")
    for result in _best_first(of):
        entropy, ece = result.plain["entropy_bits"], max(one.ece for one in result.calibration)
        yield (result.name, *(shown(result.figures[name]) for name in names), f"{entropy:.2f}", f"{ece:.3f}")


def further(of: Evaluation) -> Iterator[list[tuple[str, ...]]]:
    """Tables of all other figures: those with an interval, then those without; calibration is the mean over models."""
    names = [name for name in of.results[0].figures if name not in _main(of)]
    for batch in batched(names, _WIDE):
        rest = [(one.name, *(shown(one.figures[name]) for name in batch)) for one in _best_first(of)]
        yield [("learner", *(HEADS.get(name, name) for name in batch)), *rest]
    plain = [name for name in _PLAIN if name in of.results[0].plain and not (of.share_of and name == "dearest_share")]
    yield [("learner", *(_PLAIN[name] for name in plain), *_CALIBRATION.values()), *(_unbounded(one, plain) for one in _best_first(of))]


def _unbounded(of: Result, plain: Sequence[str]) -> tuple[str, ...]:
    means = (_mean([getattr(one, name) for one in of.calibration]) for name in _CALIBRATION)
    return (of.name, *(_short(of.plain[name]) for name in plain), *map(_short, means))


def _mean(values: Sequence[float]) -> float:
    """Of those that are known; NaN where none is."""
    known = [value for value in values if not math.isnan(value)]
    return sum(known) / len(known) if known else math.nan


def _main(of: Evaluation) -> tuple[str, ...]:
    return _SHARE if of.share_of else _PAIR if len(of.models) == 2 else _POOL


def _best_first(of: Evaluation) -> list[Result]:
    return sorted(of.results, key=lambda one: -one.figures[_main(of)[0]].value)


def about_costs(of: Evaluation) -> str:
    """What stands for costs where none are recorded; empty where they are."""
    if not of.share_of:
        return ""
    weak = next(model for model in of.models if model != of.share_of)
    return f"no costs are recorded: `{weak}`, the weaker, costs 0 and `{of.share_of}` 1: cost is the share of queries on the latter"


def point_rows(of: Evaluation) -> Iterator[tuple[str, ...]]:
    """References without a knob."""
    yield ("reference", "quality", f"share on {of.share_of}" if of.share_of else "$ a request")
    for point in of.points:
        yield (point.name, f"{point.quality:.4f}", f"{point.cost_usd:.6f}")


def batched(names: Sequence[str], size: int) -> Iterator[tuple[str, ...]]:
    """So many at a time.

    >>> list(batched(["a", "b", "c"], 2))
    [('a', 'b'), ('c',)]
    """
    rest = iter(names)
    while batch := tuple(islice(rest, size)):
        yield batch


def shown(figure: Interval) -> str:
    """A figure with its interval, to three places.

    >>> shown(Interval(0.5, 0.4512, float("inf")))
    '0.500 [0.451, never]'
    """
    low, high = _short(figure.low), _short(figure.high)
    return f"{_short(figure.value)} [{low}, {high}]"


def _short(number: float) -> str:
    return "never" if math.isinf(number) else "?" if math.isnan(number) else f"{number:.3f}"


def document(of: Evaluation, origin: Origin) -> dict[str, object]:
    """Everything as JSON: null stands for what has no value, and for a cost at which a quality is never reached."""
    config = {"origin": asdict(origin), "protocol": asdict(of.protocol), "learners": {one.name: one.settings for one in of.results}}
    text = json.dumps(config, sort_keys=True)
    found: dict[str, object] = {
        "data_sha256": of.data,
        "config_sha256": hashlib.sha256(text.encode()).hexdigest(),
        "test_split_read": of.protocol.test or not origin.splits or "test" in origin.splits,
        **config,
        "queries": of.queries,
        "models": of.models,
        "share_of": of.share_of or None,
        "references": [asdict(point) for point in of.points],
        "zero_router": {"aiq": None if of.share_of else of.zero_aiq, "hull": of.zero_router},
        "oracle": {"aiq": None if of.share_of else of.oracle_aiq, "hull": of.oracle},
        "results": {one.name: _result(one, of.results) for one in of.results},
    }
    plain = _plain(found)
    assert isinstance(plain, dict)
    return plain


def _result(of: Result, all_of_them: Sequence[Result]) -> dict[str, object]:
    return {
        "figures": {name: asdict(figure) for name, figure in of.figures.items()},
        "by_seed": of.by_seed,
        "plain": of.plain,
        "calibration": [asdict(one) for one in of.calibration],
        "against": {
            other.name: {name: asdict(of.against(other, name)) for name in COMPARED if name in of.figures}
            for other in all_of_them
            if other is not of
        },
        "curve": of.curve,
    }


def _plain(value: object) -> object:
    """Only what JSON has words for, floats to six digits."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float):
        return float(f"{value:.6g}") if math.isfinite(value) else None
    return value
