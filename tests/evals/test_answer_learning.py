"""Confidence from judged answers: of all models on each query, or of those that happened to be judged."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from pointsman.errors import ConfigError
from pointsman.estimators.accord import Accord
from pointsman.estimators.outcomes import Outcomes
from pointsman.evals.answer_learning import learn
from tests.evals.test_cascades import sums
from tests.evals.test_duos import letters


def one_a_query(outcomes: Outcomes) -> Outcomes:
    """As a log has it: one model's answer a query was judged."""
    judged = np.arange(len(outcomes.models)) == (np.arange(len(outcomes.queries)) % len(outcomes.models))[:, None]
    texts = tuple(
        tuple(text if one else None for text, one in zip(row, known, strict=True))
        for row, known in zip(outcomes.answers, judged, strict=True)
    )
    hidden = {name: np.where(judged, getattr(outcomes, name), np.nan) for name in ("quality", "cost_usd")}
    return replace(outcomes, answers=texts, **hidden)


def unnamed(outcomes: Outcomes) -> Outcomes:
    """No outcome names its task."""
    return replace(outcomes, queries=tuple(replace(query, task="") for query in outcomes.queries))


def quiet(_: str) -> None: ...


def test_one_judged_answer_a_query_is_enough_to_tell_right_from_wrong() -> None:
    lines: list[str] = []
    learned = learn(one_a_query(sums(150)), 0, lines.append)
    assert (learned.confidence.labels, learned.queries, learned.models, learned.left_out) == (150, 150, ("small", "middle", "large"), 0)
    assert learned.signal.auc > 0.75 > learned.signal.auc_of_prompt
    sure, unsure = (learned.confidence.predict("small", "sums", 0.5, (), text, "How much is 3 + 3?") for text in SAID)
    assert sure > unsure + 0.2
    assert learned.confidence.accord.models == Accord.unlearned().models
    assert not learned.confidence.openings.models
    assert lines[-1].startswith("how answers speak for each other is not learned: 0 queries have judged answers of all 3 models")


SAID = ("3 + 3 = 6", "Perhaps it is 7, I am not sure")


def test_of_whole_outcomes_agreement_is_learned_too() -> None:
    lines: list[str] = []
    learned = learn(sums(60), 0, lines.append)
    assert (learned.confidence.labels, learned.confidence.accord.models) == (180, ("small", "middle", "large"))
    assert [line.split()[0] for line in lines] == ["learning", "reading", "learning", "learning"]


@pytest.mark.parametrize(
    ("outcomes", "tasks", "asked", "strong"),
    [
        (sums(60), ("sums",), ("middle",), "large"),
        (letters().pool(("first", "second", "strong")), ("choice",), ("first", "second"), "strong"),
        (unnamed(letters().pool(("first", "second", "strong"))), (), ("first", "second"), "strong"),
    ],
)
def test_of_whole_outcomes_it_is_learned_whom_to_ask_first(outcomes: Outcomes, tasks, asked, strong) -> None:
    openings = learn(outcomes, 0, quiet).confidence.openings
    assert openings.models == outcomes.models
    assert [(pair.tasks, tuple(sorted(pair.asked)), pair.strong) for pair in openings.pairs] == [(tasks, asked, strong)]


@pytest.mark.parametrize("cost", [np.nan, 0.0])
def test_without_prices_no_pair_is_learned(cost: float) -> None:
    outcomes = letters(60)
    openings = learn(replace(outcomes, cost_usd=np.full_like(outcomes.cost_usd, cost)), 0, quiet).confidence.openings
    assert (openings.models, openings.pairs) == (outcomes.models, ())


def test_a_model_of_which_nothing_was_judged_is_left_out_and_texts_that_are_gone_are_counted() -> None:
    outcomes = sums(60)
    quality = outcomes.quality.copy()
    quality[:, 2] = np.nan
    texts = ((None, *outcomes.answers[0][1:]), *outcomes.answers[1:])
    learned = learn(replace(outcomes, quality=quality, answers=texts), 0, quiet)
    assert (learned.models, learned.confidence.labels, learned.left_out) == (("small", "middle"), 119, 1)


def test_one_model_alone_is_learned_from() -> None:
    assert learn(sums(60).pool(["small"]), 0, quiet).signal.auc > 0.75


@pytest.mark.parametrize(
    ("outcomes", "said"),
    [
        (replace(sums(60), answers=()), "0 answers have a quality and a text that is kept, at least 40 are needed"),
        (sums(60).rows(range(10)), "30 answers have a quality and a text that is kept, at least 40 are needed"),
        (replace(sums(60), quality=np.ones((60, 3))), "the 180 answers that were judged are all of quality 1"),
    ],
)
def test_what_cannot_be_learned_from_is_named_with_a_cure(outcomes: Outcomes, said: str) -> None:
    with pytest.raises(ConfigError) as refused:
        learn(outcomes, 0, quiet)
    assert said in str(refused.value)
    assert "record `response` with the outcomes" in str(refused.value)
