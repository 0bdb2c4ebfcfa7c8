"""Whether a further call is worth its price."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.core.worth import Further, moved, next_call

shares = st.floats(0, 1)
tiers = st.lists(st.builds(Further, st.text(max_size=3), shares, st.floats(1e-6, 1)), max_size=4)
MIDDLE, LARGE = Further("middle", 0.7, 0.001), Further("large", 0.9, 0.010)


@pytest.mark.parametrize(
    ("confidence", "further", "worth", "asked"),
    [
        (0.6, (MIDDLE, LARGE), 0.001, None),  # nothing is worth its price
        (0.6, (MIDDLE, LARGE), 0.02, "middle"),
        (0.6, (MIDDLE, LARGE), 1.0, "large"),  # the tier between is passed over
        (0.95, (MIDDLE, LARGE), 1.0, None),  # none would be better
        (0.0, (MIDDLE,), 0.002, "middle"),
        (0.6, (), 1.0, None),
        (0.6, (Further("free", 0.6, 0.0),), 1.0, None),  # as good for nothing: stay
        (0.6, (Further("a", 0.9, 0.01), Further("b", 0.9, 0.01)), 1.0, "a"),
        (0.6, (Further("same", 0.6, 0.001, 0.5, 0.9, 0.3), Further("large", 0.7, 0.4)), 1.0, None),  # tells something, but nobody could act
        (0.6, (Further("same", 0.6, 0.001, 0.5, 0.9, 0.3), Further("large", 0.8, 0.1)), 1.0, "same"),  # a cheap second opinion first
    ],
)
def test_who_is_asked(confidence: float, further: tuple[Further, ...], worth: float, asked: str | None) -> None:
    at = next_call(confidence, further, worth)
    assert (None if at is None else further[at].model) == asked


@given(shares, tiers)
def test_for_nothing_nobody_is_asked(confidence: float, further: list[Further]) -> None:
    assert next_call(confidence, further, 0.0) is None


@given(shares, tiers, st.floats(0, 10))
def test_nobody_is_asked_who_could_not_be_better(confidence: float, further: list[Further], worth: float) -> None:
    at = next_call(confidence, further, worth)
    assert at is None or max(one.quality for one in further) > confidence


@given(shares, tiers, st.floats(0, 10), shares)
def test_where_more_confidence_would_still_ask_less_does_too(confidence: float, further: list[Further], worth: float, less: float) -> None:
    if next_call(confidence, further, worth) is not None:
        assert next_call(confidence * less, further, worth) is not None


@given(shares, shares, shares)
def test_a_question_that_looks_hard_is_harder_for_the_next(quality: float, expected: float, confidence: float) -> None:
    found = moved(quality, expected, confidence)
    assert 0 <= found <= 1
    if confidence < expected - 1e-3 and 0.01 < quality < 0.99:
        assert found < quality
