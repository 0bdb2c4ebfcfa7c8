"""Tenancy: nobody gets more than the strictest above him, nobody gives more than he has."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.core.labels import close
from pointsman.core.tenancy import Rights, Scope, excess, together

names = st.none() | st.lists(st.sampled_from(("a", "b", "c")), unique=True).map(tuple)
labels = st.lists(st.sampled_from(("public", "internal", "confidential", "restricted", "pii", "odd")), unique=True, max_size=3).map(tuple)
rates = st.none() | st.integers(1, 5)
rights = st.builds(
    Rights, routes=names, models=names, labels=labels, allowed_labels=st.none() | labels, requests_per_minute=rates, tokens_per_minute=rates
)


@given(st.lists(rights, min_size=1, max_size=3))
def test_what_is_left_exceeds_none_of_its_parts(parts):
    held = together(parts)
    assert not [part for part in parts if excess(held, part)]


@given(rights, rights, rights)
def test_who_exceeds_nobody_on_the_way_does_not_exceed_the_first(first, second, third):
    if excess(second, first) is None and excess(third, second) is None:
        assert excess(third, first) is None


@given(rights)
def test_nobody_exceeds_himself(held):
    assert excess(held, held) is None


@given(rights, rights, labels)
def test_no_request_passes_a_narrower_right_that_a_wider_one_refuses(wide, narrow, carried):
    if excess(narrow, wide) is None and narrow.allowed_labels is not None and wide.allowed_labels is not None:
        held = set(close(carried))
        if held <= set(together([narrow]).allowed_labels):
            assert held <= set(together([wide]).allowed_labels)


@pytest.mark.parametrize(
    ("holder", "place", "covers"),
    [
        (Scope(), Scope("a", "t"), True),
        (Scope("a"), Scope("a", "t"), True),
        (Scope("a"), Scope("a"), True),
        (Scope("a"), Scope(), False),
        (Scope("a"), Scope("b"), False),
        (Scope("a", "t"), Scope("a"), False),
        (Scope("a", "t"), Scope("b", "t"), False),
        (Scope("a", "t"), Scope("a", "u"), False),
    ],
)
def test_scopes_cover_what_lies_within(holder, place, covers):
    assert holder.covers(place) is covers
