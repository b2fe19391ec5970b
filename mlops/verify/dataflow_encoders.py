"""An encoder's rule: what becomes of categories, and whether one never seen breaks the service."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from mlops.verify.dataflow_accepts import accept
from mlops.verify.dataflow_columns import Flowing, Key, Kind, Stream, listed, number, sources
from mlops.verify.dataflow_parts import Part, Report

_FEW = 50
"""Whole numbers in a range so short are taken as a closed set: weekdays, stars, months."""


def one_hot(part: Part, stream: Stream, report: Report) -> Stream:
    """Return one column of 0 and 1 for each category."""
    stream = accept(part, stream, report, texts=True)
    _warn_of_numbers(part, stream, report)
    lists = _lists(part, stream, report)
    if part.argument("handle_unknown") == "error":
        _unseen(part, stream, lists, report=report)
    else:
        _dropped(part, stream, report)
    rare = part.argument("min_frequency") is not None or part.argument("max_categories") is not None
    sparse = bool(part.argument("sparse_output"))
    if not (sparse or rare):
        _grows(part, stream.where(lambda c: c.identifier), report)
    drop = part.argument("drop")
    found: list[Flowing] = []
    for column, given in zip(stream.columns, lists, strict=True):
        known = None if rare else _known(column, given)
        found += _hot(column, known, drop)
    return Stream(tuple(found), sparse=sparse)


def _hot(column: Flowing, known: Sequence[object] | None, drop: object) -> list[Flowing]:
    coded = replace(
        column, kind=Kind.CODE, missing=False, low=0.0, high=1.0, above=False, categories=None
    )
    if known is None or not (drop is None or drop in ("first", "if_binary")):
        return [replace(coded, name=f"{column.name}_*", many=True)]
    if drop == "first" or (drop == "if_binary" and len(known) == 2):
        known = known[1:]
    return [replace(coded, name=f"{column.name}_{one}") for one in known]


def _known(column: Flowing, given: Sequence[object] | None) -> list[object] | None:
    """Return a column's categories in scikit-learn's order; None if they depend on the data."""
    if given is not None:
        return list(given)
    if column.kind is Kind.BOOLEAN:
        found: list[object] = [0.0, 1.0]
    elif column.is_text and column.categories is not None:
        found = [*sorted(column.categories)]
    else:
        return None
    return [*found, math.nan] if column.missing else found


def _dropped(part: Part, stream: Stream, report: Report) -> None:
    unseen = stream.where(lambda c: c.is_text and c.categories is None)
    if unseen and part.argument("drop") is not None:
        report.warn(
            "unseen-dropped",
            f"an unseen category of {sources(unseen)} is coded as the one that `drop` leaves out",
            part.at("drop"),
            "leave `drop` out: regularised models do not need it",
        )


def _grows(part: Part, columns: tuple[Flowing, ...], report: Report) -> None:
    if columns:
        report.warn(
            "growth",
            f"{part.name} makes a dense column of every value of {sources(columns)}, which names"
            " candidates: its memory grows with the catalogue",
            part.at("sparse_output"),
            "set sparse_output: true, or encode it with TargetEncoder or OrdinalEncoder",
        )


def _warn_of_numbers(part: Part, stream: Stream, report: Report) -> None:
    numbers = stream.where(lambda c: c.kind is Kind.NUMBER)
    if numbers:
        report.warn(
            "number-as-category",
            f"{part.name} takes every single value of the number {sources(numbers)} as a category",
            part.at(),
            "scale numbers, or bin them with KBinsDiscretizer",
        )


def ordinal(part: Part, stream: Stream, report: Report) -> Stream:
    """Return one code a column; missing and unknown get theirs, which may be missing again."""
    stream = accept(part, stream, report, texts=True)
    lists = _lists(part, stream, report)
    told = part.argument("handle_unknown") == "use_encoded_value"
    if not told:
        _unseen(part, stream, lists, report=report)
    _codes_agree(part, stream, lists, report=report)
    return Stream(
        tuple(_coded(part, c, given) for c, given in zip(stream.columns, lists, strict=True))
    )


def _coded(part: Part, column: Flowing, given: Sequence[object] | None) -> Flowing:
    unknown, absent = part.argument("unknown_value"), part.argument("encoded_missing_value")
    told = part.argument("handle_unknown") == "use_encoded_value"
    may_be_unknown = told and (_open(column) or (given is not None and _lacks(column, given)))
    blame: Key = ()
    if column.missing and _nan(absent):
        blame = part.at("encoded_missing_value")
    if may_be_unknown and _nan(unknown):
        blame = part.at("unknown_value")
    known = _known(replace(column, missing=False), given)
    others = [float(v) for v in (unknown, absent) if v is not None and not _nan(v)]
    return replace(
        column,
        kind=Kind.CODE,
        missing=bool(blame),
        blame=blame,
        low=min([0.0, *others]),
        high=None if known is None else max([len(known) - 1.0, *others]),
        above=False,
        categories=None,
    )


def _codes_agree(
    part: Part, stream: Stream, lists: Sequence[Sequence[object] | None], *, report: Report
) -> None:
    """Report codes for unknown and missing that are left out, or that categories have already."""
    unknown = part.argument("unknown_value")
    told = part.argument("handle_unknown") == "use_encoded_value"
    if told != (unknown is not None):
        missing, has = ("unknown_value", "handle_unknown")[:: 1 if told else -1]
        report.fail(
            "codes",
            f"OrdinalEncoder has {has} but not the {missing} that goes with it",
            part.at(has),
            "set handle_unknown: use_encoded_value and unknown_value: -1",
        )
        return
    for name, columns in (
        ("unknown_value", stream.columns if told else ()),
        ("encoded_missing_value", stream.where(lambda column: column.missing)),
    ):
        value = part.argument(name)
        for column, given in zip(stream.columns, lists, strict=True):
            if column in columns and isinstance(value, int) and value >= 0:
                known = _known(replace(column, missing=False), given)
                _taken(part, name, column, known, report=report)


def _taken(
    part: Part, name: str, column: Flowing, known: Sequence[object] | None, *, report: Report
) -> None:
    """Report a code for unknown or missing that a category has, or will have."""
    value = int(part.argument(name))
    size = 2 if known is None else len(known)
    if value < size:
        message = f"OrdinalEncoder's {name} {value} is the code of a category of {column.name!r}"
        report.fail("codes", message, part.at(name), "take a negative number")
    elif known is None:
        report.warn(
            "codes",
            f"OrdinalEncoder's {name} {value} is a code of {column.name!r} as soon as that has"
            f" more than {value} categories",
            part.at(name),
            "take a negative number",
        )


def target(part: Part, stream: Stream, report: Report) -> Stream:
    """Return one number a column: its category's mean outcome; unseen and missing get one too."""
    stream = accept(part, stream, report, texts=True)
    _lists(part, stream, report)
    low, high = report.outcome
    return stream.each(lambda column: replace(number(column, low, high), missing=False, blame=()))


