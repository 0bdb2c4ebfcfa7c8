"""Words and pairs of words as hashes: which of them a text holds, without a vocabulary that would keep anyone's words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING
from zlib import crc32

from pointsman.native import core

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]

SLOTS = 1 << 14  # that words and pairs are hashed to

_PAIR, _MIX = 0xC2B2AE3D27D4EB4F, 0x9E3779B97F4A7C15  # odd numbers whose bits are spread
_LEAST = 1e-9
_MOST_TIMES = 1_024  # that are told apart


@dataclass(frozen=True, slots=True, eq=False)
class Grams:
    """The slots that a text's words and pairs of words fall into, each once, and how often: 1 and the logarithm of that."""

    slots: NDArray[np.intp]
    damped: Floats

    def weighted(self, rarity: Floats) -> Floats:
        """A unit vector over the slots: what is rare counts more, what is repeated hardly (TF-IDF with a logarithm)."""
        import numpy as np

        weighted = self.damped * rarity.take(self.slots)
        unit: Floats = (weighted / max(float(np.sqrt((weighted * weighted).sum())), _LEAST)).astype(np.float32)
        return unit

    def through(self, rarity: Floats, weights: Floats) -> Floats:
        """What weights, one row a slot, make of it."""
        found: Floats = self.weighted(rarity) @ weights.take(self.slots, axis=0)
        return found


def hashed(words: Sequence[str]) -> NDArray[np.int64]:
    """The CRC-32 of each word."""
    import numpy as np

    return np.array([crc32(word.encode("utf-8", "surrogatepass")) for word in words], np.int64)


def grams(hashes: NDArray[np.int64]) -> Grams:
    """Of a text's words, hashed.

    >>> len(grams(hashed(["two", "words", ",", "two", "words"])).slots)  # two, words, comma; two words, words comma, comma two
    6
    """
    import numpy as np

    if core is None:
        return _grams(hashes)
    most = max(2 * len(hashes) - 1, 0)
    slots, damped = np.empty(most, np.int64), np.empty(most, np.float32)
    found = core.slotted(hashes, _damped(), slots, damped)
    return Grams(slots[:found], damped[:found])


def _grams(hashes: NDArray[np.int64]) -> Grams:
    import numpy as np

    words = hashes.view(np.uint64)
    pairs = words[:-1] * np.uint64(_PAIR) + words[1:]
    slots = ((np.concatenate((words, pairs)) * np.uint64(_MIX)) >> np.uint64(40) & np.uint64(SLOTS - 1)).view(np.intp)
    slots.sort()
    new = np.ones(len(slots) + 1, np.bool_)
    np.not_equal(slots[1:], slots[:-1], out=new[1:-1])
    at = new.nonzero()[0]
    return Grams(slots.take(at[:-1]), _damped().take(at[1:] - at[:-1], mode="clip"))


@cache
def _damped() -> Floats:
    """What counts for as often as something is there."""
    import numpy as np

    return np.log(np.maximum(np.arange(_MOST_TIMES), 1), dtype=np.float32) + np.float32(1)


def rarity(texts: Sequence[Grams]) -> Floats:
    """Of each slot: the logarithm of how few of the texts hold it."""
    import numpy as np

    held = np.bincount(np.concatenate([text.slots for text in texts]), minlength=SLOTS)
    return np.log((len(texts) + 1) / (held + 1)).astype(np.float32)


def dense(texts: Sequence[Grams], rare: Floats) -> Floats:
    """One row of `SLOTS` numbers a text."""
    import numpy as np

    rows = np.zeros((len(texts), SLOTS), np.float32)
    for row, text in zip(rows, texts, strict=True):
        row[text.slots] = text.weighted(rare)
    return rows
