"""A plan: the settings and the bundle that a service answers by, under a number of its own."""

from dataclasses import dataclass

from mlops.contracts.domain import Domain
from mlops.models.artifact import Bundle
from mlops.serving.lanes import LaneKind
from mlops.serving.settings import ServeSettings


@dataclass(frozen=True, slots=True)
class Plan:
    """What workers answer by.

    Attributes:
        epoch: Its number, from 1 on; the shared flag `EPOCH` names the one that serves.
        settings: Deadline, chain and limits.
        bundle: The bundle; None in heuristic mode, where none could be had.
        lane: Where its model runs, the same in all workers.
    """

    epoch: int
    settings: ServeSettings
    bundle: Bundle | None
    lane: LaneKind = "process"

    @property
    def digest(self) -> str:
        """Digest of the bundle; empty if there is none."""
        return "" if self.bundle is None else self.bundle.ref.digest

    @property
    def model(self) -> str:
        """The model's name; empty if there is none."""
        return "" if self.bundle is None else self.bundle.parts.model

    @property
    def domain(self) -> Domain | None:
        """The contract; None if neither the settings nor a bundle names one."""
        if self.bundle is not None:
            return self.bundle.parts.domain
        return self.settings.domain
