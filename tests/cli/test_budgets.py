"""`pointsman budgets`: how the budgets of a store stand."""

from __future__ import annotations

import asyncio
import json
import time

import pytest

from pointsman.cli import main
from pointsman.core.budget import Budget, Spend, Subjects, payers
from pointsman.stores.budget_desk import Desk
from pointsman.stores.sqlite import SqliteLog
from pointsman.stores.sqlite_budgets import SqliteBudgets

CONFIG = """
version: 1
models: [{id: inside, provider: openai-compatible, base_url: "http://127.0.0.1:9/v1", price: {input: 1, output: 1}}]
routes: {auto: {budget: {usd: 5, per: day}}}
budgets: [{name: everything, tokens: 1000, per: never}]
store: {path: log.db}
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pointsman.yaml").write_text(CONFIG)
    return tmp_path


def test_without_a_store_it_says_how_to_get_one(folder, capsys):
    assert main(["budgets"]) == 2
    assert "start the gateway first" in capsys.readouterr().err


def test_a_budget_that_nobody_used_is_listed_with_all_of_it_left(folder, capsys):
    assert main(["keys", "create", "--store", "log.db", "--json"]) == 0
    capsys.readouterr()
    assert main(["budgets"]) == 0
    out = capsys.readouterr().out
    assert "everything" in out
    assert "1,000 tokens" in out
    assert main(["budgets", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert [(one["budget"], one["scope"], one["spent"], one["limit"]) for one in told] == [
        ("everything", "all", 0, 1000),
        ("route auto", "route", 0, 5 * 10**12),
    ]


def test_what_workers_carry_is_not_said_to_be_held_and_keys_go_by_their_names_too(folder, capsys):
    (folder / "pointsman.yaml").write_text(CONFIG.replace("per: never}", 'per: never, key: "*"}'))
    assert main(["keys", "create", "--store", "log.db", "--name", "nightly build", "--json"]) == 0
    key = json.loads(capsys.readouterr().out)["id"]
    asyncio.run(_carry(key))
    assert main(["budgets"]) == 0
    heads, row, *_ = (out := capsys.readouterr().out).splitlines()
    assert heads.split() == ["budget", "of", "spent", "taken", "left", "limit"]
    assert f"{key} (nightly build)" in row
    assert "held" not in out
    assert "for calls in progress and calls to come" in out
    assert main(["budgets", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)[0]
    assert (told["subject"], told["name"], told["taken"] > 0) == (key, "nightly build", True)


async def _carry(key: str) -> None:
    """A worker that has just ended a call."""
    async with SqliteLog("log.db") as log:
        desk = Desk(SqliteBudgets(log), lambda: time.time_ns() // 10**6)
        budget = Budget("everything", 1_000, unit="tokens", scope="key")
        hold = await desk.hold(payers([budget], Subjects(key=key)), Spend(None, 100))
        desk.settle(hold, Spend(None, 10))


@pytest.mark.parametrize(
    ("budget", "said"),
    [
        ("org: acme", "no org `acme`"),
        ("team: red", "no team `red` of org `default`"),
        ("team: acme/red", "no team `red` of org `acme`"),
        ("key: k_missing", "no key of the id `k_missing`"),
    ],
)
def test_a_budget_of_nobody_in_the_store_is_told(folder, capsys, budget, said):
    (folder / "pointsman.yaml").write_text(CONFIG.replace("per: never}", f"per: never, {budget}}}"))
    assert main(["keys", "create", "--store", "log.db", "--json"]) == 0
    capsys.readouterr()
    assert main(["budgets"]) == 0
    assert f"budget `everything`: the store has {said}" in capsys.readouterr().err


def test_a_bare_team_is_remarked_upon_and_one_with_its_org_is_not(folder, capsys):
    for team, remarked in (("red", True), ("default/red", False), ("acme/red", False), ('"*"', False)):
        (folder / "pointsman.yaml").write_text(CONFIG.replace("per: never}", f"per: never, team: {team}}}"))
        assert main(["check"]) == 0
        assert ("`red` is the team of that name in org `default`, and of no other" in capsys.readouterr().out) == remarked
