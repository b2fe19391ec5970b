"""Decision log settings: where decisions are written down, and what may be lost."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from mlops.base.section import Section


class Durability(StrEnum):
    """What is promised of a decision whose answer was sent."""

    BATCHED = "batched"
    """A killed worker loses at most the last `flush_ms`, a killed writer nothing, a killed machine
    at most what was not committed yet."""
    GROUP_COMMIT = "group_commit"
    """The answer waits until its row is committed, so that nothing acknowledged is lost, not even
    by a power cut. It does not wait beyond the deadline's reserve: then the row counts as late."""


class DecisionLogSettings(Section):
    """Every decision, written down outside the answer's path."""

    url: str = "sqlite"
    """`sqlite` for a file beside the service's other state; `sqlite:///PATH`;
    `postgresql://USER@HOST/NAME`, whose password comes from PGPASSWORD or a passfile; `none`."""
    durability: Durability = Durability.BATCHED
    """What is promised of a decision whose answer was sent."""
    flush_ms: Annotated[float, Field(ge=0.5, le=10_000)] = 5.0
    """Milliseconds of decisions that a worker gathers before it hands them to the writer."""
    commit_ms: Annotated[float, Field(ge=1, le=60_000)] = 50.0
    """Milliseconds of rows that the writer gathers into one transaction; `group_commit` waits for
    no more rows than are there."""
    spool_bytes: Annotated[int, Field(ge=2**16)] = 256 * 2**20
    """Most bytes kept in files while the database cannot be written; beyond it rows are lost, and
    counted."""
    memory_bytes: Annotated[int, Field(ge=2**16)] = 16 * 2**20
    """Most bytes that one worker keeps in memory while the writer does not take them."""
    retention_days: Annotated[float, Field(gt=0)] | None = 90.0
    """Days after which rows are deleted; null keeps them for ever."""
    subject_salt: str = "mlops"
    """Key of the hash by which a subject is named; the subject itself is never written."""
    candidates: Annotated[int, Field(ge=0)] = 1000
    """Most candidates written for one decision, best first."""
