"""Cascades on recorded answers: who is asked, what is paid, and what can be known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from pointsman.errors import ConfigError
from pointsman.estimators.accord import Accord
from pointsman.estimators.outcomes import Outcomes, Query
from pointsman.evals import cascade_dial, cascade_runs, cascades, parity
from pointsman.evals.cascade_runs import Run, compare, ends, go, run
from pointsman.evals.folds import Fold, k_fold
from pointsman.evals.resample import draws
from pointsman.evals.sight import Priors, Sight, checked, see
from pointsman.evals.tool_answers import answered, as_answer, offered

COSTS = np.array([0.001, 0.01, 0.1])


def sums(questions: int = 80, seed: int = 0) -> Outcomes:
    """Three models of rising price and quality; a wrong answer mostly doubts itself, and differs from every other wrong one."""
    chance = np.random.default_rng(seed)
    quality = (chance.random((questions, 3)) < [0.5, 0.7, 0.9]).astype(np.float64)
    asked = tuple(Query(f"q{i}", f"How much is {i} + {i}?", "sums", f"g{i}") for i in range(questions))
    answers = []
    for i, row in enumerate(quality):
        wrong = [f"Perhaps it is {2 * i + m + 1}, I am not sure" if chance.random() < 0.8 else f"It is {2 * i + m + 1}" for m in range(3)]
        answers.append(tuple(f"{i} + {i} = {2 * i}" if one else other for one, other in zip(row, wrong, strict=True)))
    cost = np.tile(COSTS, (questions, 1))
    return Outcomes(("small", "middle", "large"), asked, quality, cost, cost * 1e4, cost * 1e4, cost, tuple(answers))


def known(outcomes: Outcomes, fold: Fold) -> Priors:
    """Means, as if the prompt told nothing."""
    mean = outcomes.quality[fold.train].mean(axis=0)
    return Priors(*(np.tile(values, (len(rows), 1)) for values, rows in ((mean, fold.train), (mean, fold.judged), (COSTS, fold.judged))))


def plain(confidence: list[list[float]], comes_to: list[tuple[str, ...]], accord: Accord | None = None) -> Sight:
    """What is known, made up."""
    sure = np.array(confidence)
    prior = np.tile([0.5, 0.7, 0.9], (len(sure), 1))
    after = np.repeat(prior[:, None, :], 3, axis=1)
    return Sight(
        ("small", "middle", "large"),
        prior,
        np.tile(COSTS, (len(sure), 1)),
        sure,
        after,
        tuple(comes_to),
        accord or Accord.unlearned(),
        np.zeros(3),
    )


def test_a_chain_ends_at_the_first_answer_that_is_believed() -> None:
    sight = plain([[0.4, 0.8, 0.9]], [("1", "2", "3")])
    courses = cascades.chained(sight, 0, (0, 1, 2), (0.0, 0.5, 0.85, 1.0))
    assert [(course.delivered, course.asked) for course in courses] == [(0, (0,)), (1, (0, 1)), (2, (0, 1, 2)), (2, (0, 1, 2))]


def test_the_most_confident_answer_is_delivered_where_none_is_believed() -> None:
    (course,) = cascades.chained(plain([[0.6, 0.3, 0.5]], [("1", "2", "3")]), 0, (0, 1, 2), (0.9,))
    assert course == cascades.Course(0, (0, 1, 2))


def test_the_less_an_answer_is_worth_the_less_is_paid_for_it() -> None:
    sight = plain([[0.4, 0.6, 0.9]] * 2, [("1", "2", "3")] * 2)
    courses = cascades.routed(sight, 0, (1e-6, 0.1, 100.0))
    assert courses[0].asked == (0,)
    assert courses[-1].asked == (2,)  # the tiers between would gain less
    assert [float(COSTS[list(course.asked)].sum()) for course in courses] == sorted(COSTS[list(course.asked)].sum() for course in courses)


def test_between_two_worths_that_agree_nothing_else_is_tried() -> None:
    sight = plain([[0.4, 0.6, 0.9]], [("1", "2", "3")])
    many = np.geomspace(1e-6, 100.0, 41).tolist()
    found = cascades.routed(sight, 0, many)
    assert len(found) == 41
    assert [found[place] for place in (0, 20, 40)] == [cascades.routed(sight, 0, many[place : place + 1])[0] for place in (0, 20, 40)]


def test_no_more_calls_are_made_than_allowed() -> None:
    sight = replace(plain([[0.2, 0.2, 0.2]], [("1", "2", "3")]), discern=np.full(3, 0.9))
    assert all(len(course.asked) <= 2 for course in cascades.routed(sight, 0, tuple(np.geomspace(1e-4, 1e4, 12)), most=2))


@pytest.mark.parametrize(
    ("comes_to", "delivered"), [(("1", "1", "2"), 1), (("1", "2", "3"), 2), (("", "", "2"), 2), (("7", "8", "7"), 2), (("", "", ""), 2)]
)
def test_most_votes_win_and_the_better_model_speaks(comes_to: tuple[str, ...], delivered: int) -> None:
    assert cascades.voted(plain([[0.5, 0.5, 0.5]], [comes_to]), 0, (0, 1, 2)) == cascades.Course(delivered, (0, 1, 2))


def test_every_call_is_paid() -> None:
    quality, cost = cascades.paid(sums(2), [cascades.Course(0, (0,)), cascades.Course(2, (0, 1, 2))])
    assert cost == pytest.approx([0.001, 0.111])
    assert quality.tolist() == [sums(2).quality[0, 0], sums(2).quality[1, 2]]


def test_what_is_seen_was_learned_elsewhere_and_tells_right_from_wrong() -> None:
    outcomes = sums()
    fold = next(k_fold(outcomes.queries, 4, 1))
    sight = see(outcomes, fold, known(outcomes, fold), 1)
    right = outcomes.quality[fold.judged] == 1
    assert sight.confidence[right].mean() > sight.confidence[~right].mean() + 0.2
    assert sight.comes_to[0]
    assert sight.after.shape == (len(fold.judged), 3, 3)
    changed = replace(outcomes, quality=np.where(np.isin(np.arange(80), fold.judged)[:, None], 0.5, outcomes.quality))
    assert np.array_equal(see(changed, fold, known(outcomes, fold), 1).confidence, sight.confidence)


def test_looking_at_answers_beats_routing_by_a_prompt_that_tells_nothing() -> None:
    outcomes = sums(120)
    one, told = judged(outcomes)
    found = compare([one], draws([query.group for query in outcomes.queries], 1, 100))
    assert found["aiq"].difference.low > 0
    assert found["cp98"].cascade.value <= found["cp0"].cascade.value < found["cp0"].predictive.value <= 1
    assert one.calls[0] == pytest.approx(1)
    assert all("looked at, once" in line for line in told)


def judged(outcomes: Outcomes) -> tuple[Run, list[str]]:
    """One seed, and what was told of it."""
    folds, told = list(k_fold(outcomes.queries, 3, 1)), []
    priors = [known(outcomes, fold) for fold in folds]
    return run(outcomes, folds, priors, go(outcomes, folds, priors, 1, checked, told.append), 1), told


@pytest.mark.parametrize(
    ("few", "text", "way"), [(0, "It is {}, because that is what comes of it", "one by one"), (0, "{}", "a pair"), (300, "{}", "a pair")]
)
def test_what_an_answer_holds_decides_how_it_is_looked_at(monkeypatch: pytest.MonkeyPatch, few: int, text: str, way: str) -> None:
    monkeypatch.setattr(cascade_runs, "FEW", few)
    outcomes = sums(60)
    said = tuple(tuple(text.format(i if one else m) for m, one in enumerate(row)) for i, row in enumerate(outcomes.quality))
    one, told = judged(replace(outcomes, answers=said))
    assert all(way in line for line in told)
    assert one.cascade.cost_usd.min() >= COSTS[0]


def test_the_weak_model_is_the_best_of_the_cheap_ones() -> None:
    assert ends(sums()) == (1, 2)
    assert ends(replace(sums(), cost_usd=np.ones((80, 3)))) == (0, 2)


def test_the_best_single_model_is_a_setting_of_every_router() -> None:
    outcomes = sums(60)
    one, _ = judged(outcomes)
    drawn = draws([query.group for query in outcomes.queries], 1, 50)
    assert parity.drawn(one.predictive, 1.0, drawn).max() <= 1
    bounds = parity.bounds(one.predictive, outcomes, drawn)
    assert bounds["oracle"]["cp98"].value <= bounds["oracle"]["cp100"].value < bounds["zero router"]["cp100"].value <= 1


def test_answers_are_needed() -> None:
    bare = replace(sums(), answers=())
    with pytest.raises(ConfigError, match="record `response`"):
        go(bare, [], [], 1, checked, lambda line: None)


def test_tiers_are_the_models_better_than_every_cheaper_one() -> None:
    outcomes = sums()
    assert cascade_dial.tiers_of(outcomes) == ("small", "middle", "large")
    assert cascade_dial.tiers_of(replace(outcomes, cost_usd=outcomes.cost_usd[:, ::-1])) == ("large",)


@pytest.mark.parametrize(
    ("text", "calls"),
    [
        ("[a.b(x=1, y='two')]", [("a_b", '{"x": 1, "y": "two"}')]),
        ('[{"f": "{\\"x\\": 1}"}, {"g": {"y": 2}}]', [("f", '{"x": 1}'), ("g", '{"y": 2}')]),
        ("f(x=[1, 2])", [("f", '{"x": [1, 2]}')]),
        ("f(x=undefined)", [("f", '{"x": "undefined"}')]),
        ("I cannot help with that.", []),
        ("[f(", []),
        ("[]", []),
    ],
)
def test_recorded_calls_are_read(text: str, calls: list[tuple[str, str]]) -> None:
    answer = as_answer(text)
    assert [(call.name, call.arguments) for call in answer.tool_calls] == calls
    assert answer.text == ("" if calls else "no call")


def test_a_call_that_cannot_be_carried_out_is_seen() -> None:
    tools = '[{"name": "a.b", "parameters": {"type": "dict", "properties": {"x": {"type": "float"}}, "required": ["x"]}}]'
    query = Query("q", "?", tools=tools)
    grades = {text: answered(query, text)[1][0].value for text in ("[a.b(x=1.5)]", "[a.b(x='no')]", "[a.b()]", "[c(x=1)]", "no")}
    assert list(grades.values()) == [1.0, 0.0, 0.0, 0.0, None]
    assert offered("not JSON") == ()
