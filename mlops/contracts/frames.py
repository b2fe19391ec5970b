"""A frame's two ways: a pandas frame of a contract to a table of plain arrays, and back."""

from collections.abc import Sequence
from typing import Any, cast

import numpy as np
import pandas as pd

from mlops.contracts.domain import Column, ColumnKind, Floats, Table, Texts

_PER_SECOND = {"s": 1.0, "ms": 1e3, "us": 1e6, "ns": 1e9}


def as_table(domain_columns: Sequence[Column], frame: pd.DataFrame) -> Table:
    """Return a frame's columns as a table of plain arrays.

    Args:
        domain_columns: Which columns, with their kinds.
        frame: A frame that keeps the contract.
    """
    return {column.name: _as_array(column, frame[column.name]) for column in domain_columns}


def _as_array(column: Column, series: "pd.Series[Any]") -> Floats | Texts:
    if column.is_category:
        values = series.astype(object)
        return values.where(series.notna(), None).to_numpy(dtype=object)
    return numbers(series)


def numbers(series: "pd.Series[Any]") -> Floats:
    """Return a column of numbers, truth values or times as float64: NaN for missing, seconds."""
    if str(series.dtype).startswith("datetime"):
        times = pd.DatetimeIndex(series)
        seconds = times.asi8.astype(np.float64) / _PER_SECOND[times.unit]
        seconds[np.asarray(times.isna())] = np.nan
        return seconds
    return series.to_numpy(np.float64, na_value=np.nan)


def as_frame(table: Table, columns: Sequence[Column]) -> pd.DataFrame:
    """Return a table as a frame with the contract's dtypes."""
    return pd.DataFrame({column.name: _as_series(column, table[column.name]) for column in columns})


def _as_series(column: Column, values: Floats | Texts) -> "pd.Series[Any]":
    # pandas' stubs know dtypes by their literal names only.
    dtype: Any = column.stored
    is_masked = dtype[0].isupper() or dtype == "boolean"  # pandas' own, which hold missing values
    if column.nullable and column.kind in (ColumnKind.INTEGER, ColumnKind.BOOLEAN):
        # numpy's whole numbers and truth values cannot be missing.
        dtype = dtype if is_masked else "float64"
    if dtype.startswith("datetime"):
        return _times(dtype, values.astype(np.float64))
    if is_masked:
        known = [pd.NA if value != value else value for value in values.tolist()]
        return pd.Series(known, dtype=dtype)
    return pd.Series(cast("Any", values)).astype(dtype)


def _times(dtype: Any, seconds: Floats) -> "pd.Series[Any]":
    unit = dtype[dtype.index("[") + 1 :].rstrip("]").partition(",")[0]
    counts = np.rint(np.nan_to_num(seconds) * _PER_SECOND[unit]).astype(np.int64)
    times = pd.Series(counts.astype(f"datetime64[{unit}]")).mask(np.isnan(seconds))
    return cast("pd.Series[Any]", times.dt.tz_localize("UTC") if "," in dtype else times)
