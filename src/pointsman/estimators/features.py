"""From texts to numbers, in two steps: what is read off one text alone, and how a training set's texts weigh and scale it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from math import sqrt
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from pointsman.estimators.grams import grams, spaced
from pointsman.estimators.outcomes import Query
from pointsman.estimators.surface import SIZE, surface
from pointsman.native import core

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


class Counted(NamedTuple):
    """Of a text an entry a distinct word, pair of words or piece."""

    rarity: Rows  #: where its rarity stands
    bucket: Rows  #: what it is hashed into, pieces into others than words
    weight: Floats  #: its damped count, with a sign from the hash, so that collisions cancel on average


@dataclass(frozen=True, slots=True, eq=False)
class Reading:
    """What is read off one query alone: a row for its text, and one for its end where that is read by itself."""

    task: str
    embedding: Floats
    surface: Floats
    counted: Sequence[Counted]


class Flat(NamedTuple):
    """What the heads look up."""

    places: Rows  #: in the heads' row of words, pieces, surface and tasks, some of them twice; elsewhere it is 0
    values: Floats  #: what is added up there; words, and pieces, are of length 1 or 0


class Sight(NamedTuple):
    """A reading as a training set weighs and scales it, row by row."""

    directions: Floats  #: as of `Seen`
    dense: Floats
    flat: Sequence[Flat]


class Seen(NamedTuple):
    """The same of a text."""

    direction: Floats  #: the embedding along the training set's leading directions; of length 1 or 0
    dense: Floats  #: surface and topics: what the trees look at
    places: Rows
    values: Floats


def read(query: Query, embedder: Embedder | None, end: str | None = None) -> Reading:
    """Read a query, and its end if there is one. Tool documents count as text, but for its meaning."""
    said = (query.text,) if end is None else (query.text, end)
    texts = [ends(f"{text}\n{query.tools}" if query.tools else text) for text in said]
    embedding = np.zeros((len(said), 1), np.float32) if embedder is None else embedder.embed(said)
    return Reading(query.task, embedding, np.array([surface(text) for text in texts]), counted(*texts))


def fits(text: str) -> bool:
    """Whether all of a text is read. What was cut to as much as is read counts as cut."""
    return len(text) < MOST_CHARS


def ends(text: str) -> str:
    """What is read of a text: two thirds from its beginning and a third from its end, as signals cut what a user asks."""
    return text if len(text) <= MOST_CHARS else f"{text[:_HEAD]} ... {text[len(text) - _TAIL :]}"


def counted(*texts: str) -> list[Counted]:
    """Counts words and pieces of each text (Weinberger et al., ICML 2009: a bucket and a sign from the hash)."""
    return _counted(grams(*texts)) if core is None else [_counted_quickly(f"{spaced(text)} ".encode("utf-8", "replace")) for text in texts]


def _counted_quickly(raw: bytes) -> Counted:
    assert core is not None
    most = 2 * len(raw)
    rarity, bucket, weight = np.empty(most, np.intp), np.empty(most, np.intp), np.empty(most, np.float32)
    found = core.counted(raw, _DAMPED, rarity, bucket, weight)
    return Counted(rarity[:found], bucket[:found], weight[:found])


def _counted(parts: Sequence[Hashes]) -> list[Counted]:
    hashes = np.concatenate(parts)
    edges = list(accumulate(map(len, parts), initial=0))
    for begin, middle, end in zip(edges[:-1:2], edges[1::2], edges[2::2], strict=True):
        hashes[begin:middle] &= ~_OF_PIECES
        hashes[middle:end] |= _OF_PIECES
        hashes[begin:end].sort()
    new = np.ones(len(hashes) + 1, np.bool_)
    np.not_equal(hashes[1:], hashes[:-1], out=new[1:-1])
    for begin in edges[2:-1:2]:
        new[begin] = True
    at = new.nonzero()[0]
    edges = [0, *[int(at.searchsorted(begin)) for begin in edges[2:-1:2]], len(at) - 1]
    hashes = hashes.take(at[:-1])
    damped = _DAMPED.take(at[1:] - at[:-1], mode="clip")
    bucket = hashes >> _TO_SIGN & _SIGN | hashes & _BUCKET
    weight = np.where(hashes & _SIGN, damped, -damped)
    rarity, bucket = (hashes >> _TO_RARITY).view(np.intp), bucket.view(np.intp)
    return [Counted(rarity[begin:end], bucket[begin:end], weight[begin:end]) for begin, end in pairwise(edges)]


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
        embeddings = np.concatenate([one.embedding for one in readings]) if readings else np.zeros((1, 1), np.float32)
        surfaces = np.concatenate([one.surface for one in readings]) if readings else np.zeros((1, SIZE), np.float32)
        centre, spread = embeddings.mean(axis=0), surfaces.std(axis=0)
        tasks = sorted({one.task for one in readings if one.task})[:_MOST_TASKS] if with_tasks else []
        return cls(
            tuple(tasks),
            centre,
            _directions(embeddings - centre, max(DIRECTIONS, topics)),
            topics,
            surfaces.mean(axis=0),
            np.where(spread > 1e-6, spread, 1.0).astype(np.float32),
            _rarity([counted.rarity for one in readings for counted in one.counted]),
        )

    @property
    def width(self) -> int:
        """Numbers in a whole row of the heads."""
        return FLAT + len(self.tasks)

    def see(self, one: Reading) -> Seen:
        """Weigh and scale a text."""
        sight = self.sight(one)
        return Seen(sight.directions[0], sight.dense[0], *sight.flat[0])

    def sight(self, one: Reading) -> Sight:
        """Weigh and scale a text, and its end where that was read."""
        around: Floats = one.embedding - self.embedding_centre
        along: Floats = around @ self.directions
        shape: Floats = np.minimum(np.maximum((one.surface - self.surface_mean) / self.surface_scale, _LEAST), _MOST)
        dense = np.concatenate((shape, along[:, : self.topics]), axis=1)
        flat = [self._flat(one.task, counted, row) for counted, row in zip(one.counted, shape, strict=True)]
        return Sight(np.array([unit(row) for row in along]), dense, flat)

    def _flat(self, task: str, one: Counted, shape: Floats) -> Flat:
        entries, tagged = len(one.weight), task in self.tasks
        places, values = np.empty(entries + SIZE + tagged, np.intp), np.empty(entries + SIZE + tagged, np.float32)
        self._weigh(one, values[:entries])
        places[:entries] = one.bucket
        places[entries : entries + SIZE] = _SURFACE
        values[entries : entries + SIZE] = shape
        if tagged:
            places[-1] = FLAT + self.tasks.index(task)
            values[-1] = 1
        return Flat(places, values)

    def _weigh(self, one: Counted, to: Floats) -> None:
        """Write its weights times their rarities; words, and pieces, of length 1 or 0."""
        if core is not None:
            core.weighed(one.rarity, one.bucket, one.weight, self.rarity, to)
            return
        weights = one.weight * self.rarity.take(one.rarity)
        held = np.bincount(one.bucket, weights, 2 * BUCKETS)
        lengths = [_inverse(float(part @ part)) for part in (held[:BUCKETS], held[BUCKETS:])]
        to[:] = weights * np.array(lengths, np.float32).take(one.rarity & 1)


_LEAST, _MOST = np.float32(-4), np.float32(4)
_SURFACE = np.arange(2 * BUCKETS, FLAT)


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
