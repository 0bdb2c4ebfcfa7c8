"""Whether an answer goes round in circles."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

from pointsman.core.answer import Answer, Grade
from pointsman.plans.checks.asked import Asked
from pointsman.plans.checks.reading import read

_FEWEST_WORDS, _WORDS = 40, 5
_FEWEST_CHARACTERS, _CHARACTERS = 300, 10  # of texts without spaces
_CLEAN, _STUCK = 0.8, 0.3  # shares of pieces that are new; prose is above .95, tables and JSON above .6


def repetition(answer: Answer, asked: Asked) -> Grade:
    """From 0, a loop, to 1: the share of its runs of five words that are new, in all of it and in its last third. Abstains on short texts.

    >>> repetition(Answer("I think so. " * 50), Asked()).value
    0.0
    """
    text = read(answer.text)
    runs: list[Hashable] = list(zip(*(text.split()[at:] for at in range(_WORDS)), strict=False))
    fewest = _FEWEST_WORDS
    if len(runs) < fewest:  # few spaces
        runs, fewest = [text[at : at + _CHARACTERS] for at in range(len(text) - _CHARACTERS)], _FEWEST_CHARACTERS
        if len(runs) < fewest or text.count(" ") * 8 > len(text):
            return Grade("repetition", None, "it is too short to tell")
    new = min(_new(runs), _new(runs[-max(len(runs) // 3, fewest) :]))
    value = min(max((new - _STUCK) / (_CLEAN - _STUCK), 0.0), 1.0)
    return Grade("repetition", round(value, 3), "" if value == 1 else f"{1 - new:.0%} of its runs of words have been there before")


def _new(runs: Sequence[Hashable]) -> float:
    return len(set(runs)) / len(runs)
