"""An estimator: the unfitted scikit-learn pipeline that a model's spec describes."""

import difflib
import inspect
from collections.abc import Sequence
from typing import Any

from mlops.base.errors import ConfigError
from mlops.base.section import Target
from mlops.base.target import load_class
from mlops.contracts.domain import Domain
from mlops.models.spec import ColumnStep, ModelSpec

PACKAGES: tuple[str, ...] = ("sklearn",)
"""Packages that a model may take classes from unless its config allows more."""


def build_estimator(
    spec: ModelSpec, domain: Domain, *, seed: int, packages: Sequence[str] = PACKAGES
) -> Any:
    """Build the pipeline of a model; nothing is fitted.

    Args:
        spec: What to build.
        domain: The contract whose features it reads.
        seed: Becomes the `random_state` of every part that has one and is not given one.
        packages: Where classes may come from.

    Returns:
        A scikit-learn estimator that is fitted on a frame of the domain's features.

    Raises:
        ConfigError: A class is not allowed, does not exist or is no scikit-learn estimator; an
            argument is unknown or missing; a column step selects what the contract does not have.
    """
    estimator = _build(spec.estimator, seed=seed, packages=packages)
    if not spec.columns:
        return estimator
    from sklearn.compose import ColumnTransformer
    from sklearn.pipeline import Pipeline
    from sklearn.utils import get_tags  # type: ignore[attr-defined] # the stubs are older

    names = [step.name for step in spec.columns]
    if len(set(names)) < len(names):
        raise ConfigError(f"model {spec.name}: column steps share a name: {', '.join(names)}")
    transformers = [
        (step.name, _transformer(step, seed, packages), _selected(step, domain, spec.name))
        for step in spec.columns
    ]
    # One-hot columns stay sparse where the estimator takes them so: a million rows would not fit.
    sparse = 0.3 if get_tags(estimator).input_tags.sparse else 0.0
    columns = ColumnTransformer(transformers, sparse_threshold=sparse)
    return Pipeline([("columns", columns), ("estimator", estimator)])


def _selected(step: ColumnStep, domain: Domain, model: str) -> list[str]:
    if isinstance(step.select, str):
        wanted = step.select == "categorical"
        return [column.name for column in domain.features if column.is_category is wanted]
    known = [column.name for column in domain.features]
    for name in step.select:
        if name not in known:
            raise ConfigError(
                f"model {model}: column step {step.name!r} selects {name!r}, which is no feature "
                f"of contract {domain.name}",
                hint=_suggest(name, known),
            )
    return list(step.select)


def _transformer(step: ColumnStep, seed: int, packages: Sequence[str]) -> Any:
    from sklearn.pipeline import Pipeline

    built = [_build(target, seed=seed, packages=packages) for target in step.steps]
    if not built:
        return "passthrough"
    if len(built) == 1:
        return built[0]
    return Pipeline([(f"{i}_{type(part).__name__}", part) for i, part in enumerate(built)])


def _build(target: Target, *, seed: int, packages: Sequence[str]) -> Any:
    from sklearn.base import BaseEstimator

    found: type[Any] = load_class(target.path, BaseEstimator, packages=packages)
    known = list(inspect.signature(found).parameters)
    for name in target.arguments:
        if name not in known:
            raise ConfigError(
                f"`_target_: {target.path}` has no argument {name!r}", hint=_suggest(name, known)
            )
    arguments = {
        name: _value(value, seed=seed, packages=packages)
        for name, value in target.arguments.items()
    }
    # YAML has no tuples, and scikit-learn insists on one for a `feature_range`.
    declared = getattr(found, "_parameter_constraints", {})
    for name, value in arguments.items():
        if isinstance(value, list) and tuple in declared.get(name, ()):
            arguments[name] = tuple(value)
    if "random_state" in known:
        arguments.setdefault("random_state", seed)
    try:
        return found(**arguments)
    except TypeError as error:
        raise ConfigError(f"`_target_: {target.path}` cannot be built: {error}") from error


def _value(value: object, *, seed: int, packages: Sequence[str]) -> Any:
    """Return an argument with the targets nested in it built."""
    if isinstance(value, dict):
        if "_target_" in value:
            return _build(Target.model_validate(value), seed=seed, packages=packages)
        return {k: _value(v, seed=seed, packages=packages) for k, v in value.items()}
    if isinstance(value, list):
        return [_value(item, seed=seed, packages=packages) for item in value]
    return value


def _suggest(name: str, known: Sequence[str]) -> str:
    close = difflib.get_close_matches(name, known, n=1)
    return f"did you mean {close[0]!r}?" if close else f"known: {', '.join(known)}"
