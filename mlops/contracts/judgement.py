"""A judgement: which rules of its column a value breaks.

The one place that says what a rule means: the page check, the check of whole frames and the words
of a refused request are built on it.
"""

import math
import re
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from mlops.contracts.domain import Column, ColumnKind

Bools = npt.NDArray[np.bool_]

NULL, TYPE, FINITE = "null", "type", "finite"
MINIMUM, MAXIMUM, NUMBERS = "minimum", "maximum", "numbers"
CATEGORY, FORBIDDEN, LENGTH = "category", "forbidden", "length"
PATTERN, CONTAINS, PREFIX, SUFFIX = "pattern", "contains", "prefix", "suffix"


class TextRules:
    """The rules of one category column, compiled.

    Args:
        column: What is allowed.
    """

    def __init__(self, column: Column) -> None:
        self._nullable = column.nullable
        self._allowed = None if column.categories is None else frozenset(column.categories)
        self._forbidden = frozenset(column.forbidden)
        self._least, self._most = column.length_bounds
        names = {
            PATTERN: column.pattern is not None,
            CONTAINS: column.contains is not None,
            PREFIX: bool(column.prefix),
            SUFFIX: bool(column.suffix),
        }
        declared = [name for name, is_declared in names.items() if is_declared]
        self._patterns = [
            (name, re.compile(pattern.python).search)
            for name, pattern in zip(declared, column.patterns, strict=True)
        ]
        joined = column.joined_pattern
        self._search = None if joined is None else re.compile(joined).search

    def broken(self, value: object) -> tuple[str, ...]:
        """Return the rules that a value breaks, in the order of their names' declaration.

        Args:
            value: A text; None if it is missing.
        """
        if value is None:
            return () if self._nullable else (NULL,)
        if not isinstance(value, str):
            return (TYPE,)
        found: list[str] = []
        if self._allowed is not None:
            if value not in self._allowed:
                found.append(CATEGORY)
        elif self._most is not None and len(value) > self._most:
            return (LENGTH,)  # an engine that backtracks is not let loose on a long text
        elif len(value) < self._least:
            found.append(LENGTH)
        if value in self._forbidden:
            found.append(FORBIDDEN)
        found += [name for name, search in self._patterns if search(value) is None]
        return tuple(found)

    def keeps(self, value: object) -> bool:
        """Tell whether a value breaks no rule; faster than to name what it breaks."""
        if not isinstance(value, str):
            return value is None and self._nullable
        if self._allowed is not None:
            return value in self._allowed
        length = len(value)
        if length < self._least or (self._most is not None and length > self._most):
            return False
        return self._search is None or self._search(value) is not None


def broken_numbers(column: Column, values: npt.NDArray[Any]) -> Mapping[str, Bools]:
    """Return for each rule of a number, integer or boolean column which values break it.

    Args:
        column: What is allowed.
        values: Shape [n]: float64 with NaN for missing, or whole numbers in their own dtype.

    Returns:
        A mask of shape [n] for each rule that some value breaks.
    """
    missing = np.isnan(values) if values.dtype.kind == "f" else np.zeros(len(values), np.bool_)
    infinite = np.isinf(values) if values.dtype.kind == "f" else missing
    found: dict[str, Bools] = {}
    if not column.nullable:
        found[NULL] = missing
    found[FINITE] = infinite
    if column.kind is not ColumnKind.NUMBER and values.dtype.kind == "f":
        found[TYPE] = ~missing & ~infinite & (values != np.floor(values))
    low, high = column.whole_bounds if column.kind is ColumnKind.INTEGER else column.interval
    # An infinity breaks an end only where the contract has one: that it is no number is said above.
    found[MINIMUM] = (values < low) & (~infinite if column.minimum is None else True)
    found[MAXIMUM] = (values > high) & (~infinite if column.maximum is None else True)
    if column.numbers is not None:
        found[NUMBERS] = ~missing & ~np.isin(values, column.numbers)
    if column.forbidden:
        found[FORBIDDEN] = np.isin(values, column.forbidden)
    return {rule: mask for rule, mask in found.items() if mask.any()}


def keeps_number(column: Column, value: float) -> bool:
    """Tell whether a number that keeps its column's ends is none that its sets exclude.

    A missing one (NaN) is in no set and is judged elsewhere.
    """
    if math.isnan(value):
        return True
    if column.numbers is not None and value not in column.numbers:
        return False
    return value not in column.forbidden


def has_sets(column: Column) -> bool:
    """Tell whether a column allows or forbids single numbers."""
    return not column.is_category and (column.numbers is not None or bool(column.forbidden))
