"""These tests need the clients, which `make test-clients` installs; without them there is nothing to collect here."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator

import pytest

from tests.clients.clients import PAIRS, own
from tests.clients.stage import Stage, staged

collect_ignore = ["programs"]
if "POINTSMAN_CLIENTS_DIR" not in os.environ:
    collect_ignore_glob = ["*.py"]


@pytest.fixture(scope="session")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    scripts: dict[str, list[str]] = {}
    for client, outbound in PAIRS:
        scripts.setdefault(outbound, []).extend(own(kind, client) for kind in ("error-503", "error-429", "hang", "drip-20"))
    with staged(tmp_path_factory.mktemp("gateway"), scripts) as stage:
        yield stage


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """How many checks each client passed."""
    made: Counter[str] = Counter()
    passed: Counter[str] = Counter()
    for outcome in ("passed", "failed"):
        for report in terminalreporter.getreports(outcome):
            clients = [value for name, value in report.user_properties if name == "check"]
            made.update(clients)
            passed.update(clients if outcome == "passed" else ())
    for client in made:
        terminalreporter.write_line(f"{client:<40} {passed[client]:>5} of {made[client]:>5} checks")
