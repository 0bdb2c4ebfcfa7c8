"""Who wins a vote, and when asking on cannot change it any more."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.core.votes import Voice, needed, parties, share


def voices(said: str, weights: tuple[int, ...] = (), quality: tuple[float, ...] = ()) -> list[Voice]:
    """One voice a letter; `.` is one that has not been asked."""
    found = [Voice(place, letter.strip(".")) for place, letter in enumerate(said)]
    found = [replace(voice, weight=weight) for voice, weight in zip(found, weights, strict=True)] if weights else found
    return [replace(voice, quality=each) for voice, each in zip(found, quality, strict=True)] if quality else found


@pytest.mark.parametrize(
    ("said", "weights", "quality", "winner"),
    [
        ("aab", (), (), "a"),
        ("abb", (), (), "b"),
        ("abc", (), (), "a"),
        ("abc", (), (0.1, 0.9, 0.5), "b"),
        ("abba", (), (0.6, 0.9, 0.1, 0.6), "b"),
        ("abba", (), (0.6, 0.6, 0.6, 0.6), "a"),
        ("abb", (9, 4, 4), (), "a"),
        ("abb", (8, 4, 4), (), "a"),
        ("abb", (7, 4, 4), (), "b"),
    ],
)
def test_most_votes_win_then_the_better_expected_model_then_who_was_asked_first(said, weights, quality, winner):
    assert parties(voices(said, weights, quality))[0].voices[0].says == winner


@pytest.mark.parametrize(
    ("said", "agree", "asked"),
    [
        (".", 0.0, 1),
        ("..", 0.0, 1),
        ("...", 0.0, 2),
        (".....", 0.0, 3),
        ("....", 0.0, 2),
        (".....", 0.8, 4),
        ("..", 1.0, 2),
        ("aa.", 0.0, 0),
        ("ab.", 0.0, 1),
        ("aa.", 1.0, 1),
        ("ab.", 1.0, 1),
        ("aab..", 0.0, 1),
        ("aabb.", 0.0, 1),
        ("abcd.", 0.0, 1),
        ("aaab.", 0.9, 0),
        ("", 0.0, 0),
    ],
)
def test_a_quorum_is_asked_and_then_as_many_as_could_still_change_the_outcome(said, agree, asked):
    every = voices(said)
    cast = [voice for voice in every if voice.says]
    assert needed(cast, every[len(cast) :], agree) == asked


def test_one_heavy_voice_may_be_enough():
    every = voices("...", (9, 4, 4))
    assert needed([], every) == 1
    assert needed([replace(every[0], says="a")], every[1:]) == 0


def test_the_share_is_of_the_votes_that_were_cast():
    cast = voices("aab")
    assert share(parties(cast)[0], cast) == 2 / 3


elections = st.lists(
    st.tuples(st.sampled_from("abc"), st.integers(1, 5), st.sampled_from((0.2, 0.5, 0.9)), st.booleans()), min_size=1, max_size=7
)


@given(elections, st.sampled_from((0.0, 0.34, 0.5, 0.6, 2 / 3, 0.8, 1.0)))
def test_stopping_early_never_changes_the_winner_nor_whether_it_is_accepted(election, agree):
    every = [Voice(place, says, weight, quality) for place, (says, weight, quality, _) in enumerate(election)]
    answers = {voice.place: fails for voice, (*_, fails) in zip(every, election, strict=True)}
    cast, left = [], every
    while (count := needed(cast, left, agree)) > 0:
        cast += [voice for voice in left[:count] if not answers[voice.place]]
        left = left[count:]
    full = [voice for voice in every if not answers[voice.place]]
    if not full:
        assert not cast
        return
    early, late = parties(cast)[0], parties(full)[0]
    assert early.voices[0].says == late.voices[0].says
    assert (share(early, cast) >= agree) is (share(late, full) >= agree)


@given(elections)
def test_counting_does_not_depend_on_the_order_in_which_answers_come(election):
    every = [Voice(place, says, weight, quality) for place, (says, weight, quality, _) in enumerate(election)]
    assert [party.rank for party in parties(every)] == [party.rank for party in parties(every[::-1])]
