"""What a text looks like, in some hundred numbers: lengths, numbers and their size, operators, choices, code, formulae, cue words.

Difficulty shows here where topic does not. All counts are on a logarithmic scale, so that a long text is not a different world. Case and
white space, line breaks too, do not count: they change nothing for the model that is asked, and would be an easy way to steer.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from itertools import pairwise
from math import log1p, sqrt
from typing import TYPE_CHECKING

import numpy as np

from pointsman.estimators.grams import ends
from pointsman.native import core

if TYPE_CHECKING:
    from numpy.typing import NDArray

_NUMBER = re.compile(rb"[0-9](?:[0-9.,]*[0-9])?")
_ENDS = (".", "!", "?")  #: of sentences
_SENTENCES = tuple((f"{end} ", ord(end)) for end in _ENDS)
_CHOICE = re.compile(r" \(?([a-j])[).:](?= )")
_FIRST_CHOICES = ("a) ", "a. ", "a: ")
_CODE_SIGNS = ("```", "def ", "return ", "import ", "class ", "assert", "function", "==", "->", "#include")
_CODE = tuple((sign, ord(sign[0])) for sign in _CODE_SIGNS)
_LETTERS = bytes(byte if byte >= 128 or chr(byte).isalpha() else 32 for byte in range(256))  # in ASCII, all else stands between words
_COUNTED = b'%$/=(,?":_+-*^<>[|#@&'  #: signs that are counted one by one
_OPERATORS = list(b"+-*/^=<>%$")
_BRACES = list(b"{};")
_FORMULAE = list(b"\\$")
_NUMBERS = 64  #: of a text that are read
_NO_NUMBERS = (0.0,) * 10
_CUE_WORDS = (
    "what which who when where why how if not except each every per percent half twice times total average remaining left first then "
    "after before fraction ratio same different all none true false statement statements following write explain calculate find prove "
    "list translate summarize code function python he she his her they year years hour hours minute minutes day days week cost costs "
    "price sum than i you my your please best most likely must cannot only and or but because between least more less some many much"
)
_CUES = frozenset(_CUE_WORDS.encode().split())

_FIXED = 37
_CUE_PLACE = {word: place for place, word in enumerate(sorted(_CUES), _FIXED + len(_COUNTED))}
_SPACE, _LONG = 32, 9  # letters of a long word
SIZE = _FIXED + len(_COUNTED) + len(_CUES)  #: how many numbers


def surface(text: str) -> NDArray[np.float32]:
    """The numbers of one text; of a long one, those of its beginning and end.

    >>> surface("How much is 2 + 2?").shape == (SIZE,)
    True
    """
    raw = _levelled(text)
    if core is None:
        return _surface(raw)
    numbers = np.empty(SIZE, np.float32)
    core.surface(raw, _COUNTED, _CUE_TABLE, numbers)
    return numbers


def _levelled(text: str) -> bytes:
    return " ".join(ends(text).lower().split()).encode("utf-8", "replace")


def _surface(raw: bytes) -> NDArray[np.float32]:
    text = raw.decode()
    letters = raw.translate(_LETTERS)
    words = letters.split()
    distinct = frozenset(words)
    counts = np.bincount(np.frombuffer(raw, np.uint8), minlength=256).tolist()
    lengths = _lengths(text, _sizes(letters), len(distinct), counts)
    digits = sum(counts[48:58])
    values = (*lengths, *_numbers(raw, len(words), digits), *_letters(counts, len(raw), digits), *_choices(text))
    numbers = np.zeros(SIZE, np.float32)
    numbers[: _FIXED + len(_COUNTED)] = (*values, *[log1p(counts[sign]) for sign in _COUNTED])
    numbers[[_CUE_PLACE[word] for word in _CUES & distinct]] = 1
    return numbers


def _table(places: Mapping[bytes, int]) -> bytes:
    """The cue words as the compiled core looks them up: 256 times 16 bytes, a word and last its place, from where its hash says on."""
    rows = [bytes(16)] * 256
    for word, place in places.items():
        at = 0
        for byte in word:
            at = (at * 31 + byte) % 2**32
        at %= 256
        while any(rows[at]):
            at = (at + 1) % 256
        rows[at] = word.ljust(15, b"\0") + bytes([place])
    return b"".join(rows)


_CUE_TABLE = _table(_CUE_PLACE)


def _sizes(letters: bytes) -> NDArray[np.intp]:
    """Of each word how many bytes it has; spaces are between them."""
    inside = np.frombuffer(b" %s " % letters, np.uint8) != _SPACE
    edges = (inside[1:] != inside[:-1]).nonzero()[0]
    return np.asarray(edges[1::2] - edges[::2])


def _lengths(text: str, sizes: NDArray[np.intp], distinct: int, counts: list[int]) -> tuple[float, ...]:
    words, sentences = len(sizes), _occurring(text, _SENTENCES, counts) + text.endswith(_ENDS)
    n = max(1, words)
    mean = int(np.add.reduce(sizes)) / n
    long = int(np.count_nonzero(sizes >= _LONG))
    return (
        log1p(len(text)),
        log1p(words),
        log1p(sentences),
        n / max(1, sentences),
        mean,
        sqrt(max(0.0, int(sizes @ sizes) / n - mean * mean)),
        distinct / n,
        log1p(long),
        long / n,
        log1p(_occurring(text, _CODE, counts) + sum([counts[brace] for brace in _BRACES])),
        log1p(sum([counts[sign] for sign in _FORMULAE])),
    )


def _occurring(text: str, signs: Sequence[tuple[str, int]], counts: list[int]) -> int:
    """How often signs are there, of which the second part is a byte that each holds: most are not there, which that tells at once."""
    return sum([text.count(sign) for sign, byte in signs if counts[byte]])


def _numbers(raw: bytes, words: int, digits: int) -> tuple[float, ...]:
    if not digits:
        return _NO_NUMBERS
    found = _NUMBER.findall(raw)[:_NUMBERS]
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


def _letters(counts: list[int], length: int, digits: int) -> tuple[float, ...]:
    n, beyond = max(1, length), sum(counts[128:])
    return (digits / n, beyond / n, log1p(beyond), log1p(sum([counts[sign] for sign in _OPERATORS])), counts[32] / n)


def _choices(text: str) -> tuple[float, ...]:
    """Lettered choices; their lengths tell one-word answers from statements to be weighed."""
    begins = _marks(text)
    sizes = [end - begin for begin, end in pairwise((*begins, len(text)))] or [0]
    mean = sum(sizes) / len(sizes)
    asked, last = begins[0] if begins else len(text), text[-1:]
    return (
        float(len(begins)),
        log1p(mean),
        log1p(max(sizes)),
        log1p(sqrt(sum([(size - mean) ** 2 for size in sizes]) / len(sizes))),
        log1p(min(sizes)),
        log1p(asked),
        asked / max(1, len(text)),
        float(last == "?"),
        float(last == ":"),
        float(last == "."),
        float("___" in text),
    )


def _marks(text: str) -> list[int]:
    """Where the letters of choices stand, if there are two at least: a, b, c and on, wherever lines end."""
    found: list[int] = []
    if not any(map(text.__contains__, _FIRST_CHOICES)):
        return found
    for mark in _CHOICE.finditer(f" {text}"):
        if mark[1] == "a":
            found = [mark.start()]
        elif found and mark[1] == "abcdefghij"[len(found) : len(found) + 1]:
            found.append(mark.start())
    return found if len(found) > 1 else []
