"""Labels only get stricter, whatever they are joined with and in which order."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.core.labels import KINDS, KNOWN, LEVELS, close, covers, join, level

EXTENDED = KNOWN | {"export_controlled"}
LABEL = st.sampled_from([*sorted(EXTENDED), "PII", "unheard of", ""])
LABELS = st.lists(LABEL, max_size=4)


@given(LABELS)
def test_joining_a_set_with_itself_changes_nothing(labels):
    assert join(labels, labels, known=EXTENDED) == close(labels, EXTENDED)
    assert close(close(labels, EXTENDED), EXTENDED) == close(labels, EXTENDED)


@given(LABELS, LABELS)
def test_order_does_not_matter(one, other):
    assert join(one, other, known=EXTENDED) == join(other, one, known=EXTENDED)


@given(LABELS, LABELS, LABELS)
def test_grouping_does_not_matter(one, two, three):
    assert join(join(one, two), three) == join(one, join(two, three)) == join(one, two, three)


@given(LABELS, LABELS)
def test_nothing_lowers(labels, more):
    assert set(join(labels, more)) >= set(close(labels))
    assert covers(join(labels, more), labels)


@given(LABELS, LABELS, LABELS)
def test_what_is_stricter_stays_stricter_whatever_is_added(stricter, labels, more):
    if covers(stricter, labels):
        assert covers(join(stricter, more), join(labels, more))


@given(LABELS, LABELS, LABELS)
def test_the_join_is_the_least_strict_of_all_that_cover_both(one, other, bound):
    if covers(bound, one) and covers(bound, other):
        assert covers(bound, join(one, other))


@given(LABELS, LABEL)
def test_an_unknown_label_counts_as_all_there_are(labels, label):
    if label not in KNOWN:
        assert set(close([*labels, label])) >= KNOWN
        assert level([*labels, label]) == "restricted"


@pytest.mark.parametrize("kind", KINDS)
def test_kinds_stand_beside_the_levels(kind):
    assert level([kind]) == "public"
    assert not covers(["restricted"], [kind])


@pytest.mark.parametrize(("lower", "higher"), tuple(pairwise(LEVELS)))
def test_a_level_covers_those_below_it(lower, higher):
    assert covers([higher], [lower])
    assert not covers([lower], [higher])


def test_an_extension_is_a_label_like_any_other():
    assert join(["export_controlled"], ["internal"], known=EXTENDED) == ("export_controlled", "internal", "public")
