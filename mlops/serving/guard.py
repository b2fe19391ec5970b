"""A guard: what a model's output must be before anyone sees it."""

from enum import StrEnum

import numpy as np

from mlops.contracts.domain import Floats


class Breach(StrEnum):
    """What was wrong with an output."""

    INCOMPLETE = "guard_incomplete"
    NOT_FINITE = "guard_not_finite"
    OUT_OF_RANGE = "guard_out_of_range"


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
    if not np.isfinite(scores).all():
        return Breach.NOT_FINITE
    if scores.min() < low or scores.max() > high:
        return Breach.OUT_OF_RANGE
    return None
