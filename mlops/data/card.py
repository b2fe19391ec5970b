"""A data card: what a data set holds, in a few figures that a person reads before training."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from mlops.contracts.domain import Column, ColumnKind
from mlops.contracts.roles import Scope


@dataclass(frozen=True, slots=True)
class OutcomeCount:
    """How often something happened.

    Attributes:
        count: Rows where it did.
        rate: Share of all rows, 0 to 1; 0 where there are none.
    """

    count: int
    rate: float


@dataclass(frozen=True, slots=True)
class DataCard:
    """A data set's figures.

    Attributes:
        rows: How many rows.
        columns: How many columns.
        first_s: Time of the first row, seconds since 1970; None without a time column.
        last_s: Time of the last row, seconds since 1970; None without a time column.
        outcomes: For each outcome that happens or not, how often it did.
        missing: For each column with missing values, their share of rows, 0 to 1.
        distinct: For each category column, how many values it takes.
    """

    rows: int
    columns: int
    first_s: float | None
    last_s: float | None
    outcomes: Mapping[str, OutcomeCount]
    missing: Mapping[str, float]
    distinct: Mapping[str, int]


def describe(
    frame: pd.DataFrame, columns: Sequence[Column], *, time_column: str = "at_s"
) -> DataCard:
    """Return the figures of a data set.

    Args:
        frame: The rows.
        columns: The training contract's columns; those that the frame lacks are passed over.
        time_column: Its time, in seconds since 1970.
    """
    here = [column for column in columns if column.name in frame.columns]
    times = np.zeros(0)
    if time_column in frame.columns:
        times = frame[time_column].to_numpy(np.float64)
    finite = times[np.isfinite(times)]
    shares = {str(name): float(share) for name, share in frame.isna().mean().items()}
    return DataCard(
        rows=len(frame),
        columns=len(frame.columns),
        first_s=float(finite.min()) if len(finite) else None,
        last_s=float(finite.max()) if len(finite) else None,
        outcomes={c.name: _count(frame, c.name) for c in here if _happens(c)},
        missing={name: share for name, share in shares.items() if share > 0},
        distinct={c.name: int(frame[c.name].nunique()) for c in here if c.is_category},
    )


def _happens(column: Column) -> bool:
    if column.scope is not Scope.OUTCOME:
        return False
    flag = column.kind is ColumnKind.INTEGER and (column.minimum, column.maximum) == (0, 1)
    return flag or column.kind is ColumnKind.BOOLEAN


def _count(frame: pd.DataFrame, name: str) -> OutcomeCount:
    count = int(frame[name].sum())
    return OutcomeCount(count, count / len(frame) if len(frame) else 0.0)
