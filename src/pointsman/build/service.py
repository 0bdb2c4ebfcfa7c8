"""A running gateway: store, keys, models, and what holds them together."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path

import msgspec

from pointsman.build.audit import Auditor
from pointsman.build.budgets import budgets_of, strangers
from pointsman.build.call_times import call_times
from pointsman.build.endpoints import Engines, endpoints, refuse_missing_extras
from pointsman.build.learning import NOTHING, Learning, learning_of
from pointsman.build.premium import premium_remarks, tally_of
from pointsman.build.promises import refuse_broken_promises
from pointsman.build.reviews import adopt, reviews_of
from pointsman.build.snapshot import snapshot_of, with_health
from pointsman.build.world import HISTORY, current_snapshot, offline_world, world_of
from pointsman.config.schema import Config
from pointsman.core.latency import Latencies
from pointsman.core.rate import Rates
from pointsman.core.snapshot import Snapshot
from pointsman.errors import ConfigError, PointsmanError, RecordError
from pointsman.gateway import Gateway, Live
from pointsman.gateway.idempotency import Replays
from pointsman.gateway.purse import Till
from pointsman.gateway.responses import Responses
from pointsman.gateway.reviews import Desk as Reviews
from pointsman.stores.budget_desk import Desk
from pointsman.stores.keys import Key, new_key
from pointsman.stores.sqlite import SqliteLog
from pointsman.stores.sqlite_answers import SqliteAnswers
from pointsman.stores.sqlite_budgets import SqliteBudgets
from pointsman.stores.sqlite_keys import SqliteKeys
from pointsman.stores.sqlite_responses import SqliteResponses
from pointsman.upstream.call_times import CallTimes
from pointsman.upstream.client import Egress
from pointsman.upstream.health import BreakerSettings, Health
from pointsman.upstream.http import Pool
from pointsman.upstream.limits import Limits, LimitSettings, RetryBudget
from pointsman.upstream.watch import Watch

_log = logging.getLogger("pointsman.service")


class Service:
    """Open with `open_service`; close when done."""

    def __init__(
        self,
        config: Config,
        log: SqliteLog,
        keys: SqliteKeys,
        till: Till,
        reviews: Reviews,
        gateway: Gateway,
        engines: Engines,
        pool: Pool,
        audit: Auditor,
    ) -> None:
        self.gateway = gateway
        self.audit = audit
        self.log = log
        self.keys = keys
        self.till = till
        self.reviews = reviews
        self.engines = engines
        self.replays = Replays(SqliteAnswers(log), config.store.idempotency_ttl_s)
        self.lag = gateway.live.watch.lag  #: of the event loop
        self._pool = pool
        self._config = config
        self._one_at_a_time = asyncio.Lock()
        self._following: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None

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

    async def reload(self, config: Config) -> None:
        """Put another configuration in force, whole; requests in progress keep to the one they began with.

        Raises `ConfigError` and `RecordError`, and then changes nothing.
        """
        async with self._one_at_a_time:
            before = self.gateway.live
            refuse_missing_extras(config.models)
            self.engines.add(config.models)
            learning = await asyncio.to_thread(_learning, config)
            snapshot, body = await asyncio.to_thread(current_snapshot, config, learning)
            refuse_broken_promises(config, snapshot)
            entries = await self.log.recent(HISTORY, kind="outcome")
            watch = _watch_on(config, before.watch, self._config, await asyncio.to_thread(call_times, config, entries))
            snapshot, body = with_health(snapshot, body, *_news(watch))
            await self.log.put_snapshot(snapshot.id, body)
            contents = await asyncio.to_thread(self.audit.contents) if config.store.content else None
            world = await asyncio.to_thread(world_of, config, snapshot, entries, learning)
            budgets = budgets_of(config)
            for remark in (*await strangers(budgets, self.keys), *premium_remarks(config, snapshot)):
                _log.warning("%s", remark)
            adopt(self.reviews, config)
            self.engines.load()
            self.till = replace(self.till, budgets=budgets)
            egress = Egress(endpoints(config.models, self.engines, self._pool))
            self.gateway.live = Live(world, egress, watch, self.till, self.reviews, contents, tally_of(config, snapshot, before.tally))
            self.replays.ttl_s, self.gateway.responses.ttl_s = config.store.idempotency_ttl_s, config.store.responses_ttl_s
            self.gateway.responses.seals = config.store.seals_responses
            self._config = config

    def follow_health(self) -> None:
        """Bring what is known of upstreams into the snapshot that decisions are made under, once it has changed."""
        live = self.gateway.live
        changed = _news(live.watch) != _known(live.world.snapshot)
        if changed and (self._following is None or self._following.done()):
            self._following = asyncio.get_running_loop().create_task(self._follow())
        self._look_again(live.watch)

    async def _follow(self) -> None:
        async with self._one_at_a_time:
            # It may change again while the snapshot is written.
            while (news := _news((live := self.gateway.live).watch)) != _known(live.world.snapshot):
                body = await self.log.get_snapshot(live.world.snapshot.id)
                if body is None:
                    return
                snapshot, body = with_health(live.world.snapshot, body, *news)
                try:
                    await self.log.put_snapshot(snapshot.id, body)
                except PointsmanError as error:
                    _log.warning("news of upstreams is not in force yet: %s", error)
                    return
                for model in snapshot.health.keys() - live.world.snapshot.health.keys():
                    _log.warning("`%s` is out of service: %s", model, snapshot.health[model])
                self.gateway.live = replace(live, world=replace(live.world, snapshot=snapshot))

    def _look_again(self, watch: Watch) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        times_s = (watch.health.next_change_s(), watch.times.next_look_s())
        if (at_s := min((each for each in times_s if each is not None), default=None)) is not None:
            self._timer = asyncio.get_running_loop().call_later(max(0.0, at_s - time.monotonic()) + 0.001, self.follow_health)

    async def aclose(self) -> None:
        """Stop, writing out what waits."""
        self.lag.stop()
        if self._timer is not None:
            self._timer.cancel()
        try:
            if self._following is not None:
                await asyncio.wait({self._following})
            await self._pool.aclose()
            await self.engines.aclose()
        finally:
            await self.till.desk.close()
            await self.audit.finish(self.log)
            await self.log.close()
            self.audit.close()


async def open_service(config: Config) -> Service:
    """Open everything a configuration names. Local models load in the background. Raises `ConfigError` and `RecordError`."""
    refuse_missing_extras(config.models)
    engines, pool = Engines(), Pool()
    engines.add(config.models)
    learning = _learning(config)
    snapshot, body = current_snapshot(config, learning)
    refuse_broken_promises(config, snapshot)
    audit = Auditor(config)
    log = SqliteLog(config.store.path, config.store.durability)
    entries = await log.recent(HISTORY, kind="outcome")
    watch = replace(_watch(config), times=call_times(config, entries))
    snapshot, body = with_health(snapshot, body, *_news(watch))
    await log.put_snapshot(snapshot.id, body)
    world = world_of(config, snapshot, entries, learning)
    keys = SqliteKeys(log)
    desk = Desk(SqliteBudgets(log), lambda: time.time_ns() // 10**6)
    till = Till(desk, Rates(time.monotonic, share=1 / config.server.workers), keys.owners, budgets_of(config))
    for remark in (*await strangers(till.budgets, keys), *premium_remarks(config, snapshot)):
        _log.warning("%s", remark)
    contents = audit.contents() if config.store.content else None
    reviews = reviews_of(config, log, audit.contents())
    live = Live(world, Egress(endpoints(config.models, engines, pool)), watch, till, reviews, contents, tally_of(config, snapshot))
    disk, largest = SqliteResponses(log, audit.contents()), config.server.max_body_bytes
    responses = Responses(config.store.responses_ttl_s, disk, config.store.seals_responses, most_bytes=largest)
    gateway = Gateway(live, log, snapshot_of, responses)
    engines.load()
    service = Service(config, log, keys, till, reviews, gateway, engines, pool, audit)
    watch.changed.append(service.follow_health)
    service.lag.start()
    return service


def _learning(config: Config) -> Learning:
    """What was learned; what to know of it is logged."""
    learning = learning_of(config)
    for remark in learning.remarks:
        _log.warning("%s", remark)
    return learning


def _watch(config: Config) -> Watch:
    """Nothing is known of upstreams yet."""
    return Watch(_health(config), _limits(config), _retries(config))


def _news(watch: Watch) -> tuple[Mapping[str, str], Latencies]:
    """What decisions should be made under."""
    return watch.health.out_of_service(), watch.times.measured()


def _known(snapshot: Snapshot) -> tuple[Mapping[str, str], Latencies]:
    """What they are made under."""
    return snapshot.health, snapshot.latencies


def _watch_on(config: Config, before: Watch, earlier: Config, times: CallTimes) -> Watch:
    """With a new configuration, what is known is kept as far as its settings are the same, and models are reached as they were."""
    same, reached = config.health == earlier.health, _reached(earlier)
    kept = [model for model, way in _reached(config).items() if reached.get(model) == way]
    return Watch(
        before.health.kept(kept) if same else _health(config),
        before.limits.changed(_limit_settings(config)),
        before.retries.kept(kept) if same else _retries(config),
        before.changed,
        times,
        before.lag,
    )


def _reached(config: Config) -> dict[str, tuple[str, ...]]:
    """What a model's health and its account's retries are about: who is called there, where, and by whom."""
    return {said.id: (said.provider, said.base_url, said.model or said.id, said.api_key, said.auth, said.weights) for said in config.models}


def _limit_settings(config: Config) -> dict[str, LimitSettings]:
    return {model.id: LimitSettings(**asdict(model.limits)) for model in config.models}


def _limits(config: Config) -> Limits:
    return Limits(_limit_settings(config), time.monotonic)


def _health(config: Config) -> Health:
    said = config.health
    settings = BreakerSettings(said.failures, said.window, said.share, said.cooldown_s, said.longest_cooldown_s, said.slow_factor)
    return Health(time.monotonic, settings)


def _retries(config: Config) -> RetryBudget:
    return RetryBudget(time.monotonic, share=config.health.retry_share, floor=config.health.retry_floor)


def open_log(config: Config) -> tuple[Gateway, SqliteLog]:
    """A gateway that can read its log but calls nothing, and the log, to be closed after use. Raises `ConfigError` without a log."""
    if not Path(config.store.path).exists():
        raise ConfigError(f"{config.store.path}: no such log: start the gateway first, or name its configuration with --config")
    log = SqliteLog(config.store.path, config.store.durability)
    return Gateway(Live(offline_world(config, NOTHING), Egress({}), _watch(config)), log, snapshot_of), log
