"""Benchmarks run seldom: what they take from the package is there all the same."""

from __future__ import annotations

import ast
import hashlib
import json
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from pathlib import Path

import pytest

from benchmarks import quality_table
from benchmarks.quality_data import change
from pointsman.evals.baselines import BASELINES, CONTROLS, named
from pointsman.evals.learners import LEARNERS
from tools import build_benchmarks

BENCHMARKS = sorted((Path(__file__).parents[1] / "benchmarks").rglob("*.py"))


@pytest.mark.parametrize("path", BENCHMARKS, ids=lambda path: path.name)
def test_everything_that_a_benchmark_imports_is_there(path: Path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "pointsman":
            module = import_module(node.module or "")
            assert not [name.name for name in node.names if not hasattr(module, name.name) and not _is_module(node.module, name.name)]


def _is_module(package: str | None, name: str) -> bool:
    try:
        import_module(f"{package}.{name}")
    except ImportError:
        return False
    return True


# Result files


RESULTS = Path(__file__).parents[1] / "benchmarks" / "results"


def test_runs_at_the_same_time_lose_nothing(tmp_path):
    def add(at: int) -> None:
        change(tmp_path / "found.json", lambda there: (there or {}) | {str(at): at})

    with ThreadPoolExecutor(8) as several:
        list(several.map(add, range(40)))
    assert json.loads((tmp_path / "found.json").read_text()) == {str(at): at for at in range(40)}
    assert [path.name for path in tmp_path.iterdir()] == ["found.json"]


@pytest.mark.parametrize("name", [*BASELINES, *CONTROLS, *LEARNERS])
def test_what_a_learner_is_can_be_said_again(name: str):
    settings = repr(named(name))
    assert " at 0x" not in settings
    assert settings == repr(named(name))


def test_a_configuration_has_its_own_hash():
    for name, part in json.loads((RESULTS / "quality.json").read_text()).items():
        if "origin" in part:
            config = json.dumps({word: part[word] for word in ("origin", "protocol", "learners")}, sort_keys=True)
            assert part["config_sha256"] == hashlib.sha256(config.encode()).hexdigest(), name


# The table


REFERENCES = [
    {"name": "best single (chosen in training)", "quality": 0.9, "cost_usd": 2.0},
    {"name": "always cheap", "quality": 0.5, "cost_usd": 1.0},
    {"name": "always dear", "quality": 0.9, "cost_usd": 2.0},
    {"name": "oracle", "quality": 1.0, "cost_usd": 1.0},
]


def test_a_mean_over_deals_has_the_interval_of_students_t():
    assert quality_table.deals([1.0, 2.0, 3.0]) == pytest.approx([2.0, 2 - 9.92 / 3**0.5, 2 + 9.92 / 3**0.5])
    assert quality_table.deals([1.0])[2] == float("inf")


def test_the_coin_at_a_share_of_the_cost():
    assert quality_table.coin_quality({"references": REFERENCES}, 0.75) == pytest.approx(-0.2)
    assert quality_table.coin_quality({"references": REFERENCES}, 1.0) == pytest.approx(0.0)


def control(apgr: float, aiq: float, kept: float) -> quality_table.Line:
    """The line of a control whose dial was set to three quarters of the cost."""
    spread = [-0.001, 0.0, 0.001]

    def learned(*figures: float) -> dict[str, object]:
        names = ("apgr", "aiq", "kept_quality_0", "kept_cost_0")
        return {"by_seed": {name: [figure + by for by in spread] for name, figure in zip(names, (*figures, 0.75), strict=True)}}

    one = {"shuffled-control": learned(apgr, aiq, kept), "blend-shuffled": learned(0.5, 0.7, -0.2), "coin": learned(0.5, 0.7, -0.2)}
    files = {"quality": {"gsm8k": {"references": REFERENCES}}, "quality-baselines": {"gsm8k": {"baselines": one}}}
    lines = [*quality_table.CONTROL_LINES["gsm8k"](files["quality"], files["quality-baselines"])]
    assert lines[1].holds
    return lines[0]


@pytest.mark.parametrize(
    ("apgr", "aiq", "kept", "nothing"),
    [(0.5, 0.7, -0.2, True), (0.45, 0.6, -0.3, True), (0.6, 0.7, -0.2, False), (0.5, 0.8, -0.2, False), (0.5, 0.7, -0.1, False)],
)
def test_a_control_that_gains_anything_is_said_to(apgr: float, aiq: float, kept: float, nothing: bool):
    assert control(apgr, aiq, kept).holds is nothing


@pytest.mark.parametrize(("less", "holds", "reached"), [(0.07, True, True), (0.03, True, False), (0.01, False, False)])
def test_a_floor_and_a_target_are_judged_apart(less: float, holds: bool, reached: bool):
    ours = {"apgr": [0.6, 0.5, 0.7], "less": {"tfidf-ridge": {"apgr": [less, less - 0.02, less + 0.02]}}}
    files = {name: {} for name in quality_table.FILES} | {
        "quality": {"gsm8k": {"ours": {"blend-untagged": ours}, "references": REFERENCES}},
        "quality-baselines": {"gsm8k": {"baselines": {"tfidf-ridge": {"apgr": [0.55, 0.5, 0.6]}}}},
    }
    (line,) = quality_table.lines_of(files)
    assert (line.holds, line.reached) == (holds, reached)
    assert "tfidf-ridge 0.550 [0.500, 0.600]" in quality_table.shown_table(files)


def test_the_page_names_every_floor_that_is_missed():
    said = "\n".join(build_benchmarks.verdict())
    missed = [line.measure for line in quality_table.lines_of(build_benchmarks.files()) if line.holds is False]
    assert all(measure in said for measure in missed)
