"""A run record: everything about one training that a later reader may ask for."""

import json
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, JsonValue, ValidationError

from mlops.base.errors import BundleError
from mlops.base.store import write_file

_LOOKED_AT = 20


class SplitRecord(BaseModel):
    """How the rows were divided.

    Attributes:
        train_rows: Rows before the boundary.
        test_rows: Rows from it on.
        boundary_s: The first test row's time, seconds since 1970.
        as_of_s: Until when outcomes are known, seconds since 1970.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    train_rows: int
    test_rows: int
    boundary_s: float
    as_of_s: float


class DataRecord(BaseModel):
    """What a run learned from.

    Attributes:
        snapshot: Digest of the rows.
        rows: Rows that kept the contract.
        quarantined: Rows that broke it.
        quarantine: File that holds them; empty if there are none.
        split: How the rows were divided.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    snapshot: str
    rows: int
    quarantined: int
    quarantine: str
    split: SplitRecord


class CostRecord(BaseModel):
    """What a run took.

    Attributes:
        fit_cpu_s: CPU seconds of fitting.
        wall_s: Seconds of the whole run.
        peak_memory_mb: Most memory held, MiB.
        steps_s: Seconds by step.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    fit_cpu_s: float
    wall_s: float
    peak_memory_mb: float
    steps_s: dict[str, float]


class RunRecord(BaseModel):
    """One training.

    Attributes:
        version: Format.
        run_id: Its name: time and the start of the bundle's digest.
        service: Name of the service.
        model: Name of the model.
        started_at: ISO 8601, UTC.
        seed: Seed of everything random.
        config: The composed configuration.
        data: What it learned from.
        environment: What it ran on.
        cost: What it took.
        bundle: Digest of the bundle that it made.
        measurements: As in the bundle's `quality.json`.
        verdicts: Verdicts of parity, certificate and cost: name, status and messages.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    version: Literal[1] = 1
    run_id: str
    service: str
    model: str
    started_at: str
    seed: int
    config: JsonValue
    data: DataRecord
    environment: JsonValue
    cost: CostRecord
    bundle: str
    measurements: JsonValue
    verdicts: JsonValue


def write(record: RunRecord, root: Path) -> Path:
    """Write a record and return its file.

    Raises:
        UnavailableError: The folder cannot be written.
    """
    path = root / f"{record.run_id}.json"
    write_file(path, json.dumps(record.model_dump(mode="json"), indent=1).encode())
    return path


def of_bundle(digest: str, root: Path) -> RunRecord:
    """Return the newest record of the run that made a bundle.

    Raises:
        BundleError: There is none, or it cannot be read.
    """
    short = digest.removeprefix("sha256:")[:12]
    paths = sorted(root.glob(f"*-{short}.json"))
    if not paths:
        raise BundleError(
            f"no run record for bundle {digest} in {root}",
            hint="train again with `mlops train`, or copy the record beside the bundle",
        )
    try:
        return RunRecord.model_validate_json(paths[-1].read_bytes())
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise BundleError(
            f"run record {paths[-1]} cannot be read: {'.'.join(map(str, first['loc']))}:"
            f" {first['msg']}",
            hint="train again with `mlops train`",
        ) from error


def rows_of_last(service: str, source: JsonValue, root: Path) -> int | None:
    """Return how many rows the service's last run read from a source; None if none is recorded.

    Args:
        service: Name of the service.
        source: The source's configuration, as the record holds it.
        root: Folder of the records; the newest twenty are looked at.
    """
    for path in sorted(root.glob("*.json"), reverse=True)[:_LOOKED_AT]:
        try:
            found = json.loads(path.read_bytes())
            same = found["service"] == service and found["config"]["data"]["source"] == source
            if same:
                return int(found["data"]["rows"]) + int(found["data"]["quarantined"])
        except (OSError, ValueError, KeyError, TypeError):
            continue  # of another version, or half copied: it tells nothing
    return None
