"""From recorded outcomes to a bundle and a dial: what `train quality` and `calibrate` write, print and refuse."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from pointsman.cli import main
from pointsman.cli.calibrate import said
from pointsman.core.score import Estimates, millionths, score
from pointsman.core.score import dial as weights
from pointsman.estimators import bundle
from pointsman.estimators.blend import Blend
from pointsman.estimators.learned import Predicted
from pointsman.estimators.outcomes import Outcomes
from pointsman.estimators.table import Table
from pointsman.evals import dial
from pointsman.evals.synthetic import World, generate
from pointsman.signals.embedding import shipped
from tests.estimators.learners import SMALL

ROUTABLE = World(queries=200, models=3, specialism=2.0, price_spread=20)
ONE_BEST = World(queries=150, models=2, tasks=1, specialism=0, difficulty=0.01, skill_spread=-1.5)
"""The cheapest is the best."""

MEANS = World(queries=100, models=2, tasks=1, specialism=0, difficulty=0.01, skill_spread=1.5, price_spread=20)
"""The dearest is the best, of every query."""


def outcomes(path: Path, world: World, seed: int = 3) -> Path:
    made = generate(world, seed).outcomes
    with path.open("w") as lines:
        for i, query in enumerate(made.queries):
            for m, model in enumerate(made.models):
                row = {"query_id": query.id, "model": model, "prompt": query.text, "task": query.task, "group_key": query.group}
                figures = {"quality": made.quality[i, m], "cost_usd": made.cost_usd[i, m], "output_tokens": made.output_tokens[i, m]}
                lines.write(json.dumps({**row, **figures}) + "\n")
    return path


@pytest.fixture(scope="module")
def routable(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return trained(outcomes(tmp_path_factory.mktemp("routable") / "outcomes.jsonl", ROUTABLE))


def trained(data: Path) -> Path:
    assert main(["train", "quality", str(data), "-o", str(data.with_suffix(".bundle")), "--seed", "1"]) == 0
    return data


@pytest.mark.parametrize("queries", [1, 20])
def test_of_few_queries_it_is_said_that_they_are_too_few(tmp_path: Path, capsys: pytest.CaptureFixture[str], queries: int) -> None:
    data = outcomes(tmp_path / "outcomes.jsonl", World(queries=queries, models=2))
    assert main(["train", "quality", str(data), "-o", str(tmp_path / "a")]) == 0
    told = "too few queries to tell whether choosing by query is worth it: 40 judged answers of a model are the least"
    assert capsys.readouterr().out.splitlines()[-1] == f"  {told}"


@pytest.mark.parametrize("command", [("train", "quality", "-o", "x"), ("eval",)])
def test_rows_without_quality_name_the_column(tmp_path: Path, capsys: pytest.CaptureFixture[str], command: tuple[str, ...]) -> None:
    data = tmp_path / "outcomes.jsonl"
    data.write_text("".join(f'{{"query_id": "q", "model": "{name}", "prompt": "2 + 2?", "cost_usd": 1}}\n' for name in "ab"))
    assert main([*command, str(data)]) == 2
    assert capsys.readouterr().err.splitlines()[-1] == f"{data}: no quality is recorded: add the column `quality`, 0 to 1 (docs/evals.md)"


def test_a_bundle_is_written_and_its_verdict_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = outcomes(tmp_path / "outcomes.jsonl", World(queries=60, models=3))
    for name in ("a", "b"):
        assert main(["train", "quality", str(data), "-o", str(tmp_path / name), "--pool", "model-0,model-2", "--json"]) == 0
    out, error = capsys.readouterr()
    told = json.loads(out[: len(out) // 2])
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    assert told["bundle"] == bundle.digest((tmp_path / "a").read_bytes())
    assert told["outcomes"] == {"model-0": 60, "model-2": 60}
    assert told["verdict"]["said"].startswith("choosing by query") or "as good" in told["verdict"]["said"]
    assert "with 90 % confidence, one-sided" in told["verdict"]["said"]
    assert "fitting on 60 queries and 2 models" in error
    assert bundle.load((tmp_path / "a").read_bytes(), shipped()).models == ("model-0", "model-2")


def test_a_dial_is_printed(routable: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status = main(["calibrate", str(routable), "--bundle", str(routable.with_suffix(".bundle")), "--keep-quality", "0.8", "--json"])
    told = json.loads(capsys.readouterr().out)
    assert (status, told["goal"], told["queries"]) == (0, "keep_quality", 200)
    assert told["said"][1] == f"dial: {told['found']['dial']:g}"
    assert told["said"][3].startswith(f"  so it keeps at least {told['found']['sure']:.1%} with 95 % confidence, one-sided")


def test_check_and_explain_say_what_was_learned(
    routable: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    names = ("model-0", "model-1", "new")
    pool = [{"id": name, "provider": "openai-compatible", "base_url": "http://127.0.0.1:9/v1"} for name in names]
    config = {"version": 1, "models": pool, "routes": {"auto": {"dial": 1}}, "learned": {"bundle": str(routable.with_suffix(".bundle"))}}
    Path("pointsman.yaml").write_text(json.dumps(config))
    assert main(["check"]) == 0
    assert "does not know `new`: asked last, by prior alone" in capsys.readouterr().out
    assert main(["explain", "algebra nested subtle"]) == 0
    said = capsys.readouterr().out
    digest = bundle.digest(routable.with_suffix(".bundle").read_bytes())
    assert f"learned   quality of 2 models, bundle {digest}; nearest past queries synthetic/" in said


@pytest.fixture(scope="module")
def judged() -> tuple[Outcomes, Predicted]:
    made = generate(ROUTABLE, 3).outcomes
    return made, dial.unseen(made, Blend(shipped(), SMALL), 1, lambda line: None)


@pytest.mark.parametrize(("goal", "wanted", "over"), [("keep_quality", 0.9, "kept"), ("save_cost", 0.5, "saved")])
def test_a_dial_keeps_what_it_promises(judged: tuple[Outcomes, Predicted], goal, wanted: float, over: str) -> None:
    found = dial.calibrate(*judged, goal, wanted, seed=1)
    assert found.found is not None
    reached = getattr(found.found, over)
    assert reached.low <= reached.value <= reached.high
    assert reached.value > wanted
    # What was tested is one-sided: it lies above the lower end of the two-sided interval, which may miss what is wanted.
    assert max(wanted, reached.low) <= found.found.sure <= reached.value
    assert found.between is not None
    assert 0 <= found.between[0] <= found.between[1] <= 1


def test_more_quality_costs_more(judged: tuple[Outcomes, Predicted]) -> None:
    more, less = (dial.calibrate(*judged, "keep_quality", wanted, seed=1).found for wanted in (0.9, 0.6))
    assert more.cost_usd >= less.cost_usd
    assert more.dial > less.dial


def test_a_promise_that_the_data_cannot_support_is_not_made(judged: tuple[Outcomes, Predicted]) -> None:
    found = dial.calibrate(*judged, "save_cost", 0.999, seed=1)
    assert found.found is None
    told = "\n".join(said(found))
    assert "the data cannot support a dial that is sure to save 99.9% of its cost" in told
    assert "dial: " not in told


def test_one_model_that_is_simply_best_is_named() -> None:
    made = generate(ONE_BEST, 3).outcomes
    found = dial.calibrate(made, dial.unseen(made, Table(), 1, lambda line: None), "keep_quality", 0.8, seed=1)
    assert found.one_model
    assert not found.worth_it
    assert "one model is simply best: `model-0` is also the cheapest: use it alone" in said(found)


@pytest.fixture(scope="module")
def flat(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Outcomes, and beside them a bundle that gives every request the same qualities."""
    data = trained(outcomes(tmp_path_factory.mktemp("flat") / "outcomes.jsonl", MEANS))
    assert not bundle.load(data.with_suffix(".bundle").read_bytes(), shipped()).verdict.routes
    return data


