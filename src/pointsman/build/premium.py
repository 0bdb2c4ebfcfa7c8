"""Caps on premium models, from the configuration and the prices of the day."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from pointsman.build.snapshot import scope_of
from pointsman.config.premium import PremiumShareConfig
from pointsman.config.schema import Config
from pointsman.core.model import Model
from pointsman.core.premium import PremiumCap, most_of
from pointsman.core.prices import Price, per_mtok
from pointsman.core.snapshot import Snapshot
from pointsman.errors import ConfigError
from pointsman.gateway.premium import Tally
from pointsman.policy.reach import reach


def tally_of(config: Config, snapshot: Snapshot, before: Tally | None = None) -> Tally | None:
    """What counts for the caps of a configuration; `None` where it has none. What was counted `before` goes on counting."""
    return Tally(caps_of(config, snapshot.models), before) if config.premium_shares else None


def caps_of(config: Config, models: Mapping[str, Model]) -> tuple[PremiumCap, ...]:
    """The caps, with the models that are premium by name or by price. Raises `ConfigError` where the one that reads requests is."""
    caps = tuple(
        PremiumCap(cap.name, tuple(_premium(cap, models)), most_of(cap.at_most, cap.over), cap.over, cap.per, scope_of(cap.scope))
        for cap in config.premium_shares
    )
    reader = config.embedding.model
    for at, cap in enumerate(caps):
        if reader and reader in cap.models:
            raise ConfigError(
                f"premium_shares[{at}]: `{reader}` is premium and reads every request (`embedding.model`): name another there"
            )
    return caps


def premium_remarks(config: Config, snapshot: Snapshot) -> tuple[str, ...]:
    """Sentences about caps that hold nobody, and about routes on which they leave nobody."""
    return tuple(remark for cap in caps_of(config, snapshot.models) for remark in _remarks(cap, snapshot))


def _premium(cap: PremiumShareConfig, models: Mapping[str, Model]) -> Iterator[str]:
    dear = None if cap.dearer_than_usd is None else per_mtok(cap.dearer_than_usd)
    for name, model in models.items():
        if name in cap.models or (dear is not None and _dearer(model.price, dear)):
            yield name


def _dearer(price: Price | None, than: int) -> bool:
    """Whether a token of output may cost more picodollars. Nobody knows of an unknown price, so it may; hardware has no price a token."""
    if price is None:
        return True
    rates = [price.output, price.reasoning, *(rate for tier in price.tiers for rate in (tier.output, tier.reasoning))]
    known = [rate for rate in rates if rate is not None]
    return max(known) > than if known else price.per_second is None


def _remarks(cap: PremiumCap, snapshot: Snapshot) -> Iterator[str]:
    said, routes = f"cap `{cap.name}` on premium models", None if cap.scope is None else cap.scope.routes
    answering = replace(snapshot, reads=None)
    within = {name: set(reach(answering, route)) for name, route in snapshot.routes.items() if routes is None or name in routes}
    if not cap.models:
        yield f"{said} holds nothing: no model is so dear"
    elif not any(models.intersection(cap.models) for models in within.values()):
        yield f"{said} holds nothing: no route that it is for can reach {_listed(cap.models)}"
    for name, models in within.items():
        if models and models <= set(cap.models):
            yield f"{said} leaves nobody on route `{name}` once it is reached: every model that it can reach is premium"


def _listed(names: Iterable[str]) -> str:
    return " or ".join(f"`{name}`" for name in names)
