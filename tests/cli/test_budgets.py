"""`pointsman budgets`: how the budgets of a store stand."""

from __future__ import annotations

import json

import pytest

from pointsman.cli import main

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
