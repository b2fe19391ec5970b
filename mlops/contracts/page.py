"""A page check: a table of candidates held against its contract, all columns at once, in numpy.

It is for rows that do not come in through the request decoder: precomputed candidates, the rows of
a proof. It needs neither pandas nor pandera. What it lets pass, pandera lets pass too, but for the
checks that `Column.opaque` and `Domain.opaque` name.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np

from mlops.base.errors import ContractError
from mlops.contracts.domain import Column, ColumnKind, Table
from mlops.contracts.judgement import Bools, TextRules, broken_numbers, has_sets


@dataclass(frozen=True, slots=True)
class PageViolation:
    """One rule of one column that some rows of a page break.

    Attributes:
        column: The column.
        rule: `null`, `type`, `finite`, `minimum`, `maximum`, `numbers`, `category`, `forbidden`,
            `length`, `pattern`, `contains`, `prefix` or `suffix`.
        rows: Zero-based positions of the rows, ascending.
    """

    column: str
    rule: str
    rows: tuple[int, ...]


class PageCheck:
    """The rules of some columns, compiled.

    Args:
        columns: What is allowed; the table's other columns are not looked at.
    """

    def __init__(self, columns: Sequence[Column]) -> None:
        self._columns = tuple(columns)
        self._kinds = [(column.name, "O" if column.is_category else "f") for column in columns]
        numbers = [column for column in columns if not column.is_category]
        # Whole columns lie together, and so do those that may be missing: each is one slice.
        numbers.sort(key=_group)
        groups = [_group(column) for column in numbers]
        self._names = tuple(column.name for column in numbers)
        self._whole = slice(groups.count(0), len(groups) - groups.count(3))
        self._nullable = slice(groups.count(0) + groups.count(1), len(groups))
        ends = np.array([column.interval for column in numbers], np.float64).reshape(-1, 2, 1)
        self._low, self._high = ends[:, 0], ends[:, 1]
        self._sets = tuple(column for column in numbers if has_sets(column))
        self._texts = tuple((c.name, _Texts(c)) for c in columns if c.is_category)

    def mask(self, table: Table) -> Bools:
        """Return which rows keep every rule, shape [n].

        Args:
            table: The columns, each of length n.

        Raises:
            ContractError: A column is missing, or not of the shape and dtype that a table has.
        """
        rows = self._rows(table)
        kept = self._keeps_numbers(table, rows)
        for column in self._sets:
            for mask in broken_numbers(column, table[column.name]).values():
                kept &= ~mask
        for name, texts in self._texts:
            values = table[name].tolist()
            if not texts.keep(values):
                kept &= np.fromiter((texts.keeps(value) for value in values), np.bool_, rows)
        return kept

    def violations(self, table: Table) -> tuple[PageViolation, ...]:
        """Return what is broken, by column in the contract's order; empty if nothing is.

        Args:
            table: The columns, each of length n.

        Raises:
            ContractError: As in `mask`.
        """
        if self.mask(table).all():
            return ()
        texts = dict(self._texts)
        found: list[PageViolation] = []
        for column in self._columns:
            values = table[column.name]
            broken = (
                texts[column.name].broken(values.tolist())
                if column.is_category
                else broken_numbers(column, values)
            )
            for rule, mask in broken.items():
                at = tuple(np.flatnonzero(mask).tolist())
                found.append(PageViolation(column.name, rule, at))
        return tuple(found)

    def _rows(self, table: Table) -> int:
        """Return the number of rows of a table that is of a table's form."""
        rows = -1
        for name, kind in self._kinds:
            values = table.get(name)
            if values is None:
                raise ContractError(f"the table lacks column {name!r}")
            if values.dtype.kind != kind:
                raise ContractError(
                    f"column {name!r} of the table has dtype {values.dtype}",
                    hint="a table holds float64 with NaN for missing, and texts as objects",
                )
            if values.ndim != 1 or (rows >= 0 and len(values) != rows):
                raise ContractError("the columns of the table have different lengths")
            rows = len(values)
        return rows

    def _keeps_numbers(self, table: Table, rows: int) -> Bools:
        if not self._names:
            return np.ones(rows, np.bool_)
        matrix = np.concatenate([table[name] for name in self._names])
        matrix = matrix.reshape(len(self._names), rows)
        kept = (matrix >= self._low) & (matrix <= self._high)  # NaN and infinities do not pass
        whole = matrix[self._whole]
        if len(whole):
            kept[self._whole] &= whole == np.floor(whole)
        nullable = matrix[self._nullable]
        if len(nullable):
            kept[self._nullable] |= np.isnan(nullable)
        return cast("Bools", kept.all(axis=0))


def _group(column: Column) -> int:
    """Return 0 for a number, 1 for whole, 2 for whole or missing, 3 for a number or missing."""
    whole = column.kind is not ColumnKind.NUMBER
    return 1 + column.nullable if whole else 3 * column.nullable


class _Texts:
    """The rules of one category column for many values, each text judged once.

    Args:
        column: What is allowed.
    """

    def __init__(self, column: Column) -> None:
        self._rules = TextRules(column)
        self.keeps = self._rules.keeps
        self._allowed: frozenset[object] | None = None
        if column.categories is not None:
            self._allowed = frozenset({*column.categories, *([None] if column.nullable else [])})

    def keep(self, values: list[object]) -> bool:
        """Tell whether all values keep the rules."""
        try:
            different = set(values)
        except TypeError:  # a list is no text
            return False
        if self._allowed is not None:
            return self._allowed.issuperset(different)
        return all(map(self._rules.keeps, different))

    def broken(self, values: list[object]) -> dict[str, Bools]:
        """Return for each rule which values break it, shape [n]."""
        found: dict[str, Bools] = {}
        for at, value in enumerate(values):
            for rule in self._rules.broken(value):
                found.setdefault(rule, np.zeros(len(values), np.bool_))[at] = True
        return found
