"""A form: what a column of a fitted pipeline is, told in terms of the encoded matrix."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mlops.base.errors import ConfigError
from mlops.contracts.domain import Column, ColumnKind, Floats
from mlops.models.flat import CodeInput, Input, NumberInput, Step, TextInput
from mlops.models.frame import Vocabulary
from mlops.models.linear import apply_steps


@dataclass(frozen=True, slots=True)
class NumberForm:
    """A number of the table after some steps.

    Attributes:
        column: Matrix column.
        steps: What was done to it.
    """

    column: int
    steps: tuple[Step, ...] = ()


@dataclass(frozen=True, slots=True)
class TextForm:
    """A text of the table, not yet encoded.

    Attributes:
        column: Matrix column, which holds its code.
        fill: The text that stands for missing; None if nothing does.
    """

    column: int
    fill: str | None = None


@dataclass(frozen=True, slots=True)
class CodedForm:
    """A number that depends on nothing but a code.

    Attributes:
        column: Matrix column with the code.
        values: For each code, then for unknown, then for missing; NaN is missing; shape [size + 2].
    """

    column: int
    values: Floats


Form = NumberForm | TextForm | CodedForm


@dataclass(frozen=True, slots=True)
class Positions:
    """Where an encoder's list of categories has what a form can be.

    Attributes:
        column: Matrix column with the code.
        places: For each code, then unknown, then missing, the place in the list or -1.
        missing: Whether each of these is a missing value, shape as `places`.
        possible: Whether the contract allows each of these, shape as `places`.
    """

    column: int
    places: np.ndarray[Any, np.dtype[np.int64]]
    missing: np.ndarray[Any, np.dtype[np.bool_]]
    possible: np.ndarray[Any, np.dtype[np.bool_]]


class Inputs:
    """The matrix columns, gathered while a pipeline is lowered.

    Args:
        columns: The contract's features.
        vocabulary: For each category column the known texts.
    """

    def __init__(self, columns: Sequence[Column], vocabulary: Vocabulary) -> None:
        self.found: list[Input] = []
        self._contract: list[Column] = []
        self._vocabulary = vocabulary
        self._columns = columns

    def features(self) -> list[Form]:
        """Return the features as they enter the pipeline."""
        return [self._feature(column) for column in self._columns]

    def _feature(self, column: Column) -> Form:
        if column.is_category:
            known = self._vocabulary[column.name]
            return TextForm(self._place(TextInput(name=column.name, known=known), column))
        return NumberForm(self._place(NumberInput(name=column.name), column))

    def code(self, number: int, known: Sequence[float]) -> int:
        """Return the matrix column that holds the codes of a number's values."""
        column = self._contract[number]
        return self._place(CodeInput(name=column.name, known=tuple(known)), column)

    def _place(self, wanted: Input, column: Column) -> int:
        if wanted in self.found:
            return self.found.index(wanted)
        self.found.append(wanted)
        self._contract.append(column)
        return len(self.found) - 1

    def contract(self, column: int) -> Column:
        """Return what the contract says about a matrix column."""
        return self._contract[column]

    def possible(self, column: int) -> "np.ndarray[Any, np.dtype[np.bool_]]":
        """Return whether the contract allows each code, unknown and missing; shape [size + 2]."""
        allowed, wanted = self._contract[column], self.found[column]
        if isinstance(wanted, CodeInput):
            closed = _all_known(allowed, wanted.known)
        else:
            closed = allowed.is_category and allowed.categories is not None
        return np.array([True] * wanted.size + [not closed, allowed.nullable])


def _all_known(column: Column, known: Sequence[float]) -> bool:
    """Tell whether every number that a contract allows is among some: yes and no, five stars."""
    if column.kind is ColumnKind.BOOLEAN:
        low, high = 0, 1
    elif column.kind is ColumnKind.INTEGER:
        low, high = column.whole_bounds
    else:
        return False
    return high - low < len(known) and all(number in known for number in range(low, high + 1))


def after_steps(form: Form, steps: Sequence[Step]) -> Form:
    """Return a form after some more steps.

    Raises:
        ConfigError: The form is a text.
    """
    match form:
        case NumberForm(column, before):
            return NumberForm(column, (*before, *steps))
        case CodedForm(column, values):
            return CodedForm(column, apply_steps(steps, values))
        case TextForm():
            raise ConfigError("a text column reaches a transformer that wants numbers")


def places(form: Form, categories: Sequence[object], inputs: Inputs) -> Positions:
    """Look a form's values up in the list of categories that a fitted encoder holds.

    Args:
        form: What enters the encoder.
        categories: Its categories, among them NaN or None if it saw missing values.
        inputs: Where a number's codes become a matrix column.

    Raises:
        ConfigError: A number was changed before it is taken as a category.
    """
    at = {_key(category): i for i, category in enumerate(categories)}
    none = at.get(None, -1)
    match form:
        case TextForm(column, fill):
            known: Sequence[object] = getattr(inputs.found[column], "known", ())
            found = [at.get(text, -1) for text in known]
            missing = [False] * (len(found) + 1) + [fill is None]
            last = none if fill is None else at.get(fill, -1)
            return _positions(column, [*found, -1, last], missing, inputs)
        case NumberForm(number, steps):
            return _number_places(number, steps, at, inputs)
        case CodedForm(column, values):
            keys = [_key(value) for value in values.tolist()]
            return _positions(
                column, [at.get(k, -1) for k in keys], [k is None for k in keys], inputs
            )


def _number_places(
    number: int, steps: Sequence[Step], at: Mapping[object, int], inputs: Inputs
) -> Positions:
    if any(step.kind != "fill" for step in steps):
        raise ConfigError("a number that was scaled is then taken as a category")
    known = sorted(key for key in at if isinstance(key, float))
    if not known:
        raise ConfigError(f"column {inputs.contract(number).name!r} was missing in all rows")
    filled = steps[0].value if steps else None
    found = [at[key] for key in known]
    missing = [False] * (len(found) + 1) + [filled is None]
    return _positions(inputs.code(number, known), [*found, -1, at.get(filled, -1)], missing, inputs)


def _positions(
    column: int, found: Sequence[int], missing: Sequence[bool], inputs: Inputs
) -> Positions:
    return Positions(
        column=column,
        places=np.array(found, dtype=np.int64),
        missing=np.array(missing),
        possible=inputs.possible(column),
    )


def _key(category: object) -> object:
    """Return a category as a dictionary's key: NaN, which equals nothing, becomes None."""
    if category is None or category != category:
        return None
    return float(category) if isinstance(category, (int, float, np.number)) else str(category)
