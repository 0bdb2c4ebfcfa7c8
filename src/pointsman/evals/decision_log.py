"""Our own decision log as outcomes: what the models that were called gave, and what people made of it.

Texts are read where the log keeps them, sealed, and only of requests that have a quality: the others teach nothing of it.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

import numpy as np

from pointsman.core.codec import from_json
from pointsman.core.outcome import Outcome
from pointsman.core.record import DecisionRecord
from pointsman.core.request import Content
from pointsman.estimators.outcomes import Outcomes
from pointsman.evals.reviewed import Labels, labels
from pointsman.evals.rows import Row, assemble
from pointsman.evals.sealed import Sealed, read_as_live, sealed
from pointsman.stores.log import LogRecord
from pointsman.stores.logfile import LogFile

Quality = Mapping[tuple[str, str], float]
"""Decision and model -> quality, 0 to 1."""


def read_log(path: Path, quality: Quality | None = None, keys: Path | None = None) -> Outcomes:
    """The outcomes in a log's file. `quality` goes before what people said in reviews. `keys`: the content keys (default: beside the log).

    Raises `RecordError` where it cannot be read, `ConfigError` where it holds none.
    """
    log = LogFile(path)
    try:
        with sealed(log, path, keys) as words:
            rows = list(_rows(log, words, quality or {}))
    finally:
        log.close()
    return assemble(rows, str(path), answers=True, textless=True)


def told(outcomes: Outcomes) -> str:
    """What a log gives to learn from, in a sentence."""
    judged = np.isfinite(outcomes.quality)
    asked = [query for query, known in zip(outcomes.queries, map(any, judged.tolist()), strict=True) if known]
    texts = np.array([[bool(text) for text in row] for row in outcomes.answers]) & judged
    words = f"the words of {sum(1 for query in asked if query.text):,} requests and {int(texts.sum()):,} answers are read"
    return f"{int(judged.sum()):,} answers to {len(asked):,} of {len(judged):,} requests have a quality; {words}"


def _rows(log: LogFile, words: Sealed, quality: Quality) -> Iterator[Row]:
    """A row for each decision and model that was called and ended well, or whose answer a person judged."""
    reviewed, tickets = labels(_records(log, "review"), words.ticket), _tickets(log)
    calls = _calls((from_json(Outcome, record.body) for record in _records(log, "outcome")), reviewed)
    for record in _records(log, "decision"):
        if not (found := calls.get(record.decision)):
            continue
        kept = from_json(DecisionRecord, record.body)
        if kept.request.reads_for:  # a call that answers nobody
            continue
        known = {one.model: quality.get((record.decision, one.model), one.right) for one in found}
        content = None if all(map(math.isnan, known.values())) else words.request(kept.request, tickets.get(record.decision, ()))
        query = _query(kept, next((one.outcome.task for one in found if one.outcome), kept.signals.task), content)
        for one in found:
            yield {**query, **_figures(one.outcome), "model": one.model, "quality": known[one.model], "response": one.text or None}


class _Call(NamedTuple):
    """A model's call on one decision, with what a person made of its answer."""

    model: str
    outcome: Outcome | None
    right: float = math.nan
    text: str = ""


def _calls(outcomes: Iterable[Outcome], reviewed: Labels) -> dict[str, list[_Call]]:
    """Of each decision a call for each model: the first that a person judged, else the first that ended well."""
    ended = {(one.decision, one.attempt): one for one in outcomes if one.ok and one.attempt}
    found: dict[str, dict[str, _Call]] = {}
    for (decision, call), label in sorted(reviewed.items()):
        outcome = ended.get((decision, call))
        found.setdefault(decision, {}).setdefault(label.model, _Call(label.model, outcome, label.right, label.text))
    for (decision, _), outcome in sorted(ended.items()):
        found.setdefault(decision, {}).setdefault(outcome.model, _Call(outcome.model, outcome))
    return {decision: list(by_model.values()) for decision, by_model in found.items()}


def _tickets(log: LogFile) -> Mapping[str, tuple[str, ...]]:
    """The tickets of each decision, which keep what was asked."""
    found: dict[str, tuple[str, ...]] = {}
    for record in _records(log, "review"):
        told = json.loads(record.body)
        if told.get("event") == "opened":
            found[record.decision] = (*found.get(record.decision, ()), told["id"])
    return found


def _records(log: LogFile, kind: str) -> Iterator[LogRecord]:
    """Records of a kind, oldest first."""
    for seq, name, decision, at_ns, body, prev, digest in log.chain(kind=kind):
        yield LogRecord(seq, name.decode(), decision.decode(), at_ns, body, prev, digest)


def _query(kept: DecisionRecord, task: str, content: Content | None) -> Row:
    """What a router would see of it. The task is that of live requests: none where nothing told one."""
    told = kept.signals.task_source != "default" or task != kept.signals.task
    text, tools = read_as_live(content)
    # The same asked twice stands on one side of a split; queries whose words are not known are no duplicates of each other.
    group = sha256(" ".join(text.lower().split()).encode()).hexdigest() if text else kept.request.id
    return {"query_id": kept.request.id, "task": task if told else "", "prompt": text, "tools": tools, "group_key": group}


def _figures(call: Outcome | None) -> Row:
    if call is None:
        return {}
    usage = call.usage
    return {
        "cost_usd": None if call.cost_picousd is None else call.cost_picousd / 1e12,
        "input_tokens": None if usage is None else usage.input_tokens,
        "output_tokens": None if usage is None else usage.output_tokens,
        "latency_s": call.total_ms / 1e3,
    }
