"""From texts to numbers, in two steps: what is read off one text alone, and how a training set's texts weigh and scale it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pointsman.estimators.grams import ends, grams
from pointsman.estimators.outcomes import Query
from pointsman.estimators.surface import SIZE, surface

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pointsman.catalogue.embedder import Embedder
    from pointsman.estimators.grams import Hashes

    Floats = NDArray[np.float32]

BUCKETS = 1 << 12  #: of words and pairs, and as many of pieces
_RARITY_BITS = 16
_RARITY_SHIFT = np.uint64(64 - _RARITY_BITS)
_MOST_TASKS = 512
DIRECTIONS = 64  #: of embeddings that are kept: the rest costs time and tells nothing


@dataclass(frozen=True, slots=True, eq=False)
class Reading:
    """What is read off one query alone."""

    task: str
    embedding: Floats
    surface: Floats
    words: tuple[Hashes, Floats]  #: distinct hashes, and their damped counts
    pieces: tuple[Hashes, Floats]


def read(query: Query, embedder: Embedder | None) -> Reading:
    """Read a query. Tool documents count as text."""
    text = ends(f"{query.text}\n{query.tools}" if query.tools else query.text)
    words, pieces = grams(text)
    embedding = np.zeros(1, np.float32) if embedder is None else embedder.embed((text,))[0]
    return Reading(query.task, embedding, surface(text), _counted(words), _counted(pieces))


def _counted(hashes: Hashes) -> tuple[Hashes, Floats]:
    distinct, times = np.unique(hashes, return_counts=True)
    return distinct, (1 + np.log(times)).astype(np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class Scale:
    """How a training set weighs and scales readings."""

    tasks: tuple[str, ...]
    embedding_centre: Floats
    directions: Floats  #: leading directions of the embeddings, one a column
    topics: int  #: of these, how many the trees look at
    surface_mean: Floats
    surface_scale: Floats
    word_rarity: Floats  #: inverse document frequency by the upper bits of the hash
    piece_rarity: Floats

    @classmethod
    def of(cls, readings: Sequence[Reading], topics: int, *, with_tasks: bool) -> Scale:
        """Learn from readings; none at all are no error."""
        embeddings = np.stack([one.embedding for one in readings]) if readings else np.zeros((1, 1), np.float32)
        surfaces = np.stack([one.surface for one in readings]) if readings else np.zeros((1, SIZE), np.float32)
        centre, spread = embeddings.mean(axis=0), surfaces.std(axis=0)
        tasks = sorted({one.task for one in readings if one.task})[:_MOST_TASKS] if with_tasks else []
        return cls(
            tuple(tasks),
            centre,
            _directions(embeddings - centre, max(DIRECTIONS, topics)),
            topics,
            surfaces.mean(axis=0),
            np.where(spread > 1e-6, spread, 1.0).astype(np.float32),
            _rarity([one.words[0] for one in readings]),
            _rarity([one.pieces[0] for one in readings]),
        )

    def dense(self, one: Reading) -> Floats:
        """Surface and topics: what the trees look at."""
        return np.concatenate((self.shape(one), one.embedding @ self.directions[:, : self.topics]))

    def shape(self, one: Reading) -> Floats:
        """The surface numbers, standardised and kept in bounds."""
        standard = (one.surface - self.surface_mean) / self.surface_scale
        return np.asarray(np.minimum(np.maximum(standard, -4), 4), np.float32)

    def direction(self, one: Reading) -> Floats:
        """The embedding seen from the centre of the training set, along the leading directions; of length 1 or 0."""
        return unit(np.asarray((one.embedding - self.embedding_centre) @ self.directions, np.float32))

    def words(self, one: Reading) -> Floats:
        """Words and pairs, weighed by rarity and hashed into buckets; of length 1 or 0."""
        return _sketch(*one.words, self.word_rarity)

    def pieces(self, one: Reading) -> Floats:
        """The same of pieces."""
        return _sketch(*one.pieces, self.piece_rarity)

    def task(self, one: Reading) -> Floats:
        """One place a task; zeros for an unknown one."""
        places = np.zeros(len(self.tasks), np.float32)
        if one.task in self.tasks:
            places[self.tasks.index(one.task)] = 1
        return places


def unit(vector: Floats) -> Floats:
    """The vector at length 1; zeros stay zeros."""
    length = float(np.sqrt(vector @ vector))
    return vector / np.float32(length) if length > 1e-6 else np.zeros_like(vector)


def _directions(centred: Floats, most: int) -> Floats:
    vectors = np.linalg.eigh(centred.T.astype(np.float64) @ centred)[1]
    leading = vectors[:, ::-1][:, :most]
    # The sign of an eigenvector is arbitrary, and differs between machines.
    signs = np.sign(leading[np.abs(leading).argmax(axis=0), np.arange(leading.shape[1])])
    return np.asarray(leading * signs, np.float32)


def _rarity(documents: Sequence[Hashes]) -> Floats:
    within = np.zeros(1 << _RARITY_BITS)
    for hashes in documents:
        within[np.unique((hashes >> _RARITY_SHIFT).astype(np.intp))] += 1
    return np.asarray(np.log((1 + len(documents)) / (1 + within)) + 1, np.float32)


def _sketch(hashes: Hashes, counts: Floats, rarity: Floats) -> Floats:
    """Weinberger et al., ICML 2009: a bucket and a sign from the hash, so that collisions cancel on average."""
    weights = counts * rarity[(hashes >> _RARITY_SHIFT).astype(np.intp)]
    signed = np.where(hashes & np.uint64(BUCKETS), weights, -weights)
    return unit(np.bincount((hashes & np.uint64(BUCKETS - 1)).astype(np.intp), signed, BUCKETS).astype(np.float32))
