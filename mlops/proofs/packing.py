"""Packing: groups of trees laid one after the other in flat tables, as the kernels read them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mlops.contracts.domain import Floats
from mlops.proofs.groups import Bools, Group, Words, allowed_pieces

Int32s = npt.NDArray[np.int32]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Tables:
    """Groups packed one after the other.

    A part is one variable of one group; prices, runs and masks of all parts lie in one row each.
    A run is a stretch of neighbouring cells that share a piece.
    """

    cells: Int32s
    first_part: Int32s
    variable: Int32s
    first_price: Int32s
    first_run: Int32s
    run_cell: Int32s
    run_piece: Int32s
    first_mask: Int32s
    mask: Words
    first_leaf: Int32s
    value: Floats
    first_condition: Int32s
    condition: Int32s


@dataclass(frozen=True, slots=True)
class Packed:
    """A box's groups as the kernels read them.

    Attributes:
        tables: The groups.
        allowed: For each part the pieces that hold an open cell.
        open_cells: Whether each cell is open, all variables in one row.
    """

    tables: Tables
    allowed: Words
    open_cells: Bools


def pack(groups: Sequence[Group], open_cells: Sequence[Bools]) -> tuple[Packed, Floats]:
    """Return groups as tables, and their prices in one row.

    Args:
        groups: The groups; none is without leaves.
        open_cells: For each variable which of its cells are open, one at least.
    """
    first_part, variable, first_price, first_run, first_mask = [0], [0][:0], [0], [0], [0]
    run_cell: list[Ints] = []
    run_piece: list[Ints] = []
    masks: list[Words] = []
    counts: list[Ints] = []
    conditions: list[Ints] = []
    for group in groups:
        asked = np.full(group.masks.shape, -1, dtype=np.int64)
        for column, at in enumerate(group.variables):
            piece = group.pieces[column]
            starts = np.flatnonzero(np.r_[True, piece[1:] != piece[:-1]])
            run_cell.append(starts)
            run_piece.append(piece[starts].astype(np.int64))
            variable.append(at)
            count = len(group.prices[column])
            first_price.append(first_price[-1] + count)
            first_run.append(first_run[-1] + len(starts))
            distinct, which = np.unique(group.masks[:, column], return_inverse=True)
            full = np.uint64(2**count - 1)
            asked[:, column] = np.where(distinct[which] == full, -1, which + first_mask[-1])
            masks.append(distinct)
            first_mask.append(first_mask[-1] + len(distinct))
        first_part.append(len(variable))
        counts.append((asked >= 0).sum(axis=1))
        conditions.append(asked[asked >= 0])
    no_words = np.zeros(0, dtype=np.uint64)
    tables = Tables(
        cells=_starts([len(cells) for cells in open_cells]), first_part=_int32(first_part),
        variable=_int32(variable), first_price=_int32(first_price), first_run=_int32(first_run),
        run_cell=_joined(run_cell), run_piece=_joined(run_piece), first_mask=_int32(first_mask),
        mask=np.concatenate([no_words, *masks]),
        first_leaf=_starts([len(group.values) for group in groups]),
        value=np.concatenate([group.values for group in groups]),
        first_condition=_starts(np.concatenate(counts)), condition=_joined(conditions),
    )  # fmt: skip
    allowed = np.concatenate([no_words, *(allowed_pieces(group, open_cells) for group in groups)])
    no_prices: Floats = np.zeros(0)
    prices = np.concatenate([no_prices, *(price for group in groups for price in group.prices)])
    return Packed(tables, allowed, np.concatenate(open_cells)), prices


def _joined(parts: Sequence[Ints]) -> Int32s:
    nothing: Ints = np.zeros(0, dtype=np.int64)
    return _int32(np.concatenate([nothing, *parts]))


def _int32(values: Sequence[int] | Ints) -> Int32s:
    return np.asarray(values, dtype=np.int32)


def _starts(counts: Sequence[int] | Ints) -> Int32s:
    return _int32(np.r_[0, np.cumsum(np.asarray(counts, dtype=np.int64))])


class Index:
    """Which price, mask, leaf, group and cell belong together, for sums in numpy.

    Attributes:
        part_of_price: Each price's part.
        part_of_mask: Each mask's part.
        may: Whether a price's piece holds an open cell.
        mask: Masks, each as often as it has pieces, ascending.
        price: The prices of those pieces.
        first_of_mask: Where each mask begins in `mask`.
        leaf: The leaf of each condition.
        group: The group of each leaf.
        price_of_run: The price of each run.
        run_start: Each run's first cell, all variables in one row.
        run_end: One past its last.
    """

    def __init__(self, packed: Packed) -> None:
        t = packed.tables
        parts = np.arange(len(t.variable))
        self.part_of_price = np.repeat(parts, np.diff(t.first_price))
        self.part_of_mask = np.repeat(parts, np.diff(t.first_mask))
        bit = np.arange(len(self.part_of_price)) - t.first_price[self.part_of_price]
        self.may = (packed.allowed[self.part_of_price] >> bit.astype(np.uint64)) & np.uint64(1) > 0
        own = [np.flatnonzero((t.mask >> np.uint64(i)) & np.uint64(1)) for i in range(64)]
        mask = np.concatenate(own)
        first = t.first_price[:-1][self.part_of_mask] if len(parts) else self.part_of_mask
        price = np.concatenate([first[masks] + i for i, masks in enumerate(own)])
        order = np.argsort(mask, kind="stable")
        self.mask, self.price = mask[order], price[order]
        self.first_of_mask = np.searchsorted(self.mask, np.arange(len(t.mask)))
        self.leaf = np.repeat(np.arange(len(t.value)), np.diff(t.first_condition))
        self.group = np.repeat(np.arange(len(t.first_leaf) - 1), np.diff(t.first_leaf))
        part = np.repeat(parts, np.diff(t.first_run))
        self.price_of_run = t.first_price[part] + t.run_piece
        self.run_start = t.cells[t.variable[part]] + t.run_cell
        self.run_end = t.cells[t.variable[part] + 1].copy()
        inside = np.flatnonzero(part[1:] == part[:-1])
        self.run_end[inside] = self.run_start[inside + 1]
