"""`pointsman train classifier` writes a classifier that can be loaded, and says how good it is."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pointsman.cli import main
from pointsman.signals.classifier import load
from pointsman.signals.embedding import shipped

LABELLED = [
    *(("bake bread " + word, "cooking") for word in ("today", "now", "at home", "with salt")),
    *(("solve the equation " + word, "maths") for word in ("today", "now", "at home", "with roots")),
]


def written(path: Path, lines: list[str]) -> Path:
    path.write_text("\n".join(lines))
    return path


def test_a_classifier_is_trained_and_judged(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    labels = written(tmp_path / "labels.jsonl", [json.dumps({"text": text, "label": label}) for text, label in LABELLED] + [""])
    output = tmp_path / "task.classifier"
    assert main(["train", "classifier", str(labels), "-o", str(output)]) == 0
    said = capsys.readouterr().out
    assert "2 labels, learned from 8 examples" in said
    assert "always the most common label 0.500" in said
    assert load(output.read_bytes(), shipped()).guess("how to bake bread").best == "cooking"
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []
    assert main(["train", "classifier", str(labels), "-o", str(output), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["labels"] == ["cooking", "maths"]


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        ([], "holds no examples"),
        (["{"], "labels.jsonl:1: not JSON"),
        (['{"text": "a"}'], "labels.jsonl:1: an example is an object with `text` and `label`"),
        (["[1]"], "an example is an object"),
        (['{"text": "a", "label": "x"}', '{"text": "b", "label": "x"}'], "1 labels"),
    ],
)
def test_labels_that_cannot_be_learned_from_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], lines: list[str], says: str
) -> None:
    labels = written(tmp_path / "labels.jsonl", lines)
    assert main(["train", "classifier", str(labels), "-o", str(tmp_path / "out")]) == 2
    assert says in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(("arguments", "says"), [(["--sure", "2"], "--sure: 2.0 is not a confidence"), ([], "cannot be read")])
def test_mistakes_in_what_is_asked_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], says: str) -> None:
    assert main(["train", "classifier", str(tmp_path / "none.jsonl"), "-o", str(tmp_path / "out"), *arguments]) == 2
    assert says in capsys.readouterr().err
