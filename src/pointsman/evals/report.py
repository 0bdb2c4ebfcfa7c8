"""An evaluation as a table for reading, and as JSON for keeping."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass

from pointsman.evals.evaluate import Evaluation, Result
from pointsman.evals.resample import Interval

HEADS = {
    "apgr": "APGR",
    "cpt50": "CPT50",
    "cpt80": "CPT80",
    "aiq": "AIQ",
    "aiq_over_zero": "AIQ - zero",
    "ogr": "OGR",
    "cp0": "CP(0)",
    "cp1": "CP(1)",
    "arena": "Arena",
}
_PAIR = ("apgr", "cpt50", "cpt80", "aiq", "cp1")
_POOL = ("aiq", "aiq_over_zero", "quality", "cp0", "cp1", "arena")
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
    names = _PAIR if len(of.models) == 2 else _POOL
    yield ("learner", *(HEADS.get(name, name) for name in names), "choice bits", "worst ECE")
    for result in sorted(of.results, key=lambda one: -one.figures[names[0]].value):
        entropy, ece = result.plain["entropy_bits"], max(one.ece for one in result.calibration)
        yield (result.name, *(shown(result.figures[name]) for name in names), f"{entropy:.2f}", f"{ece:.3f}")


def point_rows(of: Evaluation) -> Iterator[tuple[str, ...]]:
    """References without a knob."""
    yield ("reference", "quality", "$ a request")
    for point in of.points:
        yield (point.name, f"{point.quality:.4f}", f"{point.cost_usd:.6f}")


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
        "references": [asdict(point) for point in of.points],
        "zero_router": {"aiq": of.zero_aiq, "hull": of.zero_router},
        "oracle": {"aiq": of.oracle_aiq, "hull": of.oracle},
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
