"""Compilable: which scikit-learn classes and arguments can be compiled, known before fitting.

The table here is what `mlops.models.lowering` refuses by, so that a check of the configuration
and the training run say the same. What depends on the rows (a column that was never there, a
category that fails) is not known here; lowering refuses that by itself.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import (
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.frozen import FrozenEstimator  # type: ignore[import-untyped] # the stubs are older
from sklearn.impute import SimpleImputer
from sklearn.linear_model import (
    ElasticNet,
    Lasso,
    LinearRegression,
    LogisticRegression,
    Ridge,
    SGDClassifier,
    SGDRegressor,
)
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    MaxAbsScaler,
    MinMaxScaler,
    OneHotEncoder,
    OrdinalEncoder,
    RobustScaler,
    StandardScaler,
    TargetEncoder,
)
from sklearn.tree import (
    DecisionTreeClassifier,
    DecisionTreeRegressor,
    ExtraTreeClassifier,
    ExtraTreeRegressor,
)

Key = tuple[str, ...]


class Refusal(NamedTuple):
    """What cannot be compiled.

    Attributes:
        key: Where it stands in the `ModelSpec`, from its top downward; ends in `_target_` where
            it is the class itself that is refused.
        reason: One sentence, without its full stop.
        hint: What to do about it.
    """

    key: Key
    reason: str
    hint: str


@dataclass(frozen=True, slots=True)
class Rule:
    """What one argument of a class may be.

    Attributes:
        argument: Its name.
        allows: Tells whether a value can be compiled.
        hint: What to use instead.
    """

    argument: str
    allows: Callable[[Any], bool]
    hint: str


def _one_of(argument: str, *values: object) -> Rule:
    words = " or ".join(str(value) for value in values)
    return Rule(argument, lambda value: value in values, f"use {words}")


def _is_double(dtype: Any) -> bool:
    return bool(np.dtype(dtype) == np.float64)


def _is_missing(value: Any) -> bool:
    return value is None or value != value


_CONSTANT_START = Rule(
    "init", lambda init: init is None or init == "zero", "leave it out, or use zero"
)
_DOUBLES = Rule("dtype", _is_double, "leave it out: the program computes in float64")

PREDICTORS: Mapping[type[Any], tuple[Rule, ...]] = {
    HistGradientBoostingClassifier: (),
    HistGradientBoostingRegressor: (
        _one_of("loss", "squared_error", "absolute_error", "quantile"),
    ),
    RandomForestClassifier: (),
    RandomForestRegressor: (),
    ExtraTreesClassifier: (),
    ExtraTreesRegressor: (),
    DecisionTreeClassifier: (),
    DecisionTreeRegressor: (),
    ExtraTreeClassifier: (),
    ExtraTreeRegressor: (),
    GradientBoostingClassifier: (_one_of("loss", "log_loss"), _CONSTANT_START),
    GradientBoostingRegressor: (_CONSTANT_START,),
    LogisticRegression: (),
    SGDClassifier: (_one_of("loss", "log_loss"),),
    LinearRegression: (),
    Ridge: (),
    Lasso: (),
    ElasticNet: (),
    SGDRegressor: (),
}
"""Estimators that a program can hold, with what their arguments may be."""

TRANSFORMERS: Mapping[type[Any], tuple[Rule, ...]] = {
    OneHotEncoder: (_DOUBLES,),
    OrdinalEncoder: (_DOUBLES,),
    TargetEncoder: (
        Rule(
            "target_type",
            lambda value: value != "multiclass",
            "use binary for a classifier, continuous for a regressor",
        ),
    ),
    StandardScaler: (),
    MinMaxScaler: (),
    MaxAbsScaler: (),
    RobustScaler: (),
    SimpleImputer: (
        Rule("missing_values", _is_missing, "leave it out: missing is what the contract says"),
    ),
    FunctionTransformer: (
        Rule("func", lambda func: func is None, "leave it out: a function cannot be read"),
    ),
}
"""Transformers that a program can hold, with what their arguments may be."""

_CALIBRATED = (_one_of("method", "sigmoid", "isotonic"),)
_COLUMNS = (Rule("transformer_weights", lambda value: not value, "leave it out"),)


def refusal(estimator: Any) -> Refusal | None:
    """Return why an estimator cannot be compiled, or None; it need not be fitted.

    Args:
        estimator: From `mlops.models.estimator.build_estimator`, or any scikit-learn estimator.

    Returns:
        The first thing that is refused, column steps first.
    """
    return next(_whole(estimator), None)


def part_refusals(part: Any, key: Key, *, predicts: bool) -> tuple[Refusal, ...]:
    """Return everything of one transformer or estimator that cannot be compiled.

    Args:
        part: It need not be fitted; what is nested in it is looked at too.
        key: Where it stands in the `ModelSpec`.
        predicts: Whether it is to predict, not to transform.
    """
    return tuple(_predictor(part, key) if predicts else _transformer(part, key))


def _whole(estimator: Any) -> Iterator[Refusal]:
    if not _has_column_steps(estimator):
        yield from _predictor(estimator, ("estimator",))
        return
    (_, columns), (_, last) = estimator.steps
    for at, (_, part, _) in enumerate(columns.transformers):
        yield from _column_step(part, ("columns", str(at), "steps"))
    yield from _predictor(last, ("estimator",))


def _has_column_steps(estimator: Any) -> bool:
    """Tell whether this is the pipeline that `build_estimator` makes of a spec with columns."""
    return (
        isinstance(estimator, Pipeline)
        and [name for name, _ in estimator.steps] == ["columns", "estimator"]
        and isinstance(estimator.steps[0][1], ColumnTransformer)
    )


def _column_step(part: Any, key: Key) -> Iterator[Refusal]:
    """Look at one column step, whose transformers `build_estimator` may have put in a pipeline."""
    parts = [part]
    if isinstance(part, Pipeline):
        ours = [f"{at}_{type(step).__name__}" for at, (_, step) in enumerate(part.steps)]
        if [name for name, _ in part.steps] == ours:
            parts = [step for _, step in part.steps]
    for at, own in enumerate(parts):
        yield from _transformer(own, (*key, str(at)))


def _predictor(estimator: Any, key: Key) -> Iterator[Refusal]:
    match estimator:
        case FrozenEstimator():
            yield from _predictor(estimator.estimator, (*key, "estimator"))
        case Pipeline():
            for at, (_, step) in enumerate(estimator.steps[:-1]):
                yield from _transformer(step, (*key, "steps", str(at), "1"))
            last = str(len(estimator.steps) - 1)
            yield from _predictor(estimator.steps[-1][1], (*key, "steps", last, "1"))
        case CalibratedClassifierCV():
            yield from _calibrated(estimator, key)
        case _:
            yield from _listed(estimator, key, PREDICTORS)


def _calibrated(estimator: Any, key: Key) -> Iterator[Refusal]:
    yield from _arguments(estimator, key, _CALIBRATED)
    below = (*key, "estimator")
    if estimator.estimator is None:
        reason = "CalibratedClassifierCV without an estimator cannot be compiled"
        yield Refusal(below, reason, "name the classifier that it calibrates")
        return
    if _holds(estimator.estimator, CalibratedClassifierCV):
        reason = "a calibrated classifier inside another cannot be compiled"
        yield Refusal(below, reason, "calibrate once")
    yield from _predictor(estimator.estimator, below)


def _holds(estimator: Any, wanted: type[Any]) -> bool:
    """Tell whether an estimator ends in one of a class."""
    while isinstance(estimator, (Pipeline, FrozenEstimator)):
        whole: Any = estimator
        estimator = whole.steps[-1][1] if isinstance(whole, Pipeline) else whole.estimator
    return isinstance(estimator, wanted)


def _transformer(part: Any, key: Key) -> Iterator[Refusal]:
    match part:
        case str() | None:
            return
        case Pipeline():
            for at, (_, step) in enumerate(part.steps):
                yield from _transformer(step, (*key, "steps", str(at), "1"))
        case ColumnTransformer():
            yield from _arguments(part, key, _COLUMNS)
            whole: Any = part
            for at, (_, step, _) in enumerate(whole.transformers):
                yield from _transformer(step, (*key, "transformers", str(at), "1"))
            yield from _transformer(whole.remainder, (*key, "remainder"))
        case _:
            yield from _listed(part, key, TRANSFORMERS)


def _listed(part: Any, key: Key, table: Mapping[type[Any], tuple[Rule, ...]]) -> Iterator[Refusal]:
    # A subclass may compute something else, so the class must be one of the table, not below it.
    rules = table.get(type(part))
    if rules is None:
        names = ", ".join(found.__name__ for found in table)
        reason = f"{type(part).__name__} cannot be compiled"
        yield Refusal((*key, "_target_"), reason, f"supported: {names}")
        return
    yield from _arguments(part, key, rules)


def _arguments(part: Any, key: Key, rules: tuple[Rule, ...]) -> Iterator[Refusal]:
    for rule in rules:
        value = getattr(part, rule.argument)
        if not rule.allows(value):
            name = type(part).__name__
            reason = f"{name} with {rule.argument} {value!r} cannot be compiled"
            yield Refusal((*key, rule.argument), reason, rule.hint)
