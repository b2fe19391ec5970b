"""A branching: boxes of rows, the most promising first, until the bound meets the best row found.

Each box is relaxed (`mlops.proofs.relaxation`); leaves and cells that cannot beat the best row are
dropped; then the groups that contradict each other most merge, and where they have become too large
for that, the box is cut in two. Whenever the search stops, the largest bound of an open box, or the
best row's sum, bounds every row.

Source: Land and Doig, An automatic method of solving discrete programming problems, Econometrica
28 (1960), for the branching; Chen et al., Robustness verification of tree-based models, NeurIPS
(2019), section 3, for merging trees by the leaves that meet.
"""

import heapq
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from mlops.contracts.domain import Floats
from mlops.proofs.groups import Bools, Group, merge, restricted
from mlops.proofs.packing import Packed, Tables, pack
from mlops.proofs.relaxation import Duals, duals, relax
from mlops.proofs.votes import Votes, votes_of

Cells = tuple[int, ...]
"""A row as one cell for each variable."""

_STEPS = 100  # steps of descent between two looks at the clock
_FINE = 1e-3  # the last temperature, as a share of the leaves' spread
_FINEST = 1e-4  # how much finer it may become where the bound is near to the best row
_COOLER = 0.7
_LEAVES = 30_000  # leaves that a box's groups may have together; with more, cutting it gains more
_BOXES = 400  # boxes that wait at most: with groups of two sharing one, some 1 GB
_GROWTH = 6.0  # how much a box's leaves may grow in one round of merges
_RATE = 0.3  # of a temperature that a price moves in one step
_MEET = 0.4  # of two groups' pairs of leaves meet, before they are counted
_EQUAL = 1e-6  # of the largest sum: bounds so near to the best row are met
_WORTH = 1e-3  # a pair of groups contradicts itself at least so much, or is not merged


@dataclass(frozen=True, slots=True)
class Limits:
    """When to stop.

    Attributes:
        expired: Tells whether time is up.
        nodes: Boxes to look into; None for no limit.
    """

    expired: Callable[[], bool]
    nodes: int | None = None


@dataclass(order=True, slots=True)
class Box:
    """A box of rows.

    Attributes:
        key: Minus its bound, so that the most promising comes first.
        turn: When it was made, which breaks ties.
        open_cells: For each variable the cells that are in it.
        groups: The trees, merged more or less.
        cooled: Whether its prices have been brought to the last temperature before.
        parted: Whether its groups are still those of the box that it is a part of, which saves
            memory while it waits.
    """

    key: float
    turn: int
    open_cells: list[Bools] = field(compare=False)
    groups: list[Group] = field(compare=False)
    cooled: bool = field(compare=False, default=False)
    parted: bool = field(compare=False, default=False)


@dataclass(frozen=True, slots=True)
class Found:
    """How a search ended.

    Attributes:
        bound: No row has a larger sum, rounding included.
        best: The largest sum that a row was found for.
        met: Whether no more than a millionth of the largest possible sum lies between the two.
        nodes: How many boxes were looked into.
    """

    bound: float
    best: float
    met: bool
    nodes: int


