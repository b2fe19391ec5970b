"""A transformer's rule: what a step yields of what reaches it, chosen by the step's class."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, TypeAlias

from mlops.verify import dataflow_encoders as encoders
from mlops.verify import dataflow_numbers as numbers
from mlops.verify.dataflow_accepts import accept
from mlops.verify.dataflow_columns import Key, Stream, listed, unknown
from mlops.verify.dataflow_parts import Part, Report

Rule: TypeAlias = Callable[[Part, Stream, Report], Stream]

RULES: Mapping[str, Rule] = {
    "SimpleImputer": numbers.impute,
    "KNNImputer": numbers.impute,
    "StandardScaler": numbers.same,
    "RobustScaler": numbers.same,
    "MinMaxScaler": numbers.scale_to_range,
    "MaxAbsScaler": numbers.keep_sign,
    "Normalizer": numbers.keep_sign,
    "PowerTransformer": numbers.power,
    "QuantileTransformer": numbers.quantiles,
    "KBinsDiscretizer": numbers.bins,
    "Binarizer": numbers.binarize,
    "PolynomialFeatures": numbers.polynomial,
    "VarianceThreshold": numbers.choose,
    "SelectKBest": numbers.choose,
    "SelectPercentile": numbers.choose,
    "PCA": numbers.project,
    "TruncatedSVD": numbers.project,
    "OneHotEncoder": encoders.one_hot,
    "OrdinalEncoder": encoders.ordinal,
    "TargetEncoder": encoders.target,
}
"""Rules by class; a class that is not here has none, and the probe decides about it."""


def through(part: Part, stream: Stream, report: Report) -> Stream:
    """Return what a transformer yields.

    Args:
        part: The transformer, or `passthrough` or `drop`.
        stream: What reaches it.
        report: Told of what does not fit.
    """
    if part.value is None or part.value == "passthrough":
        return stream
    if part.value == "drop":
        return Stream(())
    if not part.packaged:
        return unknown(stream, part.name.lower())
    if not stream.columns:
        return stream
    rule = _NESTED.get(part.name) or RULES.get(part.name)
    if rule is not None:
        return rule(part, stream, report)
    if part.name.endswith(("Vectorizer", "Hasher", "Indicator")):  # these take texts, each its own
        return unknown(stream, part.name.lower())
    return unknown(accept(part, stream, report), part.name.lower())


def steps_of(part: Part, argument: str) -> list[tuple[str, Part]]:
    """Return the named parts of a list argument such as `steps` or `estimators`."""
    found = []
    for at, entry in enumerate(part.argument(argument) or ()):
        below = part.below(argument, str(at), "1")
        found.append((str(entry[0]), below or Part(None, part.at(argument, str(at)), {})))
    return found


def _pipeline(part: Part, stream: Stream, report: Report) -> Stream:
    for _, step in steps_of(part, "steps"):
        stream = through(step, stream, report)
    return stream


def _function(part: Part, stream: Stream, report: Report) -> Stream:
    if part.argument("func") is not None:
        return unknown(stream, "function")
    if part.argument("validate"):
        stream = accept(part, stream, report)
    return stream


def prefixed(streams: list[tuple[str, Stream]], *, prefix: bool = True) -> Stream:
    """Return streams side by side, as ColumnTransformer names and stacks them."""
    columns = tuple(
        replace(column, name=f"{name}__{column.name}" if prefix else column.name)
        for name, stream in streams
        for column in stream.columns
    )
    return Stream(columns, sparse=any(stream.sparse for _, stream in streams))


def _union(part: Part, stream: Stream, report: Report) -> Stream:
    streams = [
        (name, through(step, stream, report)) for name, step in steps_of(part, "transformer_list")
    ]
    return prefixed(streams, prefix=bool(part.argument("verbose_feature_names_out")))


def _column_transformer(part: Part, stream: Stream, report: Report) -> Stream:
    streams: list[tuple[str, Stream]] = []
    taken: set[int] = set()
    for at, (name, step) in enumerate(steps_of(part, "transformers")):
        columns = part.argument("transformers")[at][2]
        places = _places(columns, stream, part.at("transformers", str(at), "2"), report)
        if places is None:
            return unknown(stream, "columns")
        taken.update(places)
        chosen = replace(stream, columns=tuple(stream.columns[i] for i in places))
        streams.append((name, through(step, chosen, report)))
    rest = tuple(c for i, c in enumerate(stream.columns) if i not in taken)
    remainder = part.below("remainder")
    if remainder is not None and rest:
        left = through(remainder, replace(stream, columns=rest), report)
        streams.append(("remainder", left))
    return prefixed(streams, prefix=part.argument("verbose_feature_names_out") is not False)


def _places(columns: Any, stream: Stream, key: Key, report: Report) -> list[int] | None:
    """Return the places of selected columns; None if that cannot be told."""
    wanted = columns if isinstance(columns, list) else [columns]
    if all(isinstance(one, bool) for one in wanted):
        return [i for i, chosen in enumerate(wanted) if chosen]
    if not stream.frame and stream.count is None:
        return None
    found: list[int] = []
    for at, one in enumerate(wanted):
        place = (*key, str(at)) if isinstance(columns, list) else key
        if isinstance(one, str) and not stream.frame:
            message = f"{one!r} is named, and what reaches this step has no names, only places"
            report.fail("unknown-column", message, place, "name columns in the first step only")
        elif one in stream.names:
            found.append(stream.names.index(one))
        elif isinstance(one, int) and -len(stream.columns) <= one < len(stream.columns):
            found.append(one % len(stream.columns))
        else:
            message = f"column {one!r} does not reach this step"
            report.fail("unknown-column", message, place, f"it gets {listed(stream.names)}")
    return found


_NESTED: Mapping[str, Rule] = {
    "Pipeline": _pipeline,
    "ColumnTransformer": _column_transformer,
    "FeatureUnion": _union,
    "FunctionTransformer": _function,
}
