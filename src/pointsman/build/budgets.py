"""Budgets, from the configuration."""

from __future__ import annotations

from pointsman.config.schema import BudgetConfig, Config, LimitConfig
from pointsman.core.budget import Budget, Scope, Threshold
from pointsman.core.budget_window import Window
from pointsman.core.prices import picousd

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
            return scope, None if subject == EACH else subject
    return "all", None


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
