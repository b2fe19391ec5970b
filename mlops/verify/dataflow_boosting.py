"""A boosting rule: categories and constraints of gradient boosting, held against what arrives."""

import difflib
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from mlops.verify.dataflow_columns import Flowing, Kind, Stream, listed, sources
from mlops.verify.dataflow_parts import Part, Report

_NAMELESS = "what reaches it is an array without names; give places, or columns: []"


def boosting(part: Part, stream: Stream, report: Report) -> None:
    """Report what a HistGradientBoosting estimator does not take.

    Args:
        part: The estimator.
        stream: What reaches it.
        report: Told of it.
    """
    categorical = _categorical(part, stream, report)
    if categorical is None:
        return
    _texts(part, stream, categorical, report)
    if stream.sparse:
        report.fail("sparse", f"{part.name} takes no sparse matrix", part.at())
    _cardinality(part, stream, categorical, report)
    constraints(part, stream, report, categorical=categorical)
    _interactions(part, stream, report)


def _categorical(part: Part, stream: Stream, report: Report) -> frozenset[int] | None:
    """Return the places of what is taken as categories; None if that is said wrongly."""
    asked: Any = part.argument("categorical_features")
    if asked is None:
        return frozenset()
    if asked == "from_dtype":
        return frozenset(i for i, c in enumerate(stream.columns) if stream.frame and c.is_text)
    wanted = list(asked)
    if wanted and all(isinstance(one, bool) for one in wanted):
        if stream.count is not None and len(wanted) != stream.count:
            message = f"categorical_features marks {len(wanted)} of {stream.count} columns"
            report.fail("categorical-features", message, part.at("categorical_features"))
            return None
        return frozenset(i for i, chosen in enumerate(wanted) if chosen)
    found = set()
    for at, one in enumerate(wanted):
        place = _place(part, stream, one, ("categorical_features", str(at)), report=report)
        if place is None:
            return None
        found.add(place)
    return frozenset(found)


def _place(
    part: Part, stream: Stream, one: object, path: tuple[str, ...], *, report: Report
) -> int | None:
    """Return the place of a column that an argument names; None, and a finding, if it is none."""
    rule, key = path[0].replace("_", "-").replace("cst", "constraint"), part.at(*path)
    if isinstance(one, str):
        if not stream.frame:
            report.fail(rule, f"{path[0]} names {one!r}, and it comes as an array", key, _NAMELESS)
        elif one not in stream.names:
            close = difflib.get_close_matches(one, stream.names, n=1)
            hint = f"did you mean {close[0]!r}?" if close else f"it gets {listed(stream.names)}"
            report.fail(rule, f"{path[0]} names {one!r}, which does not reach it", key, hint)
        else:
            return stream.names.index(one)
        return None
    if isinstance(one, int) and one >= 0 and (stream.count is None or one < stream.count):
        return one
    message = f"{path[0]} has place {one!r}, and {stream.count} columns reach {part.name}"
    report.fail(rule, message, key, "places start at 0")
    return None


def _texts(part: Part, stream: Stream, categorical: frozenset[int], report: Report) -> None:
    wrong = [
        column
        for at, column in enumerate(stream.columns)
        if column.is_text and at not in categorical
    ]
    if not wrong:
        return
    message = f"{sources(wrong)} are texts when they reach {part.name}, which takes numbers"
    if stream.frame:
        hint = "set categorical_features: from_dtype"
        report.fail("dtype", message, part.at("categorical_features"), hint)
    else:
        hint = "put an OrdinalEncoder into the column step"
        report.fail("dtype", message, part.at(), hint)


def _cardinality(part: Part, stream: Stream, categorical: frozenset[int], report: Report) -> None:
    most = part.argument("max_bins")
    for at, column in enumerate(stream.columns):
        if stream.count is None or at not in categorical:
            continue
        size = None if column.categories is None else len(column.categories)
        if column.kind is Kind.CODE and column.high is not None:
            size = int(column.high) + 1  # a code below zero counts as missing
        if size is not None and size > most:
            report.fail(
                "cardinality",
                f"{column.name!r} has {size} categories, and {part.name} takes at most {most}",
                part.at("categorical_features"),
                "encode it as a number, for instance with TargetEncoder",
            )
        if column.kind in (Kind.NUMBER, Kind.INTEGER) and not _few(column, most):
            report.warn(
                "cardinality",
                f"{sources([column])} is a number taken as a category, and {part.name} fails if it"
                f" has more than {most} different values",
                part.at("categorical_features"),
                "take it out of the categories, or bin it",
            )


def _few(column: Flowing, most: int) -> bool:
    low, high = column.low, column.high
    whole = column.kind is Kind.INTEGER
    return whole and low is not None and high is not None and high - low < most


def constraints(
    part: Part, stream: Stream, report: Report, *, categorical: frozenset[int] = frozenset()
) -> None:
    """Report monotone constraints on columns that do not arrive, or that have no order.

    Args:
        part: A tree estimator.
        stream: What reaches it.
        report: Told of it.
        categorical: Places of the columns that are categories.
    """
    asked: Any = part.argument("monotonic_cst")
    pairs: dict[int | None, tuple[object, object]]
    if isinstance(asked, Mapping):
        pairs = {
            _place(part, stream, name, ("monotonic_cst", str(name)), report=report): (name, value)
            for name, value in asked.items()
        }
    elif isinstance(asked, list | tuple):
        if stream.count is not None and len(asked) != stream.count:
            report.fail(
                "monotonic-constraint",
                f"monotonic_cst has {len(asked)} entries, and {stream.count} columns reach"
                f" {part.name}",
                part.at("monotonic_cst"),
                f"they are {listed(stream.names)}",
            )
            return
        pairs = {at: (at, value) for at, value in enumerate(asked)}
    else:
        return
    for place, (name, value) in pairs.items():
        if place is not None and place in categorical and value != 0:
            column = stream.columns[place].name
            report.fail(
                "monotonic-constraint",
                f"{column!r} is a category, which has no order that a constraint could keep",
                part.at("monotonic_cst", str(name)),
                "constrain numbers only",
            )


def _interactions(part: Part, stream: Stream, report: Report) -> None:
    asked: Any = part.argument("interaction_cst")
    if not isinstance(asked, list | tuple):
        return
    nameless = replace(stream, frame=False)
    for at, group in enumerate(asked):
        for within, one in enumerate(group if isinstance(group, list) else ()):
            path = ("interaction_cst", str(at), str(within))
            _place(part, nameless, one, path, report=report)
