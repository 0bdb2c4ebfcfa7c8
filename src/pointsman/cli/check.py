"""Check a configuration: is it sound, are its promises kept, do its policy tests hold, what could each route reach."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from itertools import repeat
from pathlib import Path

from pointsman import __version__
from pointsman.build.approvals import approval_remarks
from pointsman.build.endpoints import Engines
from pointsman.build.learning import learning_of
from pointsman.build.premium import premium_remarks
from pointsman.build.promises import policies_seen, promises_seen, tests_seen
from pointsman.build.reviews import webhooks_wrong
from pointsman.build.snapshot import scope_of
from pointsman.build.world import current_snapshot, offline_world
from pointsman.cli.check_plans import plan_remarks
from pointsman.cli.check_slas import sla_remarks
from pointsman.cli.matrix_page import HEADS, Evidence, cells, page
from pointsman.cli.source import argument, source
from pointsman.cli.table import table
from pointsman.config.check_clouds import missing_extras
from pointsman.config.load import load_tests, test_warnings
from pointsman.config.policies import PolicyTestConfig
from pointsman.config.schema import Config
from pointsman.config.sensitivity import Detection, detection
from pointsman.core.codec import to_builtins
from pointsman.core.labels import KNOWN
from pointsman.core.snapshot import Snapshot
from pointsman.errors import ConfigError
from pointsman.policy.matrix import ANYONE, UNLABELLED, Cell, Row, classes, grouped, matrix


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    argument(parser)
    parser.add_argument("--matrix", action="store_true", help="tell apart whom policies and promises tell apart")
    parser.add_argument("--tests", type=Path, metavar="FILE", help="policy tests that must hold")
    parser.add_argument(
        "--html", type=Path, metavar="FILE", help="also write a page to keep: what was proved, when and of what, and the table"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(given: argparse.Namespace) -> int:
    """Print the reach; 1 if a promise is broken, a test fails, a policy has a hole, or a route has no legal model at all."""
    found = source(given, secrets=False)
    config = found.config
    Engines().add(config.models)  # finds the local models' weights, or says how to get them
    learning, detected = learning_of(config), detection(config)
    world = offline_world(config, learning)
    snapshot = world.snapshot
    tests, doubts = _tests(given.tests, config)
    remarks = (*premium_remarks(config, snapshot), *approval_remarks(config, snapshot), *plan_remarks(config, snapshot))
    doubts += [f"warning: {remark}" for remark in (*remarks, *sla_remarks(world))]
    doubts += [f"warning: {found.origin}: {missing}; `pointsman serve` refuses it here" for missing in missing_extras(config.models)]
    apart = classes(snapshot, (scope_of(promise.scope) for promise in config.promises)) if given.matrix or given.html else (ANYONE,)
    reach = list(matrix(snapshot, apart))
    policies, promises, tried = policies_seen(snapshot), promises_seen(config, snapshot), tests_seen(tests, world)
    wrong = [
        *map(_stranded, _without_models(matrix(replace(snapshot, reads=None), (ANYONE,))), repeat(snapshot)),
        *(said for policy in policies if not policy.ok for said in policy.said),
        *webhooks_wrong(config),
        *(f"promise {said}" for promise in promises if not promise.ok for said in promise.said),
    ]
    failed = [f"test {said}" for test in tried if not test.ok for said in test.said]
    evidence = Evidence(
        origin=found.origin,
        at=datetime.now(UTC).isoformat(timespec="seconds"),
        program=__version__,
        snapshot=current_snapshot(config, learning)[0].id,
        labels=sorted(KNOWN | snapshot.labels),
        policies=policies,
        promises=promises,
        tests=tried,
        wrong=[*wrong, *failed],
        remarks=[*found.notes, *doubts, *learning.remarks],
        rows=grouped(reach),
    )
    if given.html is not None:
        _write(given.html, page(evidence))
    if given.json:
        learned = {**to_builtins(learning.names), "remarks": learning.remarks}
        told = {"notes": [*found.notes, *doubts], "detection": detected._asdict(), "learned": learned}
        print(json.dumps(_json(evidence) | told | {"reach": [cell._asdict() for cell in reach]}, indent=2))
    else:
        for line in (*evidence.remarks, table(_columns(evidence.rows)), *evidence.wrong):
            print(line)
        print(f"{found.origin}: {_in_short(evidence, usable=not wrong)}; {_told(detected)}")
    return 1 if evidence.wrong else 0


def _tests(path: Path | None, config: Config) -> tuple[Sequence[PolicyTestConfig], list[str]]:
    """The tests of a file, and what it says that its author may not have meant."""
    if path is None:
        return (), []
    read = load_tests(path, config)
    return read.tests, [f"warning: {path}: {problem}" for problem in test_warnings(read, config)]


def _json(found: Evidence) -> dict[str, object]:
    verdicts = {name: [verdict._asdict() for verdict in getattr(found, name)] for name in ("policies", "promises", "tests")}
    return {"origin": found.origin, "at": found.at, "program": found.program, "snapshot": found.snapshot, **verdicts, "wrong": found.wrong}


def _in_short(found: Evidence, *, usable: bool) -> str:
    failed = sum(not test.ok for test in found.tests)
    held = _counted(len(found.tests), "test") + " held" if found.tests and usable and not failed else ""
    parts = (
        "" if usable and failed else "ok" if usable else "not usable as it is",
        _counted(failed, "test") + " failed" if failed else "",
        _counted(len(found.promises), "promise") + " proved" if found.promises and usable else "",
        held,
        f"with {_counted(len(found.remarks), 'remark')} above" if found.remarks else "",
    )
    return ", ".join(part for part in parts if part)


def _counted(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _told(detected: Detection) -> str:
    return f"sensitive data is {'' if detected.on else 'not '}looked for, since {detected.why}"


def _without_models(cells: Iterable[Cell]) -> list[str]:
    return [cell.route for cell in cells if cell.label == UNLABELLED and not cell.models]


def _stranded(route: str, snapshot: Snapshot) -> str:
    named = snapshot.route(route)
    models = ", ".join(named.models if named is not None else snapshot.models)
    return f"route `{route}`: no model may ever answer it: policies or `disabled` remove all of {models}"


def _columns(rows: Sequence[Row]) -> Sequence[tuple[str, ...]]:
    """The table's lines; without the column of who asks where nobody is told apart."""
    lines = [HEADS, *map(cells, rows)]
    if {row.who for row in rows} == {(ANYONE.name,)}:
        return [(*line[:2], *line[3:]) for line in lines]
    return lines


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be written: {error.strerror}") from error
