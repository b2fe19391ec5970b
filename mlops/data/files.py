"""A file source: CSV or Parquet of one's own, read into a contract's dtypes."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import pandas as pd

from mlops.base.errors import ContractError, Place, UnavailableError
from mlops.contracts.domain import Column, ColumnKind

# Only these mean "missing" in a text column: a job titled "NA" is a job.
_MISSING = ("",)
_MISSING_NUMBER = ("", "NA", "NaN", "nan", "null", "None")
_TRUTH = {"true": 1.0, "1": 1.0, "1.0": 1.0, "false": 0.0, "0": 0.0, "0.0": 0.0}


class FileSource:
    """Rows from one file.

    Args:
        path: `.csv`, `.csv.gz` or `.parquet`.
        columns: The training contract's columns; others in the file are not read.
    """

    def __init__(self, path: Path, columns: Sequence[Column]) -> None:
        self._path = path
        self._columns = columns

    def read(self) -> pd.DataFrame:
        """Return the rows in the contract's columns, in its dtypes.

        A column that the file lacks is left out; validation names it.

        Raises:
            ContractError: A value is no number, or missing where a whole number must be.
            UnavailableError: The file cannot be read.
        """
        raw = self._read_raw()
        return pd.DataFrame(
            {c.name: self._typed(c, raw[c.name]) for c in self._columns if c.name in raw.columns}
        )

    def _read_raw(self) -> pd.DataFrame:
        wanted = {column.name for column in self._columns}
        try:
            if self._path.suffix == ".parquet":
                frame = pd.read_parquet(self._path)
                return frame[[name for name in frame.columns if name in wanted]]
            return pd.read_csv(
                self._path,
                usecols=lambda name: name in wanted,
                dtype="str",
                keep_default_na=False,
                na_values=list(_MISSING),
            )
        except FileNotFoundError as error:
            raise UnavailableError(
                f"there is no file {self._path}",
                hint="set data.source.path; relative paths start where the command runs",
            ) from error
        except (OSError, ValueError, UnicodeError) as error:
            raise UnavailableError(
                f"cannot read {self._path}: {error}", hint="is it a CSV or Parquet file?"
            ) from error

    def _typed(self, column: Column, values: "pd.Series[str]") -> "pd.Series[Any]":
        if values.dtype == column.stored:
            return values
        if column.is_category:
            return values.astype("str")
        if column.stored.startswith("datetime"):
            return self._times(column, values)
        plain = self._plain(column, values)
        if column.dtype and column.kind is ColumnKind.INTEGER:
            limits = np.iinfo(column.dtype.lower())  # numpy would let 300 become 44 in an int8
            outside = (plain < limits.min) | (plain > limits.max)
            if outside.any():
                self._refuse(column, f"does not fit {column.dtype}", int(outside.argmax()))
        return plain.astype(cast("Any", column.dtype)) if column.dtype else plain

    def _times(self, column: Column, values: "pd.Series[str]") -> "pd.Series[Any]":
        times = pd.to_datetime(values, errors="coerce", utc="," in column.stored, format="ISO8601")
        wrong = times.isna() & values.notna()
        if wrong.any():
            at = int(np.flatnonzero(wrong)[0])
            self._refuse(column, f"is {values.iloc[at]!r}, not a time of ISO 8601", at)
        return times.astype(cast("Any", column.stored))

    def _plain(self, column: Column, values: "pd.Series[str]") -> "pd.Series[Any]":
        """Return float64, or int64 or bool where none is missing."""
        numbers = self._numbers(column, values)
        if column.kind is ColumnKind.NUMBER or column.nullable:
            return numbers
        absent = numbers.isna()
        if absent.any():
            self._refuse(column, "is missing", int(np.flatnonzero(absent)[0]))
        fraction = numbers != np.floor(numbers)
        if fraction.any():
            self._refuse(column, "is not a whole number", int(np.flatnonzero(fraction)[0]))
        kind: Any = np.bool_ if column.kind is ColumnKind.BOOLEAN else np.int64
        return numbers.astype(kind)

    def _numbers(self, column: Column, values: "pd.Series[str]") -> "pd.Series[float]":
        if values.dtype != "str":
            return values.astype(np.float64)
        kept = values.where(~values.isin(list(_MISSING_NUMBER)))
        if column.kind is ColumnKind.BOOLEAN:
            numbers = kept.str.lower().map(_TRUTH).astype(np.float64)
        else:
            numbers = pd.to_numeric(kept, errors="coerce").astype(np.float64)
        wrong = numbers.isna() & kept.notna()
        if wrong.any():
            at = int(np.flatnonzero(wrong)[0])
            self._refuse(column, f"is {kept.iloc[at]!r}, not a {column.kind.value}", at)
        return numbers

    def _refuse(self, column: Column, problem: str, row: int) -> None:
        raise ContractError(
            f"{self._path}: column {column.name!r} {problem} in row {row}",
            hint="correct the file; a column's dtype holds for every row of it",
            place=Place(str(self._path), key=column.name, row=row),
        )
