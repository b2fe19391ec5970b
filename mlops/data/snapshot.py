"""A snapshot: one immutable version of a data set, named by the digest of what it says.

The digest is taken over column names, dtypes and values in order, not over the file's bytes, so
another version of the Parquet writer gives the same name to the same data. In detail, it is the
sha256 of one canonical JSON line (version, rows, column names and dtypes), then for each column its
values as little-endian numbers, every NaN as the same bits, -0.0 as itself; a text column is the
JSON list of its distinct texts in order of first appearance, then an int64 code for each row, -1
for missing.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from mlops.base.digest import Digest, Json, canonical_json
from mlops.base.errors import ContractError, UnavailableError
from mlops.base.store import publish_folder

_FILE = "rows.parquet"
_VERSION = 1


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Which version of a data set it is, and where it lies.

    Attributes:
        digest: Name of the content.
        rows: How many rows.
        columns: Column names, in order.
        path: The folder.
    """

    digest: Digest
    rows: int
    columns: tuple[str, ...]
    path: Path


def take(frame: pd.DataFrame, root: Path) -> Snapshot:
    """Write a frame as a snapshot; the same content is written once.

    Args:
        frame: Columns of float, int, bool or str dtype; its index is not kept.
        root: The snapshots' folder.

    Raises:
        ContractError: A column has another dtype.
        UnavailableError: The folder cannot be written.
    """
    digest = content_digest(frame)
    target = folder(digest, root)
    plain = frame.reset_index(drop=True)
    publish_folder(target, lambda draft: plain.to_parquet(draft / _FILE, index=False))
    return Snapshot(digest, len(frame), tuple(map(str, frame.columns)), target)


def read(digest: Digest, root: Path) -> pd.DataFrame:
    """Return a snapshot's rows, after checking that they are what its name says.

    Raises:
        ContractError: The content is not that of the digest.
        UnavailableError: There is no such snapshot.
    """
    path = folder(digest, root) / _FILE
    try:
        frame = pd.read_parquet(path)
    except FileNotFoundError as error:
        raise UnavailableError(
            f"there is no snapshot {digest} in {root}",
            hint="take it again with `mlops train`, or copy the folder from where it was taken",
        ) from error
    except (OSError, ValueError) as error:
        raise ContractError(f"snapshot {path} cannot be read: {error}") from error
    found = content_digest(frame)
    if found != digest:
        raise ContractError(
            f"snapshot {path} holds {found}, not {digest}: it was changed after it was taken",
            hint="delete the folder and take the snapshot again",
        )
    return frame


def folder(digest: Digest, root: Path) -> Path:
    """Return where a snapshot lies."""
    return root / digest.removeprefix("sha256:")


def content_digest(frame: pd.DataFrame) -> Digest:
    """Return the digest of a frame's content; see the module's docstring for what enters it.

    Raises:
        ContractError: A column has a dtype that has no canonical form here.
    """
    columns: list[Json] = [[str(name), str(frame[name].dtype)] for name in frame.columns]
    head = canonical_json({"version": _VERSION, "rows": len(frame), "columns": columns})
    total = hashlib.sha256(head + b"\n")
    for name in frame.columns:
        for part in _canonical(str(name), frame[name]):
            total.update(part)
    return Digest("sha256:" + total.hexdigest())


def _canonical(name: str, series: "pd.Series[Any]") -> tuple[bytes, ...]:
    dtype = series.dtype
    if isinstance(dtype, np.dtype) and dtype.kind in "fiub":
        values = series.to_numpy(copy=dtype.kind == "f")
        if dtype.kind == "f":
            values[np.isnan(values)] = np.nan
        return (values.astype(dtype.newbyteorder("<"), copy=False).tobytes(),)
    if dtype == "str":
        codes, texts = pd.factorize(series)
        known = canonical_json([str(text) for text in texts])
        return known + b"\n", codes.astype("<i8").tobytes()
    raise ContractError(
        f"column {name!r} has dtype {dtype}, of which no snapshot can be taken",
        hint="use float, int, bool or str",
    )
