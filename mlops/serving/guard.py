"""A guard: what a model's output must be before anyone sees it."""

import math
from dataclasses import dataclass
from enum import StrEnum
from typing import Self

import numpy as np

from mlops.contracts.domain import Floats
from mlops.models.certificate import Certificate


class Breach(StrEnum):
    """What was wrong with an output."""

    INCOMPLETE = "guard_incomplete"
    NOT_FINITE = "guard_not_finite"
    OUT_OF_RANGE = "guard_out_of_range"
    INCONSISTENT = "guard_inconsistent"
    """A score is not what another copy of the same program gives for the same candidate."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What was proved about a bundle's score, and so what an answer must be.

    Attributes:
        low: Certified least score; minus infinity if no end was proved.
        high: Certified largest score; infinity if no end was proved.
        finite: Whether it is proved that no score is NaN or infinite.
        bundle: Digest of the bundle.
    """

    low: float
    high: float
    finite: bool = False
    bundle: str = ""

    @classmethod
    def of(cls, proved: Certificate, bundle: str) -> Self:
        """Take the limits from a certificate; an end that was not proved is no limit."""
        return cls(
            low=-math.inf if proved.score.low is None else proved.score.low,
            high=math.inf if proved.score.high is None else proved.score.high,
            finite=proved.finite,
            bundle=bundle,
        )

    def impossible(self, breach: Breach) -> bool:
        """Tell whether a sound model cannot give such an answer: something is corrupted."""
        if breach is Breach.NOT_FINITE:
            return self.finite
        return breach is not Breach.INCOMPLETE

    def farthest(self, scores: Floats) -> float:
        """Return the score that is the farthest outside; NaN and infinities before all others.

        >>> Limits(0.0, 1.0).farthest(np.array([0.5, 3.0, -1.0]))
        3.0
        """
        odd = scores[~np.isfinite(scores)]
        if len(odd):
            return float(odd[0])
        return float(scores[np.maximum(self.low - scores, scores - self.high).argmax()])


def inspect(scores: Floats, *, rows: int, low: float, high: float) -> Breach | None:
    """Return what is wrong with a page's scores, or None.

    Args:
        scores: As the model gave them, any shape.
        rows: Number of candidates.
        low: Certified least score.
        high: Certified largest score.

    >>> inspect(np.array([0.2, np.nan]), rows=2, low=0.0, high=1.0)
    <Breach.NOT_FINITE: 'guard_not_finite'>
    """
    if scores.shape != (rows,):
        return Breach.INCOMPLETE
    if not rows:
        return None
    # NaN shows in both ends and an infinity in one, so two passes of numpy are enough.
    least, most = float(np.minimum.reduce(scores)), float(np.maximum.reduce(scores))
    if not (math.isfinite(least) and math.isfinite(most)):
        return Breach.NOT_FINITE
    return None if low <= least and most <= high else Breach.OUT_OF_RANGE
