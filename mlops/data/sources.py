"""A source: something that gives the rows to train on, in the training contract's columns."""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol, assert_never, runtime_checkable

import pandas as pd

from mlops.contracts.domain import Column
from mlops.data.files import FileSource
from mlops.data.jobboard import JobBoard
from mlops.data.open_bandit import OpenBandit
from mlops.data.spec import CsvSource, JobBoardSource, OpenBanditSource


class Source(Protocol):
    """Rows to train on."""

    def read(self) -> pd.DataFrame:
        """Return the rows, in the training contract's columns and dtypes.

        Single rows may break the contract: validation quarantines them.

        Raises:
            ContractError: The data are not what the contract describes, as a whole.
            UnavailableError: They cannot be reached.
        """
        ...


@runtime_checkable
class CrossingSource(Source, Protocol):
    """A source that also knows what else could have been shown, for off-policy evaluation."""

    def cross(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Return a row for each of `frame`'s rows and each item that could have stood there.

        Args:
            frame: Rows of `read`, or a selection of them in any order.

        Returns:
            Column `impression` (place in `frame`, from 0, ascending) and the request's columns.
        """
        ...


def source(
    spec: OpenBanditSource | JobBoardSource | CsvSource,
    *,
    columns: Sequence[Column],
    folder: Path,
) -> Source:
    """Return the source that a configuration describes.

    Args:
        spec: The configuration.
        columns: The training contract's columns; files of one's own are read by them.
        folder: Where fetched data lie, for a source that names no folder of its own.
    """
    match spec:
        case OpenBanditSource():
            place = folder if spec.folder is None else Path(spec.folder)
            return OpenBandit(place, spec.campaign, spec.policies)
        case JobBoardSource():
            return JobBoard(spec)
        case CsvSource():
            return FileSource(Path(spec.path), columns)
        case _:
            assert_never(spec)


def data_folder(root: Path, environment: str | None) -> Path:
    """Return where fetched data lie.

    Args:
        root: The store's root.
        environment: What `MLOPS_DATA_DIR` holds; None or empty where it is not set.

    >>> str(data_folder(Path(".mlops"), None))
    '.mlops/data'
    """
    return Path(environment) if environment else root / "data"
