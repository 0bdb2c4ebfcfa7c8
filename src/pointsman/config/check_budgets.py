"""What budgets may get wrong: two limits or none, windows that are none, names that lead nowhere. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from pointsman.config.budgets import BudgetConfig, LimitConfig
from pointsman.config.check_rules import warning
from pointsman.config.problem import Path, Problem, did_you_mean, short
from pointsman.config.schema import Config
from pointsman.core.budget import OWN_ORG
from pointsman.core.budget_window import Window
from pointsman.core.prices import picousd


def budget_problems(config: Config) -> Iterator[Problem]:
    """Of the list and of routes."""
    first: dict[str, int] = {}
    for at, budget in enumerate(config.budgets):
        path: Path = ("budgets", at)
        if (earlier := first.setdefault(budget.name, at)) != at:
            yield Problem((*path, "name"), f"`{short(budget.name)}` also names budgets[{earlier}]: they would share one account")
        yield from _scope(budget, config, path)
        yield from _limit(budget, path)
    for name, route in config.routes.items():
        if route.budget is not None:
            yield from _limit(route.budget, ("routes", name, "budget"))


def _scope(budget: BudgetConfig, config: Config, path: Path) -> Iterator[Problem]:
    given = [name for name in ("org", "team", "key", "route", "task") if getattr(budget, name) is not None]
    if len(given) > 1:
        yield Problem((*path, given[1]), f"stands beside `{given[0]}`: a budget is for one of them, write two budgets")
    if budget.team is not None and budget.team != "*":
        yield from _team(budget.team, (*path, "team"))
    routes = {*config.routes, *(model.id for model in config.models), "*"}
    if budget.route is not None and budget.route not in routes:
        yield Problem((*path, "route"), f"no route or model `{short(budget.route)}`{did_you_mean(budget.route, routes)}")


def _team(team: str, path: Path) -> Iterator[Problem]:
    """Teams of different orgs may have one name, so which one is meant must be plain."""
    org, slash, name = team.partition("/")
    if not slash:
        yield warning(path, f"`{short(team)}` is the team of that name in org `{OWN_ORG}`, and of no other: write `org/{short(team)}`")
    elif not org or not name or "/" in name:
        yield Problem(path, f"`{short(team)}` is no team: write it as `org/team`")


def _limit(limit: LimitConfig, path: Path) -> Iterator[Problem]:
    if (limit.usd is None) == (limit.tokens is None):
        yield Problem(path, "needs a limit: give `usd` or `tokens`" if limit.usd is None else "has two limits: give `usd` or `tokens`")
    elif limit.usd is not None:
        try:
            picousd(limit.usd)
        except ValueError as error:
            yield Problem((*path, "usd"), str(error))
    try:
        Window(None if limit.per == "never" else limit.per, limit.rolling, limit.zone)
    except ValueError as error:
        yield Problem(path, str(error))
