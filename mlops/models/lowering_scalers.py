"""Lowering of scalers: scikit-learn's affine transformers as steps, operation by operation."""

from collections.abc import Iterable
from typing import Any

import numpy as np
from sklearn.preprocessing import MaxAbsScaler, MinMaxScaler, RobustScaler, StandardScaler

from mlops.base.errors import ConfigError
from mlops.contracts.domain import Floats
from mlops.models.flat import Step, StepKind


def scaler_steps(scaler: Any, columns: int) -> list[list[Step]]:
    """Return the steps of each column in a fitted scaler.

    Args:
        scaler: A fitted StandardScaler, MinMaxScaler, MaxAbsScaler or RobustScaler.
        columns: How many columns it has.

    Raises:
        ConfigError: A column was missing in all training rows.
    """
    operands = list(_operands(scaler))
    if not all(np.isfinite(values).all() for _, values in operands):
        raise ConfigError(
            f"{type(scaler).__name__} met a column that is missing in all training rows, or whose "
            "numbers are too large to scale",
            hint="take it out of the contract's features, or bound it",
        )
    return [
        [Step(kind=kind, value=float(values[i])) for kind, values in operands]
        + [Step(kind=kind, value=limit) for kind, limit in _limits(scaler)]
        for i in range(columns)
    ]


def _operands(scaler: Any) -> Iterable[tuple[StepKind, Floats]]:
    """Yield what is done to each column, in scikit-learn's order, with a value for each."""
    whole: Any = scaler
    match scaler:
        case StandardScaler():
            if whole.with_mean:
                yield "subtract", whole.mean_
            if whole.with_std:
                yield "divide", whole.scale_
        case RobustScaler():
            if whole.with_centering:
                yield "subtract", whole.center_
            if whole.with_scaling:
                yield "divide", whole.scale_
        case MaxAbsScaler():
            yield "divide", whole.scale_
        case MinMaxScaler():
            yield "multiply", whole.scale_
            yield "add", whole.min_


def _limits(scaler: Any) -> Iterable[tuple[StepKind, float]]:
    if not getattr(scaler, "clip", False):
        return
    low, high = getattr(scaler, "feature_range", (-1.0, 1.0))  # MaxAbsScaler has none
    yield "at_least", float(low)
    yield "at_most", float(high)
