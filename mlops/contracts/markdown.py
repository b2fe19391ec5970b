"""A contract's documentation: its columns as a table in Markdown."""

from collections.abc import Iterable

from mlops.contracts.domain import Column, ColumnKind, Domain

_HEAD = ("column", "kind", "from", "allowed", "may be missing", "use", "what it is")


def document(domain: Domain) -> str:
    """Return a contract as Markdown: a heading, a table of columns, and what only batch checks."""
    lines = [f"# {domain.name}", "", _row(_HEAD), _row("---" for _ in _HEAD)]
    lines += [_row(_cells(column)) for column in domain.columns]
    opaque = [f"`{each}` of `{column.name}`" for column in domain.columns for each in column.opaque]
    opaque += [f"`{each}` of the frame" for each in domain.opaque]
    if domain.unique:
        lines += ["", f"No two rows have the same {', '.join(domain.unique)}."]
    if opaque:
        lines += ["", f"Checked in whole frames only: {', '.join(opaque)}."]
    return "\n".join(lines) + "\n"


def _cells(column: Column) -> tuple[str, ...]:
    kind = f"{column.kind.value} ({column.dtype})" if column.dtype else column.kind.value
    said = [column.description, f"Unit: {column.unit}." if column.unit else ""]
    return (
        f"`{column.name}`",
        kind,
        column.scope.value,
        allowed(column),
        "yes" if column.nullable else "no",
        use(column) or "no",
        " ".join(word for word in said if word),
    )


def use(column: Column) -> str:
    """Return what a column is used for in a word: `identifier`, `feature`, both, or nothing."""
    words = ["identifier"] * column.identifier + ["feature"] * column.feature
    return " and ".join(words)


def allowed(column: Column) -> str:
    """Return in a few words which values a column allows."""
    words: list[str] = []
    if column.categories is not None:
        words.append(", ".join(column.categories))
    elif column.numbers is not None:
        words.append(", ".join(f"{number:g}" for number in column.numbers))
    elif column.kind in (ColumnKind.NUMBER, ColumnKind.INTEGER):
        words.append(_interval(column))
    elif column.is_category:
        words += [_length(column), f"`{column.pattern}`" if column.pattern else ""]
        words += [f"contains `{column.contains}`"] if column.contains else []
        words += [f"starts with `{column.prefix}`"] if column.prefix else []
        words += [f"ends with `{column.suffix}`"] if column.suffix else []
    else:
        words.append("true, false")
    if column.forbidden:
        words.append(f"not {', '.join(str(each) for each in column.forbidden)}")
    if column.unique:
        words.append("each once")
    return "; ".join(word for word in words if word)


def _length(column: Column) -> str:
    least, most = column.length_bounds
    is_said = column.max_length is not None or column.pattern is None
    if most is None or not is_said:
        return f"at least {least} letters" if least else ""
    return f"{least} to {most} letters" if least else f"up to {most} letters"


def _interval(column: Column) -> str:
    low = "" if column.minimum is None else f"{column.minimum:g}"
    high = "" if column.maximum is None else f"{column.maximum:g}"
    if not low and not high:
        return "any"
    if not high:
        return f"{'more than' if column.minimum_open else 'at least'} {low}"
    if not low:
        return f"{'less than' if column.maximum_open else 'at most'} {high}"
    above, below = "above " * column.minimum_open, "below " * column.maximum_open
    return f"{above}{low} to {below}{high}"


def _row(cells: Iterable[str]) -> str:
    texts = (cell.replace("|", "\\|").replace("\n", " ") for cell in cells)
    return f"| {' | '.join(texts)} |"
