"""The whole protocol on outcomes whose truth is known."""

from __future__ import annotations

import copy
import json
from dataclasses import fields, replace
from xml.etree.ElementTree import fromstring

import numpy as np
import pytest

from pointsman.cli import main
from pointsman.errors import ConfigError
from pointsman.estimators.learned import Predicted
from pointsman.estimators.outcomes import Outcomes, Query
from pointsman.evals.baselines import BASELINES, NEED_SKLEARN, Constant, Shuffled, named
from pointsman.evals.crossfit import Judged, cross_fit
from pointsman.evals.drawing import Line, Mark
from pointsman.evals.evaluate import Evaluation, Protocol, evaluate, told_of
from pointsman.evals.figures import drawn, figures, sample
from pointsman.evals.gains import overspend
from pointsman.evals.page import page
from pointsman.evals.plot import COLOURS, HEIGHT, WIDTH, picture, pieces, style
from pointsman.evals.report import HEADS, Origin, about_costs, document, further, rows, shown
from pointsman.evals.resample import Interval, draws
from pointsman.evals.sweep import choose, rates, sweep, taken
from pointsman.evals.synthetic import World, generate
from pointsman.evals.unseen import unseen_tasks

pytestmark = pytest.mark.xdist_group("evaluate")  # on one worker: what many tests look at is worked out once

PAIR = generate(World(queries=600, models=2, skill_spread=1.5), seed=2)
POOL = generate(World(queries=400, models=4, specialism=1.5), seed=1)
QUICK = Protocol(seeds=(42, 999), draws=60)
NAMES = ["random", "means", "task-table", "tfidf-ridge", "shuffled-control"]


@pytest.fixture(scope="module")
def pair() -> Evaluation:
    pytest.importorskip("sklearn")
    return evaluate(PAIR.outcomes, [named(name) for name in NAMES], QUICK, lambda _: None)


@pytest.fixture(scope="module")
def pool() -> Evaluation:
    return evaluate(POOL.outcomes, [named(name) for name in ("random", "means", "task-table")], QUICK, lambda _: None)


def result(of: Evaluation, name: str):
    return next(one for one in of.results if one.name == name)


def test_a_text_that_tells_difficulty_beats_knowing_nothing(pair):
    ridge, control = result(pair, "tfidf-ridge"), result(pair, "shuffled-control")
    assert ridge.against(result(pair, "random"), "apgr").low > 0
    assert ridge.figures["apgr"].low > 0.5
    assert abs(control.figures["apgr"].value - 0.5) < 0.12
    assert ridge.figures["cpt50"].value < 0.45


def test_the_means_walk_the_zero_router(pool):
    means = result(pool, "means")
    assert means.figures["aiq_over_zero"].value == pytest.approx(0, abs=0.003)
    assert means.figures["cp0"].value == pytest.approx(1)
    assert means.plain["entropy_bits"] == 0
    assert result(pool, "task-table").figures["aiq_over_zero"].low > 0


def test_nothing_passes_the_oracle_and_hindsight_is_told_apart(pool):
    best, *_, oracle = pool.points
    assert oracle.quality == pytest.approx(POOL.outcomes.quality.max(axis=1).mean())
    assert best.quality <= max(point.quality for point in pool.points if point.name.startswith("always"))
    assert all(one.figures["aiq"].value <= pool.oracle_aiq for one in pool.results)


def test_a_learner_against_itself_gains_nothing(pool):
    one = pool.results[0]
    assert one.against(one, "aiq") == Interval(0.0, 0.0, 0.0)


def test_the_same_call_gives_the_same_figures(pool):
    again = evaluate(POOL.outcomes, [named("task-table")], QUICK, lambda _: None)
    assert result(again, "task-table").figures == result(pool, "task-table").figures


def test_draws_of_equal_weights_give_the_figures_themselves():
    judged = cross_fit(named("task-table"), PAIR.outcomes, QUICK.folds_of(PAIR.outcomes, 42), 42)
    one, _ = sample(PAIR.outcomes, judged, 42)
    once = replace(draws([""] * 600, 0, 3), counts=np.ones((3, 600), dtype=np.uint8))
    for name, values in drawn(one, once).items():
        assert values == pytest.approx([figures(one)[name]] * 3), name


def test_a_pair_is_read_alike_with_weights_and_without():
    from pointsman.evals import pair as plain

    judged = cross_fit(named("task-table"), PAIR.outcomes, QUICK.folds_of(PAIR.outcomes, 42), 42)
    found = figures(sample(PAIR.outcomes, judged, 42)[0])
    quality, predicted = PAIR.outcomes.quality, judged.predicted.quality
    curve = plain.curve(quality[:, 0], quality[:, 1], predicted[:, 1] - predicted[:, 0], 42)
    assert found["apgr"] == pytest.approx(plain.apgr(curve))
    assert found["cpt80"] == pytest.approx(plain.cpt(curve, 0.8))


