"""How near a text is to classes that are known by examples: by meaning, by the words that are the same, and by those that are alike.

Meaning: the cosine to the mean of a class's examples, where directions in which examples of one class differ among themselves count less
(Fisher's discriminant with a covariance shrunk as Ledoit and Wolf 2004 do). Words that are alike: each piece of the text beside the most
similar piece of any of the class's examples.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from typing import TYPE_CHECKING

from pointsman.signals.embedding import StaticEmbedder
from pointsman.signals.grams import Grams, rarity

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]
    Numbers = NDArray[np.intp]

# Weights beside that of the meaning, and how much the covariance is shrunk: chosen on the validation parts of three public sets.
SAME, ALIKE = 0.5, 0.75
_SHRINK = 0.5
_GENERAL_EXAMPLES = 20.0  # what the middle of all requests counts for, beside the examples
_AT_ONCE = 2_048  # rows of the table, to keep memory low
_LEAST = 1e-9


@dataclass(frozen=True, slots=True, eq=False)
class Known:
    """Examples that stand class after class, and what is known of each."""

    owner: Numbers  #: number of the class
    vectors: Floats
    grams: tuple[Grams, ...]
    pieces: tuple[Numbers, ...]  #: each once; none where the embedder has no vocabulary

    def only(self, wanted: NDArray[np.bool_]) -> Known:
        """Some of them."""
        at = wanted.nonzero()[0]
        grams, pieces = tuple(self.grams[i] for i in at), tuple(self.pieces[i] for i in at)
        return Known(self.owner[wanted], self.vectors[wanted], grams, pieces)


@dataclass(frozen=True, slots=True, eq=False)
class Vocabulary:
    """An embedder's pieces, and how much each says."""

    embedder: StaticEmbedder
    middle: Floats  #: mean of the table
    weights: Floats  #: lengths of the vectors

    def unit(self, ids: Sequence[int]) -> Floats:
        """Directions of pieces, seen from the middle."""
        return unit(self.embedder.table[list(ids)] - self.middle)


@dataclass(frozen=True, slots=True, eq=False)
class Nearness:
    """Fitted to examples."""

    middle: Floats
    whitening: Floats
    rarity: Floats
    meanings: Floats  #: mean of the examples' vectors, one row a class
    same: Floats  #: mean of the examples' grams, one column a class, at its weight; with `meanings` of length 1
    vocabulary: Vocabulary | None
    alike: NDArray[np.int8] | None  #: pieces by classes: the cosine to the most similar piece of the class, in 127ths, at least 0

    def row(self, vector: Floats) -> Floats:
        """A vector seen from the middle of all requests, with less of the directions that tell no class from another; of length 1."""
        import numpy as np

        around: Floats = vector - self.middle
        around = around @ self.whitening
        return around * np.float32(1 / max(sqrt(float(around @ around)), _LEAST))

    def score(self, row: Floats, by_words: Floats, pieces: Numbers) -> Floats:
        """To each class, more for nearer: by `row`, by what `same` makes of the words, and by the pieces, each of which is there once."""
        import numpy as np

        score: Floats = self.meanings @ row + by_words
        if self.vocabulary is None or self.alike is None:
            return score
        weights = self.vocabulary.weights.take(pieces)
        alike = weights @ self.alike.take(pieces, axis=0).astype(np.float32)
        return score + alike * np.float32(ALIKE / (127 * max(float(np.add.reduce(weights)), _LEAST)))


def nearness(known: Known, general: Floats, vocabulary: Vocabulary | None, rows: Sequence[int] | None = None) -> Nearness:
    """Fit to examples. `general` is the mean of requests of all kinds; `rows`: the pieces that texts will hold, default: all."""
    import numpy as np

    middle: Floats = (known.vectors.sum(axis=0) + _GENERAL_EXAMPLES * general) / np.float32(len(known.vectors) + _GENERAL_EXAMPLES)
    centred = unit(known.vectors - middle)
    whitening = _whitening(centred - class_means(centred, known.owner)[known.owner])
    meanings = class_means(unit(centred @ whitening), known.owner)
    rare = rarity(known.grams)
    same = _same(known, rare)
    length = np.sqrt((meanings * meanings).sum(axis=1) + SAME * (same * same).sum(axis=0))
    alike = None if vocabulary is None else _alike(known, vocabulary, rows)
    return Nearness(middle, whitening, rare, meanings / length[:, None], np.float32(SAME) * same / length, vocabulary, alike)


def vocabulary_of(embedder: StaticEmbedder) -> Vocabulary:
    """What is the same whatever the classes are."""
    import numpy as np

    table = embedder.table.astype(np.float32)
    return Vocabulary(embedder, table.mean(axis=0), np.sqrt((table * table).sum(axis=1)))


def unit(rows: Floats) -> Floats:
    """Rows of length 1; of a row of zeros, zeros."""
    import numpy as np

    lengths = np.sqrt(np.add.reduce(rows * rows, axis=-1, keepdims=True))
    result: Floats = (rows / np.maximum(lengths, _LEAST)).astype(np.float32, copy=False)
    return result


def class_means(rows: Floats, owner: Numbers) -> Floats:
    """Of rows that stand class after class."""
    import numpy as np

    counts = np.bincount(owner)
    means: Floats = (np.add.reduceat(rows, np.cumsum(counts) - counts, axis=0, dtype=np.float64) / counts[:, None]).astype(np.float32)
    return means


def _whitening(differences: Floats) -> Floats:
    """What makes the examples' differences from their class's mean equally large in all directions, half way."""
    import numpy as np

    dims = differences.shape[1]
    covariance = differences.astype(np.float64).T @ differences / len(differences)
    even = covariance.trace() / dims
    if even < _LEAST:  # one example a class: nothing to learn from
        return np.eye(dims, dtype=np.float32)
    values, directions = np.linalg.eigh((1 - _SHRINK) * covariance + _SHRINK * even * np.eye(dims))
    whitening: Floats = (directions / np.sqrt(values / even)).astype(np.float32)
    return whitening


def _same(known: Known, rare: Floats) -> Floats:
    import numpy as np

    counts = np.bincount(known.owner)
    same = np.zeros((len(rare), len(counts)), np.float32)
    for number, grams in zip(known.owner, known.grams, strict=True):
        same[grams.slots, number] += grams.weighted(rare) / counts[number]
    return same


def _alike(known: Known, vocabulary: Vocabulary, rows: Sequence[int] | None) -> NDArray[np.int8]:
    import numpy as np

    of_class: list[set[int]] = [set() for _ in range(known.owner.max() + 1)]
    for ids, number in zip(known.pieces, known.owner.tolist(), strict=True):
        of_class[number].update(ids.tolist())
    occurring = sorted(set[int]().union(*of_class))
    place = {number: at for at, number in enumerate(occurring)}
    columns = [sorted(place[number] for number in ids) for ids in of_class]
    theirs = vocabulary.unit(occurring).T
    near = np.zeros((len(vocabulary.weights), len(columns)), np.int8)
    wanted = range(len(vocabulary.weights)) if rows is None else rows
    for at in range(0, len(wanted), _AT_ONCE):
        some = list(wanted[at : at + _AT_ONCE])
        cosines = np.maximum(vocabulary.unit(some) @ theirs, 0)
        for number, those in enumerate(columns):
            near[some, number] = np.rint(127 * cosines[:, those].max(axis=1))
    return near
