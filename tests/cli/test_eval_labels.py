"""`pointsman eval labels` prints what is found of what, and reads marked texts."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pointsman.cli import main

TEXTS = [
    {"text": "write to jane.doe@example.org", "spans": [{"entity_type": "EMAIL", "start": 9, "end": 29}], "split": "train"},
    {"text": "Jane wrote", "spans": [{"entity_type": "PERSON", "start": 0, "end": 4}], "split": "train"},
    {"text": "jane.doe@example.org", "spans": [], "split": "train"},
    {"text": "never read", "spans": [{"entity_type": "HIDDEN", "start": 0, "end": 4}], "split": "test"},
]


def marked(folder: Path, rows: object = TEXTS) -> str:
    path = folder / "texts.jsonl"
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    return str(path)


def test_both_tables_and_their_figures(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    out = tmp_path / "out.json"
    given = ["eval", "labels", "--samples", "40", "--texts", marked(tmp_path), "--splits", "train", "--json", str(out)]
    assert main(given) == 0
    said = capsys.readouterr().out
    assert "40 made-up requests with one value each, 40 with words after it, and 40 without" in said
    assert "nothing of it left" in said
    assert "false positives" in said
    assert "HIDDEN" not in said
    found = json.loads(out.read_text())
    assert {name: (share["hits"], share["of"]) for name, share in found["marked"]["spans"].items()} == {"EMAIL": (1, 1), "PERSON": (0, 1)}
    assert found["marked"]["confusion"] == {"EMAIL": {"email": 1}, "PERSON": {"nothing": 1}}
    assert found["marked"]["clean"]["texts"]["hits"] == 1
    assert found["leak free"]["followed"]["of"] == 40 >= found["unharmed"]["followed"]["hits"] > 0
    assert sum(sum(by.values()) for by in found["confusion"].values()) >= 40
    assert "example.org" not in said + out.read_text()


def test_recognisers_of_a_configuration_are_judged(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    config = tmp_path / "c.yaml"
    badge = {"name": "badge", "kind": "hr", "pattern": "E-[0-9]{4}"}
    said = {
        "version": 1,
        "models": [{"id": "m", "provider": "p", "base_url": "http://h/v1"}],
        "routes": {},
        "sensitivity": {"recognisers": [badge]},
    }
    config.write_text(json.dumps(said))
    texts = marked(tmp_path, [{"text": "staff E-1234", "spans": [{"entity_type": "BADGE", "start": 6, "end": 12}]}])
    assert main(["eval", "labels", "--samples", "1", "--config", str(config), "--texts", texts]) == 0
    assert "badge 1" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("rows", "why"),
    [([{"text": "x"}], "row 1 is no marked text"), ([{"text": "x", "spans": [{"start": 0}]}], "row 1 is no marked text")],
)
def test_what_is_no_marked_text_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str], rows, why):
    assert main(["eval", "labels", "--samples", "1", "--texts", marked(tmp_path, rows)]) == 2
    assert why in capsys.readouterr().err


def test_a_missing_file_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["eval", "labels", "--samples", "1", "--texts", str(tmp_path / "no.jsonl")]) == 2
    assert "no such file" in capsys.readouterr().err
