"""Guessers that are asked together, in one product, say what each says by itself."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.signals import classifier, intents
from pointsman.signals.classifier import Classifier
from pointsman.signals.embedding import shipped
from pointsman.signals.intents import Intents
from pointsman.signals.meaning import Meaning

TEXTS = ("how do I get a refund", "I want my money back", "I cannot sign in", "my login fails", "will it rain", "is it sunny today")
LABELS = ("refund", "refund", "login", "login", "weather", "weather")


@pytest.fixture(scope="module")
def known() -> Intents:
    return intents.fit({label: [text for text, own in zip(TEXTS, LABELS, strict=True) if own == label] for label in LABELS}, shipped())


@pytest.fixture(scope="module")
def topics() -> Classifier:
    return classifier.fit(TEXTS, LABELS, shipped(), sure=0.3)


@given(st.text(max_size=60) | st.lists(st.sampled_from(" ".join(TEXTS).split()), max_size=12).map(" ".join))
def test_side_by_side_each_guesses_as_it_does_alone(known: Intents, topics: Classifier, text: str) -> None:
    meant = Meaning(shipped(), known, task=topics, difficulty=topics, tasks=frozenset())(text)
    assert meant.intent == (known.guess(text).label or "")
    assert meant.task == meant.difficulty == (topics.guess(text).label or "")
    assert meant.domain == ""


def test_an_intent_that_names_a_task_class_goes_first(known: Intents, topics: Classifier) -> None:
    meaning = Meaning(shipped(), known, task=topics, tasks=frozenset({"login"}))
    assert meaning("I cannot sign in")[:3] == ("login", "intent", "login")
    assert meaning("I want my money back")[:3] == ("refund", "classifier", "refund")
