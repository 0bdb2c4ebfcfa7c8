"""What an answer looks like beside its question, in some hundred numbers: how long, how sure it sounds, what it counts, how it ends.

Whether an answer is right shows in its form: whether its sums are true, whether it uses what was given, whether it doubts itself.
"""

from __future__ import annotations

import re
from itertools import islice
from math import log1p
from typing import TYPE_CHECKING

import numpy as np

from pointsman.estimators.grams import ends

if TYPE_CHECKING:
    from numpy.typing import NDArray

_WORD = re.compile(r"[a-z']+")
_NUMBER = re.compile(r"\d[\d,]*(?:\.\d+)?")
_TERM = r"(-?\d[\d,]{0,20}(?:\.\d{1,12})?)"  # bounded, as are the spaces: a hostile answer must not take long
_SUM = re.compile(rf"{_TERM}\s{{0,3}}([-+*/x×÷])\s{{0,3}}\$?{_TERM}\s{{0,3}}=\s{{0,3}}\$?{_TERM}")
_LETTER = re.compile(r"(?:answer\W{0,20}|option |choice |boxed\{)\(?([a-j])\b")
_SENTENCE = re.compile(r"[.!?](?=\s|$)")
_STEP = re.compile(r"(?m)^[ \t]{0,8}(?:[-*•]|\d{1,4}[.)]|step \d{1,4})\s")
_ROUND = re.compile(r"\.\d{3,}")
_MARKS = ("####", "boxed{", "answer is", '"answer"', "therefore", "```", "\\frac", "<<", "def ", "return ", "->", "...", "**", "\n\n")
_SIGNS = list(b"=?!$%:;({[*/+-<>,\n\\\"'")
_NUMBERS = 200  #: of a text that are read
_SUMS = 40
_LETTERS = "abcdefghij"
_CUE_WORDS = (
    "however but although though cannot can't not no never none neither assume assuming assumed if may might maybe perhaps probably likely "
    "could would should seems appears approximately about around roughly close closest unclear unknown enough information given provided "
    "sorry unfortunately unable apologize actually wait instead mistake error incorrect correct wrong correctly recheck check verify "
    "contradiction impossible possible negative zero infinite undefined rounded round nearest whole fraction half twice total remaining "
    "left each every per first second then next finally so thus therefore hence because since let find calculate solve equation know "
    "need use using answer question option options i we you it is are true false same different both"
)
_CUES = tuple(sorted(set(_CUE_WORDS.split())))
_CUE_PLACE = {word: place for place, word in enumerate(_CUES)}

_FIXED = 47
SIZE = _FIXED + len(_MARKS) + len(_SIGNS) + len(_LETTERS) + len(_CUES)  #: how many numbers


def said(question: str, answer: str) -> NDArray[np.float32]:
    """The numbers of one answer; of long texts, those of the beginning and the end. Either text may be empty.

    >>> said("How much is 2 + 2?", "2 + 2 = 4").shape == (SIZE,)
    True
    """
    asked, text = ends(question).lower(), ends(answer).lower().strip()
    words, given = _WORD.findall(text), set(_WORD.findall(asked))
    fixed = (*_lengths(text, words, given, len(answer)), *_ending(text), *_numbers(asked, text), *_sums(text))
    counts = np.bincount(np.frombuffer(text.encode("utf-8", "replace"), np.uint8), minlength=256)
    marks = [log1p(text.count(mark)) for mark in _MARKS]
    return np.concatenate((fixed, marks, np.log1p(counts[_SIGNS]), _letter(text), _cues(words))).astype(np.float32)


def _lengths(text: str, words: list[str], given: set[str], chars: int) -> tuple[float, ...]:
    lines = [line for line in text.split("\n") if line.strip()]
    own, n = set(words), max(1, len(words))
    sentences = len(_SENTENCE.findall(text))
    return (
        log1p(chars),
        log1p(len(words)),
        log1p(len(lines)),
        log1p(sentences),
        n / max(1, sentences),
        log1p(len(_STEP.findall(text))),
        sum(map(len, words)) / n,
        len(own) / n,
        len(set(lines)) / max(1, len(lines)),
        len(own & given) / max(1, len(own)),
        len(own & given) / max(1, len(given)),
        log1p(max(map(len, lines), default=0)),
        log1p(len(given)),
        log1p(len(text) / max(1, len(lines))),
    )


def _ending(text: str) -> tuple[float, ...]:
    last, end = text.rsplit("\n", 1)[-1], text[-1:]
    return (
        float(not text),
        float(end in (".", "!", "?")),
        float(end.isdigit()),
        float(end.isalpha()),
        float(end in ("}", "]", "`", ")")),
        log1p(len(last)),
        float(text[:1] in ("{", "[", "`")),
        float(text.count("{") == text.count("}") and text.count("[") == text.count("]") and text.count("```") % 2 == 0),
    )


def _numbers(asked: str, text: str) -> tuple[float, ...]:
    known, found = _values(asked), _values(text)
    given, own = set(known), set(found)
    last = found[-1] if found else 0.0
    before = len(found) - 1 - found[::-1].index(last) if found else 0
    return (
        log1p(len(found)),
        log1p(len(own)),
        log1p(len(known)),
        log1p(len(own - given)),
        len(own & given) / max(1, len(given)),
        len(own & given) / max(1, len(own)),
        log1p(max(found, default=0.0)),
        log1p(last),
        float(last == int(min(last, 1e15))),
        float(last in given),
        float(last == 0),
        float(last % 10 == 0),
        float(last > max(known, default=0.0)),
        log1p(found.count(last)),
        float(found[before - 1] == last) if before > 0 else 0.0,
        log1p(len(_ROUND.findall(text))),
        log1p(last) - log1p(max(known, default=0.0)),
        log1p(len(given - own)),
        float(f"-{last:g}" in text or f"-${last:g}" in text),
        float(bool(found)),
    )


def _values(text: str) -> list[float]:
    return [float(one.group()[:24].replace(",", "")) for one in islice(_NUMBER.finditer(text), _NUMBERS)]


def _sums(text: str) -> tuple[float, ...]:
    """Sums of two numbers that are written out, and how many of them are not true."""
    found = list(islice(_SUM.finditer(text), _SUMS))
    off = [_off(*one.groups()) for one in found]
    wrong = sum(one > 0.01 for one in off)
    return (
        log1p(len(found)),
        log1p(wrong),
        wrong / max(1, len(found)),
        float(bool(off) and off[-1] > 0.01),
        min(1.0, max(off, default=0.0)),
    )


def _off(left: str, sign: str, right: str, result: str) -> float:
    a, b, c = (float(one.replace(",", "")) for one in (left, right, result))
    if sign in "/÷" and not b:
        return 1.0
    true = a + b if sign == "+" else a - b if sign == "-" else a / b if sign in "/÷" else a * b
    return abs(true - c) / max(1.0, abs(true))


def _letter(text: str) -> NDArray[np.float64]:
    """Which of the lettered choices it settles on, the last time it names one."""
    found = _LETTER.findall(text)
    letter = found[-1] if found else text.strip("() .") if len(text) <= 4 else ""
    return np.array([one == letter for one in _LETTERS], np.float64)


def _cues(words: list[str]) -> NDArray[np.float64]:
    found = np.zeros(len(_CUES))
    for word in words:
        place = _CUE_PLACE.get(word)
        if place is not None:
            found[place] += 1
    return np.log1p(found)
