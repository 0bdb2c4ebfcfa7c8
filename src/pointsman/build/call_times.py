"""What the log knows of how long calls take."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import asdict

from pointsman.config.schema import Config
from pointsman.core.codec import from_json
from pointsman.core.latency import Sla
from pointsman.core.outcome import Outcome
from pointsman.stores.log import LogRecord
from pointsman.upstream.call_times import CallTimes, CallTimeSettings


def call_times(config: Config, entries: Iterable[LogRecord]) -> CallTimes:
    """The times of a configuration's SLAs, beginning with what `entries`, outcomes of the log, newest first, say of its models."""
    times = CallTimes(time.monotonic, settings(config))
    if not times.settings.slas:
        return times
    models, now_ns = {model.id for model in config.models}, time.time_ns()
    for entry in reversed(list(entries)):
        age_s = max(0.0, (now_ns - entry.at_ns) / 1e9)
        if age_s < times.settings.window_s and (outcome := from_json(Outcome, entry.body)).model in models:
            times.ended(outcome, age_s)
    return times


def settings(config: Config) -> CallTimeSettings:
    """What is to be measured."""
    said = (*(route.sla for route in config.routes.values()), *(task.sla for task in config.tasks.values()))
    slas = tuple(Sla(**asdict(sla)) for sla in said if sla is not None)
    return CallTimeSettings(slas, frozenset(config.tasks), config.health.latency_window_s)
