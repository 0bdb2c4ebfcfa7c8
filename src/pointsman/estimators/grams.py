"""Words, pairs of words and pieces of words as hashes: the same in every process and on every machine, without a vocabulary.

Hashes are polynomial over the bytes of the text, modulo 2**64, and worked out for all words at once: with prefix sums p, the hash of
the bytes from s to e is (p[e] - p[s]) * base**-s. (Karp and Rabin, IBM Journal of Research and Development 31, 1987.)
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Hashes = NDArray[np.uint64]

MOST_CHARS = 4_096  #: of a text that are read: half from its beginning, half from its end
PIECE = 4  #: characters of a piece; it may begin or end with the space beside a word, but not hold one inside

_BASE = 0x9E3779B97F4A7C15
_PAIR = np.uint64(0xC2B2AE3D27D4EB4F)
_MIX = np.uint64(0xD6E8FEB86659FD93)
_SPACES = bytes(max(byte, 32) for byte in range(256))
_MOST_BYTES = 4 * MOST_CHARS + 4


def ends(text: str, most: int = MOST_CHARS) -> str:
    """A text that is not longer than `most` and a space: the middle of longer ones is left out.

    >>> ends("abcdefgh", 4)
    'ab gh'
    """
    return text if len(text) <= most else f"{text[: most // 2]} {text[len(text) - most // 2 :]}"


def grams(text: str) -> tuple[Hashes, Hashes]:
    """Hashes of words and neighbouring pairs of words, and of pieces, as often as they occur. Case and the kind of space do not matter.

    >>> words, pieces = grams("Two words")
    >>> len(words), len(set(pieces.tolist()) & set(grams("two")[1].tolist()))
    (3, 2)
    """
    raw = f" {ends(text).lower()} ".encode("utf-8", "replace")
    letters = np.frombuffer(raw.translate(_SPACES), np.uint8)
    inside = _inside()[letters]
    powers, inverse = _powers()
    sums = np.concatenate((np.zeros(1, np.uint64), np.cumsum((letters.astype(np.uint64) + np.uint64(1)) * powers[: len(letters)])))
    edges = np.flatnonzero(inside[1:] != inside[:-1]) + 1
    starts, stops = edges[::2], edges[1::2]
    words = (sums[stops] - sums[starts]) * inverse[starts]
    pairs = words[:-1] * _PAIR + words[1:]
    at = np.flatnonzero(inside[1 : -PIECE + 2] & inside[2 : -PIECE + 3])  # its two inner letters belong to a word
    pieces = (sums[at + PIECE] - sums[at]) * inverse[at]
    return _mixed(np.concatenate((words, pairs))), _mixed(pieces)


def _mixed(hashes: Hashes) -> Hashes:
    hashes = (hashes ^ (hashes >> np.uint64(32))) * _MIX
    return hashes ^ (hashes >> np.uint64(29))


@cache
def _inside() -> NDArray[np.bool_]:
    """Which bytes belong to words: letters, digits, and everything beyond ASCII."""
    return np.array([byte >= 128 or chr(byte).isalnum() for byte in range(256)])


@cache
def _powers() -> tuple[Hashes, Hashes]:
    powers = np.full(_MOST_BYTES, _BASE, np.uint64)
    inverse = np.full(_MOST_BYTES, pow(_BASE, -1, 1 << 64), np.uint64)
    powers[0] = inverse[0] = 1
    return np.cumprod(powers), np.cumprod(inverse)
