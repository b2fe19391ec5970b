"""Lowering of linear models: coefficients gathered by matrix column."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from mlops.base.errors import ConfigError
from mlops.contracts.domain import Floats
from mlops.models.flat import CategoryTerm, LinearRaw, NumberTerm
from mlops.models.forms import CodedForm, Form, Inputs, NumberForm, TextForm


def lower_linear(estimator: Any, forms: Sequence[Form], inputs: Inputs) -> LinearRaw:
    """Return the raw score of a fitted linear regressor or binary linear classifier.

    Args:
        estimator: The fitted model.
        forms: What enters it.
        inputs: The matrix columns.

    Raises:
        ConfigError: A missing value that the contract allows would reach it, or a text.
    """
    name = type(estimator).__name__
    numbers: list[NumberTerm] = []
    tables: dict[int, Floats] = {}
    weights = np.asarray(estimator.coef_, dtype=np.float64).ravel().tolist()
    for weight, form in zip(weights, forms, strict=True):
        match form:
            case NumberForm(column, steps):
                if not any(step.kind == "fill" for step in steps):
                    _refuse_missing(inputs, column, name)
                numbers.append(NumberTerm(column=column, steps=steps, weight=weight))
            case CodedForm(column, values):
                term = weight * _finite(values, column, inputs, name)
                tables[column] = tables.get(column, np.zeros(len(term))) + term
            case TextForm(column):
                text = inputs.contract(column).name
                raise ConfigError(f"text column {text!r} reaches {name} unencoded")
    intercept = np.asarray(estimator.intercept_, dtype=np.float64).ravel()
    return LinearRaw(
        intercept=float(intercept[0]),
        numbers=tuple(numbers),
        categories=tuple(
            CategoryTerm(column=column, weights=tuple(table.tolist()))
            for column, table in tables.items()
        ),
    )


def _refuse_missing(inputs: Inputs, column: int, estimator: str) -> None:
    allowed = inputs.contract(column)
    if allowed.nullable:
        raise ConfigError(
            f"the contract lets {allowed.name!r} be missing, and {estimator} fails on it",
            hint="put a SimpleImputer before it, or make the column not nullable",
        )


def _finite(values: Floats, column: int, inputs: Inputs, estimator: str) -> Floats:
    missing = np.isnan(values)
    if bool((missing & inputs.possible(column)).any()):
        name = inputs.contract(column).name
        raise ConfigError(
            f"values of {name!r} become missing, and {estimator} fails on them",
            hint="set the encoder's unknown_value and encoded_missing_value to a number",
        )
    # What the contract does not allow never comes, but a table has to say something.
    return np.where(missing, 0.0, values)
