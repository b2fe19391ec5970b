"""A stream: what flows between two steps of a pipeline, column by column, without any row."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TypeAlias

from mlops.contracts.domain import Column, ColumnKind

Key: TypeAlias = tuple[str, ...]

_SHOWN = 4


class Kind(StrEnum):
    """What a column's values are on their way.

    A code is a number that an encoder made; unknown is what a transformer yields for which there
    is no rule.
    """

    NUMBER = "number"
    INTEGER = "integer"
    BOOLEAN = "boolean"
    TEXT = "text"
    CODE = "code"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Flowing:
    """One column on its way, or an unknown number of them that come from one.

    No value is infinite: contracts refuse infinities everywhere.

    Attributes:
        name: As scikit-learn names it.
        kind: What its values are.
        source: The contract's columns that it comes from.
        missing: Whether a value may be missing.
        low: Least value; None if nothing bounds it.
        high: Largest value; None if nothing bounds it.
        above: Whether `low` itself is excluded.
        bounded: Whether it has two ends although the data decide where, as behind a scaler.
        categories: All texts that can come; None if the set is open or these are no texts.
        many: Whether it stands for several columns whose number depends on the data.
        identifier: Whether it names candidates, so that its values grow in number with the data.
        blame: The argument that makes values missing; empty if the contract lets them be.
    """

    name: str
    kind: Kind
    source: tuple[str, ...]
    missing: bool = False
    low: float | None = None
    high: float | None = None
    above: bool = False
    bounded: bool = False
    categories: tuple[str, ...] | None = None
    many: bool = False
    identifier: bool = False
    blame: Key = ()

    @property
    def is_text(self) -> bool:
        """Whether its values are texts."""
        return self.kind is Kind.TEXT

    @property
    def may_be_negative(self) -> bool:
        """Whether a value can lie below zero, as far as is known."""
        return self.kind is not Kind.UNKNOWN and (self.low is None or self.low < 0)

    @property
    def unbounded(self) -> bool:
        """Whether it is a number that nothing bounds on some side."""
        numbers = self.kind in (Kind.NUMBER, Kind.INTEGER)
        return numbers and not self.bounded and (self.low is None or self.high is None)


@dataclass(frozen=True, slots=True)
class Stream:
    """Columns that flow together.

    Attributes:
        columns: In order.
        frame: Whether they come as a frame with names and `category` dtypes, not as an array.
        sparse: Whether they come as a sparse matrix.
    """

    columns: tuple[Flowing, ...]
    frame: bool = False
    sparse: bool = False

    @property
    def count(self) -> int | None:
        """How many columns there are; None if that depends on the data."""
        return None if any(column.many for column in self.columns) else len(self.columns)

    @property
    def names(self) -> tuple[str, ...]:
        """Their names."""
        return tuple(column.name for column in self.columns)

    def where(self, test: Callable[[Flowing], bool]) -> tuple[Flowing, ...]:
        """Return the columns that pass a test."""
        return tuple(column for column in self.columns if test(column))

    def each(self, change: Callable[[Flowing], Flowing]) -> "Stream":
        """Return an array of the columns, each changed."""
        return Stream(tuple(map(change, self.columns)), sparse=self.sparse)


def entering(columns: Iterable[Column]) -> Stream:
    """Return the contract's columns as they enter the pipeline."""
    return Stream(tuple(map(_entering, columns)), frame=True)


def _entering(column: Column) -> Flowing:
    low, high = column.minimum, column.maximum
    if column.kind is ColumnKind.BOOLEAN:
        low, high = 0.0, 1.0
    kind = Kind.TEXT if column.is_category else Kind(column.kind.value)
    return Flowing(
        name=column.name,
        kind=kind,
        source=(column.name,),
        missing=column.nullable,
        low=low,
        high=high,
        above=column.minimum_open,
        categories=column.categories,
        identifier=column.identifier,
    )


def number(column: Flowing, low: float | None = None, high: float | None = None) -> Flowing:
    """Return a column as a plain number within some bounds; texts become unknown no longer."""
    return replace(
        column, kind=Kind.NUMBER, low=low, high=high, above=False, categories=None, identifier=False
    )


def unknown(stream: Stream, name: str) -> Stream:
    """Return what a transformer without a rule yields: columns of which nothing is known."""
    source = tuple(dict.fromkeys(s for column in stream.columns for s in column.source))
    return Stream((Flowing(f"{name}_?", Kind.UNKNOWN, source, many=True),))


def listed(names: Iterable[str]) -> str:
    """Return some names as a short text for a message.

    >>> listed(["a"]), listed(["a", "b"]), listed("abcdefg")
    ("'a'", "'a', 'b'", "'a', 'b', 'c', 'd' and 3 more")
    """
    found = list(dict.fromkeys(names))
    text = ", ".join(repr(name) for name in found[:_SHOWN])
    return text if len(found) <= _SHOWN else f"{text} and {len(found) - _SHOWN} more"


def sources(columns: Sequence[Flowing]) -> str:
    """Return the contract's columns that some columns come from, as a short text."""
    return listed(name for column in columns for name in column.source)
