"""Words, pairs of words and pieces of words as hashes: the same in every process and on every machine, without a vocabulary.

Hashes are polynomial over the bytes of the text, modulo 2**64, and worked out for all words at once: with prefix sums p, the hash of
the bytes from s to e is (p[e] - p[s]) * base**-s. (Karp and Rabin, IBM Journal of Research and Development 31, 1987.)
"""

from __future__ import annotations

from functools import cache
from itertools import accumulate
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
_HALF, _LESS = np.uint64(32), np.uint64(29)
_INSIDE = bytes(byte >= 128 or chr(byte).isalnum() for byte in range(256))  # words: letters, digits, and everything beyond ASCII
_MOST_BYTES = 2 * (4 * MOST_CHARS + 4)  # of two texts


def ends(text: str, most: int = MOST_CHARS) -> str:
    """A text that is not longer than `most` and a space: the middle of longer ones is left out.

    >>> ends("abcdefgh", 4)
    'ab gh'
    """
    return text if len(text) <= most else f"{text[: most // 2]} {text[len(text) - most // 2 :]}"


def spaced(text: str) -> str:
    """What is read of a text, in lower case, after a space."""
    return f" {ends(text).lower()}"


def grams(*texts: str) -> list[Hashes]:
    """Hashes of words and neighbouring pairs of words, and of pieces, as often as they occur; of a second text after those of the first.

    Case and the kind of space do not matter.

    >>> words, pieces = grams("Two words")
    >>> len(words), len(set(pieces.tolist()) & set(grams("two")[1].tolist()))
    (3, 2)
    """
    parts = [spaced(text).encode("utf-8", "replace") for text in texts]
    raw = b"".join((*parts, b" "))
    inside = np.frombuffer(raw.translate(_INSIDE), np.bool_)
    powers, inverse, worth = _powers()
    sums = np.zeros(len(raw) + 1, np.uint64)
    (worth.take(np.frombuffer(raw, np.uint8)) * powers[: len(raw)]).cumsum(out=sums[1:])
    edges = (inside[1:] != inside[:-1]).nonzero()[0] + 1
    starts, stops = edges[::2], edges[1::2]
    words = (sums.take(stops) - sums.take(starts)) * inverse.take(starts)
    pairs = words[:-1] * _PAIR + words[1:]
    at = (inside[1 : -PIECE + 2] & inside[2 : -PIECE + 3]).nonzero()[0]  # its two inner letters belong to a word
    pieces = (sums[PIECE:].take(at) - sums.take(at)) * inverse.take(at)
    found = [words, pairs, pieces]
    if len(texts) > 1:  # one pass over both; a pair reaches from the one into the other, no piece does
        word, piece = starts.searchsorted(len(parts[0])), at.searchsorted(len(parts[0]))
        found = [words[:word], pairs[: max(word - 1, 0)], pieces[:piece], words[word:], pairs[word:], pieces[piece:]]
    hashes = _mixed(np.concatenate(found))
    edges = list(accumulate(map(len, found), initial=0))
    return [hashes[edges[at] : edges[to]] for at, to in ((0, 2), (2, 3), (3, 5), (5, 6))[: 2 * len(texts)]]


def _mixed(hashes: Hashes) -> Hashes:
    hashes ^= hashes >> _HALF
    hashes *= _MIX
    hashes ^= hashes >> _LESS
    return hashes


@cache
def _powers() -> tuple[Hashes, Hashes, Hashes]:
    """Powers of the base and of its inverse, and what each byte counts for."""
    powers = np.full(_MOST_BYTES, _BASE, np.uint64)
    inverse = np.full(_MOST_BYTES, pow(_BASE, -1, 1 << 64), np.uint64)
    powers[0] = inverse[0] = 1
    return np.cumprod(powers), np.cumprod(inverse), np.array([max(byte, 32) + 1 for byte in range(256)], np.uint64)
