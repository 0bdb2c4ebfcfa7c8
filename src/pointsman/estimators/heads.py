"""Ridge heads, one for each model and quantity, over four views of a text: meaning, words, pieces of words, surface; and the task's tag.

The views' kernels are added, each at unit mean and times its weight; meaning enters by a Gaussian kernel, so that a head may bend.
Solved through the inverse of the kernel matrix, which also gives what fits without some of the queries would have said of those.
(Left out by the inverse: Rasmussen and Williams, Gaussian Processes for Machine Learning, 2006, eq. 5.12.)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from pointsman.estimators.features import BUCKETS, FLAT, Flat, Scale, Seen
from pointsman.estimators.tabular import fold_of
from pointsman.native import core

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]
    Rows = NDArray[np.intp]
    Labels = NDArray[np.str_]


_LINE = 16  # numbers in one
_MOST = 1e9  # that anything weighs


@dataclass(frozen=True, slots=True)
class Views:
    """Weights of the views, and how far they are believed."""

    meaning: float = 1.0
    words: float = 0.5
    pieces: float = 2.0
    surface: float = 0.5
    task: float = 1.5
    sharpness: float = 2.0  #: of the Gaussian kernel, on vectors of length 1
    penalties: tuple[float, ...] = (4.0, 8.0, 16.0, 32.0)  #: of these the one that predicts best what it has not seen
    rows: int = 4_096  #: queries that are fitted on, at most


class Near(NamedTuple):
    """How like each kept query (row) is to some texts (columns): the cosine, and the weight in the Gaussian kernel."""

    cosine: Floats
    weight: Floats


@dataclass(frozen=True, eq=False)  # without slots: `_wide` is worked out once
class Heads:
    """Fitted heads: a column an output."""

    kept: Floats  #: directions of the kept queries' embeddings, one a row
    sharpness: float
    near_weights: Floats
    flat_weights: Floats  #: of words, pieces, surface and tasks
    offset: Floats
    complexity: float  #: how many labels' worth of freedom the fit has: the sum of squares of its smoother

    def __post_init__(self) -> None:
        if len(self.kept) != len(self.near_weights) or len(self.flat_weights) < FLAT:
            raise ValueError("parts of the heads differ in length")
        if not self.near_weights.shape[1:] == self.flat_weights.shape[1:] == self.offset.shape:
            raise ValueError("the heads differ in number")
        if not 1 <= self.complexity < _MOST or any(np.abs(part).max(initial=0) >= _MOST for part in (self.near_weights, self.flat_weights)):
            raise ValueError("the heads weigh more than can be added up")

    def near(self, directions: Floats) -> Near:
        """Compare texts, a row each, with the kept queries."""
        cosine = self.kept @ directions.T.copy()  # a product with rows that lie apart takes twice the time
        weight = cosine * np.float32(2 * self.sharpness)
        weight -= np.float32(2 * self.sharpness)
        return Near(cosine, np.exp(weight, out=weight))

    def predict(self, texts: Sequence[Flat | Seen], near: Near) -> Floats:
        """All outputs, a row a text."""
        near_weights, flat_weights = self._wide
        found = near.weight.T @ near_weights
        for row, one in enumerate(texts):
            if core is None:
                found[row] += one.values @ flat_weights.take(one.places, axis=0)
            else:
                core.gathered(one.values, one.places, flat_weights, found[row])
        return np.asarray(found[:, : len(self.offset)] + self.offset)

    @cached_property
    def _wide(self) -> tuple[Floats, Floats]:
        """The weights with columns of zeros up to whole lines of the processor's cache: products take three quarters of the time."""
        more = ((0, 0), (0, -len(self.offset) % _LINE))
        return np.pad(self.near_weights, more), np.pad(self.flat_weights, more)


class Fit(NamedTuple):
    """Heads, and what heads fitted without some of the queries say of those."""

    heads: Heads
    rows: Rows  #: places of the queries fitted on
    unseen: Floats  #: of all queries, by heads that saw none of their fold of groups
    strange: Floats  #: of those fitted on, by heads that saw nothing of their task


