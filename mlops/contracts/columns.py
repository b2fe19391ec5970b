"""Columns: a table whose numbers lie in one matrix, as a decoded request gives them.

A column becomes an array of its own only when it is asked for by name: a compiled model reads the
matrix as a whole, and of thirty columns a heuristic reads two.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from mlops.contracts.domain import Column, Floats, Table, Texts


@dataclass(frozen=True)
class Layout:
    """Which columns there are, and where.

    Attributes:
        numbers: Names of the number, integer and boolean columns, as in the matrix.
        texts: Names of the category columns.
    """

    numbers: tuple[str, ...]
    texts: tuple[str, ...]

    @classmethod
    def of(cls, columns: tuple[Column, ...]) -> "Layout":
        """Lay a contract's columns out, each kind in the contract's order."""
        return cls(
            numbers=tuple(column.name for column in columns if not column.is_category),
            texts=tuple(column.name for column in columns if column.is_category),
        )

    @cached_property
    def number_place(self) -> Mapping[str, int]:
        """For each number column its place in the matrix."""
        return {name: at for at, name in enumerate(self.numbers)}

    @cached_property
    def text_place(self) -> Mapping[str, int]:
        """For each category column its place among the texts."""
        return {name: at for at, name in enumerate(self.texts)}


class Columns(Mapping[str, Floats | Texts]):
    """A table, by name as any other.

    Args:
        layout: Which columns there are.
        numbers: float64, row-major, NaN for missing, shape [n, number columns].
        texts: For each category column its n texts, None for missing.
    """

    __slots__ = ("_made", "layout", "numbers", "texts")

    def __init__(
        self, layout: Layout, numbers: Floats, texts: tuple[list[str | None], ...]
    ) -> None:
        self.layout = layout
        self.numbers = numbers
        self.texts = texts
        self._made: dict[str, Floats | Texts] = {}

    def __getitem__(self, name: str) -> Floats | Texts:
        found = self._made.get(name)
        if found is None:
            found = self._made[name] = self._make(name)
        return found

    def _make(self, name: str) -> Floats | Texts:
        at = self.layout.number_place.get(name)
        if at is not None:
            return self.numbers[:, at].copy()
        given = self.texts[self.layout.text_place[name]]
        texts = np.empty(len(given), dtype=object)
        texts[:] = given
        return texts

    def __iter__(self) -> Iterator[str]:
        yield from self.layout.numbers
        yield from self.layout.texts

    def __len__(self) -> int:
        return len(self.layout.numbers) + len(self.layout.texts)


def listed(table: Table, name: str) -> Sequence[object]:
    """Return a column's values as a list, which is not to be changed; empty if it is not there.

    Of a decoded request's column no array is made on the way.
    """
    found: list[object]
    if isinstance(table, Columns):
        if name in table.layout.text_place:
            return table.texts[table.layout.text_place[name]]
        if name in table.layout.number_place:
            found = table.numbers[:, table.layout.number_place[name]].tolist()
            return found
    values = table.get(name)
    found = [] if values is None else values.tolist()
    return found
