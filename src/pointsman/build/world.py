"""What requests are decided under, from a configuration and what the log has seen."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import date
from pathlib import Path
from statistics import median_low

from pointsman.build.call_times import call_times
from pointsman.build.checks import own_checks
from pointsman.build.learning import NOTHING, Learning, learning_of
from pointsman.build.sensitivity import mask_of, search_of
from pointsman.build.snapshot import snapshot_body, snapshot_of, with_health
from pointsman.catalogue.prices import load as load_catalogue
from pointsman.config.schema import Config
from pointsman.core.codec import from_json
from pointsman.core.outcome import Outcome
from pointsman.core.snapshot import Snapshot
from pointsman.gateway import World
from pointsman.signals.extract import Search, SignalSettings
from pointsman.signals.keywords import word_list
from pointsman.signals.tokens import warm
from pointsman.stores.log import LogRecord
from pointsman.stores.logfile import LogFile

TOOLS = "tools"
"""The task class of requests that offer tools."""

HISTORY = 2_000
"""Calls looked at for expected answer lengths."""

UNREAD = "no model is called here, and it takes one to read it"

_ENOUGH = 20  # of a task class, to believe them


def world_of(config: Config, snapshot: Snapshot, entries: Iterable[LogRecord], learning: Learning) -> World:
    """The world of a configuration; `entries` are outcomes of the log, newest first; `learning` is the one that the snapshot names."""
    settings = signal_settings(config, snapshot, _observed(config, snapshot, entries), learning)
    return _world(config, snapshot, settings, search_of(config), learning)


def current_snapshot(config: Config, learning: Learning | None = None) -> tuple[Snapshot, bytes]:
    """The snapshot of today, and the body that the log keeps of it. What was learned is read unless it is given."""
    names = (learning_of(config) if learning is None else learning).names
    body = snapshot_body(config, load_catalogue(), date.today(), names)  # noqa: DTZ011  (price lists change with the local day)
    return snapshot_of(body), body


def signal_settings(
    config: Config, snapshot: Snapshot, observed: dict[str, int] | None = None, learning: Learning = NOTHING
) -> SignalSettings:
    """What signal extraction needs; vocabularies are read now, so that no request waits for one."""
    tokenizers = tuple(sorted({model.tokenizer for model in snapshot.models.values()}))
    warm(tokenizers)
    return SignalSettings(
        tokenizers=tokenizers,
        output_tokens={name: task.output_tokens for name, task in config.tasks.items() if task.output_tokens is not None},
        history=observed or {},
        keywords={name: word_list(words) for name, words in config.keywords.items()},
        meaning=learning.meaning,
        predictor=learning.predictor,
        unread="" if learning.reader is None else UNREAD,
        tool_task=TOOLS if TOOLS in config.tasks or any(TOOLS in model.quality for model in config.models) else "",
    )


def offline_world(config: Config, learning: Learning | None = None) -> World:
    """What a dry run needs: no model, no network, and of the store only what a gateway started now would have learned from it."""
    learning = learning_of(config) if learning is None else learning
    snapshot, body = current_snapshot(config, learning)
    observed: dict[str, int] = {}
    if (path := Path(config.store.path)).exists():
        log = LogFile(path)
        try:
            entries = log.recent(HISTORY, kind="outcome")
            observed = _observed(config, snapshot, entries)
            snapshot, _ = with_health(snapshot, body, {}, call_times(config, entries).measured())
        finally:
            log.close()
    return _world(config, snapshot, signal_settings(config, snapshot, observed, learning), search_of(config, offline=True), learning)


def _world(config: Config, snapshot: Snapshot, settings: SignalSettings, search: Search | None, learning: Learning) -> World:
    settings = replace(settings, search=search)
    return World(
        snapshot,
        settings,
        config.server.max_json_depth,
        mask_of(config, search),
        own_checks(config),
        learning.confident,
        learning.outlook,
        learning.reader,
        reads_slowly=config.embedding.kind == "dense" and (settings.meaning is not None or settings.predictor is not None),
    )


def _observed(config: Config, snapshot: Snapshot, entries: Iterable[LogRecord]) -> dict[str, int]:
    # Of a model that tries several times, usage counts every try: it says little about the length of an answer.
    once = {model.id: snapshot.models[model.id].context_tokens for model in config.models if model.tries == 1}
    return history((from_json(Outcome, entry.body) for entry in entries), once)


def history(outcomes: Iterable[Outcome], most: Mapping[str, int]) -> dict[str, int]:
    """Expected output tokens by task class: the median of whole answers, where there are enough of them.

    `most` names the models that count, and the longest answer of each that is believed.
    """
    lengths: dict[str, list[int]] = {}
    for outcome in outcomes:
        if outcome.ok and outcome.usage is not None and outcome.finish_reason == "stop" and _believed(outcome, most):
            lengths.setdefault(outcome.task, []).append(outcome.usage.output_tokens)
    return {task: max(1, median_low(found)) for task, found in lengths.items() if len(found) >= _ENOUGH}


def _believed(outcome: Outcome, most: Mapping[str, int]) -> bool:
    return outcome.usage is not None and outcome.usage.output_tokens <= most.get(outcome.model, -1)
