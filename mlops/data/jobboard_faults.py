"""A fault: what goes wrong on purpose in a simulated log, so that one sees whether it is noticed.

Faults change the record only, never what the seekers did, and draw from a random stream of their
own: with and without them the rest of the log is the same.
"""

import numpy as np
import numpy.typing as npt
import pandas as pd

from mlops.contracts.domain import Floats
from mlops.contracts.search_ranking import AREAS, EMPLOYMENTS, MAX_SALARY, OCCUPATIONS
from mlops.data.spec import Drift

_DAY_S = 86_400.0

_LIMITS = {
    "seeker_experience": 60.0,
    "seeker_desired_salary": MAX_SALARY,
    "job_salary": MAX_SALARY,
    "job_age": 365.0,
    "text_relevance": 1.0,
}
_FIRST = {
    "query_occupation": OCCUPATIONS[0],
    "query_area": AREAS[0],
    "job_employment": EMPLOYMENTS[0],
}

# Column and value of each kind of bad row; they are dealt out in turn.
_BREAKS: tuple[tuple[str, object], ...] = (
    ("text_relevance", 7.5),  # out of range
    ("job_occupation", None),  # missing where it must not be
    ("job_area", "atlantis"),  # unknown category
    ("job_age", np.inf),  # infinite
    ("success_fee", -100.0),  # out of range, below
    ("text_relevance", np.nan),  # missing number
)


def drifted(
    frame: pd.DataFrame, drift: Drift, start_s: float, rng: np.random.Generator
) -> pd.DataFrame:
    """Return the frame with one column changed from some day on.

    Args:
        frame: The log, in the contract's columns.
        drift: Which column, from when and how far.
        start_s: Start of the log, seconds since 1970.
        rng: Source of randomness.
    """
    late = frame["at_s"].to_numpy(np.float64) >= start_s + drift.from_day * _DAY_S
    if drift.column in _FIRST:
        hit = late & (rng.random(len(frame)) < drift.distance)
        changed = frame[drift.column].mask(hit, _FIRST[drift.column])
        return frame.assign(**{drift.column: changed})
    values = frame[drift.column].to_numpy(np.float64)
    return frame.assign(**{drift.column: _moved(values, late, drift)})


def _moved(values: Floats, late: npt.NDArray[np.bool_], drift: Drift) -> Floats:
    finite = values[np.isfinite(values)]
    spread = float(finite.std()) if len(finite) else 0.0
    moved = np.clip(values + drift.distance * spread, 0.0, _LIMITS[drift.column])
    return np.where(late, moved, values)


def broken(frame: pd.DataFrame, share: float, rng: np.random.Generator) -> pd.DataFrame:
    """Return the frame with a share of rows broken, each in one of six ways.

    Args:
        frame: The log, in the contract's columns.
        share: Share of rows, 0 to 1; the number of rows is rounded.
        rng: Source of randomness.
    """
    count = round(share * len(frame))
    if count == 0:
        return frame
    rows = rng.choice(len(frame), count, replace=False)
    changed = frame.copy()
    for turn, (column, value) in enumerate(_BREAKS):
        hit = np.zeros(len(frame), dtype=np.bool_)
        hit[rows[turn :: len(_BREAKS)]] = True
        changed[column] = changed[column].mask(hit, value)
    return changed
