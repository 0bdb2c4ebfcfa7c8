"""`calibrate --lose-at-most`: the boldest dial that keeps a floor of quality at a stated risk, or none."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pointsman.cli import main
from pointsman.estimators.learned import Predicted
from pointsman.estimators.outcomes import Outcomes, Query
from pointsman.evals.dial import DIALS, dialled
from pointsman.evals.dial_floor import floor
from pointsman.evals.synthetic import World, generate

WORLD = World(queries=400, models=2, specialism=0.5, skill_spread=1.5, difficulty=3.0, price_spread=20)


def write(path: Path, outcomes: Outcomes, name: str) -> Path:
    with path.open("w") as lines:
        for i, query in enumerate(outcomes.queries):
            for m, model in enumerate(outcomes.models):
                row = {"query_id": f"{name}/{i}", "model": model, "prompt": query.text, "task": query.task}
                lines.write(json.dumps({**row, "quality": outcomes.quality[i, m], "cost_usd": outcomes.cost_usd[i, m]}) + "\n")
    return path


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, Path]:
    """What a bundle was fitted on, outcomes of other queries, and the bundle."""
    folder, made = tmp_path_factory.mktemp("floors"), generate(WORLD, 3).outcomes
    halves = [made.rows(range(start, start + 200)) for start in (0, 200)]
    seen, fresh = (write(folder / f"{name}.jsonl", half, name) for name, half in zip(("seen", "fresh"), halves, strict=True))
    assert main(["train", "quality", str(seen), "-o", str(folder / "quality.bundle")]) == 0
    return seen, fresh, folder / "quality.bundle"


def calibrated(capsys: pytest.CaptureFixture[str], data: Path, bundle: Path, *more: str) -> tuple[int, str, str]:
    capsys.readouterr()
    status = main(["calibrate", str(data), "--bundle", str(bundle), *more])
    return status, *capsys.readouterr()


def test_a_dial_and_what_is_promised_of_it_are_printed(files, capsys):
    _, fresh, bundle = files
    status, told, progress = calibrated(capsys, fresh, bundle, "--lose-at-most", "0.2", "--risk", "0.2")
    best, dial, figures, promised, beside, judge = told.splitlines()
    assert (status, progress) == (0, "")  # nothing is fitted: the bundle that will be used is what is tested
    assert best.startswith("200 queries; best single model `model-1`: quality 0.")
    assert 0 <= float(dial.removeprefix("dial: ")) < 1
    assert figures.startswith("  loses ")
    assert "saves " in figures
    terms = "a mean loss of quality of at most 0.2 beside `model-1`, over requests like these"
    assert promised == f"  promised: {terms}; of promises made like this at most 20% are wrong"
    assert beside.startswith("  not promised: anything of a single request, or of other traffic")
    assert judge == "  judged by the bundle itself, which was fitted on none of these queries"


def test_what_the_bundle_has_seen_is_judged_by_others(files, capsys):
    seen, _, bundle = files
    status, told, progress = calibrated(capsys, seen, bundle, "--lose-at-most", "0.2", "--json")
    found = json.loads(told)
    assert (status, found["bundle_itself"], found["risk"], found["groups"]) == (0, False, 0.1, 200)
    assert progress.count("fitted on") == 5
    assert "the bundle itself, fitted on more, was not tested" in found["said"][-1]
    assert found["found"]["lost"]["value"] < 0.2


def test_no_dial_is_named_where_none_is_supported(files, capsys):
    _, fresh, bundle = files
    status, told, _ = calibrated(capsys, fresh, bundle, "--lose-at-most", "0.001")
    assert status == 1
    refused = "no dial can be promised to keep a mean loss of quality of at most 0.001 beside `model-1` at a risk of 10%"
    assert told.splitlines()[1] == f"{refused}: allow more loss or risk, record more, or use `model-1` alone"
    assert told.splitlines()[2].startswith("  nearest: dial ")
    assert "\ndial: " not in told


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--lose-at-most", "0"], "--lose-at-most: 0 is no loss of quality"),
        (["--lose-at-most", "2"], "--lose-at-most: 2 is no loss of quality"),
        (["--lose-at-most", "0.1", "--risk", "1"], "--risk: 1 is no share"),
        (["--risk", "0.1"], "--risk: is of --lose-at-most alone"),
        (["cascade", "--lose-at-most", "0.1"], "--lose-at-most: is about dials"),
    ],
)
def test_mistakes_in_what_is_asked_are_named(files, capsys, arguments, says):
    data, _, bundle = files
    kind = ["cascade"] if "cascade" in arguments else []
    assert main(["calibrate", *kind, str(data), "--bundle", str(bundle), *(word for word in arguments if word != "cascade")]) == 2
    assert says in capsys.readouterr().err


# The search itself


def guessed(count: int, seed: int = 0) -> tuple[Outcomes, Predicted]:
    """A cheap model that is right where the dear one is, but for a tenth of the queries, and predictions that half know where."""
    chance = np.random.default_rng(seed)
    dear, lot = chance.random(count) < 0.9, chance.random(count)
    cheap = dear & (lot >= 0.1)
    queries = tuple(Query(str(at), "") for at in range(count))
    unknown, cost = np.full((count, 2), np.nan), np.tile([1.0, 10.0], (count, 1))
    outcomes = Outcomes(("cheap", "dear"), queries, np.stack([cheap, dear], axis=1).astype(float), cost, *[unknown] * 3)
    expected = np.stack([0.9 - 0.8 * (lot < 0.1 + 0.2 * chance.random(count)) * chance.random(count), np.full(count, 0.9)], axis=1)
    return outcomes, Predicted(expected, unknown, unknown, unknown, cost, unknown, unknown)


def test_the_dial_keeps_its_limit_on_queries_to_come():
    population, predicted = guessed(50_000, seed=99)
    chosen = dialled(predicted)
    lost = population.quality[:, 1].mean() - np.take_along_axis(population.quality, chosen, axis=1).mean(axis=0)
    for seed in range(5):
        found = floor(*guessed(1_000, seed), 0.03, 0.1, seed).found
        assert found is not None
        assert lost[found.dial == DIALS].item() <= 0.03 < lost[0]
        assert found.saved.low > 0
        assert 0 < found.elsewhere < 1


def test_more_loss_or_more_risk_allows_a_bolder_dial():
    data = guessed(1_500)
    dials = [floor(*data, limit, risk, 0).found for limit, risk in ((0.02, 0.05), (0.02, 0.2), (0.05, 0.2))]
    assert all(found is not None for found in dials)
    assert [found.dial for found in dials] == sorted((found.dial for found in dials), reverse=True)


def test_near_duplicates_are_no_further_evidence():
    outcomes, predicted = guessed(300)
    alike = tuple(replace(query, group=query.id) for query in outcomes.queries)
    outcomes = replace(outcomes, queries=alike)
    rows = np.repeat(np.arange(300), 10)
    copies = Predicted(*(getattr(predicted, name)[rows] for name in predicted.__dataclass_fields__))
    once, tenfold = floor(outcomes, predicted, 0.05, 0.1, 0), floor(outcomes.rows(rows), copies, 0.05, 0.1, 0)
    assert (tenfold.queries, tenfold.groups) == (3_000, 300)
    assert (once.found and once.found.dial) == (tenfold.found and tenfold.found.dial)
