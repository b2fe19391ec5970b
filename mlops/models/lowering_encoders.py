"""Lowering of encoders: what each category, unknown and missing become, as a table by code."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, TargetEncoder

from mlops.base.errors import ConfigError
from mlops.contracts.domain import Floats
from mlops.models.forms import CodedForm, Form, Inputs, Positions, places

_NOWHERE = -1


def lower_encoder(encoder: Any, forms: Sequence[Form], inputs: Inputs) -> list[Form]:
    """Return what a fitted encoder makes of some columns.

    Args:
        encoder: A fitted OneHotEncoder, OrdinalEncoder or TargetEncoder.
        forms: What enters it, one form a column.
        inputs: The matrix columns.

    Raises:
        ConfigError: It fails on a value that the contract allows, or cannot be compiled.
    """
    columns = enumerate(forms)
    match encoder:
        case OneHotEncoder():
            return [made for i, form in columns for made in _one_hot(encoder, i, form, inputs)]
        case OrdinalEncoder():
            return [lower_ordinal(encoder, i, form, inputs) for i, form in columns]
        case TargetEncoder():
            return [_target(encoder, i, form, inputs) for i, form in columns]
    raise ConfigError(f"{type(encoder).__name__} cannot be compiled")


def _one_hot(encoder: Any, i: int, form: Form, inputs: Inputs) -> list[CodedForm]:
    at = places(form, encoder.categories_[i], inputs)
    if encoder.handle_unknown == "error":
        _refuse_unseen(encoder, at, inputs)
    grouped, rare = _grouped(encoder, i, at)
    if rare is not None and encoder.handle_unknown in ("infrequent_if_exist", "warn"):
        grouped = np.where(grouped == _NOWHERE, rare, grouped)
    count = len(encoder.categories_[i]) if rare is None else rare + 1
    drops = encoder._drop_idx_after_grouping
    dropped = None if drops is None else drops[i]
    return [
        CodedForm(at.column, (grouped == place).astype(np.float64))
        for place in range(count)
        if place != dropped
    ]


def _grouped(encoder: Any, i: int, at: Positions) -> tuple[npt.NDArray[np.int64], int | None]:
    """Return places after rare categories share one, and that one; None if none are rare."""
    groups = encoder._default_to_infrequent_mappings[i] if encoder._infrequent_enabled else None
    if groups is None:
        return at.places, None
    # A missing value of OrdinalEncoder lies behind all groups and is never put into one.
    seen = (at.places >= 0) & (at.places < len(groups))
    mapped = np.where(seen, groups[np.where(seen, at.places, 0)], at.places)
    return mapped, int(groups.max())


def lower_ordinal(transformer: OrdinalEncoder, i: int, form: Form, inputs: Inputs) -> CodedForm:
    """Return what a fitted OrdinalEncoder makes of its column number `i`.

    Raises:
        ConfigError: It fails on a value that the contract allows.
    """
    encoder: Any = transformer
    at = places(form, encoder.categories_[i], inputs)
    unknown = np.nan
    if encoder.handle_unknown == "use_encoded_value":
        unknown = float(encoder.unknown_value)
    else:
        _refuse_unseen(encoder, at, inputs)
    grouped, _ = _grouped(encoder, i, at)
    values: Floats = np.where(grouped >= 0, grouped.astype(np.float64), unknown)
    seen_missing = at.missing & (at.places >= 0)
    return CodedForm(
        at.column, np.where(seen_missing, float(encoder.encoded_missing_value), values)
    )


def _target(encoder: Any, i: int, form: Form, inputs: Inputs) -> CodedForm:
    """Return what `transform` makes of a column, which is what a request passes.

    In training `fit_transform` gave each row a value from the other folds; that is never needed
    again.
    """
    if encoder.target_type_ == "multiclass":
        raise ConfigError(
            "TargetEncoder took the outcome for more than two classes",
            hint="set target_type: continuous",
        )
    at = places(form, encoder.categories_[i], inputs)
    known: Floats = np.asarray(encoder.encodings_[i], dtype=np.float64)
    values = known[np.maximum(at.places, 0)]
    return CodedForm(at.column, np.where(at.places >= 0, values, float(encoder.target_mean_)))


def _refuse_unseen(encoder: Any, at: Positions, inputs: Inputs) -> None:
    """Refuse an encoder that would fail on a value which the contract allows."""
    if bool((at.possible & (at.places < 0)).any()):
        value = "ignore" if isinstance(encoder, OneHotEncoder) else "use_encoded_value"
        name = inputs.contract(at.column).name
        raise ConfigError(
            f"{type(encoder).__name__} fails on values of {name!r} that training did not have",
            hint=f"set handle_unknown: {value}",
        )
