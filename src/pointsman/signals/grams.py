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


@dataclass(frozen=True, slots=True, eq=False)
class Columns:
    """`Grams.through` for several guessers, each with rarities of its own, in one product."""

    weights: Floats  #: slot by columns, those of one guesser after those of the other, times its rarities
    squares: Floats  #: slot by guesser: its rarities, squared
    ends: tuple[int, ...]  #: of each guesser's columns

    @classmethod
    def of(cls, guessers: Sequence[tuple[Floats, Floats]]) -> Columns:
        """From what each would give to `Grams.through`."""
        import numpy as np

        weights = np.hstack([rare[:, None] * weights for rare, weights in guessers])
        squares = np.stack([rare * rare for rare, _ in guessers], axis=1)
        return cls(weights, squares, tuple(np.cumsum([weights.shape[1] for _, weights in guessers]).tolist()))

    def judge(self, grams: Grams) -> list[Floats]:
        """What each guesser makes of a text's words."""
        import numpy as np

        damped, slots = grams.damped, grams.slots
        found = damped @ self.weights.take(slots, axis=0)
        lengths = np.sqrt((damped * damped) @ self.squares.take(slots, axis=0)).tolist()
        begins = (0, *self.ends[:-1])
        return [
            found[begin:end] * np.float32(1 / max(length, _LEAST)) for begin, end, length in zip(begins, self.ends, lengths, strict=True)
        ]


def grams(words: Sequence[str]) -> Grams:
    """Of a text's words, none of which holds a space.

    >>> len(grams(["two", "words", ",", "two", "words"]).slots)  # two, words, comma; two words, words comma, comma two
    6
    """
    import numpy as np

    spelt = " ".join(words).encode("utf-8", "surrogatepass").split(b" ") if words else ()
    hashes = np.fromiter(map(zlib.crc32, spelt), np.int64, len(words)).view(np.uint64)
    pairs = hashes[:-1] * np.uint64(_PAIR) + hashes[1:]
    slots = ((np.concatenate((hashes, pairs)) * np.uint64(_MIX)) >> np.uint64(40) & np.uint64(SLOTS - 1)).view(np.intp)
    slots.sort()
    new = np.ones(len(slots) + 1, np.bool_)
    np.not_equal(slots[1:], slots[:-1], out=new[1:-1])
    at = new.nonzero()[0]
    return Grams(slots.take(at[:-1]), np.log(at[1:] - at[:-1], dtype=np.float32) + np.float32(1))


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
