"""Votes: which leaves the groups of a relaxation lean to, and where they contradict each other."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mlops.contracts.domain import Floats
from mlops.proofs.groups import Bools, Group
from mlops.proofs.packing import Tables
from mlops.proofs.relaxation import Duals

_LEAST = 2e-3  # a leaf of less weight has no say


@dataclass(frozen=True, slots=True)
class Votes:
    """The leaves that have a say, s of them.

    Attributes:
        weights: Each leaf's share in its group, shape [s].
        group: The group it belongs to, ascending, shape [s].
        groups: How many groups there are.
        cells: For each variable the open cells that each leaf covers, shape [s, c].
    """

    weights: Floats
    group: npt.NDArray[np.intp]
    groups: int
    cells: tuple[Bools, ...]

    def contradictions(self) -> Floats:
        """Return how much of two groups' votes no row can follow, shape [groups, groups]."""
        meet = np.ones((len(self.weights), len(self.weights)), dtype=bool)
        for cells in self.cells:
            asks = np.flatnonzero(~cells.all(axis=1))
            own = cells[asks].astype(np.float32)
            meet[np.ix_(asks, asks)] &= (own @ own.T) > 0
        apart = ~meet * self.weights[:, None] * self.weights[None, :]
        starts = np.flatnonzero(np.r_[True, self.group[1:] != self.group[:-1]])
        sums = np.add.reduceat(np.add.reduceat(apart, starts, axis=0), starts, axis=1)
        found = np.zeros((self.groups, self.groups))
        at = self.group[starts]
        found[np.ix_(at, at)] = sums
        return found

    def favourites(self) -> tuple[int, ...]:
        """Return for each variable the cell that has most votes."""
        return tuple(int(np.argmax(self.weights @ cells)) for cells in self.cells)

    def widest(self, open_cells: Sequence[Bools]) -> tuple[int, Bools] | None:
        """Return the variable that the groups disagree on most, and the cells of one side.

        The side holds the favourite cell and what is voted for with it rather than with the
        favourite of those who vote against it.
        """
        lost = [
            self.weights.sum() - (self.weights @ cells).max() if open_.sum() > 1 else -1.0
            for cells, open_ in zip(self.cells, open_cells, strict=True)
        ]
        at = int(np.argmax(lost))
        if lost[at] < 0.0:
            return None
        cells, open_ = self.cells[at], open_cells[at]
        votes = np.where(open_, self.weights @ cells, -1.0)
        first = int(np.argmax(votes))
        against = np.where(open_, (self.weights * ~cells[:, first]) @ cells, -1.0)
        against[first] = -2.0
        second = int(np.argmax(against))
        with_first = (self.weights * (cells[:, first] & ~cells[:, second])) @ cells
        with_second = (self.weights * (cells[:, second] & ~cells[:, first])) @ cells
        side = with_first >= with_second
        side[first], side[second] = True, False
        return at, side


def votes_of(
    groups: Sequence[Group], tables: Tables, found: Duals, open_cells: Sequence[Bools]
) -> Votes:
    """Return the votes of a relaxation's leaves."""
    leaves = np.flatnonzero(found.weights > _LEAST)
    owner = np.repeat(np.arange(len(groups)), np.diff(tables.first_leaf))[leaves]
    cells = [np.repeat(open_[None, :], len(leaves), axis=0) for open_ in open_cells]
    for g in np.unique(owner):
        rows = np.flatnonzero(owner == g)
        group = groups[g]
        masks = group.masks[leaves[rows] - tables.first_leaf[g]]
        for column, at in enumerate(group.variables):
            piece = group.pieces[column].astype(np.uint64)
            covers = (masks[:, column, None] >> piece[None, :]) & np.uint64(1) > 0
            cells[at][rows] &= covers
    return Votes(found.weights[leaves], owner, len(groups), tuple(cells))
