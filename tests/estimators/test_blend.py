from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from pointsman.estimators.blend import Blend
from pointsman.estimators.outcomes import Query
from pointsman.estimators.stack import LEAST
from pointsman.evals.calibration import coverage
from pointsman.evals.synthetic import World, generate
from pointsman.testing.estimators import sample_outcomes
from tests.estimators.learners import LETTERS, SMALL

LEARNER = Blend(LETTERS, SMALL)
FITTED = LEARNER.fit(sample_outcomes(400), seed=0)


def test_one_query_gets_what_many_get():
    query = Query("", "add 4 and 5", "sums")
    one, many = FITTED.one(query), FITTED.predict((query,))
    assert np.array_equal(one.quality, many.quality[0])
    assert np.array_equal(one.cost_usd, many.cost_usd[0])


def test_the_reason_is_past_queries_like_it():
    found = FITTED.why(Query("", "a poem about number 3 the sea"), most=3)
    cosines = [one.cosine for one in found]
    assert len(found) == 3
    assert cosines == sorted(cosines, reverse=True)
    assert all(one.query_id.startswith("q") for one in found)
    row, again = FITTED.explained(Query("", "a poem about number 3 the sea"), most=3)
    assert again == found
    assert np.array_equal(row.quality, FITTED.one(Query("", "a poem about number 3 the sea")).quality)
    assert len(FITTED.why(Query("", ""), most=10_000)) == 400


def test_labels_dealt_to_the_wrong_queries_are_found_out():
    outcomes = sample_outcomes(400)
    dealt = replace(outcomes, quality=outcomes.quality[np.random.default_rng(0).permutation(400)])
    fitted = LEARNER.fit(dealt, seed=0)
    assert FITTED.verdict.routes
    assert not fitted.verdict.routes
    differs = fitted.predict(outcomes.queries).quality
    between = differs - differs.mean(axis=1, keepdims=True)
    assert np.ptp(between, axis=0).max() < 1e-9, "models differ from query to query"


def test_where_texts_mislead_the_tag_alone_decides():
    outcomes = sample_outcomes(300, seed=3)
    chance = np.random.default_rng(0)
    words = [" ".join(chance.choice(["stone", "river", "cloud", "lamp"], 6)) for _ in outcomes.queries]
    muddled = tuple(replace(query, text=text) for query, text in zip(outcomes.queries, words, strict=True))
    fitted = LEARNER.fit(replace(outcomes, queries=muddled), seed=0)
    sums, poems = (fitted.one(Query("", "lamp", task)).quality for task in ("sums", "poems"))
    assert fitted.verdict.routes
    assert sums[0] - sums[-1] > 0.2 > -0.2 > poems[0] - poems[-1]


def test_with_few_queries_it_is_a_table():
    few = LEARNER.fit(sample_outcomes(LEAST - 10), seed=0)
    assert few.mixture is None
    assert few.why(Query("", "add")) == ()
    assert not few.verdict.routes


def test_a_new_model_borrows_and_the_others_stay_as_they_are():
    outcomes = sample_outcomes(400, models=5)
    quality = outcomes.quality.copy()
    quality[60:, 1] = np.nan
    without = LEARNER.fit(outcomes.pool(["m0", "m2", "m3", "m4"]), seed=0)
    cold = LEARNER.fit(replace(outcomes, quality=quality), seed=0)
    assert cold.cold.tolist() == [1]
    asked = outcomes.queries[:30]
    assert np.array_equal(cold.predict(asked).quality[:, [0, 2, 3, 4]], without.predict(asked).quality)
    sums = np.array([query.task == "sums" for query in asked])
    said = cold.predict(asked).quality[:, 1]
    assert said[sums].mean() > said[~sums].mean()


def test_labels_of_a_new_model_count_where_no_other_model_answered():
    outcomes = sample_outcomes(600, models=3)
    quality, owner = outcomes.quality.copy(), np.random.default_rng(0).integers(0, 2, 600)
    owner[:90] = 2
    for model in range(3):
        quality[owner != model, model] = np.nan
    quality[:90, 2] = 1.0
    fitted = LEARNER.fit(replace(outcomes, quality=quality), seed=0)
    said = fitted.predict(outcomes.queries[300:])
    assert fitted.borrowing == {"m2": 90}
    assert said.quality[:, 2].mean() > 0.85 > said.quality[:, :2].mean(axis=0).max()
    assert (said.evidence[:, 2] > 0).all()


def test_the_task_tag_is_read_only_if_asked():
    blind = Blend(LETTERS, replace(SMALL, tasks=False)).fit(sample_outcomes(200), seed=0)
    assert np.array_equal(blind.one(Query("", "four", "sums")).quality, blind.one(Query("", "four", "poems")).quality)
    assert not np.array_equal(FITTED.one(Query("", "four", "sums")).quality, FITTED.one(Query("", "four", "poems")).quality)


@pytest.mark.parametrize("seed", [1, 2])
def test_bounds_hold_the_true_quality_about_as_often_as_they_say(seed):
    world = generate(World(queries=1500), seed=seed)
    train, fresh = np.arange(1000), np.arange(1000, 1500)
    found = LEARNER.fit(world.outcomes.rows(train), seed=0).predict([world.outcomes.queries[i] for i in fresh])
    inside = [coverage(found.low[:, m], found.high[:, m], world.expected[fresh, m]) for m in range(5)]
    assert 0.84 <= np.mean(inside) <= 0.96


def test_costs_follow_the_text():
    world = generate(World(queries=800), seed=3).outcomes
    found = LEARNER.fit(world.rows(range(500)), seed=0).predict(world.queries[500:])
    recorded = world.cost_usd[500:]
    assert found.cost_usd.mean(axis=0) == pytest.approx(recorded.mean(axis=0), rel=0.1)
    assert np.corrcoef(np.log(found.cost_usd[:, 0]), np.log(recorded[:, 0]))[0, 1] > 0.3
    assert np.isfinite(found.output_tokens).all()
    assert np.isfinite(found.latency_s).all()