def _unseen(
    part: Part, stream: Stream, lists: Sequence[Sequence[object] | None], *, report: Report
) -> None:
    """Report values that come first in serving, and on which the encoder then fails."""
    one_hot = part.name == "OneHotEncoder"
    hint = f"set handle_unknown: {'ignore' if one_hot else 'use_encoded_value, unknown_value: -1'}"
    pairs = list(zip(stream.columns, lists, strict=True))
    new = [c for c, given in pairs if _open(c)]
    if new:
        message = f"{part.name} fails on values of {sources(new)} that training did not have"
        report.fail("unseen", message, part.at("handle_unknown"), hint)
    none = [c for c, given in pairs if c.missing and given is not None and not _has_none(given)]
    if none:
        message = f"{part.name} fails on missing values of {sources(none)}, which are in no list"
        report.fail("unseen", message, part.at("categories"), hint)
    rare = [c for c, given in pairs if given is None and not _open(c) and _is_set(c)]
    if rare and not new:
        report.warn(
            "unseen",
            f"{part.name} fails in serving on a value of {sources(rare)} that the contract allows"
            " and training happens to lack",
            part.at("handle_unknown"),
            f"{hint}, or give `categories`",
        )


def _open(column: Flowing) -> bool:
    if column.is_text:
        return column.categories is None
    if column.kind is Kind.INTEGER:
        low, high = column.low, column.high
        return low is None or high is None or high - low > _FEW
    return column.kind is Kind.NUMBER


def _lacks(column: Flowing, given: Sequence[object]) -> bool:
    """Tell whether something that the contract allows is not in a list of categories."""
    return any(one not in given for one in column.categories or ()) or (
        column.missing and not _has_none(given)
    )


def _is_set(column: Flowing) -> bool:
    return column.is_text or column.kind is Kind.INTEGER or column.missing


def _lists(part: Part, stream: Stream, report: Report) -> list[Sequence[object] | None]:
    """Return the `categories` that are given for each column, held against the contract."""
    given: Any = part.argument("categories")
    nothing: list[Sequence[object] | None] = [None] * len(stream.columns)
    if not isinstance(given, list):
        return nothing
    if stream.count is None:
        return nothing
    if len(given) != len(stream.columns):
        report.fail(
            "categories",
            f"{part.name} has {len(given)} lists of categories for {len(stream.columns)} columns,"
            f" {sources(stream.columns)}",
            part.at("categories"),
            "give one list a column, in their order",
        )
        return nothing
    for at, (column, known) in enumerate(zip(stream.columns, given, strict=True)):
        if column.categories is not None and isinstance(known, list):
            _held(part, column, at, known=known, report=report)
    return list(given)


def _held(part: Part, column: Flowing, at: int, *, known: list[object], report: Report) -> None:
    allowed = column.categories or ()
    key = part.at("categories", str(at))
    for place, one in enumerate(known):
        if not _nan(one) and one is not None and one not in allowed:
            message = f"{part.name} lists category {one!r}, which {column.name!r} never has"
            hint = f"the contract allows {listed(allowed)}"
            report.fail("categories", message, (*key, str(place)), hint)
    lacking = [one for one in allowed if one not in known]
    if lacking:
        message = f"{part.name} lists the categories of {column.name!r} without {listed(lacking)}"
        tell = report.fail if part.argument("handle_unknown") == "error" else report.warn
        tell("categories", message, key, "list all that the contract allows")


def _has_none(values: Iterable[object]) -> bool:
    return any(value is None or _nan(value) for value in values)


def _nan(value: object) -> bool:
    return isinstance(value, float) and math.isnan(value)
