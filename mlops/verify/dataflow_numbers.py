"""A number step's rule: what imputers, scalers, bins and projections make of columns."""

import itertools
import math
from collections.abc import Sequence
from dataclasses import replace

from mlops.verify.dataflow_accepts import accept
from mlops.verify.dataflow_columns import Flowing, Kind, Stream, number, sources, unknown
from mlops.verify.dataflow_parts import Part, Report


def impute(part: Part, stream: Stream, report: Report) -> Stream:
    """Return the columns filled, with indicators of what was missing if they are asked for."""
    strategy = part.argument("strategy")
    texts = stream.where(lambda column: column.is_text)
    if texts and strategy not in ("most_frequent", "constant"):
        report.fail(
            "dtype",
            f"{part.name} with {f'strategy {strategy}' if strategy else 'distances'} wants"
            f" numbers, and {sources(texts)} are texts",
            part.at("strategy"),
            "use strategy most_frequent or constant for texts",
        )
        stream = replace(stream, columns=tuple(map(_untold, stream.columns)))
    stream = accept(part, stream, report, texts=True)
    fill = part.argument("fill_value") if strategy == "constant" else None
    if fill is not None:
        _check_fill(part, stream, fill, report)
    filled = stream.each(lambda column: _filled(column, str(strategy), fill))
    if not part.argument("add_indicator"):
        return filled
    return replace(filled, columns=(*filled.columns, *_indicators(stream)))


def _untold(column: Flowing) -> Flowing:
    return replace(column, kind=Kind.UNKNOWN, categories=None) if column.is_text else column


def _check_fill(part: Part, stream: Stream, fill: object, report: Report) -> None:
    texts = isinstance(fill, str)
    wrong = stream.where(lambda c: c.kind is not Kind.UNKNOWN and c.is_text is not texts)
    wrong = tuple(c for c in wrong if texts or c.missing)
    if wrong:
        report.fail(
            "dtype",
            f"fill_value {fill!r} is {'a text' if texts else 'a number'}, and {sources(wrong)} are"
            f" {'numbers' if texts else 'texts'}",
            part.at("fill_value"),
            "fill texts with a text and numbers with a number",
        )


def _filled(column: Flowing, strategy: str, fill: object) -> Flowing:
    filled = replace(column, missing=False, blame=())
    if not column.missing:
        return filled
    if column.is_text:
        if strategy == "constant" and column.categories is not None:
            text = "missing_value" if fill is None else str(fill)
            if text not in column.categories:
                filled = replace(filled, categories=(*column.categories, text))
        return filled
    if strategy == "constant":
        value = float(fill) if isinstance(fill, int | float) else 0.0
        low = None if column.low is None else min(column.low, value)
        high = None if column.high is None else max(column.high, value)
        return replace(filled, low=low, high=high, above=column.above and low == column.low)
    whole = strategy == "most_frequent"
    kind = column.kind if whole or column.kind is Kind.UNKNOWN else Kind.NUMBER
    return replace(filled, kind=kind)


def _indicators(stream: Stream) -> list[Flowing]:
    """Return the indicator of each column that was missing in training, which data decide."""
    return [
        replace(
            column,
            name=f"missingindicator_{column.name}",
            kind=Kind.CODE,
            missing=False,
            blame=(),
            low=0.0,
            high=1.0,
            above=False,
            categories=None,
            many=True,
        )
        for column in stream.columns
        if column.missing or column.many
    ]


def same(part: Part, stream: Stream, report: Report) -> Stream:
    """Return numbers that may be anything, one for each; bounded somewhere if they were."""
    stream = accept(part, stream, report)
    return stream.each(
        lambda column: replace(_kept(column, number(column)), bounded=not column.unbounded)
    )


def _kept(before: Flowing, after: Flowing) -> Flowing:
    """Return a column of which as little is told as before, if that was nothing."""
    return replace(after, kind=Kind.UNKNOWN) if before.kind is Kind.UNKNOWN else after


def scale_to_range(part: Part, stream: Stream, report: Report) -> Stream:
    """Return numbers of MinMaxScaler's range; a little outside it for values unlike training's."""
    low, high = part.argument("feature_range")
    stream = accept(part, stream, report)
    return stream.each(lambda column: _kept(column, number(column, float(low), float(high))))


def keep_sign(part: Part, stream: Stream, report: Report) -> Stream:
    """Return numbers from -1 to 1 with the sign that they had."""

    def scaled(column: Flowing) -> Flowing:
        return _kept(column, number(column, -1.0 if column.may_be_negative else 0.0, 1.0))

    return accept(part, stream, report).each(scaled)


def power(part: Part, stream: Stream, report: Report) -> Stream:
    """Return transformed numbers; Box-Cox takes none at or below zero."""
    if part.argument("method") == "box-cox":
        low = stream.where(lambda c: _not_above_zero(c) and not c.is_text)
        if low:
            report.fail(
                "negative",
                f"PowerTransformer with box-cox takes numbers above zero only, and the contract"
                f" lets {sources(low)} be zero or less",
                part.at("method"),
                "use method yeo-johnson",
            )
    return same(part, stream, report)


def _not_above_zero(column: Flowing) -> bool:
    if column.kind is Kind.UNKNOWN:
        return False
    return column.low is None or column.low < 0 or (column.low == 0 and not column.above)


