"""Two models asked together: what agreement says, learned from outcomes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.estimators.duo import AGREE, DIFFER, UNKNOWN, Duo, states_of


def learned(task_known: str = "letters") -> Duo:
    """Agreement in nine of ten; then right in nine of ten, else in four; the strong one always in nine. Programs are never comparable."""
    states = np.array([AGREE] * 450 + [DIFFER] * 50 + [UNKNOWN] * 200)
    right = np.concatenate([np.arange(450) % 10 > 0, np.arange(50) % 10 > 5, np.arange(200) % 2 == 0]).astype(np.float64)
    strong = (np.arange(700) % 10 > 0).astype(np.float64)
    return Duo.of([task_known] * 500 + ["programs"] * 200, np.tile([0.8, 0.7, 0.9], (700, 1)), states, right, strong)


def test_agreement_is_worth_what_it_was_worth() -> None:
    letters = learned().expect(["letters"], np.array([[0.8, 0.7, 0.9]]))
    assert letters.chance[0, AGREE] == pytest.approx(0.9, abs=0.1)
    assert letters.right[0, AGREE] > 0.8 > 0.65 > letters.right[0, DIFFER]
    assert letters.strong[0] == pytest.approx([0.9] * 3, abs=0.05)


def test_tasks_whose_answers_cannot_be_compared_are_known() -> None:
    programs = learned().expect(["programs"], np.array([[0.8, 0.7, 0.9]]))
    assert programs.chance[0, UNKNOWN] > 0.7
    assert programs.strong[0, UNKNOWN] - programs.right[0, UNKNOWN] == pytest.approx(0.1, abs=0.05)  # nothing was seen: as expected


@given(st.sampled_from(["letters", "programs", "never seen", ""]), st.lists(st.floats(0, 1), min_size=3, max_size=3))
def test_what_may_be_seen_comes_to_what_was_expected(task: str, prior: list[float]) -> None:
    told = learned().expect([task], np.array([prior]))
    assert ((told.chance >= 0) & (told.chance <= 1)).all()
    assert told.chance.sum() == pytest.approx(1)
    assert (told.chance * told.right).sum() == pytest.approx(max(prior[:2]))
    assert (told.chance * told.strong).sum() == pytest.approx(prior[2])


def test_answers_that_come_to_nothing_known_do_not_agree() -> None:
    assert states_of(("a", "a", "", "a", ""), ("a", "b", "", "", "b")).tolist() == [AGREE, DIFFER, UNKNOWN, UNKNOWN, UNKNOWN]
