"""A head's rows: which rows a head may learn from and be judged by."""

import numpy as np
import numpy.typing as npt
import pandas as pd

from mlops.base.errors import ContractError
from mlops.data.split import mature
from mlops.training.spec import HeadSpec

Mask = npt.NDArray[np.bool_]


def known_by(head: HeadSpec, frame: pd.DataFrame, *, time: str, as_of_s: float) -> Mask:
    """Return which rows' outcome is known well enough.

    Args:
        head: Says how long the outcome takes, and from when.
        frame: Rows of the training contract.
        time: Column with a row's own time, seconds since 1970.
        as_of_s: Until when outcomes are known, seconds since 1970.

    Returns:
        Shape (rows,).
    """
    since = frame[head.given_at or time].to_numpy(np.float64)
    return mature(since, as_of_s, days=head.matures_days)


def usable(head: HeadSpec, frame: pd.DataFrame, *, time: str, as_of_s: float) -> Mask:
    """Return which rows a head learns from: known outcomes where `given` happened.

    Raises:
        ContractError: No row is left, or all rows have the same outcome.
    """
    rows = known_by(head, frame, time=time, as_of_s=as_of_s)
    if head.given:
        rows = rows & (frame[head.given].to_numpy(np.float64) == 1)
    outcomes = frame.loc[rows, head.outcome].nunique()
    if outcomes < 2:
        raise ContractError(
            f"head {head.name} cannot be learned: {int(rows.sum())} rows are usable, with"
            f" {outcomes} different outcomes in {head.outcome!r}",
            hint="take more data, or shorten the head's matures_days",
        )
    return rows
