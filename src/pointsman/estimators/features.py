"""From texts to numbers, in two steps: what is read off one text alone, and how a training set's texts weigh and scale it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from pointsman.estimators.grams import grams
from pointsman.estimators.outcomes import Query
from pointsman.estimators.surface import SIZE, surface

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pointsman.catalogue.embedder import Embedder
    from pointsman.estimators.grams import Hashes

    Floats = NDArray[np.float32]
    Rows = NDArray[np.intp]

MOST_CHARS = 768  #: of a text that are read, from its beginning and its end
_TAIL = (MOST_CHARS - 5) // 3
_HEAD = MOST_CHARS - 5 - _TAIL
BUCKETS = 1 << 12  #: of words and pairs, and as many of pieces
FLAT = 2 * BUCKETS + SIZE  #: numbers of a query besides its embedding and task
DIRECTIONS = 64  #: of embeddings that are kept: the rest costs time and tells nothing
_RARITY_BITS = 17  # the last of them tells pieces from words
_MOST_TASKS = 512
_DAMPED = (1 + np.log(np.maximum(np.arange(MOST_CHARS), 1))).astype(np.float32)  # by how often something occurs
_BUCKET, _SIGN, _OF_PIECES = np.uint64(BUCKETS - 1), np.uint64(BUCKETS), np.uint64(1 << 64 - _RARITY_BITS)  # bits of a hash
_TO_RARITY, _TO_SIGN = np.uint64(64 - _RARITY_BITS), np.uint64(64 - _RARITY_BITS - 12)


@dataclass(frozen=True, slots=True, eq=False)
class Reading:
    """What is read off one query alone. Of the last three an entry a distinct word, pair of words or piece."""

    task: str
    embedding: Floats
    surface: Floats
    rarity: Rows  #: where its rarity stands
    bucket: Rows  #: what it is hashed into, pieces into others than words
    weight: Floats  #: its damped count, with a sign from the hash, so that collisions cancel on average


class Seen(NamedTuple):
    """A reading as a training set weighs and scales it."""

    direction: Floats  #: the embedding along the training set's leading directions; of length 1 or 0
    dense: Floats  #: surface and topics: what the trees look at
    places: Rows  #: in the heads' row of words, pieces, surface and tasks, some of them twice; elsewhere it is 0
    values: Floats  #: what is added up there; words, and pieces, are of length 1 or 0


def read(query: Query, embedder: Embedder | None) -> Reading:
    """Read a query. Tool documents count as text, but for its meaning."""
    text = ends(f"{query.text}\n{query.tools}" if query.tools else query.text)
    embedding = np.zeros(1, np.float32) if embedder is None else embedder.embed((query.text,))[0]
    return Reading(query.task, embedding, surface(text), *_counted(*grams(text)))


def fits(text: str) -> bool:
    """Whether all of a text is read. What was cut to as much as is read counts as cut."""
    return len(text) < MOST_CHARS


def ends(text: str) -> str:
    """What is read of a text: two thirds from its beginning and a third from its end, as signals cut what a user asks."""
    return text if len(text) <= MOST_CHARS else f"{text[:_HEAD]} ... {text[len(text) - _TAIL :]}"


def _counted(words: Hashes, pieces: Hashes) -> tuple[Rows, Rows, Floats]:
    """Rarity, bucket and weight of each that is distinct (Weinberger et al., ICML 2009: a bucket and a sign from the hash)."""
    hashes = np.concatenate((words, pieces))
    hashes[: len(words)] &= ~_OF_PIECES
    hashes[len(words) :] |= _OF_PIECES
    hashes.sort()
    new = np.ones(len(hashes) + 1, np.bool_)
    np.not_equal(hashes[1:], hashes[:-1], out=new[1:-1])
    at = new.nonzero()[0]
    hashes = hashes.take(at[:-1])
    damped = _DAMPED.take(at[1:] - at[:-1], mode="clip")
    bucket = hashes >> _TO_SIGN & _SIGN | hashes & _BUCKET
    weight = np.where(hashes & _SIGN, damped, -damped)
    return (hashes >> _TO_RARITY).view(np.intp), bucket.view(np.intp), weight


@dataclass(frozen=True, slots=True, eq=False)
class Scale:
    """How a training set weighs and scales readings."""

    tasks: tuple[str, ...]
    embedding_centre: Floats
    directions: Floats  #: leading directions of the embeddings, one a column
    topics: int  #: of these, how many the trees look at
    surface_mean: Floats
    surface_scale: Floats
    rarity: Floats  #: inverse document frequency by the upper bits of the hash

    def __post_init__(self) -> None:
        if len(self.rarity) != 1 << _RARITY_BITS:
            raise ValueError("rarities are not as many as there are places for")

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
            _rarity([one.rarity for one in readings]),
        )

    @property
    def width(self) -> int:
        """Numbers in a whole row of the heads."""
        return FLAT + len(self.tasks)

    def see(self, one: Reading) -> Seen:
        """Weigh and scale a reading."""
        around: Floats = one.embedding - self.embedding_centre
        along = around @ self.directions
        shape = np.minimum(np.maximum((one.surface - self.surface_mean) / self.surface_scale, _LEAST), _MOST)
        weights = one.weight * self.rarity.take(one.rarity)
        held = np.bincount(one.bucket, weights, 2 * BUCKETS)
        lengths = [_inverse(float(part @ part)) for part in (held[:BUCKETS], held[BUCKETS:])]
        weights *= np.array(lengths, np.float32).take(one.rarity & 1)
        places, values = [one.bucket, _SURFACE], [weights, shape]
        if one.task in self.tasks:
            places.append(_TASKS[self.tasks.index(one.task), None])
            values.append(_PRESENT)
        return Seen(
            unit(along),
            np.concatenate((shape, along[: self.topics])),
            np.concatenate(places),
            np.concatenate(values),
        )


_LEAST, _MOST = np.float32(-4), np.float32(4)
_SURFACE, _TASKS, _PRESENT = np.arange(2 * BUCKETS, FLAT), np.arange(FLAT, FLAT + _MOST_TASKS), np.ones(1, np.float32)


def unit(vector: Floats) -> Floats:
    """The vector at length 1; zeros stay zeros."""
    return vector * np.float32(_inverse(float(vector @ vector)))


def _inverse(square: float) -> float:
    return 1 / sqrt(square) if square > 1e-12 else 0.0


def _directions(centred: Floats, most: int) -> Floats:
    vectors = np.linalg.eigh(centred.T.astype(np.float64) @ centred)[1]
    leading = vectors[:, ::-1][:, :most]
    # The sign of an eigenvector is arbitrary, and differs between machines.
    signs = np.sign(leading[np.abs(leading).argmax(axis=0), np.arange(leading.shape[1])])
    return np.asarray(leading * signs, np.float32)


def _rarity(documents: Sequence[Rows]) -> Floats:
    within = np.zeros(1 << _RARITY_BITS)
    for places in documents:
        within[np.unique(places)] += 1
    return np.asarray(np.log((1 + len(documents)) / (1 + within)) + 1, np.float32)
