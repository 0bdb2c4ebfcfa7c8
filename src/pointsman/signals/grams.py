"""Words and pairs of words as hashes: which of them a text holds, without a vocabulary that would keep anyone's words."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]

SLOTS = 1 << 14  # that words and pairs are hashed to

_PAIR, _MIX = 0xC2B2AE3D27D4EB4F, 0x9E3779B97F4A7C15  # odd numbers whose bits are spread
_LEAST = 1e-9


@dataclass(frozen=True, slots=True, eq=False)
class Grams:
    """The slots that a text's words and pairs of words fall into, each once, and how often."""

    slots: NDArray[np.intp]
    counts: Floats

    def weighted(self, rarity: Floats) -> Floats:
        """A unit vector over the slots: what is rare counts more, what is repeated hardly (TF-IDF with a logarithm)."""
        import numpy as np

        weighted = (1 + np.log(self.counts)) * rarity.take(self.slots)
        unit: Floats = (weighted / max(float(np.sqrt((weighted * weighted).sum())), _LEAST)).astype(np.float32)
        return unit


def grams(words: Sequence[str]) -> Grams:
    """Of a text's words.

    >>> len(grams(["two", "words", ",", "two", "words"]).slots)  # two, words, comma; two words, words comma, comma two
    6
    """
    import numpy as np

    each = {word: zlib.crc32(word.encode("utf-8", "surrogatepass")) for word in set(words)}
    hashes = np.fromiter(map(each.__getitem__, words), np.int64, len(words)).view(np.uint64)
    pairs = hashes[:-1] * np.uint64(_PAIR) + hashes[1:]
    mixed = (np.concatenate((hashes, pairs)) * np.uint64(_MIX)) >> np.uint64(40)
    slots, counts = np.unique(mixed % np.uint64(SLOTS), return_counts=True)
    return Grams(slots.astype(np.intp), counts.astype(np.float32))


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
