"""`pointsman check` names who may go around a person's approval, and the cure."""

from __future__ import annotations

from pathlib import Path

import pytest

from pointsman.cli import main

CONFIG = """
version: 1
models:
  - {id: small, provider: openai-compatible, base_url: "http://127.0.0.1:9/v1", perimeter: on_prem}
  - {id: large, provider: openai-compatible, base_url: "http://127.0.0.1:9/v2", perimeter: on_prem}
routes:
  auto: {models: [small]}
  letters: {models: [small], review: {approval: true}}
"""
ALL = "any key whose `routes` say nothing may ask `small` by name, and nobody approves those answers"
CURE = "give each key its routes (`pointsman keys change ID --route letters`), no model among them"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pointsman.yaml").write_text(CONFIG)
    return tmp_path


def keys(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main(("keys", "create", "k", *arguments)) == 0
    return capsys.readouterr().out


def checked(capsys: pytest.CaptureFixture[str]) -> list[str]:
    assert main(("check",)) == 0
    return [line for line in capsys.readouterr().out.splitlines() if "approval" in line]


def test_where_no_key_is_known_any_may(capsys):
    (remark,) = checked(capsys)
    assert ALL in remark
    assert CURE in remark


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ((), True),
        (("--route", "letters", "--route", "small"), True),
        (("--route", "letters"), False),
        (("--route", "letters", "--route", "large"), False),
        (("--model", "large"), False),
        (("--role", "auditor"), False),
    ],
)
def test_a_key_that_may_name_the_model_is_named_itself(capsys, given, said):
    keys(capsys, "--name", "team", *given)
    remarks = checked(capsys)
    assert len(remarks) == said
    assert all(CURE in remark and "routes.letters.review.approval: key `" in remark for remark in remarks)


def test_of_many_keys_some_are_named_and_the_rest_counted(capsys):
    for _ in range(5):
        keys(capsys)
    (remark,) = checked(capsys)
    assert "and 2 more may ask `small` by name" in remark


def test_where_no_route_demands_approval_nothing_is_remarked(capsys, folder):
    (folder / "pointsman.yaml").write_text(CONFIG.replace("approval: true", "sample: 0.1"))
    assert checked(capsys) == []
