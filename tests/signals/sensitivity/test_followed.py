"""A value that is masked goes whole, and the words after it stay: no letter more, no letter less."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pointsman.signals.sensitivity.mask import mask
from pointsman.signals.sensitivity.measure import confusion
from pointsman.signals.sensitivity.texts import pieces
from pointsman.testing.sensitive_followed import ANNOUNCED, FOLLOWING, followed
from pointsman.testing.sensitive_texts import VALUES, WAYS, Sample, benign, sensitive
from pointsman.testing.sensitive_values import secret

KEY = b"a key for digests."
NAMES = [
    *(
        "Anna Kowalska",
        "John F. Kennedy",
        "Ludwig van Beethoven",
        "María José Carreño Quiñones",
        "Lech Wałęsa",
        "Jørgen Strauß",
    ),
    *("Pat O’Brien", "J. R. R. Tolkien", "J.R.R. Tolkien", "Dr. Ada Byron", "Jean-Luc d'Arc", "Will Smith", "Иван Петров", "PETER MUELLER"),
]


def masked(detector, text: str) -> str:
    """The text with each masked value in angle brackets."""
    body = {"messages": [{"role": "user", "content": text}]}
    texts = tuple(pieces(body))
    result = mask(body, texts, detector.detect(texts, KEY).findings, KEY)
    assert not result.left
    sent = result.body["messages"][0]["content"]
    for placeholder, value in result.values.items():
        sent = sent.replace(placeholder, f"<{value}>")
    return sent


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "around",
    [
        "My name is {}",
        "My name is {}. {} wrote it.",
        "name: {}\nRegards, {}",
        '"name": "{}", "{}"',
        "My name is {} and I compose",
        "My name is {}, my card is lost",
        "What's your name? {}, I told you",
    ],
)
def test_a_name_goes_whole_and_wherever_it_stands(detector, name, around):
    assert masked(detector, around.replace("{}", name)) == around.replace("{}", f"<{name}>")


@pytest.mark.parametrize(
    "text",
    [
        "write to <john.smith@corp.com>. Then call me.",
        "<john.smith@corp.com>.\nThen call me.",
        "write to <bob [at] example [dot] com>. Then call me.",
        "write to <bob@example.com>。Then",
        "<378282246310005> 2 items",
        "<4111 1111 1111 1111> 2 items",
        "<8.8.8.8> 2 items",
        "<eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abcdefghijk>. Then",
        "call <+49 170 1234567>/2024",
        "call <+49 170 1234567> 2 items",
        "call <030 1234567> (2 items)",
        "call me on <030 1234567>. 2 items",
        "<212-555-0187 x12>, then",
        "call me on <030 1234567 ext. 12> then",
        "<+44 20 7946 0018 x3> or so",
        "driver's license number is <A56319335> and then call me on monday",
        "zip: <94110> and then",
        "account number is <12345678> 2 items",
        "I live at <742 Evergreen Terrace>. Then call me",
        "I live at <742 Evergreen Terrace, Apt 4B>. Then call me",
        "my address is <10 Downing, near the pond, London>. Then I sent it",
        "postgres://bob:<s3cr3t@w-ord>@db.example.com:5432/x",
        "the password is <hunter22x></b> Thanks",
        "it is <glpat-Abc1Abc2Abc3Abc4Abc5>… and so on",
        "I am a <4 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1> - b",
        "My name is <John> I need help",
        "name: <Smith, John>",
        "name: <Smith, John F.>; card",
        "first name: <John>, last name: <Smith>; Berlin",
        "name=<John+Smith>&x=1",
        "Patient name: <JOHN SMITH> DOB: <01/02/1980>",
        "My name is <John Smith> Please help",
    ],
)
def test_words_after_a_value_stay(detector, text):
    plain = text.replace("</b>", "\0").replace("<", "").replace(">", "").replace("\0", "</b>")
    assert masked(detector, plain) == text


WORDS = st.sampled_from(
    ["the", "order", "was", "sent", "it", "is", "a", "nice", "day", "via", "mail", "items", "and", "then", "we", "see", "x"]
)
SEPARATORS = st.sampled_from([". ", ", ", "; ", ": ", "! ", "? ", " - ", "… ", " (", ") ", '" ', "\n", "\n\n", "\t", " | ", " ", "、"])


@settings(max_examples=150)
@given(st.sampled_from(sorted(ANNOUNCED)), st.integers(0, 10**6), SEPARATORS, st.lists(WORDS, min_size=1, max_size=6))
def test_whatever_follows_no_letter_of_the_value_is_left_and_none_of_the_words_is_gone(detector, name, seed, separator, words):
    chance = random.Random(seed)
    kind, before, make = ANNOUNCED[name]
    value = make(chance)
    start, end = secret(name, value)
    text = f"{chance.choice(before)}{value}{separator}{' '.join(words)}"
    found = confusion(
        detector, [Sample({"messages": [{"role": "user", "content": text}]}, name, kind, "", "followed", value, value[start:end])]
    )
    assert found.misses or not found.leaks
    assert not found.harms


def test_of_what_is_found_nothing_is_left_in_any_way_of_writing(detector):
    found = confusion(detector, [*sensitive(2 * len(WAYS) * len(VALUES), 77), *followed(3 * len(ANNOUNCED) * len(FOLLOWING), 77)])
    floors = {"plain": 0.98, "normalisable": 0.95, "encoded": 0.80, "followed": 0.98}
    assert {group: share for group, share in found.leak_free.items() if share.rate < floors.get(group, 0)} == {}
    assert {group: share for group, share in found.unharmed.items() if share.rate < 0.99} == {}
    beyond = {name for name, way in WAYS.items() if way.group == "beyond"}
    assert [leak for leak in found.leaks if leak not in found.misses and leak[1] not in beyond] == []


def test_nothing_that_is_missed_counts_as_masked(detector):
    missed = Sample({"messages": [{"role": "user", "content": "abc"}]}, "x", "pii", "", "plain", "abc", "abc")
    half = Sample({"messages": [{"role": "user", "content": "a@b.com"}]}, "x", "pii", "", "plain", "!a@b.com", "a@b.com and more")
    more = Sample({"messages": [{"role": "user", "content": "a@b.com"}]}, "x", "pii", "", "plain", "b.com", "b.com")
    found = confusion(detector, [missed, half, more, *benign(1)])
    assert (found.leak_free["plain"].hits, found.unharmed["plain"].hits) == (1, 0)
