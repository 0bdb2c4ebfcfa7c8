"""A text read once, for all that guess what it is about: folded, as a vector, as hashed words, as pieces of a vocabulary."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pointsman.signals.canonical import NEWEST_CHARS, ends, folded
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
    pieces: tuple[int, ...]  #: of the embedder's vocabulary, each once; none where it has no vocabulary


def read(text: str, embedder: Embedder) -> Reading:
    """Fold a text and read it."""
    text = folded(ends(text, NEWEST_CHARS))
    spelt = words(text)
    if not isinstance(embedder, StaticEmbedder):
        return Reading(embedder.embed([text])[0], grams(spelt), ())
    pieces = embedder.pieces.counts(spelt)
    # Folding may make a text longer: then the embedder leaves some of it out.
    vector = embedder.mean(pieces) if len(text) <= MOST_CHARS else embedder.embed([text])[0]
    return Reading(vector, grams(spelt), tuple(pieces))
