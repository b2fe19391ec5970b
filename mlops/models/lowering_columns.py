"""Lowering of transformers: scikit-learn's column steps folded into forms."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    MaxAbsScaler,
    MinMaxScaler,
    RobustScaler,
    StandardScaler,
)

from mlops.base.errors import ConfigError
from mlops.models.flat import Step
from mlops.models.forms import CodedForm, Form, Inputs, TextForm, after_steps
from mlops.models.lowering_encoders import lower_encoder
from mlops.models.lowering_scalers import scaler_steps


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
        case SimpleImputer():
            return _imputer(transformer, forms, inputs)
        case StandardScaler() | MinMaxScaler() | MaxAbsScaler() | RobustScaler():
            steps = scaler_steps(transformer, len(forms))
            return [after_steps(form, own) for form, own in zip(forms, steps, strict=True)]
        case FunctionTransformer():  # what ColumnTransformer makes of "passthrough" when fitted
            return list(forms)
    return lower_encoder(transformer, forms, inputs)


def _column_transformer(
    transformer: ColumnTransformer, forms: Sequence[Form], inputs: Inputs
) -> list[Form]:
    found: list[Form] = []
    fitted: Any = transformer
    for name, part, _ in fitted.transformers_:
        at = fitted._transformer_to_input_indices[name]
        if len(at):
            found += lower_transformer(part, [forms[i] for i in at], inputs)
    return found


def _imputer(imputer: Any, forms: Sequence[Form], inputs: Inputs) -> list[Form]:
    found: list[Form] = []
    for form, value in zip(forms, imputer.statistics_, strict=True):
        if isinstance(value, float) and value != value:
            raise ConfigError(
                "SimpleImputer met a column that is missing in all training rows",
                hint="take it out of the contract's features",
            )
        if isinstance(form, TextForm):
            filled = str(value) if form.fill is None else form.fill
            found.append(TextForm(form.column, filled))
        else:
            found.append(after_steps(form, [Step(kind="fill", value=float(value))]))
    if imputer.add_indicator:
        found += [_indicator(forms[i], inputs) for i in imputer.indicator_.features_.tolist()]
    return found


def _indicator(form: Form, inputs: Inputs) -> Form:
    """Return what MissingIndicator makes of a column: 1 where it is missing, else 0."""
    if isinstance(form, TextForm):
        values = np.zeros(inputs.found[form.column].size + 2)
        values[-1] = form.fill is None
        return CodedForm(form.column, values)
    # Every number is made 0 by the two limits, which leave what is missing to the fill.
    limits = [Step(kind="at_most", value=0.0), Step(kind="at_least", value=0.0)]
    return after_steps(form, [*limits, Step(kind="fill", value=1.0)])
