"""Limits on what is spent, as the configuration file says them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from pointsman.config.kinds import Amount, Count, Name, Share, says


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitConfig:
    """A limit on what is spent. See docs/budgets.md."""

    usd: Annotated[Amount | None, says("the limit in USD; this or `tokens`")] = None
    tokens: Annotated[Count | None, says("the limit in tokens, read and written")] = None
    per: Annotated[Literal["hour", "day", "week", "month", "never"], says("when it begins anew")] = "month"
    rolling: Annotated[bool, says("any stretch of that length, in place of the calendar's")] = False
    zone: Annotated[str, says("time zone of days, weeks and months")] = "UTC"
    low: Annotated[Share, says("share of the limit from which `when_low` is done")] = 0.8
    when_low: Annotated[Literal["nothing", "warn", "downgrade", "cheapest"], says("what is done when little is left")] = "warn"
    when_spent: Annotated[
        Literal["warn", "downgrade", "cheapest", "refuse"],
        says("what is done when nothing is left; `refuse`: a hard budget, which is never overspent"),
    ] = "refuse"


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetConfig(LimitConfig):
    """A budget, for everything or for one org, team, key, route or task class; `*`: each of them has one of its own."""

    name: Annotated[Name, says("shown where it refuses")]
    org: Annotated[str | None, says("an org, or `*`")] = None
    team: Annotated[str | None, says("a team, or `*`; a team of another org than `default` as `org/team`")] = None
    key: Annotated[str | None, says("the id of a key, or `*`")] = None
    route: Annotated[str | None, says("a route, or `*`")] = None
    task: Annotated[str | None, says("a task class, or `*`")] = None