FLAT = "this bundle gives every request the models' mean qualities, as choosing by query was not shown to be worth it"


@pytest.mark.parametrize("wanted", ["0.7", "0.98"])
@pytest.mark.parametrize("seen", [True, False])
def test_a_bundle_of_means_saves_nothing_and_it_is_said_so(flat: Path, tmp_path: Path, capsys, wanted: str, seen: bool) -> None:
    data = flat
    if not seen:
        data = tmp_path / "others.jsonl"
        data.write_text(flat.read_text().replace("synthetic/", "others/"))
    capsys.readouterr()
    assert main(["calibrate", str(data), "--bundle", str(flat.with_suffix(".bundle")), "--keep-quality", wanted]) == 1
    out, err = capsys.readouterr()
    whose = "by these qualities, with costs from fits on parts" if seen else "its own"
    lines = out.splitlines()
    assert lines[0] == f"{FLAT}: a dial saves what costs by query give, if anything; the figures below are {whose}"
    nothing = f"no dial of this bundle is shown to save anything and keep {float(wanted):.1%} of its quality: use `model-1` alone"
    assert lines[2] == nothing
    assert lines[3].startswith("  nearest: dial ")
    assert not any(line.startswith("dial: ") for line in lines)
    assert err.count("fitted on") == (5 if seen else 0)


