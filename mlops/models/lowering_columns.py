"""Lowering of transformers: scikit-learn's column steps folded into forms."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    MinMaxScaler,
    OneHotEncoder,
    OrdinalEncoder,
    StandardScaler,
)

from mlops.base.errors import ConfigError
from mlops.contracts.domain import Floats
from mlops.models.flat import Step
from mlops.models.forms import CodedForm, Form, Inputs, Positions, TextForm, after_steps, places

SUPPORTED = (
    "ColumnTransformer, Pipeline, OneHotEncoder, OrdinalEncoder, StandardScaler, MinMaxScaler, "
    "SimpleImputer, passthrough and drop"
)


def lower_transformer(transformer: Any, forms: Sequence[Form], inputs: Inputs) -> list[Form]:
    """Return what a fitted transformer makes of some columns.

    Args:
        transformer: A fitted scikit-learn transformer.
        forms: What enters it, one form a column.
        inputs: The matrix columns.

    Returns:
        What leaves it, one form a column, in scikit-learn's order.

    Raises:
        ConfigError: The transformer, or an argument of it, cannot be compiled.
    """
    if isinstance(transformer, str):
        return list(forms) if transformer == "passthrough" else []
    match transformer:
        case ColumnTransformer():
            return _column_transformer(transformer, forms, inputs)
        case Pipeline():
            for _, step in transformer.steps:
                forms = lower_transformer(step or "passthrough", forms, inputs)
            return list(forms)
        case OneHotEncoder():
            return _one_hot(transformer, forms, inputs)
        case OrdinalEncoder():
            return [lower_ordinal(transformer, i, form, inputs) for i, form in enumerate(forms)]
        case StandardScaler() | MinMaxScaler():
            steps = _scaler_steps(transformer, len(forms))
            return [after_steps(form, own) for form, own in zip(forms, steps, strict=True)]
        case SimpleImputer():
            return _imputer(transformer, forms)
        case _ if _is_passthrough(transformer):
            return list(forms)
    name = type(transformer).__name__
    raise ConfigError(f"{name} cannot be compiled", hint=f"supported: {SUPPORTED}")


def _is_passthrough(transformer: Any) -> bool:
    """Tell whether this is what ColumnTransformer makes of "passthrough" when it is fitted."""
    return isinstance(transformer, FunctionTransformer) and getattr(transformer, "func", 1) is None


def _column_transformer(
    transformer: ColumnTransformer, forms: Sequence[Form], inputs: Inputs
) -> list[Form]:
    found: list[Form] = []
    fitted: Any = transformer
    if fitted.transformer_weights:
        raise ConfigError("ColumnTransformer with transformer_weights cannot be compiled")
    for name, part, _ in fitted.transformers_:
        at = fitted._transformer_to_input_indices[name]
        if len(at):
            found += lower_transformer(part, [forms[i] for i in at], inputs)
    return found


def _one_hot(transformer: OneHotEncoder, forms: Sequence[Form], inputs: Inputs) -> list[Form]:
    encoder: Any = transformer
    _refuse_rare(encoder)
    found: list[Form] = []
    for i, form in enumerate(forms):
        categories = encoder.categories_[i]
        at = places(form, categories, inputs)
        if encoder.handle_unknown != "ignore":
            _refuse_unseen(encoder, at, inputs)
        dropped = None if encoder.drop_idx_ is None else encoder.drop_idx_[i]
        found += [
            CodedForm(at.column, (at.places == place).astype(np.float64))
            for place in range(len(categories))
            if place != dropped
        ]
    return found


def lower_ordinal(transformer: OrdinalEncoder, i: int, form: Form, inputs: Inputs) -> CodedForm:
    """Return what a fitted OrdinalEncoder makes of its column number `i`.

    Raises:
        ConfigError: An argument of it cannot be compiled.
    """
    encoder: Any = transformer
    _refuse_rare(encoder)
    at = places(form, encoder.categories_[i], inputs)
    unknown = np.nan
    if encoder.handle_unknown == "use_encoded_value":
        unknown = float(encoder.unknown_value)
    else:
        _refuse_unseen(encoder, at, inputs)
    values: Floats = np.where(at.places >= 0, at.places.astype(np.float64), unknown)
    seen_missing = at.missing & (at.places >= 0)
    return CodedForm(
        at.column, np.where(seen_missing, float(encoder.encoded_missing_value), values)
    )


def _refuse_rare(encoder: Any) -> None:
    if encoder.min_frequency is not None or encoder.max_categories is not None:
        raise ConfigError(
            f"{type(encoder).__name__} with min_frequency or max_categories cannot be compiled"
        )


def _refuse_unseen(encoder: Any, at: Positions, inputs: Inputs) -> None:
    """Refuse an encoder that would fail on a value which the contract allows."""
    if bool((at.possible & (at.places < 0)).any()):
        value = "ignore" if isinstance(encoder, OneHotEncoder) else "use_encoded_value"
        name = inputs.contract(at.column).name
        raise ConfigError(
            f"{type(encoder).__name__} fails on values of {name!r} that training did not have",
            hint=f"set handle_unknown: {value}",
        )


def _scaler_steps(scaler: Any, columns: int) -> list[list[Step]]:
    clip: list[Step] = []
    standard = isinstance(scaler, StandardScaler)
    if standard:
        operands = [
            ("subtract", scaler.mean_ if scaler.with_mean else None),
            ("divide", scaler.scale_ if scaler.with_std else None),
        ]
    else:
        operands = [("multiply", scaler.scale_), ("add", scaler.min_)]
        low, high = scaler.feature_range
        ends = [("at_least", low), ("at_most", high)] if scaler.clip else []
        clip = [Step.model_validate({"kind": k, "value": float(v)}) for k, v in ends]
    return [
        [
            Step.model_validate({"kind": kind, "value": float(values[i])})
            for kind, values in operands
            if values is not None
        ]
        + clip
        for i in range(columns)
    ]


def _imputer(imputer: Any, forms: Sequence[Form]) -> list[Form]:
    if imputer.add_indicator:
        raise ConfigError("SimpleImputer with add_indicator cannot be compiled")
    if imputer.missing_values is not None and imputer.missing_values == imputer.missing_values:
        raise ConfigError("SimpleImputer with its own missing_values cannot be compiled")
    found: list[Form] = []
    for form, value in zip(forms, imputer.statistics_, strict=True):
        if isinstance(value, float) and value != value:
            raise ConfigError(
                "SimpleImputer met a column that is missing in all training rows",
                hint="take it out of the contract's features",
            )
        if isinstance(form, TextForm):
            found.append(TextForm(form.column, form.fill or str(value)))
        else:
            found.append(after_steps(form, [Step(kind="fill", value=float(value))]))
    return found
