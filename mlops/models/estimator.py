"""An estimator: the unfitted scikit-learn pipeline that a model's spec describes."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from mlops.base.verdict import Finding, Status
from mlops.contracts.domain import Domain
from mlops.models.builder import Builder, Key, suggest
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
            argument is unknown, missing or not accepted; a column step selects what the contract
            does not have. It carries all of them.
    """
    builder = Builder(seed, packages)
    estimator, transformers = _parts(spec, domain, builder)
    builder.refuse()
    if not spec.columns:
        return estimator
    from sklearn.compose import ColumnTransformer
    from sklearn.pipeline import Pipeline
    from sklearn.utils import get_tags  # type: ignore[attr-defined] # the stubs are older

    # One-hot columns stay sparse where the estimator takes them so: a million rows would not fit.
    sparse = 0.3 if get_tags(estimator).input_tags.sparse else 0.0
    columns = ColumnTransformer(transformers, sparse_threshold=sparse)
    return Pipeline([("columns", columns), ("estimator", estimator)])


def model_problems(
    spec: ModelSpec, domain: Domain | None, *, seed: int, packages: Sequence[str] = PACKAGES
) -> tuple[Finding, ...]:
    """Return everything for which `build_estimator` would refuse a model.

    Args:
        spec: What would be built.
        domain: The contract whose features it reads; None leaves the columns out.
        seed: As for `build_estimator`.
        packages: Where classes may come from.

    Returns:
        Failures, each with its key from the whole configuration downwards.
    """
    builder = Builder(seed, packages)
    _parts(spec, domain, builder)
    return tuple(replace(each, key=("model", *each.key)) for each in builder.problems)


def _parts(
    spec: ModelSpec, domain: Domain | None, builder: Builder
) -> tuple[Any, list[tuple[str, Any, list[str]]]]:
    """Return the estimator and the column steps; problems are noted with the builder."""
    estimator = builder.build(spec.estimator, ("estimator",))
    if estimator is not None and not hasattr(estimator, "predict"):
        hint = "name a scikit-learn classifier or regressor"
        builder.wrong_kind(spec.estimator, ("estimator",), "predicts nothing", hint)
    transformers = []
    names = [step.name for step in spec.columns]
    for at, step in enumerate(spec.columns):
        key = ("columns", str(at))
        if step.name in names[:at]:
            message = f"model {spec.name}: column steps share a name: {', '.join(names)}"
            builder.problems.append(
                Finding("check.columns.name", Status.FAIL, message, key=(*key, "name"))
            )
        selected = [] if domain is None else _selected(step, domain, builder, key)
        transformers.append((step.name, _transformer(step, builder, key), selected))
    return estimator, transformers


def _selected(step: ColumnStep, domain: Domain, builder: Builder, key: Key) -> list[str]:
    if isinstance(step.select, str):
        wanted = step.select == "categorical"
        return [column.name for column in domain.features if column.is_category is wanted]
    known = [column.name for column in domain.features]
    builder.problems += [
        Finding(
            "check.columns.unknown",
            Status.FAIL,
            f"column step {step.name!r} selects {name!r}, which is no feature "
            f"of contract {domain.name}",
            key=(*key, "select", str(at)),
            hint=suggest(name, known),
        )
        for at, name in enumerate(step.select)
        if name not in known
    ]
    return list(step.select)


def _transformer(step: ColumnStep, builder: Builder, key: Key) -> Any:
    from sklearn.pipeline import Pipeline

    built = []
    for at, target in enumerate(step.steps):
        place = (*key, "steps", str(at))
        part = builder.build(target, place)
        if part is not None and not hasattr(part, "transform"):
            hint = "a column step takes scikit-learn's transformers, such as StandardScaler"
            builder.wrong_kind(target, place, "is no transformer", hint)
        built.append(part)
    if not built:
        return "passthrough"
    if len(built) == 1:
        return built[0]
    return Pipeline([(f"{i}_{type(part).__name__}", part) for i, part in enumerate(built)])
