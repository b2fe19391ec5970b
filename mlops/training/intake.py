"""An intake: raw rows become a snapshot of those that keep the contract; the others go aside."""

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from mlops.base.digest import Digest
from mlops.base.errors import ContractError
from mlops.base.store import write_file
from mlops.contracts.schema import Schema, Validated, Violation, validate
from mlops.data.snapshot import Snapshot, content_digest, take
from mlops.training.folders import Folders

_SHOWN_ROWS = 5


@dataclass(frozen=True, slots=True)
class Intake:
    """What a run may learn from.

    Attributes:
        frame: Rows that keep the contract.
        snapshot: The same, pinned.
        bad_rows: How many rows broke it.
        quarantine: File with those rows and the rules that they broke; None if there are none.
        violations: What was broken.
    """

    frame: pd.DataFrame
    snapshot: Snapshot
    bad_rows: int
    quarantine: Path | None
    violations: tuple[Violation, ...]


def take_in(
    frame: pd.DataFrame, schema: Schema, *, max_bad_share: float, folders: Folders
) -> Intake:
    """Validate rows, quarantine the bad ones and pin the good ones.

    Args:
        frame: Raw rows.
        schema: The training contract.
        max_bad_share: Share of rows that may break it, 0 to 1.
        folders: Where files are kept.

    Raises:
        ContractError: Too many rows are bad, or none is good; the message says which rows break
            which rule, and where the quarantined rows lie.
        UnavailableError: Files cannot be written.
    """
    validated = validate(schema, frame)
    quarantine = _quarantine(validated, folders.quarantine)
    bad = len(validated.bad)
    if bad > max_bad_share * validated.checked or bad == validated.checked:
        raise ContractError(
            f"{bad} of {validated.checked} rows break contract {schema.__name__}, more than"
            f" contracts.max_bad_share={max_bad_share:g} allows: {told(validated.violations)}",
            hint=f"the rows and their rules are in {quarantine}",
        )
    return Intake(
        frame=validated.good,
        snapshot=take(validated.good, folders.snapshots),
        bad_rows=bad,
        quarantine=quarantine,
        violations=validated.violations,
    )


def told(violations: tuple[Violation, ...]) -> str:
    """Return violations as one line: column, rule, number of rows, the first rows and values."""
    parts = []
    for each in violations:
        rows = ", ".join(str(row) for row in each.rows[:_SHOWN_ROWS])
        more = ", ..." if len(each.rows) > _SHOWN_ROWS else ""
        values = f", such as {each.values[0]!r}" if each.values else ""
        parts.append(f"{each.column}: {each.rule} in {len(each.rows)} rows ({rows}{more}){values}")
    return "; ".join(parts)


def _quarantine(validated: Validated, folder: Path) -> Path | None:
    if validated.bad.empty:
        return None
    digest: Digest = content_digest(validated.bad.astype({"violations": "str"}))
    path = folder / f"{digest.removeprefix('sha256:')[:12]}.csv"
    # The first column is the row's place in the data as they were read.
    write_file(path, validated.bad.to_csv(index_label="row").encode())
    return path
