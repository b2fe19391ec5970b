"""Reach: which leaves of a tree some row of the domain can come to."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

from mlops.base.errors import ContractError
from mlops.contracts.domain import Column, ColumnKind, Domain
from mlops.models.program import Program
from mlops.models.trees import LEAF, MISSING_LEFT, UNKNOWN_LEFT, WORD_BITS, Trees

Interval = tuple[float, float, bool]
"""Least and largest number, and whether it may be missing; empty of numbers if low > high."""


@dataclass(frozen=True, slots=True)
class Box:
    """What each matrix column may be, independently of the others.

    Attributes:
        sizes: For each column its number of codes, 0 for a number.
        numbers: For each number column its interval.
        codes: For each coded column a set of bits: each code, then unknown, then missing.
    """

    sizes: tuple[int, ...]
    numbers: Mapping[int, Interval]
    codes: Mapping[int, int]


def number_ends(column: Column) -> tuple[float, float]:
    """Return a number column's closed interval, infinite where the contract sets no end."""
    if column.kind is ColumnKind.BOOLEAN:
        return 0.0, 1.0
    low = -math.inf if column.minimum is None else column.minimum
    high = math.inf if column.maximum is None else column.maximum
    if column.minimum_open:
        low = math.nextafter(low, math.inf)
    if column.maximum_open:
        high = math.nextafter(high, -math.inf)
    if column.kind is ColumnKind.INTEGER:
        low = float(math.ceil(low)) if math.isfinite(low) else low
        high = float(math.floor(high)) if math.isfinite(high) else high
    return low, high


def whole_box(program: Program, domain: Domain) -> Box:
    """Return the box of everything that a contract allows.

    Raises:
        ContractError: The program reads a column that the contract does not have.
    """
    numbers: dict[int, Interval] = {}
    codes: dict[int, int] = {}
    for i, wanted in enumerate(program.outline.inputs):
        column = domain.column(wanted.name)
        if column.is_category != (wanted.kind == "text"):
            raise ContractError(f"column {column.name!r} has another kind in the program")
        if wanted.kind == "number":
            numbers[i] = (*number_ends(column), column.nullable)
            continue
        if wanted.kind == "text":
            closed = column.categories
            known = [closed is None or text in closed for text in wanted.known]
            unknown = closed is None or any(text not in wanted.known for text in closed)
        else:
            low, high = number_ends(column)
            known = [low <= number <= high for number in wanted.known]
            unknown = True
        allowed = [*known, unknown, column.nullable]
        codes[i] = sum(1 << bit for bit, may in enumerate(allowed) if may)
    return Box(program.sizes, numbers, codes)


def leaf_range(trees: Trees, root: int, box: Box) -> tuple[float, float]:
    """Return the least and the largest leaf of a tree that rows of a box can come to.

    Args:
        trees: The table.
        root: The tree's first node.
        box: What the rows may be; not empty.
    """
    low, high = math.inf, -math.inf
    waiting = [(root, box)]
    while waiting:
        node, here = waiting.pop()
        column = int(trees.feature[node])
        if column == LEAF:
            value = float(trees.cut[node])
            low, high = min(low, value), max(high, value)
            continue
        split = _split_number if box.sizes[column] == 0 else _split_codes
        left, right = split(trees, node, here)
        if left is not None:
            waiting.append((int(trees.left[node]), left))
        if right is not None:
            waiting.append((int(trees.right[node]), right))
    return low, high


def _split_number(trees: Trees, node: int, box: Box) -> tuple[Box | None, Box | None]:
    column, cut = int(trees.feature[node]), float(trees.cut[node])
    low, high, missing = box.numbers[column]
    missing_left = bool(trees.flags[node] & MISSING_LEFT)
    above = max(low, math.nextafter(cut, math.inf))
    return (
        _with_number(box, column, (low, min(high, cut), missing and missing_left)),
        _with_number(box, column, (above, high, missing and not missing_left)),
    )


def _with_number(box: Box, column: int, interval: Interval) -> Box | None:
    low, high, missing = interval
    if low > high and not missing:
        return None
    return replace(box, numbers={**box.numbers, column: interval})


def _split_codes(trees: Trees, node: int, box: Box) -> tuple[Box | None, Box | None]:
    column = int(trees.feature[node])
    size = box.sizes[column]
    left = 0
    start = int(trees.word[node])
    for i in range((size + WORD_BITS - 1) // WORD_BITS):
        left |= int(trees.words[start + i]) << (i * WORD_BITS)
    left &= (1 << size) - 1
    flags = int(trees.flags[node])
    left |= bool(flags & UNKNOWN_LEFT) << size
    left |= bool(flags & MISSING_LEFT) << (size + 1)
    here = box.codes[column]
    return _with_codes(box, column, here & left), _with_codes(box, column, here & ~left)


def _with_codes(box: Box, column: int, codes: int) -> Box | None:
    return replace(box, codes={**box.codes, column: codes}) if codes else None
