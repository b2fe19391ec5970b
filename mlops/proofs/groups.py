"""A group: some trees taken together as one list of leaves, each a box of cells.

Two groups merge into one by the leaves that some row can reach together. What a group knows of a
variable is only which piece of it a cell lies in, at most 64 pieces, so that a leaf's condition is
one word. Where there are more, neighbours share a piece: leaves then claim more rows than they
have, which loosens a bound and never breaks it.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mlops.contracts.domain import Floats
from mlops.models.trees import LEAF, MISSING_LEFT, UNKNOWN_LEFT, WORD_BITS, Trees
from mlops.proofs.cells import Variable

Words = npt.NDArray[np.uint64]
Pieces = npt.NDArray[np.uint8]
Bools = npt.NDArray[np.bool_]

_PIECES = 64
_ONE = np.uint64(1)
_ONES = _ONE << np.arange(_PIECES, dtype=np.uint64)
_CHUNK = 2_000_000  # pairs of leaves that are looked at together: some 50 MB


@dataclass(frozen=True, slots=True)
class Group:
    """Leaves of one tree, or of several together: n leaves, v variables.

    Attributes:
        values: What each leaf adds to the raw score, shape [n].
        variables: The variables that some leaf asks for, ascending, v of them.
        pieces: For each of them the piece that every cell lies in.
        masks: For each leaf and variable the set of pieces it covers, shape [n, v].
        prices: For each variable what each piece costs the group: the dual's multipliers.
    """

    values: Floats
    variables: tuple[int, ...]
    pieces: tuple[Pieces, ...]
    masks: Words
    prices: tuple[Floats, ...]

    def kept(self, keep: Bools) -> "Group":
        """Return the group with some of its leaves."""
        return Group(self.values[keep], self.variables, self.pieces, self.masks[keep], self.prices)


@dataclass(frozen=True, slots=True)
class Splits:
    """The trees of one raw score over cells that it can tell apart.

    Attributes:
        roots: First node of each tree.
        trees: The table of nodes.
        owner: For each node the variable that it asks for, -1 at leaves.
        left: For each node the cells that go left as a set of bits, 0 at leaves.
        right: For each node the cells that go right.
        cells: For each variable its number of cells.
        chosen: For each variable which cells of `Variable` they stand for.
    """

    roots: tuple[int, ...]
    trees: Trees
    owner: tuple[int, ...]
    left: tuple[int, ...]
    right: tuple[int, ...]
    cells: tuple[int, ...]
    chosen: tuple[npt.NDArray[np.intp], ...]

    @property
    def reach(self) -> float:
        """The largest size that the sum of leaves can have."""
        return math.fsum(max(map(abs, leaves)) for leaves in self.leaves())

    def leaves(self) -> list[list[float]]:
        """Return the values of each tree's leaves."""
        found = []
        for root in self.roots:
            nodes = np.array(_walk(self.trees, [root]))
            values = self.trees.cut[nodes[self.trees.feature[nodes] == LEAF]]
            found.append([float(value) for value in values])
        return found


def split_trees(trees: Trees, roots: Sequence[int], variables: Sequence[Variable]) -> Splits:
    """Return trees over the cells that they tell apart.

    Args:
        trees: The table of nodes.
        roots: The trees' first nodes.
        variables: The columns in cells.
    """
    nodes = [node for node in _walk(trees, roots) if trees.feature[node] != LEAF]
    count = len(trees.feature)
    owner, left, right = [-1] * count, [0] * count, [0] * count
    cells, chosen = [], []
    for at, variable in enumerate(variables):
        mine = [n for n in nodes if int(trees.feature[n]) in variable.inputs]
        goes = np.zeros((len(mine), len(variable.shown)), dtype=bool)
        for row, node in enumerate(mine):
            reader = variable.inputs.index(int(trees.feature[node]))
            goes[row] = goes_left(trees, node, variable.matrix[:, reader])
        keep = _told_apart(goes, variable.known)
        chosen.append(keep)
        cells.append(len(keep))
        for row, node in enumerate(mine):
            owner[node] = at
            left[node] = _as_int(goes[row, keep])
            right[node] = _as_int(~goes[row, keep])
    return Splits(
        tuple(roots), trees, tuple(owner), tuple(left), tuple(right), tuple(cells), tuple(chosen)
    )


