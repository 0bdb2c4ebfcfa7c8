"""From recorded answers to a confidence and a threshold: what `train confidence` and `calibrate cascade` write, print and refuse."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from pointsman.cli import main
from pointsman.cli.calibrate import said_of_cascade
from pointsman.estimators.confidence_file import digest, load
from pointsman.evals.cascade_dial import Calibrated, Reached
from pointsman.evals.resample import Interval
from tests.evals.test_cascades import sums


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    outcomes, path = sums(60), tmp_path_factory.mktemp("recorded") / "outcomes.jsonl"
    with path.open("w") as lines:
        for i, query in enumerate(outcomes.queries):
            for m, model in enumerate(outcomes.models):
                row = {"query_id": query.id, "model": model, "prompt": query.text, "task": query.task, "group_key": query.group}
                figures = {"quality": outcomes.quality[i, m], "cost_usd": outcomes.cost_usd[i, m], "response": outcomes.answers[i][m]}
                lines.write(json.dumps({**row, **figures}) + "\n")
    return path


def test_a_confidence_is_written_and_how_well_it_knows_is_told(recorded: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    written = tmp_path / "answers.confidence"
    assert main(["train", "confidence", str(recorded), "-o", str(written), "--pool", "small,large", "--json"]) == 0
    out, error = capsys.readouterr()
    told = json.loads(out)
    assert told["models"] == ["small", "large"]
    assert told["confidence"] == digest(written.read_bytes())
    assert told["pairs"] == [{"tasks": ["sums"], "asked": ["small"], "then": "large"}]
    assert told["auc"] > told["auc_of_prompt"]
    steps = [line.partition(" s  ")[2].split(" ")[0] for line in error.splitlines()]
    assert steps == ["reading", "learning", "reading", "learning", "learning", "writing"]
    assert "what the prompts of 60 queries say of 2 models" in error
    learned = load(written.read_bytes())
    assert learned.labels == 120
    assert learned.accord.models == ("small", "large")


def test_who_is_to_be_asked_first_is_told(recorded: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "confidence", str(recorded), "-o", str(tmp_path / "answers.confidence")]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "  with `worth_usd`, sums: middle looked at, then large"


def test_a_threshold_is_printed_with_what_it_keeps_and_saves(recorded: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["calibrate", "cascade", str(recorded), "--tiers", "small,large", "--keep-quality", "0.9"]) == 0
    said = capsys.readouterr().out
    assert "tiers: small, large" in said
    assert "confidence: 0." in said
    assert "calls a query" in said
    assert "with the file of `pointsman train confidence` on these outcomes under `learned.confidence`" in said
    sure = re.search(r"so it keeps at least (\d+\.\d)% with 95 % confidence, one-sided", said)
    assert sure is not None
    assert float(sure[1]) >= 90


def test_where_the_data_support_no_threshold_that_is_said() -> None:
    nearest = Reached(1.0, 0.7, 0.002, 2.0, Interval(0.8, 0.7, 0.9), Interval(0.1, 0.0, 0.2), 0.72)
    said = said_of_cascade(Calibrated("keep_quality", 0.98, ("a", "b"), None, nearest, "b", 0.9, 0.003, 100))
    assert (
        said[2]
        == "the data cannot support a threshold that is sure to keep 98.0% of its quality: ask for less, record more, or use `b` alone"
    )
    assert said[3].startswith("  nearest: threshold 1 keeps 80.0% [70.0%, 90.0%] of its quality")


def test_a_threshold_that_costs_more_than_the_best_model_alone_is_none(recorded: Path, tmp_path: Path, capsys) -> None:
    dear = tmp_path / "dear.jsonl"
    rows = [json.loads(line) for line in recorded.read_text().splitlines()]
    dear.write_text("".join(json.dumps(row | {"cost_usd": {"small": 0.09, "large": 0.1}.get(row["model"], 0.1)}) + "\n" for row in rows))
    asked = ["calibrate", "cascade", str(dear), "--tiers", "small,large", "--keep-quality", "0.95"]
    assert main(asked) == 1
    lines = capsys.readouterr().out.splitlines()
    assert re.fullmatch(r"no threshold saves anything here: ask `large` alone \(the nearest, 0\.\d+, costs \d+\.\d% more\)", lines[2])
    assert lines[3].startswith("  nearest: threshold 0.")
    assert not any("accept:" in line or "confidence, one-sided" in line for line in lines)


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (("calibrate", "cascades", "{}"), "write `cascade` before the outcomes"),
        (("calibrate", "{}"), "--bundle is missing"),
        (("calibrate", "cascade", "{}", "--tiers", "small"), "alone is no cascade"),
        (("calibrate", "cascade", "{}", "--tiers", "small,tiny"), "`tiny` is not among the recorded models"),
        (("calibrate", "cascade", "{}", "--keep-quality", "2"), "is no share"),
        (("train", "confidence", "{}", "-o", "x", "--seed", "-1"), "--seed: -1 is below 0"),
        (("train", "confidence", "{}", "-o", "x", "--content-keys", "k"), "is no decision log: leave it out"),
    ],
)
def test_what_cannot_be_done_is_refused(recorded: Path, arguments: tuple[str, ...], error: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([one.format(recorded) for one in arguments]) == 2
    assert error in capsys.readouterr().err
