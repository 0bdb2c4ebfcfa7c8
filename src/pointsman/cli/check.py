"""Check a configuration: is it sound, are its promises kept, do its policy tests hold, what could each route reach."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

from pointsman.build.endpoints import Engines
from pointsman.build.learning import learning_of
from pointsman.build.promises import broken_promises, failed_tests, turned_off
from pointsman.build.world import offline_world
from pointsman.cli.matrix_page import page
from pointsman.cli.source import Source, argument, source
from pointsman.cli.table import table
from pointsman.config.load import load_tests
from pointsman.config.sensitivity import Detection, detection
from pointsman.core.codec import to_builtins
from pointsman.core.snapshot import Snapshot
from pointsman.errors import ConfigError
from pointsman.policy.matrix import ANYONE, UNLABELLED, Cell, classes, matrix


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    argument(parser)
    parser.add_argument("--matrix", action="store_true", help="tell apart whom policies tell apart, and look for holes in these")
    parser.add_argument("--tests", type=Path, metavar="FILE", help="policy tests that must hold")
    parser.add_argument("--html", type=Path, metavar="FILE", help="also write the table as a page")
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(given: argparse.Namespace) -> int:
    """Print the reach; 1 if a promise is broken, a test fails, a policy has a hole, or a route has no legal model at all."""
    found = source(given)
    Engines().add(found.config.models)  # finds the local models' weights, or says how to get them
    learning = learning_of(found.config)
    world = offline_world(found.config, learning)
    snapshot = world.snapshot
    cells = list(matrix(snapshot, classes(snapshot) if given.matrix or given.html else (ANYONE,)))
    tests = () if given.tests is None else load_tests(given.tests, found.config).tests
    detected = detection(found.config)
    wrong = [
        *map(_stranded, _without_models(cells), [snapshot] * len(cells)),
        *(turned_off(snapshot) if given.matrix else ()),
        *(f"promise {broken}" for broken in broken_promises(found.config, snapshot)),
        *(f"test {broken}" for broken in failed_tests(tests, world)),
    ]
    if given.html is not None:
        _write(given.html, page(cells, found.origin, wrong))
    if given.json:
        print(
            json.dumps(
                {
                    "origin": found.origin,
                    "notes": found.notes,
                    "detection": detected._asdict(),
                    "learned": {**to_builtins(learning.names), "remarks": learning.remarks},
                    "reach": [cell._asdict() for cell in cells],
                    "wrong": wrong,
                },
                indent=2,
            )
        )
        return 1 if wrong else 0
    _say(found, learning.remarks, cells, wrong)
    proved = f", {len(found.config.promises)} promises proved" if found.config.promises and not wrong else ""
    held = f", {len(tests)} tests held" if tests and not wrong else ""
    counted = f", with {len(found.notes)} remarks above" if found.notes else ""
    print(f"{found.origin}: {'not usable as it is' if wrong else 'ok'}{proved}{held}{counted}; {_told(detected)}")
    return 1 if wrong else 0


def _say(found: Source, remarks: Sequence[str], cells: Sequence[Cell], wrong: Sequence[str]) -> None:
    """What there is to remark, the table, and what is wrong."""
    heads = ("route", "label", "who", "models that any call of such a request could reach")
    rows = ((cell.route, cell.label, cell.who, ", ".join(cell.models) or "no model") for cell in cells)
    for line in (*found.notes, *remarks, table(_columns([heads, *rows])), *wrong):
        print(line)


def _told(detected: Detection) -> str:
    return f"sensitive data is {'' if detected.on else 'not '}looked for, since {detected.why}"


def _without_models(cells: Sequence[Cell]) -> list[str]:
    return [cell.route for cell in cells if cell.label == UNLABELLED and cell.who == ANYONE.name and not cell.models]


def _stranded(route: str, snapshot: Snapshot) -> str:
    named = snapshot.route(route)
    models = ", ".join(named.models if named is not None else snapshot.models)
    return f"route `{route}`: no model may ever answer it: policies or `disabled` remove all of {models}"


def _columns(rows: Sequence[tuple[str, ...]]) -> Sequence[tuple[str, ...]]:
    """Without the column of who asks where nobody is told apart."""
    if {row[2] for row in rows[1:]} == {ANYONE.name}:
        return [(*row[:2], *row[3:]) for row in rows]
    return rows


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be written: {error.strerror}") from error
