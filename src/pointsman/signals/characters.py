"""Tokens of a text estimated from its characters, where no vocabulary is the model's own."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

from pointsman.native import core

# Of a text that is longer than this, the estimate looks at as much, in pieces from all over it.
SCANNED_CHARS, SCANNED_PIECE_CHARS = 32_768, 512

_LETTERS = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
_DIGITS = b"0123456789"
_SPACES = b"\t\n\v\f\r"
_PUNCTUATION = bytes(set(range(128)) - set(_LETTERS + _DIGITS + _SPACES + b" "))
_CONTINUATION = bytes(range(0x80, 0xC0))

# The weights below are fitted: docs/tokens.md says to what and how well.
_TOKENS_TO_START = 0.4
# Tokens for each byte of a class. A character's first byte tells its script; the bytes that continue it weigh nothing.
_PER_SMALL, _PER_SPACE = 0.08, 0.10  # small letters and spaces: most of most texts
_SMALL_OR_SPACE = _LETTERS[:26] + b" "
_PER_BYTE: tuple[tuple[bytes, float], ...] = (
    (_LETTERS[26:], 0.42),
    (_PUNCTUATION, 0.39),
    (_DIGITS, 0.05),
    (_SPACES, 0.67),
    (bytes(range(0xE4, 0xEA)), 1.09),  # Chinese characters
    (bytes(range(0xD0, 0xD2)), 0.57),  # Cyrillic
    (bytes(range(0xD2, 0xE0)), 0.92),  # Armenian, Hebrew, Arabic
    (bytes(range(0xCE, 0xD0)), 0.73),  # Greek
    (bytes(range(0xC2, 0xCC)), 2.24),  # accented Latin
    (b"\xe0", 1.09),  # Indic scripts, Thai, Lao
    (b"\xe3", 0.74),  # kana
    (bytes(range(0xEA, 0xEE)), 0.84),  # Hangul
    (b"\xe1", 1.23),  # Georgian, Khmer, Vietnamese vowels
    (b"\xe2", 1.64),  # dashes, quotes, arrows, mathematics
    (bytes(range(0xF0, 0x100)), 2.12),  # emoji and rare scripts
    (bytes(range(0xEE, 0xF0)), 1.56),  # full-width forms, private use
    (bytes(range(0xCC, 0xCE)), 2.00),  # combining accents
)


# Tokens for each run of a class (a word or a number costs something to begin), and for every 16 letters or digits in a
# row: no word is so long, keys and hashes are. A class is a bit.
_PER_RUN: tuple[tuple[bytes, float, float], ...] = ((b"\x01", 0.63, 7.32), (b"\x02", 2.09, 5.49), (b"\x04", 0.23, 0.0))
_SPACE = b"\x08"
_CLASS = bytes(
    1 if byte in _LETTERS else 2 if byte in _DIGITS else 4 if byte in _PUNCTUATION else _SPACE[0] if byte == 32 else 0
    for byte in range(256)
)
_LONG_RUN = 16

# The same as the compiled core reads it: the groups that weigh something, others, and none for bytes that are passed over.
_PER_GROUP = ((_LETTERS[:26], _PER_SMALL), (b" ", _PER_SPACE), *_PER_BYTE)
_GROUPS = bytes(
    255 if byte in _CONTINUATION else next((at for at, (members, _) in enumerate(_PER_GROUP) if byte in members), len(_PER_GROUP))
    for byte in range(256)
)
_KINDS = bytes(next((at for at, members in enumerate((_LETTERS, _DIGITS, _PUNCTUATION), 1) if byte in members), 0) for byte in range(256))
_RUNS_AT, _LONGS_AT = 32, 35  # in what it returns


def estimated_long(text: str) -> float:
    """Tokens of a text of any length, scanning no more than `SCANNED_CHARS` of it."""
    if len(text) <= SCANNED_CHARS:
        return estimated(text)
    some = list(windows(text, SCANNED_CHARS // SCANNED_PIECE_CHARS, SCANNED_PIECE_CHARS))
    return estimated("".join(some)) * len(text) / sum(map(len, some))


def estimated(text: str) -> float:
    """Tokens of a text, all of which is scanned."""
    if core is None:
        return _estimated(text)
    found = core.tally(text.encode("utf-8", "replace"), _GROUPS, _KINDS)
    tokens = _TOKENS_TO_START
    for (_, per_run, per_long), runs, long in zip(_PER_RUN, found[_RUNS_AT:_LONGS_AT], found[_LONGS_AT:], strict=True):
        tokens += per_run * runs + per_long * long
    for (_, weight), count in zip(_PER_GROUP, found, strict=False):
        tokens += weight * count
    return tokens


def _estimated(text: str) -> float:
    # Whole passes over the bytes in C. What is common is counted in the bits of one great number, where no pass has to guess what comes
    # next; of what is rare, deleting a class and looking at what is left is how to count it.
    rest = text.encode() if text.isascii() else text.encode("utf-8", "replace").translate(None, _CONTINUATION)
    tokens = _TOKENS_TO_START
    classes = rest.translate(_CLASS)
    number = int.from_bytes(classes, "little")
    begins = number & ~(number << 8)  # a bit is left where the byte before has another
    size = len(rest).bit_length()
    for kind, per_run, per_long in _PER_RUN:
        if runs := (begins & _everywhere(kind, size)).bit_count():
            tokens += per_run * runs + (per_long * classes.count(kind * _LONG_RUN) if per_long else 0.0)
    spaces = (number & _everywhere(_SPACE, size)).bit_count()
    others = rest.translate(None, _SMALL_OR_SPACE)
    tokens += _PER_SMALL * (len(rest) - len(others) - spaces)
    tokens += _PER_SPACE * spaces
    rest = others
    for members, weight in _PER_BYTE:
        if not rest:
            break
        others = rest.translate(None, members)
        tokens += weight * (len(rest) - len(others))
        rest = others
    return tokens


@cache
def _everywhere(kind: bytes, size: int) -> int:
    """The bit of a class in every byte of a text of less than 2**size bytes."""
    return int.from_bytes(kind * (1 << size), "little")


def windows(text: str, number: int, chars: int) -> Iterator[str]:
    """Pieces of a text, so many of so many characters, evenly spread over it."""
    last = len(text) - chars
    for index in range(number):
        start = last * index // (number - 1)
        yield text[start : start + chars]