def test_the_knob_runs_from_best_quality_to_least_cost():
    quality, cost = np.array([[0.9, 0.5, 0.6], [0.2, 0.8, 0.8]]), np.array([[3.0, 1.0, 2.0], [3.0, 1.0, 2.0]])
    predicted = Predicted(**{f.name: cost if f.name == "cost_usd" else quality for f in fields(Predicted)})
    assert choose(predicted, 0.0).tolist() == [0, 1]  # of two equal ones the cheaper
    assert choose(predicted, np.inf).tolist() == [1, 1]
    assert choose(predicted, 0.25).tolist() == [1, 1]  # 0.4 lost, 2 saved: leaves above 0.2
    spent = taken(cost, sweep(predicted, rates(predicted))).mean(axis=0)
    assert (np.diff(spent) <= 0).all()


def test_the_knob_is_set_on_other_folds_or_not_at_all(pool):
    found = result(pool, "task-table").figures
    assert found["kept_cost_0"].value <= 1
    assert found["kept_quality_0"].value > -0.05
    assert result(pool, "random").figures["kept_quality_0"].value == 0.0  # never good enough: the best single model itself


def test_the_test_split_is_read_on_request_and_it_is_said():
    asked = Protocol(seeds=(42,), draws=5, test=True)
    found = evaluate(PAIR.outcomes, [named("means")], asked, lambda _: None)
    assert found.queries == sum(query.split == "test" for query in PAIR.outcomes.queries)
    said = document(found, Origin("x", found.models))
    assert said["test_split_read"] is True
    assert (
        document(evaluate(PAIR.outcomes, [named("means")], replace(asked, test=False), lambda _: None), Origin("x", (), splits=("train",)))[
            "test_split_read"
        ]
        is False
    )


def test_the_knob_takes_like_steps_in_cost_also_where_queries_leave_the_dearest_model():
    """Eleven models, of which one is better and dearer: most rates at which some model overtakes another say nothing of it."""
    chance = np.random.default_rng(0)
    quality, cost = chance.random((800, 11)) * 0.3, np.tile(np.geomspace(0.01, 0.2, 11), (800, 1)) * chance.random((800, 1))
    quality[:, -1], cost[:, -1] = 0.5 + 0.4 * chance.random(800), 5 * chance.random(800) + 0.5
    nothing = np.zeros_like(quality)
    predicted = Predicted(quality, nothing, nothing, nothing, cost, nothing, nothing)
    spent = taken(cost, sweep(predicted, rates(predicted))).mean(axis=0)
    assert len(spent) > 60
    assert (-np.diff(spent)).max() < 0.05 * (spent[0] - spent[-1])


def test_documents_hold_hashes_settings_and_only_what_json_knows(pair):
    said = document(pair, Origin("data", pair.models))
    text = json.dumps(said, allow_nan=False)
    assert said["data_sha256"] == PAIR.outcomes.digest()
    assert said["learners"]["tfidf-ridge"] == repr(named("tfidf-ridge"))
    assert json.loads(text)["results"]["random"]["figures"]["qnc"]["value"] is None  # never
    assert json.loads(text)["results"]["random"]["figures"]["cp0"]["value"] == 1.0  # the best single model itself
    assert set(said["results"]["means"]["against"]) == set(NAMES) - {"means"}
    other = replace(pair, protocol=replace(QUICK, labels=10))
    assert document(other, Origin("data", pair.models))["config_sha256"] != said["config_sha256"]


def test_the_page_loads_nothing_and_shows_every_curve(pair):
    text = page(pair, Origin("<data>", pair.models))
    assert "&lt;data&gt;" in text
    assert not any(word in text for word in ("<script", "http:", "https:", "src=", "url("))
    assert all(f">{name}<" in text for name in NAMES)
    assert all(f"<title>{point.name}</title>" in text for point in pair.points)
    assert text.count("<table>") == 2 + len(list(further(pair)))


def test_every_curve_of_many_looks_like_no_other():
    assert len(set(COLOURS)) == len(COLOURS) >= 14
    assert len({style(at) for at in range(3 * len(COLOURS))}) == 3 * len(COLOURS)


