"""An estimator: the unfitted scikit-learn pipeline that a model's spec describes."""

import difflib
import inspect
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from pydantic import ValidationError

from mlops.base.errors import ConfigError
from mlops.base.section import Target
from mlops.base.target import load_class
from mlops.contracts.domain import Domain
from mlops.models.spec import ColumnStep, ModelSpec

PACKAGES: tuple[str, ...] = ("sklearn",)
"""Packages that a model may take classes from unless its config allows more."""

Key: TypeAlias = tuple[str, ...]


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
    builder = _Builder(seed, packages)
    estimator = builder.build(spec.estimator, ("estimator",))
    if not hasattr(estimator, "predict"):
        raise ConfigError(
            f"`_target_: {spec.estimator.path}` predicts nothing",
            hint="name a scikit-learn classifier or regressor",
            key=("estimator", "_target_"),
        )
    if not spec.columns:
        return estimator
    from sklearn.compose import ColumnTransformer
    from sklearn.pipeline import Pipeline
    from sklearn.utils import get_tags  # type: ignore[attr-defined] # the stubs are older

    names = [step.name for step in spec.columns]
    if len(set(names)) < len(names):
        raise ConfigError(
            f"model {spec.name}: column steps share a name: {', '.join(names)}", key=("columns",)
        )
    transformers = []
    for at, step in enumerate(spec.columns):
        key = ("columns", str(at))
        selected = _selected(step, domain, spec.name, key)
        transformers.append((step.name, _transformer(step, builder, key), selected))
    # One-hot columns stay sparse where the estimator takes them so: a million rows would not fit.
    sparse = 0.3 if get_tags(estimator).input_tags.sparse else 0.0
    columns = ColumnTransformer(transformers, sparse_threshold=sparse)
    return Pipeline([("columns", columns), ("estimator", estimator)])


def _selected(step: ColumnStep, domain: Domain, model: str, key: Key) -> list[str]:
    if isinstance(step.select, str):
        wanted = step.select == "categorical"
        return [column.name for column in domain.features if column.is_category is wanted]
    known = [column.name for column in domain.features]
    for at, name in enumerate(step.select):
        if name not in known:
            raise ConfigError(
                f"model {model}: column step {step.name!r} selects {name!r}, which is no feature "
                f"of contract {domain.name}",
                hint=_suggest(name, known),
                key=(*key, "select", str(at)),
            )
    return list(step.select)


def _transformer(step: ColumnStep, builder: "_Builder", key: Key) -> Any:
    from sklearn.pipeline import Pipeline

    built = []
    for at, target in enumerate(step.steps):
        place = (*key, "steps", str(at))
        part = builder.build(target, place)
        if not hasattr(part, "transform"):
            raise ConfigError(
                f"`_target_: {target.path}` is no transformer",
                hint="a column step takes scikit-learn's transformers, such as StandardScaler",
                key=(*place, "_target_"),
            )
        built.append(part)
    if not built:
        return "passthrough"
    if len(built) == 1:
        return built[0]
    return Pipeline([(f"{i}_{type(part).__name__}", part) for i, part in enumerate(built)])


@dataclass(frozen=True, slots=True)
class _Builder:
    """Builds the classes that a config names.

    Attributes:
        seed: Becomes the `random_state` of every part that has one and is not given one.
        packages: Where classes may come from.
    """

    seed: int
    packages: Sequence[str]

    def build(self, target: Target, key: Key) -> Any:
        """Build one object with what is nested in its arguments.

        Args:
            target: What to build.
            key: Where it stands in the model's spec.
        """
        from sklearn.base import BaseEstimator

        try:
            found: type[Any] = load_class(target.path, BaseEstimator, packages=self.packages)
        except ConfigError as error:
            raise ConfigError(error.message, hint=error.hint, key=(*key, "_target_")) from error
        known = list(inspect.signature(found).parameters)
        for name in target.arguments:
            if name not in known:
                message = f"`_target_: {target.path}` has no argument {name!r}"
                raise ConfigError(message, hint=_suggest(name, known), key=(*key, name))
        if target.arguments.get("memory") is not None:
            message = (
                f"`_target_: {target.path}` may not have a `memory`: it reads pickles from disk"
            )
            raise ConfigError(message, hint="leave it out", key=(*key, "memory"))
        arguments = {
            name: self._value(value, (*key, name)) for name, value in target.arguments.items()
        }
        # YAML has no tuples, and scikit-learn insists on one for a `feature_range`.
        declared = getattr(found, "_parameter_constraints", {})
        for name, value in arguments.items():
            if isinstance(value, list) and tuple in declared.get(name, ()):
                arguments[name] = tuple(value)
        if "random_state" in known:
            arguments.setdefault("random_state", self.seed)
        try:
            built = found(**arguments)
        except TypeError as error:
            message = f"`_target_: {target.path}` cannot be built: {error}"
            raise ConfigError(message, key=key) from error
        _check_values(built, target, key)
        return built

    def _value(self, value: object, key: Key) -> Any:
        """Return an argument with the targets nested in it built."""
        if isinstance(value, dict):
            if "_target_" in value:
                return self.build(_target(value, key), key)
            return {name: self._value(below, (*key, str(name))) for name, below in value.items()}
        if isinstance(value, list):
            return [self._value(item, (*key, str(at))) for at, item in enumerate(value)]
        return value


def _check_values(built: Any, target: Target, key: Key) -> None:
    """Refuse what `fit` would refuse at once; the method is scikit-learn's own and private."""
    check = getattr(built, "_validate_params", None)
    if check is None:
        return
    try:
        check()
    except ValueError as error:
        named = re.search(r"'(\w+)'", str(error))
        at = (named[1],) if named and named[1] in target.arguments else ()
        raise ConfigError(f"`_target_: {target.path}`: {error}", key=(*key, *at)) from error


def _target(node: dict[str, object], key: Key) -> Target:
    try:
        return Target.model_validate(node)
    except ValidationError as error:
        message = "`_target_` must be a text, `package.module.Class`"
        raise ConfigError(message, key=(*key, "_target_")) from error


def _suggest(name: str, known: Sequence[str]) -> str:
    close = difflib.get_close_matches(name, known, n=1)
    return f"did you mean {close[0]!r}?" if close else f"known: {', '.join(known)}"
