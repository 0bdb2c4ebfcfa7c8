"""A text read once, for all that guess what it is about: folded, as a vector, as hashed words, as pieces of a vocabulary."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pointsman.signals.canonical import ends, folded
from pointsman.signals.embedding import MOST_CHARS, StaticEmbedder
from pointsman.signals.grams import Grams, grams
from pointsman.signals.wordpiece import words

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from pointsman.catalogue.embedder import Embedder


@dataclass(frozen=True, slots=True, eq=False)
class Reading:
    """What is read off one text."""

    vector: NDArray[np.float32]
    grams: Grams
    pieces: NDArray[np.intp]  #: of the embedder's vocabulary, each once; none where it has no vocabulary


def read(text: str, embedder: Embedder) -> Reading:
    """Fold a text and read it; of a long one, its beginning and its end."""
    if isinstance(embedder, StaticEmbedder):
        spelt = embedder.spell(text)
        return Reading(spelt.vector, grams(spelt.words), spelt.pieces)
    import numpy as np

    text = folded(ends(text, MOST_CHARS))
    return Reading(embedder.embed([text])[0], grams(words(text)), np.zeros(0, np.intp))
