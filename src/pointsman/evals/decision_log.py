"""Our own decision log as outcomes: what the models that were called gave. Texts are not recorded; reviews and feedback give qualities."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from pointsman.core.codec import from_json
from pointsman.core.outcome import Outcome
from pointsman.core.record import DecisionRecord
from pointsman.estimators.outcomes import Outcomes
from pointsman.evals.reviewed import qualities
from pointsman.evals.rows import Row, assemble
from pointsman.stores.log import LogRecord
from pointsman.stores.logfile import LogFile

_PAGE = 1000
Quality = Mapping[tuple[str, str], float]
"""Decision and model -> quality, 0 to 1."""


def read_log(path: Path, quality: Quality | None = None) -> Outcomes:
    """The outcomes in a log's file. `quality` goes before what people said in reviews.

    Raises `RecordError` where it cannot be read, `ConfigError` where it holds none.
    """
    log = LogFile(path)
    known = {**qualities(_pages(log, "review")), **(quality or {})}
    return outcomes_of((record for kind in ("decision", "outcome") for record in _pages(log, kind)), str(path), known)


def _pages(log: LogFile, kind: str) -> Iterator[LogRecord]:
    before: int | None = None
    while page := log.recent(_PAGE, before, kind):
        yield from page
        before = page[-1].seq


def outcomes_of(records: Iterable[LogRecord], place: str, quality: Quality) -> Outcomes:
    """Decisions joined with their outcomes: a query for each decision, its task from the signals; quality only where `quality` gives it.

    Only calls that ended well count; where one model was called several times, the first such call.
    """
    tasks: dict[str, str] = {}
    calls: dict[tuple[str, str], Outcome] = {}
    for record in records:
        if record.kind == "decision":
            tasks[record.decision] = from_json(DecisionRecord, record.body).signals.task
        elif record.kind == "outcome":
            call = from_json(Outcome, record.body)
            key = call.decision, call.model
            if call.ok and call.attempt and (key not in calls or call.attempt < calls[key].attempt):
                calls[key] = call
    return assemble((_row(call, tasks, quality) for call in calls.values() if call.decision in tasks), place, textless=True)


def _row(call: Outcome, tasks: Mapping[str, str], quality: Quality) -> Row:
    usage = call.usage
    return {
        "query_id": call.decision,
        "model": call.model,
        "task": tasks[call.decision],
        "quality": quality.get((call.decision, call.model), math.nan),
        "cost_usd": None if call.cost_picousd is None else call.cost_picousd / 1e12,
        "input_tokens": None if usage is None else usage.input_tokens,
        "output_tokens": None if usage is None else usage.output_tokens,
        "latency_s": call.total_ms / 1e3,
    }
