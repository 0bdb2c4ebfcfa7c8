"""Caps on premium models, as the configuration file says them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from msgspec import Meta

from pointsman.config.kinds import Amount, Name, Share, says
from pointsman.config.policies import ScopeConfig
from pointsman.core.premium import MOST_OVER, Per


@dataclass(frozen=True, slots=True, kw_only=True)
class PremiumShareConfig:
    """A cap on the share of routed requests that go to premium models, however their words were chosen. See docs/gates.md."""

    name: Annotated[Name, says("shown where it refuses")]
    models: Annotated[tuple[str, ...], says("models that are premium")] = ()
    dearer_than_usd: Annotated[
        Amount | None,
        says("models whose output costs more USD a million tokens are premium as well, and those of unknown price"),
    ] = None
    at_most: Annotated[Share, says("share of the requests that may go to them")]
    over: Annotated[int, Meta(ge=1, le=MOST_OVER), says("requests in a row of which that is the share")] = 200
    per: Annotated[Per, says("whose requests count together; who has no team or org counts by the key; `user`: as the client calls it")] = (
        "key"
    )
    scope: Annotated[ScopeConfig | None, says("whose requests, on which routes; default: everybody's, on every route")] = None
