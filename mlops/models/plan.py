"""A plan: small trees laid out for a sweep, which asks all nodes of a tree instead of walking it.

A tree's leaves are the bits of a word, the leftmost the lowest. A row starts with all of them; each
node that sends it right strikes off the leaves on the node's left. The lowest bit that is left is
the row's leaf: all leaves to its left lie on the left of a node on its path that sent it right.

Source: Lucchese et al., "QuickScorer: a fast algorithm to rank documents with additive ensembles of
regression trees" (SIGIR 2015), section 3.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt

from mlops.contracts.domain import Floats
from mlops.models.trees import LEAF, MISSING_LEFT, UNKNOWN_LEFT, WORD_BITS, Trees

MOST_LEAVES = WORD_BITS
MOST_CODES = 1022
"""A tree that asks for a larger category is walked: its sets would be copied for each node."""

_FEW_CODES = WORD_BITS - 2  # with unknown and missing they fill one word
_KINDS = 4  # numbers where missing goes left, where it goes right; few codes, many

# Mirror gather_t, test_t and tree_t in _walk.c.
_GATHER = np.dtype([("column", "<i4"), ("size", "<u4")])
_TEST = np.dtype([("at", "<u8"), ("stay", "<u8"), ("column", "<i8")])
_TREE = np.dtype([("root", "<i4"), ("leaf", "<i4"), ("test", "<i4"), ("ends", "<i4", (_KINDS,))])

Ints = npt.NDArray[np.int64]
Words = npt.NDArray[np.uint64]
Records = npt.NDArray[np.void]


@dataclass(frozen=True, slots=True)
class Plan:
    """What a sweep reads.

    Attributes:
        gathers: Matrix columns that are asked for, with their number of codes.
        tests: Inner nodes, by tree and kind.
        sets: Codes that go left, where they need more than one word.
        leaves: Leaves' values, each tree's from left to right.
        trees: Where each tree's tests and leaves begin, shape [t]; `leaf` is -1 for a walk.
    """

    gathers: Records
    tests: Records
    sets: Words
    leaves: Floats
    trees: Records

    @classmethod
    def of(cls, trees: Trees, sizes: tuple[int, ...]) -> Self:
        """Lay trees out.

        Args:
            trees: Checked for these sizes (`Trees.check`), t of them.
            sizes: For each matrix column its number of codes, 0 for a number.
        """
        size = np.asarray(sizes, dtype=np.int64)
        swept = np.flatnonzero(_is_small(trees, size))
        inner, leaf = _unfold(trees, trees.roots[swept].astype(np.int64))
        column = trees.feature[inner.node]
        coded = size[column]
        missing_right = (trees.flags[inner.node] & MISSING_LEFT) == 0
        kind = np.where(coded == 0, missing_right, 2 + (coded > _FEW_CODES))
        by_kind = np.lexsort((kind, inner.tree))
        used, place = np.unique(column, return_inverse=True)
        tests = np.zeros(len(by_kind), _TEST)
        tests["at"], sets = _answers(trees, inner.node, coded)
        tests["stay"] = ~(_low_bits(inner.leaves) << inner.first.astype(np.uint64))
        tests["column"] = place
        counts = np.bincount(inner.tree * _KINDS + kind, minlength=len(swept) * _KINDS)
        ends = counts.reshape(-1, _KINDS).cumsum(axis=1)
        table = np.zeros(len(trees.roots), _TREE)
        table["root"], table["leaf"] = trees.roots, -1
        leaves = np.bincount(leaf.tree, minlength=len(swept))
        begin = np.cumsum(leaves) - leaves
        table["leaf"][swept] = begin
        table["test"][swept] = np.cumsum(ends[:, -1]) - ends[:, -1]
        table["ends"][swept] = ends
        values = np.zeros(len(leaf.node))
        values[begin[leaf.tree] + leaf.first] = trees.cut[leaf.node]
        gathers = np.zeros(len(used), _GATHER)
        gathers["column"], gathers["size"] = used, size[used]
        return cls(gathers, tests[by_kind], sets, values, table)


@dataclass(frozen=True, slots=True)
class _Nodes:
    """Nodes of unfolded trees.

    Attributes:
        node: Place in the table.
        tree: Which of the trees.
        first: The first leaf below it, counted from the tree's left.
        leaves: How many leaves are below it; of an inner node, only on its left.
    """

    node: Ints
    tree: Ints
    first: Ints
    leaves: Ints

    @classmethod
    def joined(cls, parts: list[Self]) -> Self:
        """Return some of them as one."""
        nothing = np.zeros(0, np.int64)
        return cls(
            node=np.concatenate([nothing, *(part.node for part in parts)]),
            tree=np.concatenate([nothing, *(part.tree for part in parts)]),
            first=np.concatenate([nothing, *(part.first for part in parts)]),
            leaves=np.concatenate([nothing, *(part.leaves for part in parts)]),
        )


def _is_small(trees: Trees, size: Ints) -> npt.NDArray[np.bool_]:
    """Tell which trees can be swept, shape [t].

    A table may lead two nodes to the same child. What counts is the tree that a walk sees, so such
    a child counts twice; a tree is given up before it can grow beyond its most leaves.
    """
    small = np.ones(len(trees.roots), np.bool_)
    leaves = np.zeros(len(trees.roots), np.int64)
    node, tree = trees.roots.astype(np.int64), np.arange(len(trees.roots))
    while len(node):
        inner = trees.feature[node] != LEAF
        leaves += np.bincount(tree[~inner], minlength=len(leaves))
        node, tree = node[inner], tree[inner]
        at_least = leaves + 2 * np.bincount(tree, minlength=len(leaves))
        small &= at_least <= MOST_LEAVES
        small[tree[size[trees.feature[node]] > MOST_CODES]] = False
        node, tree = node[small[tree]], tree[small[tree]]
        node = np.concatenate([trees.left[node], trees.right[node]]).astype(np.int64)
        tree = np.concatenate([tree, tree])
    return small


def _unfold(trees: Trees, roots: Ints) -> tuple[_Nodes, _Nodes]:
    """Return inner nodes and leaves of the trees that grow from some roots."""
    levels = [(roots, np.arange(len(roots)))]
    while len(levels[-1][0]):
        node, tree = levels[-1]
        inner = trees.feature[node] != LEAF
        below = np.concatenate([trees.left[node[inner]], trees.right[node[inner]]])
        levels.append((below.astype(np.int64), np.concatenate([tree[inner], tree[inner]])))
    counts = [np.zeros(0, np.int64)]
    for node, _ in reversed(levels[:-1]):
        count = np.ones(len(node), np.int64)
        # A level's first half are the left children of the level above, in its order.
        count[trees.feature[node] != LEAF] = counts[-1].reshape(2, -1).sum(axis=0)
        counts.append(count)
    counts.reverse()
    first = np.zeros(len(roots), np.int64)
    inner_nodes: list[_Nodes] = []
    leaves: list[_Nodes] = []
    for (node, tree), count, below in zip(levels[:-1], counts[:-1], counts[1:], strict=True):
        inner = trees.feature[node] != LEAF
        left = below[: len(below) // 2]
        inner_nodes.append(_Nodes(node[inner], tree[inner], first[inner], left))
        leaves.append(_Nodes(node[~inner], tree[~inner], first[~inner], count[~inner]))
        first = np.concatenate([first[inner], first[inner] + left])
    return _Nodes.joined(inner_nodes), _Nodes.joined(leaves)


def _low_bits(count: Ints) -> Words:
    """Return words with their lowest bits set, 0 to 63 of them."""
    return (np.uint64(1) << count.astype(np.uint64)) - np.uint64(1)


def _answers(trees: Trees, node: Ints, size: Ints) -> tuple[Words, Words]:
    """Return for each node its cut, its set of codes, or where its set begins; and those sets."""
    answers = trees.cut[node].astype("<f8").view("<u8").astype(np.uint64)
    sets: list[Words] = []
    begin = 0
    for codes in np.unique(size[size > 0]).tolist():
        at = np.flatnonzero(size == codes)
        left = _left_sets(trees, node[at], codes)
        if codes <= _FEW_CODES:
            answers[at] = left[:, 0]
        else:
            answers[at] = begin + np.arange(len(at)) * left.shape[1]
            sets.append(left.ravel())
            begin += left.size
    return answers, np.concatenate(sets) if sets else np.zeros(0, np.uint64)


def _left_sets(trees: Trees, node: Ints, size: int) -> Words:
    """Return which codes, then unknown, then missing go left, shape [len(node), words of a set]."""
    given = -(-size // WORD_BITS)
    left = np.zeros((len(node), -(-(size + 2) // WORD_BITS)), np.uint64)
    left[:, :given] = trees.words[trees.word[node][:, None] + np.arange(given)]
    last = size - (given - 1) * WORD_BITS
    if last < WORD_BITS:
        left[:, given - 1] &= np.uint64((1 << last) - 1)
    for bit, flag in ((size, UNKNOWN_LEFT), (size + 1, MISSING_LEFT)):
        goes_left = ((trees.flags[node] & flag) > 0).astype(np.uint64)
        left[:, bit // WORD_BITS] |= goes_left << np.uint64(bit % WORD_BITS)
    return left
