"""The whole of what could be reached: every route, under every label, for everybody whom a policy tells apart."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import product
from typing import NamedTuple

from pointsman.core.labels import KNOWN
from pointsman.core.request import Caller
from pointsman.core.rule import PolicyScope
from pointsman.core.snapshot import Snapshot
from pointsman.policy.reach import reach, reach_by_name

BY_NAME = "(a model by name)"
UNLABELLED = "(none)"
ANY = "(any)"


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


class Row(NamedTuple):
    """Cells that say the same. A label `ANY`: whatever the request carries."""

    routes: tuple[str, ...]
    labels: tuple[str, ...]
    who: tuple[str, ...]
    models: tuple[str, ...]


def whoever(org: str = "", team: str = "", key: str = "") -> Who:
    """Callers of whom this is known; what is empty may be anything.

    >>> whoever("acme", "clinic").name, whoever().name
    ('org acme and team clinic', 'anyone')
    """
    said = [f"{kind} {name}" for kind, name in (("org", org), ("team", team), ("key", key)) if name]
    return Who(" and ".join(said), Caller(key, team, org=org)) if said else ANYONE


def meant(scope: PolicyScope | None) -> tuple[Who, ...]:
    """Whoever a scope is about: one for each combination of what it names."""
    scope = scope or PolicyScope()
    named = product(scope.orgs or ("",), scope.teams or ("",), scope.keys or ("",))
    return tuple(dict.fromkeys(whoever(*one) for one in named))


def classes(snapshot: Snapshot, promised: Iterable[PolicyScope | None] = ()) -> tuple[Who, ...]:
    """Whoever the scopes of policies and of promises tell apart: `ANYONE`, each org, team and key alone, then as scopes combine them."""
    scopes = [scope for scope in (*(policy.scope for policy in snapshot.policies), *promised) if scope is not None]
    alone = [
        whoever(**{kind: name})
        for kind, field in (("org", "orgs"), ("team", "teams"), ("key", "keys"))
        for name in sorted({name for scope in scopes for name in getattr(scope, field) or ()})
    ]
    return tuple(dict.fromkeys((ANYONE, *alone, *(who for scope in scopes for who in meant(scope)))))


def matrix(snapshot: Snapshot, who: Sequence[Who]) -> Iterator[Cell]:
    """Every cell: routes, then models by name; unlabelled, then by label."""
    labels: list[tuple[str, tuple[str, ...]]] = [(UNLABELLED, ()), *((label, (label,)) for label in sorted(KNOWN | snapshot.labels))]
    for name, route in snapshot.routes.items():
        for one in who:
            yield from (Cell(name, label, one.name, reach(snapshot, route, carried, one.caller)) for label, carried in labels)
    for one in who:
        yield from (Cell(BY_NAME, label, one.name, reach_by_name(snapshot, carried, one.caller)) for label, carried in labels)


def grouped(cells: Iterable[Cell]) -> list[Row]:
    """The same in fewer rows: labels that lead to the same models stand together, then callers, then routes."""
    rows = [Row((cell.route,), (cell.label,), (cell.who,), cell.models) for cell in cells]
    labels = {row.labels[0] for row in rows}
    for field in ("labels", "who", "routes"):
        rows = _joined(rows, field)
    return [row._replace(labels=(ANY,)) if len(labels) > 1 and set(row.labels) == labels else row for row in rows]


def _joined(rows: Sequence[Row], field: str) -> list[Row]:
    found: dict[Row, list[str]] = {}
    for row in rows:
        found.setdefault(row._replace(**{field: ()}), []).extend(getattr(row, field))
    return [row._replace(**{field: tuple(values)}) for row, values in found.items()]
