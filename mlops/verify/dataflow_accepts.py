"""An acceptance: whether a step takes the columns that reach it, by what it says of itself."""

from dataclasses import replace

from mlops.verify.dataflow_columns import Flowing, Kind, Stream, sources
from mlops.verify.dataflow_parts import Part, Report

_ENCODE = "encode them before it, for instance with OneHotEncoder(handle_unknown=ignore)"
_FILL = "put a SimpleImputer before it"


def accept(part: Part, stream: Stream, report: Report, *, texts: bool = False) -> Stream:
    """Check that a step takes what reaches it.

    Args:
        part: The step.
        stream: What reaches it.
        report: Told of what it does not take.
        texts: Whether it takes texts.

    Returns:
        The stream as if it had been taken, so that one fault is told once.
    """
    tags = part.tags
    if not texts:
        stream = _no_texts(part, stream, report)
    if tags is None:
        return stream
    if not tags.missing:
        stream = _no_missing(part, stream, report)
    if stream.sparse and not tags.sparse:
        report.fail(
            "sparse",
            f"{part.name} takes no sparse matrix, and the step before it yields one",
            part.at(),
            "set sparse_output: false (or encode: onehot-dense) in the step before",
        )
        stream = replace(stream, sparse=False)
    if tags.positive:
        _no_negative(part, stream, report)
    return stream


def _no_texts(part: Part, stream: Stream, report: Report) -> Stream:
    texts = stream.where(lambda column: column.is_text)
    if not texts:
        return stream
    message = f"{part.name} takes numbers, and {sources(texts)} are texts when they reach it"
    report.fail("dtype", message, part.at(), _ENCODE)
    return replace(stream, columns=tuple(_untold(c) if c.is_text else c for c in stream.columns))


def _no_missing(part: Part, stream: Stream, report: Report) -> Stream:
    missing = stream.where(lambda column: column.missing)
    for blame in dict.fromkeys(column.blame for column in missing):
        found = tuple(column for column in missing if column.blame == blame)
        told, advice = "the contract lets {} be missing", _FILL
        if blame:
            told, advice = "values of {} become missing on the way", f"set {blame[-1]} to a number"
        report.fail(
            "missing",
            f"{told.format(sources(found))}, and {part.name} fails on missing values",
            blame or part.at(),
            advice,
        )
    return replace(stream, columns=tuple(replace(c, missing=False) for c in stream.columns))


def _no_negative(part: Part, stream: Stream, report: Report) -> None:
    negative = stream.where(lambda column: column.may_be_negative and not column.is_text)
    if negative:
        report.fail(
            "negative",
            f"{part.name} takes no negative number, and {sources(negative)} may be negative when"
            " they reach it",
            part.at(),
            "use another estimator, or a MinMaxScaler before it",
        )


def _untold(column: Flowing) -> Flowing:
    """Return a column of which nothing more is told."""
    return replace(column, kind=Kind.UNKNOWN, missing=False, categories=None)
