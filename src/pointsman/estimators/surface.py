"""What a text looks like, in some hundred numbers: lengths, numbers and their size, operators, choices, code, formulae, cue words.

Difficulty shows here where topic does not. All counts are on a logarithmic scale, so that a long text is not a different world. Case and
the amount of white space in a line do not count: they change nothing for the model that is asked, and would be an easy way to steer.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from itertools import islice
from math import log1p
from typing import TYPE_CHECKING

import numpy as np

from pointsman.estimators.grams import ends

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Counts = NDArray[np.intp]

_NUMERIC = bytes(byte if byte in b"0123456789.," else 32 for byte in range(256))
_SENTENCE = re.compile(r"[.!?](?=\s|$)")
_CHOICE = re.compile(r"\(?[a-j][).:] ")
_CODE = ("```", "def ", "return ", "import ", "class ", "assert", "function", "==", "->", "#include")
_LETTERS = bytes(byte if byte >= 128 or chr(byte).isalpha() else 32 for byte in range(256))  # in ASCII, all else stands between words
_COUNTED = list(b'%$/=(,?":_+-*^<>[|#@&')  #: signs that are counted one by one
_OPERATORS = list(b"+-*/^=<>%$")
_BRACES = list(b"{};")
_FORMULAE = list(b"\\$")
_NUMBERS = 64  #: of a text that are read
_CUE_WORDS = (
    "what which who when where why how if not except each every per percent half twice times total average remaining left first then "
    "after before fraction ratio same different all none true false statement statements following write explain calculate find prove "
    "list translate summarize code function python he she his her they year years hour hours minute minutes day days week cost costs "
    "price sum than i you my your please best most likely must cannot only and or but because between least more less some many much"
)
_CUES = frozenset(_CUE_WORDS.encode().split())
_CUE_PLACE = {word: place for place, word in enumerate(sorted(_CUES))}

_FIXED = 39
SIZE = _FIXED + len(_COUNTED) + len(_CUES)  #: how many numbers


def surface(text: str) -> NDArray[np.float32]:
    """The numbers of one text; of a long one, those of its beginning and end.

    >>> surface("How much is 2 + 2?").shape == (SIZE,)
    True
    """
    text = "\n".join(" ".join(line.split()) for line in ends(text).lower().strip().split("\n"))
    words = text.encode("utf-8", "replace").translate(_LETTERS).split()
    counts = np.bincount(np.frombuffer(text.encode("utf-8", "replace"), np.uint8), minlength=256)
    values = (*_lengths(text, words, counts), *_numbers(text, len(words)), *_letters(counts), *_choices(text))
    return np.concatenate((values, np.log1p(counts[_COUNTED]), _cues(words))).astype(np.float32)


def _lengths(text: str, words: list[bytes], counts: Counts) -> tuple[float, ...]:
    n, sentences = max(1, len(words)), len(_SENTENCE.findall(text))
    sizes = np.array(list(map(len, words)) or [0])
    long = int(np.count_nonzero(sizes > 8))
    return (
        log1p(len(text)),
        log1p(len(words)),
        log1p(sentences),
        n / max(1, sentences),
        log1p(int(counts[10])),
        float(sizes.mean()),
        float(sizes.std()),
        len(set(words)) / n,
        log1p(long),
        long / n,
        log1p(sum(map(text.count, _CODE)) + int(counts[_BRACES].sum())),
        log1p(int(counts[_FORMULAE].sum())),
    )


def _numbers(text: str, words: int) -> tuple[float, ...]:
    runs = (run.strip(b".,") for run in text.encode("ascii", "replace").translate(_NUMERIC).split())
    found = list(islice(filter(None, runs), _NUMBERS))
    values = sorted(map(_value, found)) or [0.0]
    fractions = sum(b"." in number for number in found)
    return (
        log1p(len(found)),
        len(found) / max(1, words),
        log1p(len(set(found))),
        log1p(values[-1]),
        log1p(sum(values) / len(values)),
        log1p(values[len(values) // 2]),
        float(fractions > 0),
        log1p(fractions),
        log1p(len(values) - bisect_left(values, 100)),
        log1p(len(values) - bisect_left(values, 1000)),
    )


def _value(number: bytes) -> float:
    whole, _, fraction = number[:24].replace(b",", b"").partition(b".")
    return float(b"%s.%s" % (whole or b"0", fraction.replace(b".", b"")))


def _letters(counts: Counts) -> tuple[float, ...]:
    n, beyond = max(1, int(counts.sum())), int(counts[128:].sum())
    return (int(counts[48:58].sum()) / n, beyond / n, log1p(beyond), log1p(int(counts[_OPERATORS].sum())), int(counts[32]) / n)


def _choices(text: str) -> tuple[float, ...]:
    """Lettered choices, one a line; their lengths tell one-word answers from statements to be weighed."""
    lines = text.split("\n")
    choices = [at for at, line in enumerate(lines) if _CHOICE.match(line)]
    stem = lines[: choices[0]] if choices else lines
    sizes = np.array([len(lines[at]) for at in choices] or [0])
    asked, last = sum(map(len, stem)), lines[-1][-1:]
    return (
        float(len(choices)),
        log1p(float(sizes.mean())),
        log1p(int(sizes.max())),
        log1p(float(sizes.std())),
        log1p(int(sizes.min())),
        log1p(asked),
        asked / max(1, len(text)),
        float(last == "?"),
        float(last == ":"),
        float(last == "."),
        float("___" in text),
        log1p(len(lines[-1])),
    )


def _cues(words: list[bytes]) -> NDArray[np.float64]:
    found = np.zeros(len(_CUES))
    for word in _CUES.intersection(words):
        found[_CUE_PLACE[word]] = 1.0
    return found
