"""A running gateway: store, keys, models, and what holds them together."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from statistics import median_low

import msgspec

from pointsman.build.endpoints import Engines, endpoints
from pointsman.build.snapshot import snapshot_body, snapshot_of
from pointsman.catalogue.prices import load as load_catalogue
from pointsman.config.schema import Config
from pointsman.core.codec import from_json
from pointsman.core.outcome import Outcome
from pointsman.core.snapshot import Snapshot
from pointsman.errors import ConfigError, RecordError
from pointsman.gateway import Gateway, World
from pointsman.signals.extract import SignalSettings
from pointsman.signals.keywords import word_list
from pointsman.signals.tokens import warm
from pointsman.stores.keys import Key, new_key
from pointsman.stores.log import LogRecord
from pointsman.stores.logfile import LogFile
from pointsman.stores.sqlite import SqliteLog
from pointsman.stores.sqlite_keys import SqliteKeys
from pointsman.upstream.client import Egress

_HISTORY = 2_000  # calls looked at for expected answer lengths,
_ENOUGH = 20  # and how many of a task class are needed to believe them


@dataclass(frozen=True, slots=True)
class Service:
    """Open with `open_service`; close when done."""

    gateway: Gateway
    log: SqliteLog
    keys: SqliteKeys
    engines: Engines
    egress: Egress

    async def waiting_for(self) -> str | None:
        """What is not ready yet, `None` when everything is.

        A log that could not be written is tried again: without traffic nothing else would, and traffic may wait for this answer.
        """
        if (loading := self.engines.waiting_for()) is not None:
            return loading
        if (failure := self.log.failure) is not None:
            try:
                await self.log.append("recovered", "log", msgspec.json.encode({"after": failure}))
            except RecordError:
                return f"the decision log: {failure}"
        return None

    async def first_key(self) -> str | None:
        """A new key's text if there is none yet. It is kept hashed: nobody can show it again."""
        return None if await self.keys.list_keys() else await self.make_key("first")

    async def make_key(self, name: str) -> str:
        """Make and keep a key; returns its text."""
        made = new_key()
        await self.keys.add_key(Key(made.id, made.hash, created_at_ns=time.time_ns(), name=name))
        return made.text

    async def aclose(self) -> None:
        """Stop, writing out what waits."""
        try:
            await self.egress.aclose()
            await self.engines.aclose()
        finally:
            await self.log.close()


async def open_service(config: Config) -> Service:
    """Open everything a configuration names. Local models load in the background. Raises `ConfigError` and `RecordError`."""
    engines = Engines(config.models)
    log = SqliteLog(config.store.path, config.store.durability)
    snapshot, body = current_snapshot(config)
    await log.put_snapshot(snapshot.id, body)
    settings = signal_settings(config, snapshot, _observed(config, snapshot, await log.recent(_HISTORY, kind="outcome")))
    egress = Egress(endpoints(config.models, engines))
    world = World(snapshot, settings, config.server.max_json_depth, config.store.content)
    engines.load()
    return Service(Gateway(world, log, egress, snapshot_of), log, SqliteKeys(log), engines, egress)


def current_snapshot(config: Config) -> tuple[Snapshot, bytes]:
    """The snapshot of today, and the body that the log keeps of it."""
    body = snapshot_body(config, load_catalogue(), date.today())  # noqa: DTZ011  (price lists change with the local day)
    return snapshot_of(body), body


def signal_settings(config: Config, snapshot: Snapshot, observed: dict[str, int] | None = None) -> SignalSettings:
    """What signal extraction needs; vocabularies are read now, so that no request waits for one."""
    tokenizers = tuple(sorted({model.tokenizer for model in snapshot.models.values()}))
    warm(tokenizers)
    return SignalSettings(
        tokenizers=tokenizers,
        output_tokens={name: task.output_tokens for name, task in config.tasks.items() if task.output_tokens is not None},
        history=observed or {},
        keywords={name: word_list(words) for name, words in config.keywords.items()},
    )


def offline_world(config: Config) -> World:
    """What a dry run needs: no model, no network, and of the store only what a gateway started now would have learned from it."""
    snapshot, _ = current_snapshot(config)
    observed: dict[str, int] = {}
    if (path := Path(config.store.path)).exists():
        log = LogFile(path)
        try:
            observed = _observed(config, snapshot, log.recent(_HISTORY, kind="outcome"))
        finally:
            log.close()
    return World(snapshot, signal_settings(config, snapshot, observed), config.server.max_json_depth)


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


def open_log(config: Config) -> tuple[Gateway, SqliteLog]:
    """A gateway that can read its log but calls nothing, and the log, to be closed after use. Raises `ConfigError` without a log."""
    if not Path(config.store.path).exists():
        raise ConfigError(f"{config.store.path}: no such log: start the gateway first, or name its configuration with --config")
    log = SqliteLog(config.store.path, config.store.durability)
    return Gateway(offline_world(config), log, Egress({}), snapshot_of), log
