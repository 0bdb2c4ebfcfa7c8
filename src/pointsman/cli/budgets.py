"""List the budgets and how they stand: what is spent, what workers have taken for calls, what is left."""

from __future__ import annotations

import argparse
import asyncio
import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from pointsman.build.budgets import budgets_of, strangers
from pointsman.cli.source import argument, source, tell
from pointsman.cli.table import table
from pointsman.core.budget import Budget
from pointsman.errors import ConfigError
from pointsman.stores.budgets import Position
from pointsman.stores.sqlite import SqliteLog
from pointsman.stores.sqlite_budgets import SqliteBudgets
from pointsman.stores.sqlite_keys import SqliteKeys


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    argument(parser)
    parser.add_argument("--json", action="store_true", help="print JSON, amounts in whole picodollars or tokens")


def run(given: argparse.Namespace) -> int:
    """Print one line a budget and subject."""
    config = source(given).config
    path = Path(config.store.path)
    if not path.exists():
        raise ConfigError(f"{path}: no such store: start the gateway first, or name its configuration with --config")
    budgets = {(budget.name, budget.label): budget for budget in budgets_of(config)}
    now_ms = time.time_ns() // 10**6
    positions, names, remarks = asyncio.run(_read(path, now_ms, tuple(budgets.values())))
    accounts = _now(positions, budgets, now_ms)
    tell(remarks)
    if given.json:
        print(json.dumps([_json(account, names) for account in accounts], indent=2))
        return 0
    print(table([("budget", "of", "spent", "taken", "left", "limit"), *(_row(account, names) for account in accounts)]))
    if any(account.taken for account in accounts):
        print(_TAKEN)
    return 0


class _Account(NamedTuple):
    budget: Budget
    subject: str
    spent: int = 0
    presumed: int = 0
    taken: int = 0


_TAKEN = (
    "taken: by workers, for calls in progress and calls to come; what such calls cost counts as spent once their worker says so, "
    "within ten seconds, so one budget may know of a call before another"
)


async def _read(path: Path, now_ms: int, budgets: Sequence[Budget]) -> tuple[list[Position], Mapping[str, str], tuple[str, ...]]:
    """Positions, the names of keys, and what to remark."""
    async with SqliteLog(path) as log:
        keys = SqliteKeys(log)
        names = {key.id: key.name for key in await keys.list_keys() if key.name}
        return list(await SqliteBudgets(log).positions(now_ms)), names, await strangers(budgets, keys)


def _now(positions: Sequence[Position], budgets: Mapping[tuple[str, str], Budget], now_ms: int) -> list[_Account]:
    """Accounts of what counts now; a budget of which nobody has spent anything has one of zeros."""
    found: dict[tuple[str, str], _Account] = {}
    for position in positions:
        budget = budgets.get((position.account.budget, position.account.window))
        if budget is not None:
            span, at = budget.window.span(now_ms), (budget.name, position.account.subject)
            if span.first <= position.slot <= span.last:
                so_far = found.get(at, _Account(budget, at[1]))
                spent, presumed = so_far.spent + position.spent, so_far.presumed + position.presumed
                found[at] = _Account(budget, at[1], spent, presumed, so_far.taken + position.leased)
    met = {name for name, _ in found}
    return [*found.values(), *(_Account(budget, budget.subject or budget.scope) for budget in budgets.values() if budget.name not in met)]


def _row(account: _Account, names: Mapping[str, str]) -> tuple[str, ...]:
    budget, spent = account.budget, account.spent + account.presumed
    amounts = (spent, account.taken, max(0, budget.limit - spent - account.taken), budget.limit)
    name = names.get(account.subject) if budget.scope == "key" else None
    return (budget.name, account.subject if name is None else f"{account.subject} ({name})", *map(budget.said, amounts))


def _json(account: _Account, names: Mapping[str, str]) -> dict[str, object]:
    budget = account.budget
    return {
        "budget": budget.name,
        "scope": budget.scope,
        "subject": account.subject,
        "name": names.get(account.subject) if budget.scope == "key" else None,
        "window": budget.label,
        "unit": budget.unit,
        "limit": budget.limit,
        "hard": budget.hard,
        "spent": account.spent,
        "presumed_spent": account.presumed,
        "taken": account.taken,
    }
