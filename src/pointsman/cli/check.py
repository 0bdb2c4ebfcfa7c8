"""Check a configuration, and print every model that each route could reach under each label."""

from __future__ import annotations

import argparse
import json

from pointsman.build.endpoints import Engines
from pointsman.build.world import offline_world
from pointsman.cli.source import argument, source
from pointsman.cli.table import table
from pointsman.core.labels import KNOWN
from pointsman.core.snapshot import Route, Snapshot
from pointsman.policy.reach import reach

UNLABELLED = "(none)"
BY_NAME = "(a model by name)"


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    argument(parser)
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(given: argparse.Namespace) -> int:
    """Print the reach; 1 if a route has no legal model for unlabelled requests."""
    found = source(given)
    Engines().add(found.config.models)  # finds the local models' weights, or says how to get them
    snapshot = offline_world(found.config).snapshot
    matrix = {name: _reach(snapshot, route) for name, route in snapshot.routes.items()}
    stranded = [name for name, by_label in matrix.items() if not by_label[UNLABELLED]]
    matrix[BY_NAME] = _reach(snapshot, Route(BY_NAME, tuple(snapshot.models)))
    if given.json:
        print(json.dumps({"origin": found.origin, "notes": found.notes, "reach": matrix, "stranded": stranded}, indent=2))
        return 1 if stranded else 0
    for note in found.notes:
        print(note)
    rows = [(route, label, ", ".join(models) or "no model") for route, by_label in matrix.items() for label, models in by_label.items()]
    print(table([("route", "label", "models that any call of such a request could reach"), *rows]))
    for route in stranded:
        print(
            f"route `{route}`: no model may ever answer it: policies or `disabled` remove all of {', '.join(snapshot.routes[route].models)}"
        )
    counted = f", with {len(found.notes)} remarks above" if found.notes else ""
    print(f"{found.origin}: {'not usable as it is' if stranded else 'ok'}{counted}")
    return 1 if stranded else 0


def _reach(snapshot: Snapshot, route: Route) -> dict[str, tuple[str, ...]]:
    labels = sorted(KNOWN | snapshot.labels)
    return {UNLABELLED: reach(snapshot, route)} | {label: reach(snapshot, route, (label,)) for label in labels}