def test_the_plot_draws_every_curve_and_marks_what_has_no_knob(pair):
    drawn_lines = [piece for piece in pieces(pair) if isinstance(piece, Line)]
    marks = {piece.title: piece.shape for piece in pieces(pair) if isinstance(piece, Mark)}
    assert sum(len(line.points) == len(one.curve) for line in drawn_lines for one in pair.results[:1]) >= 1
    assert {piece.colour for piece in drawn_lines} >= {style(at)[0] for at in range(len(NAMES))}
    assert marks["random"] != marks["best single (chosen in training)"] != marks["oracle"] != marks["always model-0"] == "dot"
    fromstring(picture(pair, alone=True))
    assert all(0 <= x <= WIDTH and 0 <= y <= HEIGHT for line in drawn_lines for x, y in line.points)


def test_what_is_not_in_the_first_table_is_in_the_further_ones(pair, pool):
    for of in (pair, pool):
        heads = [cell for rows_of in (list(rows(of)), *further(of)) for cell in rows_of[0]]
        assert {HEADS.get(name, name) for name in of.results[0].figures} < set(heads)
        assert {"mean Brier", "mean AUC", "choice bits", "OGR", "PerfGain", "CostSave", "overspend", "AIQ (RouterBench)"} <= set(heads)
        assert all(len(row) == len(table[0]) for table in further(of) for row in table)
    assert "CPT50 (RouteLLM)" in [cell for table in further(pair) for cell in table[0]]


def test_a_pair_without_costs_has_the_figures_that_need_none(pair):
    nothing = np.full_like(PAIR.outcomes.cost_usd, np.nan)
    bare = replace(PAIR.outcomes, cost_usd=nothing)
    found = evaluate(bare, [named("task-table"), named("means")], QUICK, lambda _: None)
    assert found.share_of == "model-1"
    assert set(found.results[0].figures) == {"apgr", "pgr50", "cpt50", "cpt80"}
    for name, figure in result(found, "task-table").figures.items():
        assert figure == result(pair, "task-table").figures[name]
    assert found.data == bare.digest()
    assert [point.cost_usd for point in found.points if point.name.startswith("always")] == [0, 1]
    assert about_costs(found).startswith("no costs are recorded: `model-0`, the weaker, costs 0 and `model-1` 1")
    assert about_costs(pair) == ""
    said = json.dumps(document(found, Origin("data", found.models)), allow_nan=False)
    assert json.loads(said)["zero_router"]["aiq"] is None
    assert "share of queries on model-1" in page(found, Origin("data", found.models))
    assert next(iter(rows(found)))[1:5] == ("APGR", "PGR(50 %)", "CPT50", "CPT80")


def test_a_budget_is_kept_on_the_folds_it_was_set_on_and_may_be_exceeded_on_the_next():
    # The best model is dearer on the second fold: half of its cost is 4 there, which pays for it on the first, and 2 on the first.
    outcomes = replace(
        PAIR.outcomes.rows(range(4)),
        quality=np.array([[0.0, 1.0]] * 4),
        cost_usd=np.array([[1.0, 4.0], [1.0, 4.0], [3.0, 8.0], [3.0, 8.0]]),
    )
    unknown = np.full((4, 2), np.nan)
    told = Predicted(outcomes.quality, unknown, unknown, unknown, outcomes.cost_usd, unknown, unknown)
    judged = Judged(np.arange(4), np.array([0, 0, 1, 1]), np.array([1, 1, 1, 1]), told)
    taken_there, _ = sample(outcomes, judged, 1)
    assert [part.tolist() for part in taken_there.in_budget] == [[1, 1, 0, 0], [4, 4, 3, 3], [4, 4, 2, 2]]
    found = figures(taken_there)
    assert (found["budget_quality"], found["overspend"]) == (-0.5, pytest.approx(3.5 / 3 - 1))
    assert (overspend(3.0, 2.0), overspend(2.0, 3.0)) == (0.5, 0.0)
    assert np.isnan(overspend(np.nan, np.nan))


def test_a_long_fit_tells_of_its_folds():
    lines: list[str] = []
    assert list(told_of(["a", "b", "c"], "fitting x", lines.append, long_s=-1)) == ["a", "b", "c"]
    assert lines == ["fitting x, fold 2 of 3", "fitting x, fold 3 of 3"]
    assert list(told_of(["a", "b"], "fitting x", lines.append, long_s=1e9)) == ["a", "b"]
    assert len(lines) == 2


def test_the_table_has_a_row_for_each_learner_best_first(pair):
    head, *body = rows(pair)
    assert head[:2] == ("learner", "APGR")
    assert {row[0] for row in body} == set(NAMES)
    assert shown(Interval(0.5, float("nan"), 1.0)) == "0.500 [?, 1.000]"


