"""A change: how much trees add more, or less, when one column moves from one cell to another.

Only the trees that tell the two cells apart can change, and of those only the rows that come to
such a node. Each tree's change is a list of boxes of the other columns; the least sum over all rows
is found by a search that fixes one tree's box after the other.

Source: Chen et al., "Robustness Verification of Tree-based Models" (NeurIPS 2019), sections 3 and
4, for boxes that meet as the rows that an ensemble can reach.
"""

import math
from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from mlops.models.trees import LEAF, MISSING_LEFT, UNKNOWN_LEFT, WORD_BITS, Trees
from mlops.proofs.cells import Variable

Cells = Mapping[int, int]
"""For some variables the set of their cells, a bit each; a variable that is not named is free."""


@dataclass(frozen=True, slots=True)
class Piece:
    """What one tree adds more in the second cell than in the first, in a box of other columns.

    Attributes:
        by: How much more.
        where: The box.
    """

    by: float
    where: Cells


@dataclass(frozen=True, slots=True)
class Least:
    """The least change that was found, and what is proved about it.

    Attributes:
        proved: No row changes by less.
        found: The least change of the rows looked at; infinite if there was none.
        where: Rows that change by `found`.
    """

    proved: float
    found: float
    where: Cells


class Splits:
    """Trees over the cells of the columns that they read.

    Args:
        trees: The table of nodes.
        roots: First node of each tree.
        variables: The columns in cells.
    """

    def __init__(self, trees: Trees, roots: Sequence[int], variables: Sequence[Variable]) -> None:
        self._trees = trees
        self._feature: list[int] = trees.feature.tolist()
        self._value: list[float] = trees.cut.tolist()
        self._children = list(zip(trees.left.tolist(), trees.right.tolist(), strict=True))
        self._variables = variables
        self._reader = {
            i: (at, v.inputs.index(i)) for at, v in enumerate(variables) for i in v.inputs
        }
        self._values: dict[int, list[float]] = {
            i: self._variables[at].matrix[:, reader].tolist()
            for i, (at, reader) in self._reader.items()
        }
        self._left: dict[int, int] = {}
        self._parents, self._tree_of = self._explore(roots)

    def _explore(self, roots: Sequence[int]) -> tuple[dict[int, int], dict[int, int]]:
        parents: dict[int, int] = {}
        tree_of: dict[int, int] = {}
        for root in roots:
            parents[root] = -1
            waiting = [root]
            while waiting:
                node = waiting.pop()
                tree_of[node] = root
                if self._feature[node] == LEAF:
                    continue
                for child in self._children[node]:
                    parents[child] = node
                    waiting.append(child)
        return parents, tree_of

    def left_cells(self, node: int) -> int:
        """Return the cells of the node's variable that go left, a bit each."""
        if node not in self._left:
            values = self._values[self._feature[node]]
            self._left[node] = _left_cells(self._trees, node, values)
        return self._left[node]

    def tellers(self, variable: int) -> dict[tuple[int, int], list[int]]:
        """Return which nodes tell neighbouring cells of a variable apart.

        Returns:
            For each pair of neighbours that some node sends different ways those nodes. The last
            cell and the first count as neighbours too.
        """
        inputs = set(self._variables[variable].inputs)
        last = len(self._variables[variable].shown) - 1
        found: dict[tuple[int, int], list[int]] = {}
        for node in self._parents:
            if self._feature[node] not in inputs:
                continue
            left = self.left_cells(node)
            changes = (left ^ left >> 1) & ((1 << last) - 1)
            while changes:
                first = (changes & -changes).bit_length() - 1
                found.setdefault((first, first + 1), []).append(node)
                changes &= changes - 1
            if (left ^ left >> last) & 1:
                found.setdefault((last, 0), []).append(node)
        return found

    def pieces(
        self, variable: int, first: int, second: int, *, tellers: Sequence[int]
    ) -> list[list[Piece]]:
        """Return the change of each tree that tells two cells apart.

        Args:
            variable: The column that moves.
            first: The cell that it comes from.
            second: The cell that it goes to.
            tellers: The nodes that tell them apart.
        """
        marked: set[int] = set()
        for teller in tellers:
            node = teller
            while node >= 0 and node not in marked:
                marked.add(node)
                node = self._parents[node]
        roots = sorted({self._tree_of[node] for node in tellers})
        return [self._pieces_of(root, variable, (first, second), marked) for root in roots]

    def _pieces_of(
        self, root: int, variable: int, cells: tuple[int, int], marked: set[int]
    ) -> list[Piece]:
        found: list[Piece] = []
        waiting: list[tuple[int, int, dict[int, int]]] = [(root, root, {})]
        while waiting:
            one, other, where = waiting.pop()
            if one == other and one not in marked:
                found.append(Piece(0.0, where))
                continue
            one, other = (
                self._follow(one, variable, cells[0]),
                self._follow(other, variable, cells[1]),
            )
            asks = one if self._feature[one] != LEAF else other
            if self._feature[asks] == LEAF:
                found.append(Piece(self._value[other] - self._value[one], where))
                continue
            waiting += self._halves(asks, one, other, where)
        return found

    def _follow(self, node: int, variable: int, cell: int) -> int:
        """Return the first node on the way down that asks for another variable, or the leaf."""
        while self._feature[node] != LEAF and self._reader[self._feature[node]][0] == variable:
            node = self._children[node][not self.left_cells(node) >> cell & 1]
        return node

    def _halves(
        self, asks: int, one: int, other: int, where: dict[int, int]
    ) -> list[tuple[int, int, dict[int, int]]]:
        at = self._reader[self._feature[asks]][0]
        here = where.get(at, (1 << len(self._variables[at].shown)) - 1)
        left = self.left_cells(asks)
        halves = []
        for side, cells in enumerate((here & left, here & ~left)):
            if cells:
                to = self._children[asks][side]
                halves.append(
                    (
                        to if one == asks else one,
                        to if other == asks else other,
                        {**where, at: cells},
                    )
                )
        return halves