def test_what_a_bundle_of_means_gives_up_quality_for_is_told_as_its_own(flat: Path, capsys) -> None:
    capsys.readouterr()
    assert main(["calibrate", str(flat), "--bundle", str(flat.with_suffix(".bundle")), "--save-cost", "0.5", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["said"][0].startswith(FLAT)
    # All requests go to the cheapest model: by means there is nothing between.
    assert told["found"]["over_mix"]["value"] == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--keep-quality", "1.5"], "--keep-quality: 1.5 is no share"),
        (["--save-cost", "0"], "--save-cost: 0 is no share"),
        (["--seed", "-1"], "--seed: -1 is below 0"),
        (["--bundle", "none"], "none: cannot be read"),
        (["--bundle", __file__], "this is no estimator bundle"),
    ],
)
def test_mistakes_in_what_is_asked_are_named(routable: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], says: str) -> None:
    assert main(["calibrate", str(routable), "--bundle", str(routable.with_suffix(".bundle")), *arguments]) == 2
    assert says in capsys.readouterr().err


def test_a_dial_takes_what_the_score_takes() -> None:
    quality, cost = np.array([[0.5, 0.6, 0.9], [0.9, 0.9, 0.2], [0.5, 0.5, 0.5]]), np.array([[1.0, 2, 5], [1, 2, 5], [1, 1, 1]])
    unknown = np.full_like(quality, np.nan)
    chosen = dial.dialled(Predicted(quality, unknown, unknown, unknown, cost, unknown, unknown))
    at = {float(value): column for value, column in zip(dial.DIALS, chosen.T, strict=True)}
    assert at[0.0].tolist() == [0, 0, 0]
    assert at[1.0].tolist() == [2, 0, 0]
    # quality .5 and cost term 1 beside .6 and .75 beside .9 and 0: the second overtakes nobody, the third at 5/7
    assert [int(at[value][0]) for value in (0.71, 0.72)] == [0, 2]


def test_dials_choose_as_the_gateway_does() -> None:
    chance = np.random.default_rng(7)
    quality, cost = chance.integers(0, 100, (40, 4)) / 100, chance.integers(1, 50, (40, 4)) / 1e3
    unknown = np.full_like(quality, np.nan)
    chosen = dial.dialled(Predicted(quality, unknown, unknown, unknown, cost, unknown, unknown))
    for at in range(0, len(dial.DIALS), 10):
        for row in range(len(quality)):
            money = [round(usd * 1e12) for usd in cost[row]]
            estimates = Estimates([millionths(q) for q in quality[row]], money, [0.0] * 4, [None] * 4, lambda _: None)
            total = score(estimates, [0.0] * 4, weights(float(dial.DIALS[at]))).total
            assert total[chosen[row, at]] >= max(total) - 2e-6
