"""The tree and its proofs are those of RFC 6962."""

from __future__ import annotations

from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.stores.merkle import (
    EMPTY,
    Tree,
    consistency_ranges,
    inclusion_ranges,
    leaf,
    node,
    proves_consistency,
    proves_inclusion,
)

#: The eight leaves that implementations of RFC 6962 are tried with, and the roots of the trees of the first one, two, ... of them.
LEAVES = [
    bytes.fromhex(text) for text in ("", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f")
]
ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]


def root(leaves: list[bytes]) -> bytes:
    """The definition, word for word: no cleverness to share with the code under test."""
    if not leaves:
        return sha256(b"").digest()
    if len(leaves) == 1:
        return sha256(b"\x00" + leaves[0]).digest()
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    return sha256(b"\x01" + root(leaves[:split]) + root(leaves[split:])).digest()


def tree_of(leaves: list[bytes]) -> Tree:
    tree = Tree()
    tree.extend(leaves)
    return tree


def path(leaves: list[bytes], ranges: list[tuple[int, int]]) -> list[bytes]:
    return [root(leaves[first:last]) for first, last in ranges]


@pytest.mark.parametrize("size", range(1, 9))
def test_roots_are_the_published_ones(size):
    assert tree_of(LEAVES[:size]).root().hex() == ROOTS[size - 1]


def test_the_empty_tree_has_a_root():
    assert Tree().root() == EMPTY == root([])


leaves = st.lists(st.binary(max_size=3), max_size=70)


@given(leaves, leaves)
def test_a_tree_grows_in_pieces_and_goes_on_from_its_peaks(first, more):
    tree = tree_of(first)
    assert tree.root() == root(first)
    again = Tree.at(tree.size, tree.peaks)
    for grown in (tree, again):
        grown.extend(more)
        assert (grown.size, grown.root()) == (len(first + more), root(first + more))
    assert tree.peaks == again.peaks


def test_peaks_of_another_size_are_refused():
    with pytest.raises(ValueError, match="has 2 peaks, not 1"):
        Tree.at(3, [bytes(32)])


@pytest.mark.parametrize("size", [1, 2, 3, 7, 8, 20])
def test_every_leaf_is_proved_and_nothing_else_is(size):
    data = [bytes([n]) for n in range(size)]
    whole = root(data)
    for index in range(size):
        proof = path(data, inclusion_ranges(index, size))
        assert proves_inclusion(data[index], index, size, proof, whole)
        assert not proves_inclusion(b"other", index, size, proof, whole)
        assert not proves_inclusion(data[index], index, size, [*proof, bytes(32)], whole)
        assert not proves_inclusion(data[index], index, size, proof, bytes(32))
        assert not proof or not proves_inclusion(data[index], index, size, proof[:-1], whole)
        assert not any(proves_inclusion(data[index], other, size, proof, whole) for other in range(-1, size + 2) if other != index)


@pytest.mark.parametrize("new", [1, 2, 3, 7, 8, 20])
def test_every_growth_is_proved_and_nothing_else_is(new):
    data = [bytes([n]) for n in range(new)]
    whole = root(data)
    for old in range(1, new + 1):
        before, proof = root(data[:old]), path(data, consistency_ranges(old, new))
        assert proves_consistency(old, new, proof, before, whole)
        assert not proves_consistency(old, new, [*proof, bytes(32)], before, whole)
        assert not proves_consistency(old, new, proof, bytes(32), whole)
        assert not proves_consistency(old, new, proof, before, bytes(32))
        assert not proof or not proves_consistency(old, new, proof[:-1], before, whole)
        rewritten = root([b"other", *data[1:old]])
        assert not proves_consistency(old, new, proof, rewritten, whole)


@pytest.mark.parametrize(
    ("ranges", "numbers"),
    [(inclusion_ranges, (3, 3)), (inclusion_ranges, (-1, 3)), (consistency_ranges, (0, 3)), (consistency_ranges, (4, 3))],
)
def test_what_cannot_be_proved_is_refused(ranges, numbers):
    with pytest.raises(ValueError):
        ranges(*numbers)


@pytest.mark.parametrize("sizes", [(0, 3), (4, 3)])
def test_growth_from_nothing_or_backwards_is_never_proved(sizes):
    assert not proves_consistency(*sizes, [], EMPTY, EMPTY)


def test_an_inner_node_cannot_pass_for_a_leaf():
    left, right = leaf(b"a"), leaf(b"b")
    assert not proves_inclusion(left + right, 0, 1, [], node(left, right))