def _left_cells(trees: Trees, node: int, values: Sequence[float]) -> int:
    """Return which encoded values of a node's column go left, a bit each; numbers ascend."""
    flags, start = int(trees.flags[node]), int(trees.word[node])
    present = len(values) - math.isnan(values[-1])
    if start < 0:
        left = (1 << bisect_right(values, float(trees.cut[node]), 0, present)) - 1
    else:
        unknown = bool(flags & UNKNOWN_LEFT)
        words = trees.words
        left = 0
        for cell, value in enumerate(values[:present]):
            code = int(value)
            known = code >= 0 and int(words[start + code // WORD_BITS]) >> code % WORD_BITS & 1
            left |= bool(known if code >= 0 else unknown) << cell
    return left | (bool(flags & MISSING_LEFT) and present < len(values)) << present


def rounding(trees: Trees, roots: Sequence[int], baseline: float) -> float:
    """Return the largest amount by which two float sums of the same trees can err, together.

    Source: Higham, Accuracy and Stability of Numerical Algorithms, 2nd ed., section 4.2.
    """
    largest = float(np.abs(trees.cut[trees.feature == LEAF]).max(initial=0.0))
    additions = len(roots) + 1
    reach = abs(baseline) + len(roots) * largest
    return 2 * additions * 2.0**-53 / (1 - additions * 2.0**-53) * reach


def quick(parts: Sequence[Sequence[Piece]]) -> float:
    """Return a bound that no row's change is less than: each tree's own least."""
    return math.fsum(min(piece.by for piece in part) for part in parts)


@dataclass(frozen=True, slots=True)
class _Open:
    """A box that is still to be looked into: where it is, what each tree can do, at least what."""

    bound: float
    where: Cells
    parts: tuple[tuple[Piece, ...], ...]


def least(
    parts: Sequence[Sequence[Piece]], *, enough: float, steps: int, expired: Callable[[], bool]
) -> Least:
    """Prove that no row's change is below `enough`, or find one that is.

    Args:
        parts: Each tree's change.
        enough: The search ends at the first row below it.
        steps: Boxes to look into at most.
        expired: Tells whether the time is over.
    """
    waiting = [_Open(quick(parts), {}, tuple(tuple(part) for part in parts))]
    if waiting[0].bound >= enough:
        return Least(waiting[0].bound, math.inf, {})
    for _ in range(steps):
        if not waiting:
            return Least(enough, math.inf, {})
        here = waiting.pop()
        split = _widest(here.parts)
        if split is None:
            return Least(here.bound, here.bound, here.where)
        below = [child for child in _children(here, split) if child.bound < enough]
        waiting += sorted(below, key=lambda child: -child.bound)  # the lowest is looked into next
        if expired():
            break
    return Least(min((each.bound for each in waiting), default=enough), math.inf, {})


def _widest(parts: Sequence[Sequence[Piece]]) -> int | None:
    """Return which tree's change is the least certain, None if all are certain."""
    spreads = [max(p.by for p in part) - min(p.by for p in part) for part in parts]
    at = max(range(len(parts)), key=spreads.__getitem__)
    return at if spreads[at] > 0 else None


def _children(here: _Open, split: int) -> Iterator[_Open]:
    """Yield the box once for each piece of one tree."""
    for piece in here.parts[split]:
        where = _meet(here.where, piece.where)
        if where is None:
            continue
        parts = [
            (piece,) if i == split else tuple(p for p in part if _meets(where, p.where))
            for i, part in enumerate(here.parts)
        ]
        yield _Open(quick(parts), where, tuple(parts))


def _meets(one: Cells, other: Cells) -> bool:
    return all(cells & one.get(at, cells) for at, cells in other.items())


def _meet(one: Cells, other: Cells) -> Cells | None:
    if not _meets(one, other):
        return None
    return {**one, **{at: cells & one.get(at, cells) for at, cells in other.items()}}
