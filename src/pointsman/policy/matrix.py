"""The whole of what could be reached: every route, under every label, for everybody whom a policy tells apart."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from pointsman.core.labels import KNOWN
from pointsman.core.request import Caller
from pointsman.core.snapshot import Snapshot
from pointsman.policy.reach import reach, reach_by_name

BY_NAME = "(a model by name)"
UNLABELLED = "(none)"


class Who(NamedTuple):
    """Callers whom policies do not tell apart."""

    name: str
    caller: Caller | None  #: what is known of them; `None`: nothing, whoever asks


ANYONE = Who("anyone", None)


class Cell(NamedTuple):
    """Models that any call of such a request could reach."""

    route: str
    label: str
    who: str
    models: tuple[str, ...]


def classes(snapshot: Snapshot) -> tuple[Who, ...]:
    """Everybody whom the policies' scopes tell apart, `ANYONE` first."""
    scopes = [policy.scope for policy in snapshot.policies if policy.scope is not None]
    orgs = {name for scope in scopes for name in scope.orgs or ()}
    teams = {name for scope in scopes for name in scope.teams or ()}
    keys = {name for scope in scopes for name in scope.keys or ()}
    return (
        ANYONE,
        *(Who(f"org {name}", Caller("", org=name)) for name in sorted(orgs)),
        *(Who(f"team {name}", Caller("", team=name)) for name in sorted(teams)),
        *(Who(f"key {name}", Caller(name)) for name in sorted(keys)),
    )


def matrix(snapshot: Snapshot, who: Sequence[Who]) -> Iterator[Cell]:
    """Every cell: routes, then models by name; unlabelled, then by label."""
    labels: list[tuple[str, tuple[str, ...]]] = [(UNLABELLED, ()), *((label, (label,)) for label in sorted(KNOWN | snapshot.labels))]
    for name, route in snapshot.routes.items():
        for one in who:
            yield from (Cell(name, label, one.name, reach(snapshot, route, carried, one.caller)) for label, carried in labels)
    for one in who:
        yield from (Cell(BY_NAME, label, one.name, reach_by_name(snapshot, carried, one.caller)) for label, carried in labels)
