"""A shift: two allowed rows that differ in one column, and what a program answers for each."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from mlops.contracts.domain import Domain, Floats, Table
from mlops.contracts.page import PageCheck
from mlops.proofs.cells import Row, Shown
from mlops.proofs.moves import Mover, Witness

_TRIED = 256
_ORDINARY = 1e6


@dataclass(frozen=True, slots=True)
class Shift:
    """Two rows that differ in one column.

    Attributes:
        rows: The row before the move and the one after it.
        values: What the program gave for each.
    """

    rows: tuple[Row, Row]
    values: tuple[float, float]


def largest_shift(
    mover: Mover,
    domain: Domain,
    witness: Witness,
    quantity: Callable[[Table], Floats],
    rng: np.random.Generator,
) -> Shift | None:
    """Run the program on rows of a witness, and return the pair with the largest fall.

    Args:
        mover: The column.
        domain: The contract; both rows of a pair keep it.
        witness: Where to look.
        quantity: Gives one number a row; really runs the program.
        rng: Chooses what the witness leaves free.

    Returns:
        None if no allowed pair is at hand there.
    """
    rows = _rows(mover, domain, witness, rng)
    if not rows:
        return None
    name = mover.column.name
    first = [{**row, name: witness.first} for row in rows]
    second = [{**row, name: witness.second} for row in rows]
    tables = table_for(domain, first), table_for(domain, second)
    check = PageCheck([domain.column(name) for name in rows[0]])
    before, after = (quantity(table) for table in tables)
    counts = check.mask(tables[0]) & check.mask(tables[1])
    counts &= np.isfinite(before) & np.isfinite(after)
    if not counts.any():
        return None
    most = int(np.where(counts, before - after, -np.inf).argmax())
    return Shift((first[most], second[most]), (float(before[most]), float(after[most])))


def table_for(domain: Domain, rows: Sequence[Row]) -> Table:
    """Return rows as a table of the contract's dtypes."""
    values = {name: [row[name] for row in rows] for name in rows[0]}
    return {
        name: np.array(column, dtype=object)
        if domain.column(name).is_category
        else np.array([math.nan if value is None else value for value in column], np.float64)
        for name, column in values.items()
    }


def _rows(mover: Mover, domain: Domain, witness: Witness, rng: np.random.Generator) -> list[Row]:
    chosen: dict[str, Sequence[Shown]] = {}
    for at, variable in enumerate(mover.variables):
        cells = witness.where.get(at, -1)
        open_cells = [i for i in range(len(variable.shown)) if cells >> i & 1 and variable.known[i]]
        if not open_cells:
            return []
        picked = rng.choice(open_cells, _TRIED)
        chosen[variable.name] = [variable.shown[i] for i in picked]
    score = mover.program.outline.score
    if score.kind == "expected_value" and score.value not in chosen:
        chosen[score.value] = [ordinary(domain.column(score.value).interval)[1]] * _TRIED
    return [{name: values[i] for name, values in chosen.items()} for i in range(_TRIED)]


def ordinary(interval: tuple[float, float]) -> tuple[float, float]:
    """Return the ends of an interval, or a million where they are larger than that.

    >>> ordinary((0.0, 1.7e308))
    (0.0, 1000000.0)
    """
    low, high = (min(max(end, -_ORDINARY), _ORDINARY) for end in interval)
    return (low, high) if low < high else interval
