"""Cells: a contract's table columns cut into the pieces that a compiled model can tell apart.

Inside a cell every tree gives the same answer, so a search over cells is a search over all rows.
Columns are cut, not matrix columns: two inputs that read one column move together, and a cell that
no allowed value lies in (between 2 and 3 for whole numbers) does not exist.
"""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from mlops.base.errors import ContractError
from mlops.contracts.domain import Column, ColumnKind, Domain, Floats, Table
from mlops.models.flat import CodeInput, Input, TextInput
from mlops.models.program import UNKNOWN, Program
from mlops.proofs.reach import number_ends, whole_box

Shown = float | str | None
"""A table's value: a number, a text, or None for missing."""
Row = Mapping[str, Shown]
"""One row of a table: each column's value."""

_LARGEST = float(np.finfo(np.float64).max)
_LETTERS = "0123456789abcdefzX_"


@dataclass(frozen=True, slots=True)
class Variable:
    """One table column in cells, c of them, read by m matrix columns.

    Attributes:
        name: The table's column.
        inputs: Matrix columns that read it, m of them.
        matrix: What each matrix column holds in each cell, shape [c, m].
        shown: For each cell a value of the contract that lies in it.
        known: Whether `shown` holds one; a text that a pattern allows may be hard to find, shape
            [c].
    """

    name: str
    inputs: tuple[int, ...]
    matrix: Floats
    shown: tuple[Shown, ...]
    known: npt.NDArray[np.bool_]


def cut_columns(program: Program, domain: Domain) -> tuple[Variable, ...]:
    """Return the columns that a program reads, in cells.

    Args:
        program: The compiled model.
        domain: The contract that it answers for.

    Returns:
        One variable for each table column, in the order of the inputs.

    Raises:
        ContractError: The program reads a column that the contract does not have, or has with
            another kind, or that allows no value.
    """
    whole_box(program, domain)  # refuses a column of another kind
    readers: dict[str, list[int]] = {}
    for i, column in enumerate(program.outline.inputs):
        readers.setdefault(column.name, []).append(i)
    return tuple(
        _variable(program, domain.column(name), tuple(inputs)) for name, inputs in readers.items()
    )


def table_of(rows: Sequence[Row]) -> Table:
    """Return rows as a table that a program encodes.

    >>> table_of([{"a": 1.0, "b": "x"}, {"a": None, "b": None}])["a"].tolist()
    [1.0, nan]
    """
    return {name: _as_column([row[name] for row in rows]) for name in rows[0]}


def _as_column(values: list[Shown]) -> Floats | npt.NDArray[np.object_]:
    # Missing alone is None: it reads as missing in a column of texts and in one of numbers.
    if any(isinstance(value, str) for value in values) or all(value is None for value in values):
        return np.array(values, dtype=object)
    return np.array([math.nan if value is None else value for value in values], dtype=np.float64)


def _variable(program: Program, column: Column, inputs: tuple[int, ...]) -> Variable:
    readers = [program.outline.inputs[i] for i in inputs]
    shown: list[Shown]
    if column.is_category:
        shown, known = _texts(column, [r for r in readers if isinstance(r, TextInput)])
    else:
        shown = list(_numbers(program, column, inputs))
        known = [True] * len(shown)
    if column.nullable:
        shown.append(None)
        known.append(True)
    if not shown:
        raise ContractError(f"column {column.name!r} allows no value at all")
    matrix = np.array([[_encoded(reader, value) for reader in readers] for value in shown])
    return Variable(column.name, inputs, matrix, tuple(shown), np.array(known))


def _encoded(reader: Input, value: Shown) -> float:
    if value is None:
        return math.nan
    if reader.kind == "number":
        assert not isinstance(value, str)
        return float(value)
    known: tuple[object, ...] = reader.known
    return float(known.index(value)) if value in known else UNKNOWN


def _texts(column: Column, readers: Sequence[TextInput]) -> tuple[list[Shown], list[bool]]:
    known = dict.fromkeys(text for reader in readers for text in reader.known)
    if column.categories is not None:
        shown: list[Shown] = [text for text in known if text in column.categories]
        strangers = [text for text in column.categories if text not in known]
        shown += strangers[:1]
        return shown, [True] * len(shown)
    stranger = _stranger(list(known), column.pattern)
    return [*known, _unlike(known) if stranger is None else stranger], [True] * len(known) + [
        stranger is not None
    ]


def _unlike(known: Mapping[str, None]) -> str:
    """Return a text that is not known, whatever the pattern says of it."""
    return "?" * (1 + max((len(text) for text in known), default=0))


def _stranger(known: Sequence[str], pattern: str | None) -> str | None:
    """Return a text that keeps a pattern and is not known, or None if a short search finds none."""
    taken = set(known)
    for text in ("unseen", *known[:20]):
        for at in range(len(text) - 1, -1, -1):
            for letter in _LETTERS:
                near = text[:at] + letter + text[at + 1 :]
                if near not in taken and (pattern is None or re.match(pattern, near)):
                    return near
    return None


def _numbers(program: Program, column: Column, inputs: Sequence[int]) -> list[float]:
    """Return one allowed number for each piece between the thresholds of a column."""
    trees = program.trees
    least, most = (float(np.clip(end, -_LARGEST, _LARGEST)) for end in number_ends(column))
    ends: set[float] = set()
    for i in inputs:
        reader = program.outline.inputs[i]
        if isinstance(reader, CodeInput):  # each known number is a piece of its own
            for number in reader.known:
                ends |= {math.nextafter(number, -math.inf), number}
        else:
            ends |= set(trees.cut[trees.feature == i].tolist())
    # A linear sum is extreme at the ends.
    ends |= {least} if least > -_LARGEST else set()
    ends |= {math.nextafter(most, -math.inf)} if most < _LARGEST else set()
    inner = sorted(end for end in ends if least <= end < most)
    pieces = pairwise([math.nextafter(least, -math.inf), *inner, most])
    found = [_inside(math.nextafter(a, math.inf), b, column.kind) for a, b in pieces]
    return [number for number in found if number is not None]


def _inside(low: float, high: float, kind: ColumnKind) -> float | None:
    """Return a number of a closed interval that a kind of column allows, or None."""
    if kind is not ColumnKind.NUMBER:
        low, high = float(math.ceil(low)), float(math.floor(high))
        if low > high:
            return None
    if low == -_LARGEST and high == _LARGEST:
        return 0.0
    if low == -_LARGEST or high == _LARGEST:
        return high if low == -_LARGEST else low
    middle = low / 2 + high / 2
    if kind is not ColumnKind.NUMBER:
        middle = float(math.floor(middle))
    return min(max(middle, low), high)
