"""A decision: one answer of a service, with who gave it and why."""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from mlops.contracts.domain import Floats
from mlops.experiments.assignment import Arm
from mlops.serving.guard import Breach


class Source(StrEnum):
    """Who answered."""

    MODEL = "model"
    CACHE = "cache"
    HEURISTIC = "heuristic"
    STATIC = "static"


class Reason(StrEnum):
    """Why that source answered: `ok` for the model, else what kept the model from answering."""

    OK = "ok"
    HOLDOUT = "holdout"
    DEADLINE = "deadline"
    MODEL_ERROR = "model_error"
    MODEL_UNAVAILABLE = "model_unavailable"
    BREAKER_OPEN = "breaker_open"
    BREAKER_RAMP = "breaker_ramp"
    OVERLOAD = "overload"
    GUARD_INCOMPLETE = Breach.INCOMPLETE.value
    GUARD_NOT_FINITE = Breach.NOT_FINITE.value
    GUARD_OUT_OF_RANGE = Breach.OUT_OF_RANGE.value
    GUARD_INCONSISTENT = Breach.INCONSISTENT.value


@dataclass(frozen=True, slots=True)
class Decision:
    """An answer before it is encoded.

    Attributes:
        source: Who answered.
        reason: Why that source.
        arm: Who was meant to answer.
        scores: One score a candidate, in the request's order; larger ranks higher.
    """

    source: Source
    reason: Reason
    arm: Arm
    scores: Floats

    def order(self) -> list[int]:
        """Return candidate positions, best first; equal scores keep the caller's order."""
        positions: list[int] = np.argsort(-self.scores, kind="stable").tolist()
        return positions
