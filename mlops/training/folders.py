"""Folders: where below the store's root a run keeps what."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Folders:
    """Where a run reads and writes.

    Attributes:
        root: The store's root.
    """

    root: Path

    @property
    def data(self) -> Path:
        """Public data sets that were fetched."""
        return self.root / "data"

    @property
    def snapshots(self) -> Path:
        """Immutable data sets."""
        return self.root / "snapshots"

    @property
    def bundles(self) -> Path:
        """Immutable bundles, by service."""
        return self.root / "bundles"

    @property
    def runs(self) -> Path:
        """Run records."""
        return self.root / "runs"

    @property
    def quarantine(self) -> Path:
        """Rows that broke their contract."""
        return self.root / "quarantine"
