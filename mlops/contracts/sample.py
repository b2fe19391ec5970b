"""A sample: rows drawn from a domain with its edges, for parity proofs and probes."""

from collections.abc import Mapping, Sequence

import numpy as np

from mlops.contracts.domain import Column, ColumnKind, Domain, Floats, Table, Texts
from mlops.contracts.judgement import TextRules

_EDGE_SHARE = 0.15
_MISSING_SHARE = 0.1
_UNKNOWN_SHARE = 0.1
_UNBOUNDED = 1e6
_UNKNOWNS = 20
_MOST_REDRAWS = 20


def draw(
    domain: Domain,
    rows: int,
    rng: np.random.Generator,
    *,
    known: Mapping[str, Sequence[str]],
) -> Table:
    """Draw rows that keep the contract, edges over-represented.

    Numbers are uniform over their interval with its ends, zero and their float neighbours mixed
    in; nullable columns go missing; open categories take known values and values never seen.

    Args:
        domain: What is allowed.
        rows: How many rows.
        rng: Source of randomness.
        known: For each open category column, values seen in training.

    Returns:
        The request's columns, each of length `rows`.
    """
    return draw_columns(domain.request, rows, rng, known=known)


def draw_columns(
    columns: Sequence[Column],
    rows: int,
    rng: np.random.Generator,
    *,
    known: Mapping[str, Sequence[str]],
) -> Table:
    """Draw some columns, as `draw` does those of a request; each of length `rows`."""
    return {column.name: _draw_column(column, rows, rng, known) for column in columns}


def _draw_column(
    column: Column, rows: int, rng: np.random.Generator, known: Mapping[str, Sequence[str]]
) -> Floats | Texts:
    if column.is_category:
        return _draw_texts(column, rows, rng, known.get(column.name, ()))
    values = _draw_numbers(column, rows, rng)
    for _ in range(_MOST_REDRAWS if column.forbidden else 0):
        wrong = np.isin(values, column.forbidden)
        values[wrong] = _draw_numbers(column, int(wrong.sum()), rng)
    if column.nullable:
        values[rng.random(rows) < _MISSING_SHARE] = np.nan
    return values


def _draw_numbers(column: Column, rows: int, rng: np.random.Generator) -> Floats:
    if column.kind is ColumnKind.BOOLEAN:
        return rng.integers(0, 2, rows).astype(np.float64)
    if column.numbers is not None:
        return rng.choice(np.array(column.numbers), rows)
    low, high = bounds(column)
    if column.kind is ColumnKind.INTEGER:
        least, most = column.whole_bounds
        low, high = max(int(np.ceil(low)), least), min(int(np.floor(high)), most)
        return rng.integers(low, high, rows, endpoint=True).astype(np.float64)
    numbers = rng.uniform(low, high, rows)
    # Half of the draws are log-spread around the lower end, where skewed features have their mass.
    skewed = rng.random(rows) < 0.5
    numbers[skewed] = low + (high - low) * 10.0 ** rng.uniform(-6, 0, int(skewed.sum()))
    edges = np.array([low, high, np.nextafter(low, high), np.nextafter(high, low), 0.0])
    edges = edges[(edges >= low) & (edges <= high)]
    at_edge = rng.random(rows) < _EDGE_SHARE
    numbers[at_edge] = rng.choice(edges, int(at_edge.sum()))
    numbers = np.clip(numbers, low, high)
    if column.is_single:  # a request's numbers are rounded too
        numbers = np.clip(numbers.astype(np.float32).astype(np.float64), *column.interval)
    return numbers


def bounds(column: Column) -> tuple[float, float]:
    """Return the closed float interval of a number column, +-1e6 where it declares no end."""
    low = -_UNBOUNDED if column.minimum is None else column.minimum
    high = _UNBOUNDED if column.maximum is None else column.maximum
    if column.minimum is None and high <= low:
        low = high - _UNBOUNDED
    if column.maximum is None and high <= low:
        high = low + _UNBOUNDED
    if column.minimum_open:
        low = float(np.nextafter(low, np.inf))
    if column.maximum_open:
        high = float(np.nextafter(high, -np.inf))
    return low, high


def _draw_texts(column: Column, rows: int, rng: np.random.Generator, known: Sequence[str]) -> Texts:
    if column.categories is not None:
        values = np.array(column.categories, dtype=object)
        drawn = rng.choice(values, rows)
    else:
        seen = list(known) or ["x"]
        unseen = _unseen(seen, TextRules(column), rng)
        drawn = rng.choice(np.array(seen, dtype=object), rows)
        if unseen:
            unknown = rng.random(rows) < _UNKNOWN_SHARE
            drawn[unknown] = rng.choice(np.array(unseen, dtype=object), int(unknown.sum()))
    if column.nullable:
        drawn[rng.random(rows) < _MISSING_SHARE] = None
    return drawn


def _unseen(known: Sequence[str], rules: TextRules, rng: np.random.Generator) -> list[str]:
    """Return texts that keep the rules and are not known: known ones with letters changed."""
    alphabet = "0123456789abcdef"
    taken = set(known)
    found: list[str] = []
    for _ in range(_UNKNOWNS * 10):
        if len(found) == _UNKNOWNS:
            break
        letters = list(str(rng.choice(np.array(known, dtype=object))))
        for position in range(len(letters)):
            if rng.random() < 0.5:
                letters[position] = str(rng.choice(list(alphabet)))
        text = "".join(letters)
        if text not in taken and rules.keeps(text):
            taken.add(text)
            found.append(text)
    return found