def test_missing_cells_and_doubled_names_are_refused():
    cold = generate(World(queries=60, cold=1), 0).outcomes
    with pytest.raises(ConfigError, match="some outcomes are missing"):
        evaluate(cold, [named("means")], QUICK, lambda _: None)
    with pytest.raises(ConfigError, match="two learners have one name"):
        evaluate(PAIR.outcomes, [named("means"), named("means")], QUICK, lambda _: None)


def test_an_unseen_task_is_compared_with_the_best_single_model():
    found = unseen_tasks(named("task-table"), POOL.outcomes, 42, lambda _: None, count=50)
    assert {one.task for one in found} == {query.task for query in POOL.outcomes.queries}
    assert [one.over_best for one in found] == [Interval(0.0, 0.0, 0.0)] * 4  # it knows nothing of it, so it takes the best


# Baselines


@pytest.fixture(params=BASELINES)
def baseline(request: pytest.FixtureRequest):
    if request.param in NEED_SKLEARN:
        pytest.importorskip("sklearn")
    return named(request.param)


def test_a_baseline_is_deterministic_and_changes_nothing(baseline):
    train = generate(World(queries=80, cold=1, cold_labels=20), 5).outcomes
    before, asked = copy.deepcopy(train), list(POOL.outcomes.queries[:30])
    first = baseline.fit(train, seed=7).predict(asked)
    assert first.quality.shape == first.low.shape == first.cost_usd.shape == (30, 5)
    assert np.isfinite(first.quality).all()
    again = baseline.fit(train, seed=7).predict(asked)
    assert np.array_equal(first.quality, again.quality)
    assert train.digest() == before.digest()
    assert baseline.name in BASELINES


def test_a_baseline_answers_each_query_by_itself(baseline):
    fitted = baseline.fit(POOL.outcomes.rows(range(100)), seed=7)
    asked = list(POOL.outcomes.queries[:10])
    assert fitted.predict(asked[3:4]).quality[0] == pytest.approx(fitted.predict(asked).quality[3])


def test_a_baseline_works_before_it_has_learned_anything(baseline):
    empty = POOL.outcomes.rows([])
    strange = [Query("x", "", task="never seen"), Query("y", "42 ?")]
    found = baseline.fit(empty, seed=7).predict(strange)
    assert found.quality.shape == (2, 4)
    assert np.isfinite(found.quality).all()


def test_a_coin_mixes_the_models_of_the_zero_router():
    learners = [named(name) for name in ("coin", "means")]
    coin, means = evaluate(POOL.outcomes, learners, QUICK, lambda _: None).results
    assert -0.01 < coin.figures["aiq_over_zero"].value < 0.03  # what is above 0 is hindsight
    assert coin.against(means, "quality").value == pytest.approx(0, abs=1e-9)
    assert len(set(coin.curve)) > 3 * len(set(means.curve))
    (paired,) = evaluate(PAIR.outcomes, learners[:1], QUICK, lambda _: None).results
    assert paired.figures["apgr"].value == pytest.approx(0.5, abs=0.06)


class Seen:
    """Keeps what it was fitted on."""

    name = "seen"

    def fit(self, outcomes: Outcomes, *, seed: int) -> Constant:
        self.outcomes = outcomes
        return Constant(np.zeros(4), np.ones(4), 0)


def test_a_control_deals_whole_rows_to_the_wrong_queries():
    seen = Seen()
    Shuffled(seen).fit(POOL.outcomes, seed=7)
    assert seen.outcomes.queries == POOL.outcomes.queries
    dealt, own = (np.hstack((of.quality, of.cost_usd)) for of in (seen.outcomes, POOL.outcomes))
    assert (dealt != own).any(axis=1).mean() > 0.9
    assert sorted(map(tuple, dealt)) == sorted(map(tuple, own))


def test_an_unknown_learner_is_refused_with_the_known_ones():
    with pytest.raises(ConfigError, match="`nix` is no learner: name one of random, means"):
        named("nix")
    with pytest.raises(ConfigError, match="is no learner"):
        named("pointsman.nowhere:Nothing")
    assert named("pointsman.evals.baselines:Means").name == "means"


class Mute:
    """Says the same of every query, and nothing of costs."""

    name = "mute"

    def __init__(self, quality: float) -> None:
        self.quality = quality

    def fit(self, outcomes: Outcomes, *, seed: int) -> Constant:
        return Constant(np.full(2, self.quality), np.full(2, np.nan), 0)


