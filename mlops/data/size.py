"""A size: how many rows a source will give, told without reading one."""

from dataclasses import dataclass
from pathlib import Path
from typing import assert_never

from mlops.data.spec import CsvSource, DataSpec, JobBoardSource, OpenBanditSource

_PER_POLICY = 10_000
_PACKED = 5.0
"""Times that gzip and Parquet make a table of numbers and repeated texts smaller, about."""
_VALUE_BYTES = 8.0
"""Bytes of a value and its comma in a CSV file, about: times and ids are longer, flags shorter."""


@dataclass(frozen=True, slots=True)
class Size:
    """A number of rows.

    Attributes:
        rows: How many.
        known_by: How it is known, for a message.
        factor: What it may be off by, either way; 1 if it is exact.
    """

    rows: float
    known_by: str
    factor: float = 1.0


def size(spec: DataSpec, *, columns: int, folder: Path, recorded: int | None = None) -> Size | None:
    """Return how many rows a run will read; None if nothing tells.

    Args:
        spec: The data's configuration.
        columns: Columns of the training contract, for a file whose first line does not tell.
        folder: Where the command runs.
        recorded: Rows that the service's last run read from this source; None without one.
    """
    if spec.expected_rows is not None:
        return Size(spec.expected_rows, "data.expected_rows")
    source = spec.source
    match source:
        case JobBoardSource():
            width = min(source.candidates, source.jobs)
            return Size(source.searches * width, "data.source.searches times the page")
        case OpenBanditSource():
            return Size(_PER_POLICY * len(source.policies), "data.source.policies")
        case CsvSource():
            if recorded is not None:
                return Size(recorded, "the last run's record", 1.2)
            return _of_file(folder / source.path, columns)
        case _:
            assert_never(source)


def _of_file(path: Path, columns: int) -> Size | None:
    """Guess from a file's size, and from its first line, which names the columns."""
    try:
        stored = path.stat().st_size
        if path.suffix == ".csv":
            with path.open("rb") as file:
                first = file.readline(65_536)
            width = max(first.count(b",") + 1, 1)
            return Size(max((stored - len(first)) / (width * _VALUE_BYTES), 1.0), "its size", 2.0)
    except OSError:
        return None
    return Size(max(stored * _PACKED / (columns * _VALUE_BYTES), 1.0), "its packed size", 4.0)


def usable_share(spec: DataSpec, given: str) -> tuple[float, float]:
    """Return the share of rows in which an outcome happened that a head depends on.

    Args:
        spec: The data's configuration.
        given: The outcome; empty for all rows.

    Returns:
        The expected share and its upper bound. Only a simulated log tells it before it is read;
        of others a tenth is expected, and all that is sure is that it is not more than all.
    """
    if not given:
        return 1.0, 1.0
    if isinstance(spec.source, JobBoardSource):
        rates = {"clicked": spec.source.click_rate}
        rates["applied"] = rates["clicked"] * spec.source.apply_rate
        rates["hired"] = rates["applied"] * spec.source.hire_rate
        if given in rates:
            return rates[given], min(3.0 * rates[given], 1.0)
    return 0.1, 1.0
