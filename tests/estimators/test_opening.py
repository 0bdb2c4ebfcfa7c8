"""Whom to ask first: what was learned of pairs and of single answers, and what becomes of it where models or calls are missing."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from pointsman.core.outlook import Heard, Turn
from pointsman.core.worth import Further
from pointsman.errors import ConfigError
from pointsman.estimators.confidence import UNLEARNED
from pointsman.estimators.confidence_file import dump, load
from pointsman.estimators.duo import AGREE, DIFFER, Duo
from pointsman.estimators.opening import Openings, Pair

PRIOR = (0.5, 0.7, 0.9)
OFFERS = [Further(model, quality, cost) for model, quality, cost in zip("abc", PRIOR, (0.001, 0.005, 0.02), strict=True)]


def duo(state: int, other: int, task: str, prior: tuple[float, ...] = PRIOR) -> Duo:
    """Six of ten in the one state, and right then; of the others a third; the strong model is better there."""
    states = np.array([state] * 600 + [other] * 400)
    right = np.concatenate([np.arange(600) % 20 > 0, np.arange(400) % 3 == 0]).astype(np.float64)
    strong = np.concatenate([np.arange(600) % 14 > 0, np.arange(400) % 7 > 0]).astype(np.float64)
    return Duo.of([task] * 1000, np.tile(prior, (1000, 1)), states, right, strong, 1.0)


PAIRED = Pair(("letters",), "a", "b", "c", duo(AGREE, DIFFER, "letters"), np.zeros(0))
LOOKED = Pair(("sums",), "b", "b", "c", duo(2, 0, "sums", (0.7, 0.7, 0.9)), np.array([0.4, 0.6]))
OPENINGS = Openings(("a", "b", "c"), np.array([0.1, 0.4, 0.4]), (PAIRED, LOOKED))


def heard(**said: str) -> list[Heard]:
    prior = dict(zip("abc", PRIOR, strict=True))
    return [Heard(model, prior[model], 0.5, text, text) for model, text in said.items()]


@pytest.mark.parametrize(
    ("task", "worth_usd", "asked"),
    [
        ("letters", 1.0, ("a", "b")),
        ("letters", 0.001, ("a",)),
        ("letters", 0.01, ("a",)),
        ("sums", 1.0, ("b",)),
        ("never seen", 1.0, ("c",)),
        ("never seen", 1e-6, ("a",)),
    ],
)
def test_who_is_asked_first_follows_the_task_and_what_an_answer_is_worth(task, worth_usd, asked):
    assert OPENINGS.begin(task, OFFERS, worth_usd, 8, {}).asked == asked


@pytest.mark.parametrize(
    ("said", "best", "further"),
    [
        ({"a": "x", "b": "x"}, "b", ""),
        ({"b": "x", "a": "x"}, "b", ""),
        ({"a": "x", "b": "y"}, "b", "c"),
        ({"a": "x", "b": "y", "c": "x"}, "c", ""),
    ],
)
def test_the_strong_one_follows_where_two_differ(said, best, further):
    then = OPENINGS.begin("letters", OFFERS, 1.0, 8, {}).then
    turn = then(heard(**said))
    assert (list(said)[turn.best], turn.further) == (best, further)


def test_an_answer_that_is_believed_little_is_not_kept():
    then = OPENINGS.begin("sums", OFFERS, 1.0, 8, {}).then
    (one,) = heard(b="7")
    assert then([replace(one, confidence=0.9)]).further == ""
    assert then([replace(one, confidence=0.2)]).further == "c"


@pytest.mark.parametrize("said", [{}, {"a": "x"}, {"a": "x", "c": "x"}, {"a": "x", "b": "x", "d": "x"}])
def test_what_went_another_way_is_not_judged_by_the_pair(said):
    prior = dict.fromkeys("abcd", 0.5)
    then = OPENINGS.begin("letters", OFFERS, 1.0, 8, {}).then
    assert then([Heard(model, prior[model], 0.5, text, text) for model, text in said.items()]) is None


def test_one_answer_that_is_worth_more_than_the_pair_is_kept():
    then = OPENINGS.begin("letters", OFFERS, 0.001, 8, {}).then
    assert then(heard(a="x")) == Turn(0, 0.5)
    assert then(heard(a="x", b="x")) is None
    assert then(heard(b="x")) is None  # it failed, and another was asked


def test_without_all_of_its_models_or_calls_for_them_there_is_no_pair():
    assert OPENINGS.begin("letters", OFFERS[1:], 1.0, 8, {}).asked == ("c",)
    assert OPENINGS.begin("letters", OFFERS, 1.0, 2, {}).then is None
    assert OPENINGS.begin("sums", OFFERS, 1.0, 2, {}).then is not None
    assert OPENINGS.begin("letters", [], 1.0, 8, {}) is None
    assert Openings().begin("letters", OFFERS, 1.0, 8, {}) is None


def test_models_of_the_pool_have_names_of_their_own():
    offers = [replace(one, model=f"our-{one.model}") for one in OFFERS]
    opening = OPENINGS.begin("letters", offers, 1.0, 8, {f"our-{one}": one for one in "abc"})
    assert opening.asked == ("our-a", "our-b")
    said = [replace(one, model=f"our-{one.model}") for one in heard(a="x", b="y")]
    assert opening.then(said).further == "our-c"
    assert OPENINGS.begin("letters", offers, 1.0, 8, {}).then is None


def test_a_pair_of_no_task_is_a_pair_of_every_task():
    anything = replace(OPENINGS, pairs=(replace(PAIRED, tasks=(), duo=duo(AGREE, DIFFER, "")),))
    assert anything.begin("never seen", OFFERS, 1.0, 8, {}).asked == ("a", "b")


def test_it_is_kept_in_the_file():
    again = load(dump(replace(UNLEARNED, openings=OPENINGS))).openings
    assert (again.models, again.discern.tolist()) == (OPENINGS.models, OPENINGS.discern.tolist())
    for task in ("letters", "sums", "never seen"):
        for worth_usd in (1e-6, 0.01, 0.03, 1.0):
            assert again.begin(task, OFFERS, worth_usd, 8, {}).asked == OPENINGS.begin(task, OFFERS, worth_usd, 8, {}).asked


@pytest.mark.parametrize(
    "misled",
    [
        replace(OPENINGS, models=("a", "b")),
        replace(OPENINGS, discern=np.array([0.1, 1.5, 0.4])),
        replace(OPENINGS, pairs=(replace(PAIRED, strong="a"),)),
        replace(OPENINGS, pairs=(replace(PAIRED, second="a"),)),
        replace(OPENINGS, pairs=(replace(LOOKED, cuts=np.array([0.6, 0.4])),)),
        replace(OPENINGS, pairs=(replace(LOOKED, cuts=np.array([0.4])),)),
        replace(OPENINGS, pairs=(replace(PAIRED, duo=replace(PAIRED.duo, tasks=("letters", "sums"))),)),
        replace(OPENINGS, pairs=(replace(PAIRED, duo=replace(PAIRED.duo, right=PAIRED.duo.right[:1])),)),
    ],
)
def test_a_file_made_to_mislead_is_refused(misled):
    with pytest.raises(ConfigError, match="does not hold a confidence"):
        load(dump(replace(UNLEARNED, openings=misled)))
