"""A text read once, for all that guess what it is about: folded, as a vector, as hashed words, as pieces of a vocabulary."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from pointsman.signals.canonical import ends, folded
from pointsman.signals.embedding import MOST_CHARS, StaticEmbedder
from pointsman.signals.grams import Grams, grams, hashed
from pointsman.signals.wordpiece import words

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from pointsman.catalogue.embedder import Embedder
    from pointsman.signals.grams import Floats

    Numbers = NDArray[np.intp]

_LEAST = 1e-18


class Linear(NamedTuple):
    """What a guesser makes of a text's vector and of its words by themselves, each in one product; a column an answer."""

    by_vector: Floats
    offset: Floats
    rarity: Floats  #: of each slot
    by_words: Floats  #: slot by columns

    def of(self, reading: Reading) -> Floats:
        """What it makes of a text."""
        return reading.grams.through(self.rarity, self.by_words) + reading.vector @ self.by_vector + self.offset


@dataclass(frozen=True, slots=True, eq=False)
class Reading:
    """What is read off one text."""

    vector: NDArray[np.float32]
    grams: Grams
    pieces: NDArray[np.intp]  #: of the embedder's vocabulary, each once; none where it has no vocabulary


@dataclass(frozen=True, slots=True, eq=False)
class Columns:
    """The columns of several guessers side by side: one product for all of them."""

    by_vector: Floats
    offset: Floats
    by_words: Floats  #: times the rarities; after them, of each guesser, its rarities squared
    owner: Numbers  #: of each column its guesser
    parts: tuple[slice, ...]  #: of each guesser its columns

    @classmethod
    def beside(cls, guessers: Sequence[Linear]) -> Columns:
        """Of these, in their order."""
        import numpy as np

        sizes = [len(one.offset) for one in guessers]
        ends = np.cumsum(sizes).tolist()
        return cls(
            np.hstack([one.by_vector for one in guessers]),
            np.hstack([one.offset for one in guessers]),
            np.hstack([one.rarity[:, None] * one.by_words for one in guessers] + [one.rarity[:, None] ** 2 for one in guessers]),
            np.repeat(np.arange(len(sizes)), sizes),
            tuple(slice(end - size, end) for size, end in zip(sizes, ends, strict=True)),
        )

    def judge(self, reading: Reading) -> list[Floats]:
        """What each guesser makes of a text."""
        import numpy as np

        damped, columns = reading.grams.damped, len(self.offset)
        words = self.by_words.take(reading.grams.slots, axis=0)
        lengths = np.sqrt(np.maximum((damped * damped) @ words[:, columns:], _LEAST)).take(self.owner)
        found = damped @ words[:, :columns] / lengths + reading.vector @ self.by_vector + self.offset
        return [found[part] for part in self.parts]


def read(text: str, embedder: Embedder) -> Reading:
    """Fold a text and read it; of a long one, its beginning and its end."""
    if isinstance(embedder, StaticEmbedder):
        spelt = embedder.spell(text)
        return Reading(spelt.vector, grams(spelt.hashes), spelt.pieces)
    import numpy as np

    text = folded(ends(text, MOST_CHARS))
    return Reading(embedder.embed([text])[0], grams(hashed(words(text))), np.zeros(0, np.intp))
