"""A decision: one answer of a service, with who gave it and why."""

from enum import StrEnum

import msgspec

from mlops.contracts.domain import Floats
from mlops.experiments.assignment import Arm
from mlops.serving import encode
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
    BURN = "burn"
    GUARD_INCOMPLETE = Breach.INCOMPLETE.value
    GUARD_NOT_FINITE = Breach.NOT_FINITE.value
    GUARD_OUT_OF_RANGE = Breach.OUT_OF_RANGE.value
    GUARD_INCONSISTENT = Breach.INCONSISTENT.value


class Decision(msgspec.Struct, frozen=True, gc=False):
    """An answer before it is encoded.

    Attributes:
        source: Who answered.
        reason: Why that source. An answer of the previous bundle's model has the source `model`
            and the reason why the current one's did not answer.
        arm: Who was meant to answer.
        scores: One score a candidate, in the request's order; larger ranks higher.
        propensity: Probability with which such a request got this arm, and on a healing model's
            ramp this side of it, in (0, 1].
        bundle: Digest of the bundle whose model, cached answer or heuristic this is; empty where
            there is none.
        heuristic: Name of the heuristic whose scores they are, or would have been had the model
            not answered; empty if none was computed.
        model_s: Seconds that the model took whose answer this is; 0 for other sources.
    """

    source: Source
    reason: Reason
    arm: Arm
    scores: Floats
    propensity: float = 1.0
    bundle: str = ""
    heuristic: str = ""
    model_s: float = 0.0

    def order(self) -> list[int]:
        """Return candidate positions, best first; equal scores keep the caller's order."""
        return encode.order(self.scores)