def test_a_learner_that_says_nothing_of_a_query_is_refused():
    with pytest.raises(ConfigError, match="`mute` does not give every query and model a quality"):
        cross_fit(Mute(np.nan), PAIR.outcomes, QUICK.folds_of(PAIR.outcomes, 42), 42)


def test_costs_that_a_learner_does_not_know_become_the_training_mean():
    folds = QUICK.folds_of(PAIR.outcomes, 42)
    judged = cross_fit(Mute(0.0), PAIR.outcomes, folds, 42)
    assert judged.predicted.cost_usd[folds[0].judged[0]] == pytest.approx(PAIR.outcomes.cost_usd[folds[0].train].mean(axis=0))


# The generator


def test_the_generator_is_seeded():
    worlds = World(queries=30), World(queries=30), World(queries=30, noise=0.5)
    first, again, noisy = (generate(world, 9).outcomes.digest() for world in worlds)
    assert first == again != noisy
    assert generate(worlds[0], 10).outcomes.digest() != first


def test_outcomes_happen_as_often_as_expected():
    made = generate(World(queries=6000), 2)
    assert made.outcomes.quality.mean(axis=0) == pytest.approx(made.expected.mean(axis=0), abs=0.025)
    taken_by_oracle = made.outcomes.quality[np.arange(6000), made.oracle].mean()
    assert taken_by_oracle == pytest.approx(made.oracle_quality, abs=0.025)


@pytest.mark.parametrize(
    ("world", "holds"),
    [
        (World(queries=500, noise=1.0), lambda made: (made.expected == 0.5).all()),
        (World(queries=500, price_spread=50), lambda made: 30 < np.divide(*made.outcomes.cost_usd.mean(axis=0)[[-1, 0]]) < 70),
        (
            World(queries=500, cold=2, cold_labels=7),
            lambda made: np.isfinite(made.outcomes.quality).sum(axis=0).tolist() == [500, 500, 500, 7, 7],
        ),
        (
            World(queries=4000, drift=3.0, specialism=0.0),
            lambda made: abs(made.expected[:500].mean(0) - made.expected[-500:].mean(0)).max() > 0.1,
        ),
        (World(queries=500, skill_spread=2.0, specialism=0.0), lambda made: (np.diff(made.expected, axis=1) > 0).all()),
    ],
    ids=["noise", "prices", "cold models", "drift", "skill"],
)
def test_knobs_of_the_generator(world, holds):
    assert holds(generate(world, 4))


# The command


@pytest.fixture
def data(tmp_path):
    path, made = tmp_path / "o.jsonl", POOL.outcomes
    lines = [
        {"query_id": query.id, "model": model, "prompt": query.text, "task": query.task, "group_key": query.group, "split": query.split,
         "quality": made.quality[i, m], "cost_usd": made.cost_usd[i, m]}
        for i, query in enumerate(made.queries[:120]) for m, model in enumerate(made.models)
    ]  # fmt: skip
    path.write_text("\n".join(map(json.dumps, lines)))
    return path


def test_eval_prints_tables_and_writes_what_it_found(data, tmp_path, capsys):
    flags = ["--pool", "model-0,model-3", "--seeds", "1,2", "--labels", "50", "--draws", "20", "--splits", "train"]
    out = ["--json", str(tmp_path / "e.json"), "--html", str(tmp_path / "e.html")]
    assert main(["eval", str(data), "--learner", "task-table", "--baselines", "random,means", *flags, *out]) == 0
    said = capsys.readouterr()
    assert "task-table" in said.out
    assert "always model-3" in said.out
    assert "seed 1 (1 of 2): fitting task-table" in said.err
    kept = json.loads((tmp_path / "e.json").read_text())
    assert (kept["queries"], kept["models"], kept["protocol"]["labels"], kept["test_split_read"]) == (96, ["model-0", "model-3"], 50, False)
    assert (tmp_path / "e.html").read_text().startswith("<!doctype html>")


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--pool", "nix"], "`nix` is not among the recorded models"),
        (["--pool", "model-0"], "there is nothing to choose between"),
        (["--pool", "realistic"], "no index.json above it"),
        (["--learner", "nix"], "`nix` is no learner"),
        (["--baselines", "none"], "nothing to judge"),
        (["--seeds", "x"], "`x` is no seed"),
        (["--splits", "nix"], "no split `nix`: it has `test`, `train`"),
        (["--baselines", "means", "--splits", "train", "--test"], "no test split"),
    ],
)
def test_eval_says_what_is_wrong(data, capsys, flags, said):
    assert main(["eval", str(data), *flags]) == 2
    assert said in capsys.readouterr().err