def fit(queries: Sequence[Seen], scale: Scale, targets: Floats, judged: int, groups: Rows, tasks: Labels, views: Views, seed: int) -> Fit:
    """Targets are whole; the penalty is the one that suits the first `judged` of them."""
    rows = np.sort(np.random.default_rng(seed).permutation(len(queries))[: views.rows])
    chosen = [queries[i] for i in rows]
    kept = np.stack([one.direction for one in chosen])
    weights = (views.words, views.pieces, views.surface, views.task if scale.tasks else 0.0)
    share = sum(weights) + views.meaning
    flat = np.zeros((len(rows), scale.width), np.float32)
    for row, one in zip(flat, chosen, strict=True):
        np.add.at(row, one.places, one.values)
    gain = np.ones(scale.width, np.float32)
    for weight, begin, end in zip(weights, _EDGES, (*_EDGES[1:], scale.width), strict=True):
        gain[begin:end] = np.sqrt(weight / share / _spread(flat[:, begin:end]))
    flat *= gain
    centre = flat.mean(axis=0)
    gauss = np.exp(2 * views.sharpness * (kept @ kept.T - 1))
    across = gauss.mean(axis=0)
    centred = gauss - across - across[:, None] + across.mean()
    bend = np.float32(views.meaning / share / max(float(np.trace(centred)) / len(rows), 1e-6))
    kernel = bend * centred + (flat - centre) @ (flat - centre).T
    wanted, folds = targets[rows], fold_of(groups[rows])
    mean = wanted.mean(axis=0)
    penalty = _penalty(kernel, (wanted - mean)[:, :judged], folds, views.penalties)
    around = wanted - mean
    solved = solve(kernel, around, penalty)
    near_weights, flat_weights = bend * solved.dual, flat.T @ solved.dual - np.outer(centre, solved.dual.sum(axis=0))
    offset = mean - across @ near_weights - centre @ flat_weights
    heads = Heads(kept, views.sharpness, near_weights, flat_weights * gain[:, None], offset.astype(np.float32), solved.complexity)
    unseen = _everywhere(heads, queries, groups, rows, solved.without(around, folds) + mean)
    of_task = np.unique(tasks[rows], return_inverse=True)[1].reshape(-1)
    strange = np.zeros_like(around) if of_task.max() == 0 else solved.without(around, of_task, centred=False)
    return Fit(heads, rows, unseen, strange + mean)


_EDGES = (0, BUCKETS, 2 * BUCKETS, FLAT)  # of words, pieces, surface, tasks


def _everywhere(heads: Heads, queries: Sequence[Seen], groups: Rows, rows: Rows, unseen: Floats) -> Floats:
    """Queries that were not fitted on are predicted as any other; those of a group that was, as that group is."""
    found = np.empty((len(queries), unseen.shape[1]), np.float32)
    found[rows] = unseen
    of_group = {int(group): at for at, group in enumerate(groups[rows])}
    for at in np.setdiff1d(np.arange(len(queries)), rows):
        twin = of_group.get(int(groups[at]))
        found[at] = heads.predict([queries[at]], heads.near(queries[at].direction[None])) if twin is None else unseen[twin]
    return found


def _spread(block: Floats) -> float:
    return max(float(block.var(axis=0).sum()), 1e-6)


def _penalty(kernel: Floats, targets: Floats, folds: Rows, penalties: Sequence[float], most: int = 1_200) -> float:
    # The best penalty is noise by signal and does not depend on how many queries there are.
    few = slice(0, most)
    if len(penalties) == 1 or len(targets) < 20:
        return penalties[-1]
    errors = []
    for one in penalties:
        left_out = solve(kernel[few, few], targets[few], one).without(targets[few], folds[few])
        errors.append(float(((left_out - targets[few]) ** 2).sum()))
    return penalties[int(np.argmin(errors))]


class Solved(NamedTuple):
    """A kernel ridge regression with a mean that is not penalised."""

    inverse: Floats
    dual: Floats
    complexity: float

    def without(self, targets: Floats, folds: Rows, *, centred: bool = True) -> Floats:
        """Predictions for each query by a fit without its fold.

        Centred in each fold, unless told: where labels happen to be high, the mean of all others is low, which would give them away.
        """
        unseen = np.empty_like(targets)
        for fold in np.unique(folds):
            own = np.flatnonzero(folds == fold)
            found = targets[own] - np.linalg.lstsq(self.inverse[np.ix_(own, own)], self.dual[own])[0]
            unseen[own] = found - found.mean(axis=0) * centred
        return unseen


def solve(kernel: Floats, targets: Floats, penalty: float) -> Solved:
    """Kernel and targets are centred."""
    full = np.linalg.inv(kernel + np.float32(penalty) * np.eye(len(kernel), dtype=np.float32))
    inverse = np.asarray(full - 1 / (penalty * len(kernel)), np.float32)  # the mean is not penalised
    freedom = len(kernel) - 2 * penalty * float(np.trace(inverse)) + penalty**2 * float((inverse**2).sum(dtype=np.float64))
    return Solved(inverse, (inverse @ targets).astype(np.float32), max(freedom, 1.0))
