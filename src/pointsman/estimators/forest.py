"""Extremely randomised trees for all models at once: thresholds by lot, the best of a random part of the features.

Geurts, Ernst and Wehenkel, Machine Learning 63, 2006. Leaves are drawn towards their ancestors: Agarwal et al., ICML 2022 (hierarchical
shrinkage). Every tree grows on a part of the groups of queries, so that the rest of them is predicted by trees that never saw it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pointsman.native import core

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]
    Places = NDArray[np.int32]
    Rows = NDArray[np.intp]

_PART = 0.63  # of the groups, for each tree: as many as a bootstrap sample would hold


@dataclass(frozen=True, slots=True)
class Growth:
    """How trees grow."""

    trees: int = 100
    leaf: int = 10  #: queries in a leaf, at least
    features: float = 0.8  #: share of the features that each split looks at
    rows: int = 4_000  #: queries a tree is grown on, at most
    pull: float = 20.0  #: by which a node is drawn to its parent, in queries


@dataclass(frozen=True, slots=True, eq=False)
class Forest:
    """Nodes of all trees one after the other. A leaf is its own child."""

    roots: Places
    feature: Places
    threshold: Floats
    below: Places  #: where to go if the feature is below the threshold; else to the node after that
    value: Floats  #: node by output

    def __post_init__(self) -> None:
        nodes = len(self.feature)
        if {one.ndim for one in (self.roots, self.feature, self.threshold, self.below)} != {1} or self.value.ndim != 2:
            raise ValueError("parts of the trees are of the wrong shape")
        if {len(self.threshold), len(self.below), len(self.value)} != {nodes}:
            raise ValueError("parts of the trees differ in length")
        own = np.arange(nodes)
        for places in (self.roots, self.below + (self.below != own)):
            if len(places) and not (int(places.min()) >= 0 and int(places.max()) < nodes):
                raise ValueError("a tree points outside of itself")
        # Children stand after their parents: no walk goes in circles.
        if not (self.below >= own).all():
            raise ValueError("a tree goes in circles")

    def leaves(self, features: Floats) -> Rows:
        """The leaf in each tree for one text, or a row of them for each of several."""
        features = np.ascontiguousarray(features, np.float32)
        at = np.empty((*features.shape[:-1], len(self.roots)), np.intp)
        if core is not None:
            core.leaves(features, self.feature, self.threshold, self.below, self.roots, at)
            return at
        at[:] = self.roots
        while True:
            below = self.below[at]
            onward = below + ((below != at) & (np.take_along_axis(features, self.feature[at], -1) >= self.threshold[at]))
            if np.array_equal(onward, at):
                return at
            at = onward

    def predict(self, features: Floats) -> Floats:
        """Mean over the trees for one text, or for each of several."""
        trees = len(self.roots)
        return np.asarray(np.full(trees, np.float32(1) / trees) @ self.value.take(self.leaves(features), axis=0))


def grow(features: Floats, targets: Floats, groups: Rows, growth: Growth, seed: int) -> tuple[Forest, Floats]:
    """A forest, and its predictions for the training queries by trees that saw none of their group. Targets must be whole."""
    chance = np.random.default_rng(seed)
    mean = targets.mean(axis=0)
    around = (targets - mean).astype(np.float32)
    numbers = np.unique(groups)
    total, times = np.zeros_like(around), np.zeros(len(around))
    trees = []
    for _ in range(growth.trees):
        inside = np.isin(groups, chance.permutation(numbers)[: max(1, int(len(numbers) * _PART))])
        rows = chance.permutation(np.flatnonzero(inside))[: growth.rows]
        tree = _tree(features, around, rows, growth, chance)
        outside = np.flatnonzero(~inside)
        total[outside] += tree.value[tree.leaves(features[outside])[:, 0]]
        times[outside] += 1
        trees.append(tree)
    unseen = total / np.maximum(times, 1)[:, None] + mean
    return _joined(trees, mean), unseen.astype(np.float32)


def _tree(features: Floats, targets: Floats, rows: Rows, growth: Growth, chance: np.random.Generator) -> Forest:
    feature, threshold, below = [0], [0.0], [0]
    value = [targets[rows].mean(axis=0)]
    waiting = [(0, rows)]
    while waiting:
        node, inside = waiting.pop()
        found = _split(features, targets, inside, growth, chance)
        if found is None:
            continue
        feature[node], threshold[node], goes = found
        below[node] = len(value)
        for part in (inside[goes], inside[~goes]):
            child = len(value)
            own = targets[part].mean(axis=0)
            value.append(value[node] + (own - targets[inside].mean(axis=0)) / (1 + growth.pull / len(inside)))
            feature.append(0)
            threshold.append(0.0)
            below.append(child)
            if len(part) >= 2 * growth.leaf:
                waiting.append((child, part))
    features_of, children = np.array(feature, np.int32), np.array(below, np.int32)
    return Forest(np.zeros(1, np.int32), features_of, np.array(threshold, np.float32), children, np.array(value, np.float32))


def _split(
    features: Floats, targets: Floats, rows: Rows, growth: Growth, chance: np.random.Generator
) -> tuple[int, float, NDArray[np.bool_]] | None:
    """The feature, threshold and who goes below: of some splits by lot the one that leaves the least variance."""
    looked_at = chance.choice(features.shape[1], max(1, round(features.shape[1] * growth.features)), replace=False)
    here = features[rows[:, None], looked_at]
    low, high = here.min(axis=0), here.max(axis=0)
    cut = low + chance.random(len(looked_at), np.float32) * (high - low)
    goes = here < cut
    below = goes.sum(axis=0)
    fits = (below >= growth.leaf) & (len(rows) - below >= growth.leaf)
    if not fits.any():
        return None
    inside = targets[rows]
    sums = goes.T.astype(np.float32) @ inside
    rest = inside.sum(axis=0) - sums
    gain = (sums**2).sum(axis=1) / np.maximum(below, 1) + (rest**2).sum(axis=1) / np.maximum(len(rows) - below, 1)
    best = int(np.where(fits, gain, -1).argmax())
    return int(looked_at[best]), float(cut[best]), goes[:, best]


def _joined(trees: list[Forest], mean: Floats) -> Forest:
    starts = np.cumsum([0, *(len(tree.value) for tree in trees)]).astype(np.int32)
    moved = list(zip(trees, starts[:-1], strict=True))
    return Forest(
        starts[:-1],
        np.concatenate([tree.feature for tree in trees]),
        np.concatenate([tree.threshold for tree in trees]),
        np.concatenate([tree.below + start for tree, start in moved]),
        np.concatenate([tree.value for tree in trees]) + mean,
    )
