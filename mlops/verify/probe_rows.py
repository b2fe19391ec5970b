"""Probe rows: made-up rows that keep the contract, to fit a pipeline on and to ask it about."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mlops.contracts.domain import Column, ColumnKind, Domain, Floats, Table, Texts
from mlops.contracts.sample import bounds, draw

ROWS = 200
"""Rows that are fitted: enough for folds and bins, few enough for milliseconds."""

_SEEN = tuple(f"seen_{i}" for i in range(12))
_UNSEEN = "never_seen_before"
_SHARE = 0.2


@dataclass(frozen=True, slots=True)
class Rows:
    """What a probe fits and asks.

    Attributes:
        full: Rows to fit, 200 of them, in which every feature that may be missing sometimes is.
        complete: The same without a missing value; None if the contract allows none.
        asked: Rows to ask about: missing values and, in open columns, texts never seen.
    """

    full: Table
    complete: Table | None
    asked: Table


def rows_of(request: Domain, rng: np.random.Generator) -> Rows:
    """Draw rows from a contract.

    Args:
        request: What a request may contain.
        rng: Source of randomness.
    """
    # An open column takes a few texts, whatever its pattern: no transformer reads one.
    columns = tuple(
        column.model_copy(update={"categories": column.categories or _SEEN, "pattern": None})
        if column.is_category
        else column
        for column in request.columns
    )
    full = _fitted(request.model_copy(update={"columns": columns}), rng)
    asked = _fitted(request.model_copy(update={"columns": columns}), rng)
    for column in request.request:
        if column.is_category and column.categories is None:
            asked[column.name][rng.random(ROWS) < _SHARE] = _UNSEEN
        if column.nullable:
            asked[column.name][0] = None if column.is_category else np.nan
    complete = None
    if any(column.nullable for column in request.features):
        columns = tuple(column.model_copy(update={"nullable": False}) for column in columns)
        complete = _fitted(request.model_copy(update={"columns": columns}), rng)
    return Rows(full, complete, asked)


def _fitted(request: Domain, rng: np.random.Generator) -> dict[str, Floats | Texts]:
    """Draw rows with every category and, where it is allowed, a missing value."""
    rows = dict(draw(request, ROWS, rng, known={}))
    for column in request.request:
        values = rows[column.name]
        if column.categories is not None:
            known = column.categories[:ROWS]
            values[rng.permutation(ROWS)[: len(known)]] = np.array(known, dtype=object)
        if column.nullable:
            values[rng.permutation(ROWS)[:10]] = None if column.is_category else np.nan
    return rows


def outcome_of(column: Column, rng: np.random.Generator) -> Floats:
    """Draw an outcome: 0 and 1 equally often, or numbers within the contract's bounds.

    Args:
        column: The outcome; a number.
        rng: Source of randomness.

    Returns:
        Shape (200,).
    """
    if is_chance(column):
        return rng.permutation(np.arange(ROWS) % 2).astype(np.float64)
    low, high = bounds(column)
    values = rng.uniform(low, high, ROWS)
    return np.round(values) if column.kind is ColumnKind.INTEGER else values


def is_chance(column: Column) -> bool:
    """Tell whether an outcome happens or not."""
    return column.kind is ColumnKind.BOOLEAN or (column.minimum == 0 and column.maximum == 1)


def first(table: Table, rows: int, columns: Sequence[Column]) -> Table:
    """Return the first rows of some columns of a table."""
    return {column.name: table[column.name][:rows] for column in columns}
