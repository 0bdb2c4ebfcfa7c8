"""Who would ask, and what his budgets say of it, for decisions made without a gateway: from the store, which is only read."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from pointsman.build.budgets import budgets_of
from pointsman.config.schema import Config
from pointsman.core.budget import Payer, Pressure, Standing, Subjects, payers, pressure, team_subject
from pointsman.core.request import Caller, Request
from pointsman.core.role import Standing as Role
from pointsman.core.role import require_models
from pointsman.errors import ConfigError
from pointsman.stores.budgets import Position
from pointsman.stores.keys import Holder, Key
from pointsman.stores.logfile import LogFile
from pointsman.stores.sqlite_budgets import positions_in
from pointsman.stores.sqlite_keys import KEYS, ORGS, TEAMS

NOBODY = "command-line"
"""The key's id where none is named."""


class Asking(NamedTuple):
    """Who asks, and what to remark about him."""

    caller: Caller
    remarks: tuple[str, ...]


def asking(config: Config, key: str = "", org: str = "", team: str = "", role: Role | None = None) -> Asking:
    """Whoever is named, with the rights that the store has of this key, org and team.

    Raises `ConfigError` where the key is of another org, team or role, and `Forbidden` for a role that calls no models.
    """
    with _store(config) as file:
        row = None if file is None or not key else KEYS.find(file, key)
        known = Key(key or NOBODY, b"", created_at_ns=0, org=org, team=team) if row is None else row.value
        if row is not None:
            _require_same(known, org=org, team=team, role=role or "")
        held_by = None if file is None else TEAMS.find(file, known.org, known.team)
        within = None if file is None else ORGS.find(file, known.org)
    holder = Holder.of(known, held_by and held_by.value, within and within.value)
    caller = holder.caller if role is None else replace(holder.caller, role=role)
    require_models(caller.key, caller.role)
    remarks = []
    if key and row is None:
        remarks.append(f"{config.store.path} has no key `{key}`: what that key may do is not known, and not looked at")
    elif key and holder.until_ns is not None and holder.until_ns <= time.time_ns():
        remarks.append(f"key `{key}` opens nothing: it was revoked or has expired, or its team or org is closed")
    return Asking(caller, tuple(remarks))


def callers(config: Config, now_ns: int) -> tuple[Caller, ...] | None:
    """Whoever the store's keys let in now, with the rights of their team and org; `None` where there is no key yet."""
    with _store(config) as file:
        if file is None:
            return None
        keys = [row.value for row in KEYS.select(file, "")]
        teams = {(team.org, team.id): team for team in (row.value for row in TEAMS.select(file, ""))}
        orgs = {org.id: org for org in (row.value for row in ORGS.select(file, ""))}
    holders = [Holder.of(key, teams.get((key.org, key.team)), orgs.get(key.org)) for key in keys]
    return tuple(holder.caller for holder in holders if holder.until_ns is None or holder.until_ns > now_ns) if keys else None


def pressed(config: Config, request: Request, task: str) -> Pressure | None:
    """What the budgets of a request ask of its decision, as the store has them now; `None` where it has none."""
    caller = request.caller
    team = team_subject(caller.org, caller.team)
    paying = payers(budgets_of(config), Subjects(org=caller.org, team=team, key=caller.key, route=request.model, task=task))
    if not paying:
        return None
    now_ms = time.time_ns() // 10**6
    with _store(config) as file:
        positions = [] if file is None else positions_in(file, now_ms)
    return pressure([Standing(payer, _used(payer, positions, now_ms)) for payer in paying])


def _used(payer: Payer, positions: Sequence[Position], now_ms: int) -> int:
    """Spent, and held by workers for calls that run or may come: of these they use less, so this is the most."""
    span = payer.budget.window.span(now_ms)
    counted = (one for one in positions if one.account == payer.account and span.first <= one.slot <= span.last)
    return sum(one.spent + one.presumed + one.leased for one in counted)


def _require_same(key: Key, **given: str) -> None:
    for name, value in given.items():
        if value and value != (has := getattr(key, name)):
            raise ConfigError(f"key `{key.id}` has {name} `{has}`, not `{value}`: leave out --{name}")


@contextmanager
def _store(config: Config) -> Iterator[LogFile | None]:
    path = Path(config.store.path)
    file = LogFile(path) if path.exists() else None
    try:
        yield file
    finally:
        if file is not None:
            file.close()
