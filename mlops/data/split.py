"""A split: the past to train on and the future to test on, with the instant between them."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from mlops.base.errors import ContractError
from mlops.contracts.domain import Floats
from mlops.data.spec import SplitSpec

_DAY_S = 86_400.0


@dataclass(frozen=True, slots=True)
class Split:
    """Rows divided by time.

    Attributes:
        train: Rows before the boundary, in time order, with a fresh index.
        test: Rows at or after it, in time order, with a fresh index.
        boundary_s: The first test row's time, seconds since 1970.
        as_of_s: Until when outcomes are known, seconds since 1970.
    """

    train: pd.DataFrame
    test: pd.DataFrame
    boundary_s: float
    as_of_s: float


def by_time(frame: pd.DataFrame, spec: SplitSpec) -> Split:
    """Divide rows so that the latest share tests; rows of one instant stay together.

    Args:
        frame: At least two instants of rows, in any order.
        spec: Which column and share.

    Returns:
        The split. Both sides hold at least one row; ties may move the share a little.

    Raises:
        ContractError: A column is missing or not finite, or all rows have the same time.
    """
    at_s = _times(frame, spec.column)
    order = np.argsort(at_s, kind="stable")
    instants = at_s[order]
    cut = min(max(round(len(instants) * (1 - spec.test_share)), 1), len(instants) - 1)
    cut = _between_instants(instants, cut)
    rows = frame.iloc[order]
    as_of = _times(frame, spec.observed_until or spec.column)
    return Split(
        train=rows.iloc[:cut].reset_index(drop=True),
        test=rows.iloc[cut:].reset_index(drop=True),
        boundary_s=float(instants[cut]),
        as_of_s=float(as_of.max()),
    )


def _times(frame: pd.DataFrame, column: str) -> Floats:
    if column not in frame.columns:
        raise ContractError(
            f"the time split needs column {column!r}, which the data lack",
            hint="set data.split.column (or data.split.observed_until) to a time column",
        )
    values = frame[column].to_numpy(np.float64)
    if len(values) == 0 or not np.isfinite(values).all():
        raise ContractError(f"the time column {column!r} is empty, missing or infinite in places")
    return values


def _between_instants(instants: Floats, cut: int) -> int:
    """Return the place nearest to `cut` where time really moves on."""
    first = int(np.searchsorted(instants, instants[cut], side="left"))
    after = int(np.searchsorted(instants, instants[cut], side="right"))
    inside = [place for place in (first, after) if 0 < place < len(instants)]
    if not inside:
        raise ContractError(
            "all rows have the same time, so there is no past and future to split",
            hint="check data.split.column",
        )
    return min(inside, key=lambda place: abs(place - cut))


def mature(since_s: Floats, as_of_s: float, *, days: float) -> npt.NDArray[np.bool_]:
    """Tell which rows have been watched for long enough that their late label can be trusted.

    Args:
        since_s: When each row's wait began (its application), seconds since 1970, shape (n,);
            NaN where it never began.
        as_of_s: Until when outcomes are known, seconds since 1970.
        days: How long a label takes to arrive.

    Returns:
        Shape (n,); False where the wait never began.

    >>> mature(np.array([0.0, 86_400.0, np.nan]), 172_800.0, days=2).tolist()
    [True, False, False]
    """
    return np.asarray(since_s + days * _DAY_S <= as_of_s, dtype=np.bool_)