def quantiles(part: Part, stream: Stream, report: Report) -> Stream:
    """Return numbers from 0 to 1, or as of a normal distribution."""
    ends = (0.0, 1.0) if part.argument("output_distribution") == "uniform" else (None, None)
    stream = accept(part, stream, report)
    return stream.each(lambda column: _kept(column, number(column, *ends)))


def bins(part: Part, stream: Stream, report: Report) -> Stream:
    """Return the bin of each number, as its code or as columns of 0 and 1."""
    stream = accept(part, stream, report)
    sizes = part.argument("n_bins")
    if isinstance(sizes, list) and stream.count is not None and len(sizes) != stream.count:
        report.fail(
            "count",
            f"KBinsDiscretizer has {len(sizes)} n_bins for {stream.count} columns",
            part.at("n_bins"),
            "give one number for all, or one a column",
        )
    most = float(max(sizes) if isinstance(sizes, list) and sizes else sizes) - 1.0
    coded = stream.each(lambda c: replace(number(c, 0.0, most), kind=Kind.CODE))
    if part.argument("encode") == "ordinal":
        return coded
    sparse = part.argument("encode") == "onehot"
    # How many bins there are depends on the data: too narrow ones are put together.
    columns = tuple(replace(c, name=f"{c.name}_*", high=1.0, many=True) for c in coded.columns)
    return Stream(columns, sparse=sparse)


def binarize(part: Part, stream: Stream, report: Report) -> Stream:
    """Return 0 or 1, one for each."""
    stream = accept(part, stream, report)
    return stream.each(lambda c: replace(number(c, 0.0, 1.0), kind=Kind.CODE))


def polynomial(part: Part, stream: Stream, report: Report) -> Stream:
    """Return products of the columns up to a degree, in scikit-learn's order and names."""
    stream = accept(part, stream, report)
    wide = stream.where(lambda column: column.unbounded)
    if wide:
        report.warn(
            "unbounded",
            f"the contract does not bound {sources(wide)}, and a product of it in {part.name} can"
            " be too large for a float",
            part.at(),
            "bound it in the contract with ge and le",
        )
    degree = part.argument("degree")
    least, most = (1, degree) if isinstance(degree, int) else (max(1, degree[0]), degree[1])
    bias = part.argument("include_bias")
    only = bool(part.argument("interaction_only"))
    count = stream.count
    if count is None or math.comb(count + most, most) > 100_000:
        return replace(unknown(stream, "polynomial"), sparse=stream.sparse)
    choose = itertools.combinations if only else itertools.combinations_with_replacement
    found = [_product(())] if bias else []
    for size in range(least, most + 1):
        found += [_product(chosen) for chosen in choose(stream.columns, size)]
    return Stream(tuple(found), sparse=stream.sparse)


def _product(chosen: Sequence[Flowing]) -> Flowing:
    """Return the column that is the product of some; of none, the constant 1."""
    powers = [(column, len(list(same))) for column, same in itertools.groupby(chosen)]
    name = " ".join(c.name if n == 1 else f"{c.name}^{n}" for c, n in powers) or "1"
    ends = [(column.low, column.high) for column in chosen]
    reach: float | None = 1.0
    for low, high in ends:
        if reach is not None:
            bounded = low is not None and high is not None
            reach = reach * max(abs(low or 0.0), abs(high or 0.0)) if bounded else None
    negative = any(column.may_be_negative for column in chosen)
    return Flowing(
        name=name,
        kind=Kind.NUMBER,
        source=tuple(dict.fromkeys(s for column in chosen for s in column.source)),
        missing=any(column.missing for column in chosen),
        low=0.0 if not negative else None if reach is None else -reach,
        high=reach,
        bounded=not any(column.unbounded for column in chosen),
    )


def choose(part: Part, stream: Stream, report: Report) -> Stream:
    """Return some of the columns; which, the data decide."""
    stream = accept(part, stream, report)
    wanted = part.argument("k")
    if isinstance(wanted, int) and stream.count is not None and wanted > stream.count:
        report.warn(
            "count",
            f"{part.name} shall keep {wanted} columns, and {stream.count} reach it",
            part.at("k"),
        )
    return stream.each(lambda column: replace(column, many=True))


def project(part: Part, stream: Stream, report: Report) -> Stream:
    """Return components: sums of all columns."""
    stream = accept(part, stream, report)
    wanted, count = part.argument("n_components"), stream.count
    exact = part.name == "TruncatedSVD"
    limit = None if count is None else count - (1 if exact and count < 2 else 0)
    if isinstance(wanted, int) and limit is not None and wanted > limit:
        report.fail(
            "count",
            f"{part.name} shall make {wanted} components of {count} columns",
            part.at("n_components"),
            f"take at most {limit}",
        )
    made = wanted if isinstance(wanted, int) else count if wanted is None else None
    if made is None:
        return unknown(stream, part.name.lower())
    source = tuple(dict.fromkeys(s for column in stream.columns for s in column.source))
    name, bounded = part.name.lower(), not stream.where(lambda column: column.unbounded)
    return Stream(
        tuple(Flowing(f"{name}{at}", Kind.NUMBER, source, bounded=bounded) for at in range(made))
    )