class Search:
    """The search for the largest sum of leaves.

    Args:
        groups: One group a tree.
        cells: For each variable its number of cells.
        best: A sum that some row reaches.
        try_row: Told of promising rows; returns the best sum that is known afterwards.
        limits: When to stop.
    """

    def __init__(
        self, groups: Sequence[Group], cells: Sequence[int], best: float, *,
        try_row: Callable[[Cells], float], limits: Limits,
    ) -> None:  # fmt: skip
        self._cells = tuple(cells)
        self._best = best
        self._try_row = try_row
        self._limits = limits
        self._last = _FINE * spread(groups)
        self._settled = -math.inf
        self._tolerance = _EQUAL * math.fsum(float(np.abs(g.values).max()) for g in groups)
        self._turn = 0
        self._nodes = 0
        whole = [np.ones(count, dtype=bool) for count in cells]
        self._boxes = [Box(-math.inf, 0, whole, list(groups))]

    def run(self) -> Found:
        """Look into boxes until all are closed or the limits are reached."""
        while self._boxes and not self._stops():
            box = heapq.heappop(self._boxes)
            self._nodes += 1
            for part in self._look_into(box):
                if -part.key > self._best:
                    heapq.heappush(self._boxes, part)
        bound = max([self._best, self._settled, *(-box.key for box in self._boxes)])
        met = bound <= self._best + 2 * self._tolerance
        return Found(bound, self._best, met, self._nodes)

    def _stops(self) -> bool:
        limit = self._limits.nodes
        reached = limit is not None and self._nodes >= limit
        return reached or len(self._boxes) > _BOXES or self._limits.expired()

    def _look_into(self, box: Box) -> list[Box]:
        """Return what is left of a box: nothing, itself with a lower bound, or two parts."""
        if box.parted:
            box.groups = [restricted(group, box.open_cells) for group in box.groups]
            box.parted = False
        if not all(len(group.values) for group in box.groups):
            return []
        packed, prices = pack(box.groups, box.open_cells)
        self._descend(box, packed, prices)
        found = duals(packed, prices, mu=3 * self._last)
        box.key = max(box.key, -found.bound)
        box.cooled = True
        votes = votes_of(box.groups, packed.tables, found, box.open_cells)
        self._best = max(self._best, self._try_row(votes.favourites()))
        if -box.key <= self._best + self._tolerance:
            self._settled = max(self._settled, -box.key)
            return []
        if self._limits.expired():
            return [box]
        box.groups = _priced(box.groups, prices)
        self._prune(box, packed.tables, found)
        if self._merge(box, votes):
            return [box]
        return self._branch(box, votes)

    def _descend(self, box: Box, packed: Packed, prices: Floats) -> None:
        """Lower the bound of a box, cooling down as soon as it pays no more."""
        # The nearer the bound is to the best row, the less the smoothing may blur.
        gap = max(-box.key - self._best, self._tolerance)
        last = min(self._last, max(gap / (4 * len(box.groups)), _FINEST * self._last))
        mu = (3 if box.cooled else 100) * self._last
        while mu >= last and not self._limits.expired():
            bound = relax(
                packed, prices, steps=_STEPS, mu=(mu, mu * _COOLER), rate=_RATE,
            )  # fmt: skip
            if bound <= self._best:
                return
            mu *= _COOLER

    def _prune(self, box: Box, tables: Tables, found: Duals) -> None:
        """Drop the leaves and cells that cannot beat the best row."""
        least = self._best - found.bound
        for at in range(len(self._cells)):
            cells = found.cells[tables.cells[at] : tables.cells[at + 1]]
            box.open_cells[at] = box.open_cells[at] & (cells >= least)
        kept = []
        for g, group in enumerate(box.groups):
            leaves = found.leaves[tables.first_leaf[g] : tables.first_leaf[g + 1]]
            kept.append(restricted(group.kept(leaves >= least), box.open_cells))
        box.groups = kept

    def _merge(self, box: Box, votes: Votes) -> bool:
        """Merge the groups that contradict each other most, while there is room."""
        groups = box.groups
        sizes = np.array([len(group.values) for group in groups], dtype=np.float64)
        total = float(sizes.sum())
        room = min(_LEAVES, 2000 + _GROWTH * total)
        contradicting = votes.contradictions()
        rows, columns = np.triu_indices(len(groups), 1)
        worth = contradicting[rows, columns] / np.sqrt(1 + sizes[rows] * sizes[columns])
        merged: list[Group] = []
        used: set[int] = set()
        for pair in np.argsort(-worth, kind="stable"):
            i, j = int(rows[pair]), int(columns[pair])
            if contradicting[i, j] < _WORTH:
                break
            if i in used or j in used or total + sizes[i] * sizes[j] * _MEET > room:
                continue
            used |= {i, j}
            merged.append(merge(groups[i], groups[j]))
            total += len(merged[-1].values) - sizes[i] - sizes[j]
        box.groups = merged + [g for i, g in enumerate(groups) if i not in used]
        return bool(merged)

    def _branch(self, box: Box, votes: Votes) -> list[Box]:
        """Cut a box in two by the variable that its groups disagree on most."""
        cut = votes.widest(box.open_cells)
        if cut is None:  # one row: its bound is its sum, but for rounding
            self._settled = max(self._settled, -box.key)
            return []
        at, side = cut
        parts = []
        for here in (side, ~side):
            self._turn += 1
            open_cells = list(box.open_cells)
            open_cells[at] = open_cells[at] & here
            part = Box(box.key, self._turn, open_cells, box.groups, cooled=True, parted=True)
            parts.append(part)
        return parts


def spread(groups: Sequence[Group]) -> float:
    """Return how far a tree's best leaf lies above its middle one, on average."""
    spreads = [float(g.values.max() - np.median(g.values)) for g in groups]
    return max(math.fsum(spreads) / max(1, len(spreads)), 1e-9)


def _priced(groups: Sequence[Group], prices: Floats) -> list[Group]:
    """Return groups with the prices that the descent found."""
    ends = np.cumsum([len(price) for group in groups for price in group.prices])
    each = iter(np.split(prices, ends[:-1]))
    return [replace(group, prices=tuple(next(each) for _ in group.prices)) for group in groups]