def _walk(trees: Trees, roots: Sequence[int]) -> list[int]:
    """Return the nodes of some trees."""
    found, waiting = [], list(roots)
    while waiting:
        node = waiting.pop()
        found.append(node)
        if trees.feature[node] != LEAF:
            waiting += [int(trees.left[node]), int(trees.right[node])]
    return found


def goes_left(trees: Trees, node: int, values: Floats) -> Bools:
    """Tell which encoded values of a node's column go left, shape as given."""
    flags = int(trees.flags[node])
    start = int(trees.word[node])
    if start < 0:
        goes = values <= trees.cut[node]
    else:
        known = values >= 0
        code = np.where(known, values, 0).astype(np.int64)
        words = trees.words[np.where(known, start + code // WORD_BITS, start)]
        bits = (words >> (code % WORD_BITS).astype(np.uint64)) & _ONE
        goes = np.where(known, bits > 0, bool(flags & UNKNOWN_LEFT))
    result: Bools = np.where(np.isnan(values), bool(flags & MISSING_LEFT), goes)
    return result


def _told_apart(goes: Bools, known: Bools) -> npt.NDArray[np.intp]:
    """Return one cell for each way through the nodes, one with a value to show if there is one."""
    order = np.argsort(~known, kind="stable")
    if not len(goes):
        return order[:1]
    first, _ = _distinct(goes[:, order])
    return np.sort(order[first])


def _as_int(bits: Bools) -> int:
    return int.from_bytes(np.packbits(bits, bitorder="little").tobytes(), "little")


def _as_bits(number: int, count: int) -> Bools:
    raw = np.frombuffer(number.to_bytes((count + 7) // 8, "little"), np.uint8)
    return np.unpackbits(raw, count=count, bitorder="little").astype(bool)


def group_of(splits: Splits, root: int, *, sign: float) -> Group:
    """Return one tree as a group.

    Args:
        splits: The trees.
        root: The tree's first node.
        sign: 1 to look for the largest raw score, -1 for the least.
    """
    trees = splits.trees
    values: list[float] = []
    boxes: list[dict[int, int]] = []
    waiting: list[tuple[int, dict[int, int]]] = [(root, {})]
    while waiting:
        node, box = waiting.pop()
        at = splits.owner[node]
        if at < 0:
            values.append(sign * float(trees.cut[node]))
            boxes.append(box)
            continue
        here = box.get(at, (1 << splits.cells[at]) - 1)
        for cells, child in (
            (here & splits.left[node], trees.left[node]),
            (here & splits.right[node], trees.right[node]),
        ):
            if cells:
                waiting.append((int(child), {**box, at: cells}))
    variables = sorted({at for box in boxes for at in box})
    pieces, masks = [], np.zeros((len(boxes), len(variables)), dtype=np.uint64)
    for column, at in enumerate(variables):
        count = splits.cells[at]
        sets = [box.get(at, (1 << count) - 1) for box in boxes]
        distinct = {cells: i for i, cells in enumerate(dict.fromkeys(sets))}
        bits = np.array([_as_bits(cells, count) for cells in distinct])
        piece = _pieces(bits)
        pieces.append(piece)
        packed = _packed(bits, piece)
        masks[:, column] = packed[[distinct[cells] for cells in sets]]
    prices = tuple(np.zeros(int(piece.max()) + 1) for piece in pieces)
    return Group(np.array(values), tuple(variables), tuple(pieces), masks, prices)


def _pieces(bits: Bools) -> Pieces:
    """Return for each cell its piece: cells that lie in the same sets share one."""
    _, inverse = _distinct(bits)
    return _numbered(inverse)


def _distinct(bits: Bools) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Return where each different column comes first, and which of them every column is.

    Columns are compared as strings of bytes, many times faster than by numpy's `axis`.
    """
    packed = np.ascontiguousarray(np.packbits(bits, axis=0).T)
    rows = packed.view(np.dtype((np.void, packed.shape[1]))).ravel()
    _, first, inverse = np.unique(rows, return_index=True, return_inverse=True)
    return first, inverse.ravel()


def _numbered(labels: npt.NDArray[np.intp]) -> Pieces:
    """Return labels numbered as they come, at most 64 of them."""
    _, first, inverse = np.unique(labels, return_index=True, return_inverse=True)
    rank = np.argsort(np.argsort(first))[inverse.ravel()]
    count = int(rank.max()) + 1
    if count > _PIECES:
        rank = rank * _PIECES // count
    return rank.astype(np.uint8)


def _packed(bits: Bools, piece: Pieces) -> Words:
    """Return sets of cells as sets of the pieces that they touch."""
    packed = np.zeros(len(bits), dtype=np.uint64)
    for i in range(int(piece.max()) + 1):
        packed |= bits[:, piece == i].any(axis=1).astype(np.uint64) << np.uint64(i)
    return packed


def merge(one: Group, other: Group) -> Group:
    """Return two groups as one: a leaf for each pair of leaves that some row may reach together."""
    shared = [at for at in one.variables if at in other.variables]
    finer = {at: _finer(one, other, at) for at in shared}
    mine = {at: _column(one, at, finer[at][0]) for at in shared}
    yours = {at: _column(other, at, finer[at][1]) for at in shared}
    pairs = _pairs([mine[at] for at in shared], [yours[at] for at in shared],
                   len(one.values), len(other.values))  # fmt: skip
    left, right = pairs
    variables = tuple(sorted({*one.variables, *other.variables}))
    pieces, prices = [], []
    masks = np.zeros((len(left), len(variables)), dtype=np.uint64)
    for column, at in enumerate(variables):
        if at in finer:
            masks[:, column] = mine[at][left] & yours[at][right]
            pieces.append(finer[at][2])
            prices.append(finer[at][3])
            continue
        source, rows = (one, left) if at in one.variables else (other, right)
        own = source.variables.index(at)
        masks[:, column] = source.masks[rows, own]
        pieces.append(source.pieces[own])
        prices.append(source.prices[own])
    values = one.values[left] + other.values[right]
    return Group(values, variables, tuple(pieces), masks, tuple(prices))


def _finer(one: Group, other: Group, at: int) -> tuple[Words, Words, Pieces, Floats]:
    """Return how both groups' pieces of a variable become those of a merged group."""
    i, j = one.variables.index(at), other.variables.index(at)
    a, b = one.pieces[i], other.pieces[j]
    piece = _numbered(a.astype(np.intp) * 256 + b)
    count = int(piece.max()) + 1
    price = np.full(count, -np.inf)
    np.maximum.at(price, piece, one.prices[i][a] + other.prices[j][b])
    return _lifted(a, piece), _lifted(b, piece), piece, price


def _lifted(old: Pieces, new: Pieces) -> Words:
    """Return for each old piece the set of new ones that it touches."""
    lifted = np.zeros(int(old.max()) + 1, dtype=np.uint64)
    np.bitwise_or.at(lifted, old, _ONE << new.astype(np.uint64))
    return lifted


def _column(group: Group, at: int, lifted: Words) -> Words:
    """Return a variable's masks in other pieces."""
    masks = group.masks[:, group.variables.index(at)]
    found = np.zeros(len(masks), dtype=np.uint64)
    for i, to in enumerate(lifted):
        found |= np.where((masks >> np.uint64(i)) & _ONE, to, np.uint64(0))
    return found


def _pairs(
    mine: Sequence[Words], yours: Sequence[Words], rows: int, columns: int
) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Return the pairs of leaves whose boxes meet in every shared variable."""
    left, right = [], []
    step = max(1, _CHUNK // columns)
    for start in range(0, rows, step):
        stop = min(rows, start + step)
        meet = np.ones((stop - start, columns), dtype=bool)
        for a, b in zip(mine, yours, strict=True):
            meet &= (a[start:stop, None] & b[None, :]) != 0
        i, j = np.nonzero(meet)
        left.append(i + start)
        right.append(j)
    return np.concatenate(left), np.concatenate(right)


def restricted(group: Group, open_cells: Sequence[Bools]) -> "Group":
    """Return a group without the leaves that no open cell reaches."""
    allowed = allowed_pieces(group, open_cells)
    full = np.array([2 ** len(price) - 1 for price in group.prices], dtype=np.uint64)
    masks = group.masks & allowed
    keep = (masks != 0).all(axis=1)
    masks = np.where(masks == allowed, full, masks)  # asks for nothing that is not so anyway
    return Group(group.values[keep], group.variables, group.pieces, masks[keep], group.prices)


def allowed_pieces(group: Group, open_cells: Sequence[Bools]) -> Words:
    """Return for each of a group's variables the pieces that hold an open cell, shape [v]."""
    found = np.zeros(len(group.variables), dtype=np.uint64)
    for column, at in enumerate(group.variables):
        here = group.pieces[column][open_cells[at]]
        found[column] = np.bitwise_or.reduce(_ONES[here])
    return found
