"""The Merkle tree over the log: roots, and proofs that a record is in it or that it only grew. Pure; RFC 6962, section 2.1.

A leaf is the chain hash of a record, so leaf number `n` (from 0) stands for record `n + 1`, its content and its place.

    leaf(h) = SHA-256(0x00 ‖ h)        node(left, right) = SHA-256(0x01 ‖ left ‖ right)
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from hashlib import sha256

EMPTY = sha256(b"").digest()
"""Root of the tree without leaves."""

Range = tuple[int, int]
"""Leaves from the first number up to the second, which is not among them."""


def leaf(data: bytes) -> bytes:
    """The hash of one leaf."""
    return sha256(b"\0" + data).digest()


def node(left: bytes, right: bytes) -> bytes:
    """The hash of two subtrees side by side."""
    return sha256(b"\1" + left + right).digest()


class Tree:
    """A growing tree, of which only the roots of its complete subtrees are kept.

    >>> tree = Tree()
    >>> tree.extend([bytes([n]) * 32 for n in range(5)])
    >>> tree.size, [len(peak) for peak in tree.peaks], tree.root() == Tree.at(5, tree.peaks).root()
    (5, [32, 32], True)
    """

    def __init__(self) -> None:
        self.size = 0
        self._levels: list[bytes | None] = []  # the complete subtree of 2**level leaves that waits for its sibling

    @classmethod
    def at(cls, size: int, peaks: Sequence[bytes]) -> Tree:
        """The tree of that size again, from its `peaks`. Raises `ValueError` where their number does not fit."""
        if size.bit_count() != len(peaks):
            raise ValueError(f"a tree of {size} leaves has {size.bit_count()} peaks, not {len(peaks)}")
        tree, left = cls(), list(peaks)
        tree.size = size
        tree._levels = [left.pop() if size >> level & 1 else None for level in range(size.bit_length())]
        return tree

    @property
    def peaks(self) -> list[bytes]:
        """Roots of the complete subtrees, the largest first: enough to go on from."""
        return [peak for peak in reversed(self._levels) if peak is not None]

    def extend(self, data: Iterable[bytes]) -> None:
        """Add leaves."""
        nodes = [sha256(b"\0" + each).digest() for each in data]
        self.size += len(nodes)
        level = 0
        while nodes:
            if level == len(self._levels):
                self._levels.append(None)
            waiting = self._levels[level]
            if waiting is not None:
                nodes.insert(0, waiting)
            self._levels[level] = nodes.pop() if len(nodes) % 2 else None
            pairs = iter(nodes)
            nodes = [sha256(b"\1" + left + right).digest() for left, right in zip(pairs, pairs, strict=True)]
            level += 1

    def root(self) -> bytes:
        """The hash that stands for all leaves."""
        *larger, root = self.peaks or [EMPTY]
        for peak in reversed(larger):
            root = node(peak, root)
        return root


def inclusion_ranges(index: int, size: int) -> list[Range]:
    """The subtrees whose roots prove that leaf `index` is in the tree of `size` leaves, from the leaf upwards (PATH in the RFC).

    >>> inclusion_ranges(2, 5)
    [(3, 4), (0, 2), (4, 5)]
    """
    if not 0 <= index < size:
        raise ValueError(f"leaf {index} is not in a tree of {size} leaves")
    path: list[Range] = []
    first, last = 0, size
    while last - first > 1:
        middle = first + _split(last - first)
        if index < middle:
            path.append((middle, last))
            last = middle
        else:
            path.append((first, middle))
            first = middle
    return path[::-1]


def consistency_ranges(old: int, new: int) -> list[Range]:
    """The subtrees whose roots prove that the tree of `new` leaves begins with the tree of `old` leaves (PROOF in the RFC).

    >>> consistency_ranges(3, 5)
    [(2, 3), (3, 4), (0, 2), (4, 5)]
    """
    if not 0 < old <= new:
        raise ValueError(f"a tree of {new} leaves does not go on from one of {old}")
    path: list[Range] = []
    first, last, whole = 0, new, True  # whole: the old tree's own root is the subtree from 0
    while old != last:
        middle = first + _split(last - first)
        if old <= middle:
            path.append((middle, last))
            last = middle
        else:
            path.append((first, middle))
            first, whole = middle, False
    return ([] if whole else [(first, last)]) + path[::-1]


def proves_inclusion(data: bytes, index: int, size: int, path: Sequence[bytes], root: bytes) -> bool:
    """Whether the path leads from the leaf to the root (RFC 9162, section 2.1.3.2)."""
    if not 0 <= index < size:
        return False
    at, last, found = index, size - 1, leaf(data)
    for sibling in path:
        if last == 0:
            return False
        if at & 1 or at == last:
            found = node(sibling, found)
            while not at & 1 and at:
                at, last = at >> 1, last >> 1
        else:
            found = node(found, sibling)
        at, last = at >> 1, last >> 1
    return last == 0 and found == root


def proves_consistency(old: int, new: int, path: Sequence[bytes], old_root: bytes, new_root: bytes) -> bool:
    """Whether the path leads to both roots (RFC 9162, section 2.1.4.2)."""
    if not 0 < old <= new:
        return False
    if old == new:
        return not path and old_root == new_root
    nodes = [old_root, *path] if old & (old - 1) == 0 else list(path)
    if not nodes:
        return False
    at, last = old - 1, new - 1
    while at & 1:
        at, last = at >> 1, last >> 1
    before = after = nodes[0]
    for sibling in nodes[1:]:
        if last == 0:
            return False
        if at & 1 or at == last:
            before, after = node(sibling, before), node(sibling, after)
            while not at & 1 and at:
                at, last = at >> 1, last >> 1
        else:
            after = node(after, sibling)
        at, last = at >> 1, last >> 1
    return last == 0 and before == old_root and after == new_root


def _split(leaves: int) -> int:
    """The largest power of two below that number."""
    return 1 << (leaves - 1).bit_length() - 1
