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


def rows(count: int, **split: str) -> list[str]:
    asked = [{"query_id": f"q{at}", "prompt": f"question {at} of {'sums' if at % 2 else 'poems'}", **split} for at in range(count)]
    return [
        json.dumps({**one, "model": model, "quality": float((at + place) % 2), "cost_usd": 0.1 + place})
        for at, one in enumerate(asked)
        for place, model in enumerate(("small", "large", "new"))
        if model != "new" or at < 20
    ]


@pytest.mark.parametrize(("verb", "rest"), [("train", ["quality", "-o", "out"]), ("eval", [])])
@pytest.mark.parametrize(
    ("split", "says"), [({}, "its queries name none: leave `--splits` out"), ({"split": "train"}, "no split `trian`: it has `train`")]
)
def test_a_split_that_there_is_not_is_named(tmp_path, monkeypatch, capsys, verb, rest, split, says) -> None:
    monkeypatch.chdir(tmp_path)
    data = written(tmp_path / "outcomes.jsonl", rows(50, **split))
    assert main([verb, *rest[:1], str(data), *rest[1:], "--splits", "trian"]) == 2
    assert says in capsys.readouterr().err


def test_models_of_few_outcomes_are_named_beside_the_verdict(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = written(tmp_path / "outcomes.jsonl", rows(100))
    assert main(["train", "quality", str(data), "-o", str(tmp_path / "out")]) == 0
    assert "without new: known by few outcomes" in capsys.readouterr().out


def test_a_folder_that_there_is_not_is_named_before_anything_is_fitted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = written(tmp_path / "outcomes.jsonl", rows(100))
    assert main(["train", "quality", str(data), "-o", str(tmp_path / "none" / "out")]) == 2
    assert f"there is no folder {tmp_path / 'none'}" in capsys.readouterr().err
