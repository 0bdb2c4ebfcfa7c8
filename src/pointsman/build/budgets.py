"""Budgets, from the configuration."""

from __future__ import annotations

from collections.abc import Iterable

from pointsman.config.budgets import BudgetConfig, LimitConfig
from pointsman.config.schema import Config
from pointsman.core.budget import OWN_ORG, Budget, Scope, Threshold, team_subject
from pointsman.core.budget_window import Window
from pointsman.core.prices import picousd
from pointsman.stores.keys import OPERATOR_ID
from pointsman.stores.sqlite_keys import SqliteKeys

EACH = "*"
_SCOPES: tuple[Scope, ...] = ("org", "team", "key", "route", "task")


def budgets_of(config: Config) -> tuple[Budget, ...]:
    """Those of the list, then those of routes, which go by `route <name>`. Raises ValueError for a limit that is none."""
    named = [_budget(budget.name, budget, *scope_of(budget)) for budget in config.budgets]
    routed = [_budget(f"route {name}", route.budget, "route", name) for name, route in config.routes.items() if route.budget is not None]
    return (*named, *routed)


def scope_of(config: BudgetConfig) -> tuple[Scope, str | None]:
    """What it is for, and whose; `None`: each has one of its own."""
    for scope in _SCOPES:
        if (subject := getattr(config, scope)) is not None:
            if scope == "team" and subject != EACH:
                subject = team_subject(*org_and_team(subject))
            return scope, None if subject == EACH else subject
    return "all", None


def org_and_team(subject: str) -> tuple[str, str]:
    """Whose team it is, and its id.

    >>> org_and_team("acme/red"), org_and_team("red")
    (('acme', 'red'), ('default', 'red'))
    """
    org, slash, team = subject.partition("/")
    return (org, team) if slash else (OWN_ORG, subject)


async def strangers(budgets: Iterable[Budget], keys: SqliteKeys) -> tuple[str, ...]:
    """Sentences about budgets of orgs, teams and keys that the store does not have: they hold nobody."""
    return tuple([f"budget `{budget.name}`: {who}" for budget in budgets if (who := await _stranger(budget, keys))])


async def _stranger(budget: Budget, keys: SqliteKeys) -> str:
    match budget.scope, budget.subject:
        case "org", str(org) if await keys.find_org(org) is None:
            return f"the store has no org `{org}`, so it holds nobody"
        case "team", str(subject) if await keys.find_team(*org_and_team(subject)) is None:
            org, team = org_and_team(subject)
            return f"the store has no team `{team}` of org `{org}`, so it holds nobody: a team is written `org/team`"
        case "key", str(key) if key != OPERATOR_ID and await keys.find_key(key) is None:
            return f"the store has no key of the id `{key}`, so it holds nobody: `pointsman keys list` shows ids"
    return ""


def _budget(name: str, config: LimitConfig, scope: Scope, subject: str | None) -> Budget:
    return Budget(
        name=name,
        limit=picousd(config.usd or 0) if config.tokens is None else config.tokens,
        unit="usd" if config.tokens is None else "tokens",
        scope=scope,
        subject=subject,
        window=Window(None if config.per == "never" else config.per, config.rolling, config.zone),
        hard=config.when_spent == "refuse",
        thresholds=(Threshold(config.low, config.when_low), Threshold(1.0, config.when_spent)),
    )
