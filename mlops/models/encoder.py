"""An encoder: what turns a table into the matrix that a compiled model reads."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mlops.base.errors import ContractError
from mlops.contracts.columns import Columns, Layout
from mlops.contracts.domain import Floats, Table, Texts
from mlops.models.flat import CodeInput, Input, TextInput
from mlops.models.kernels import put_codes

UNKNOWN = -1.0
"""The code of a text or number that the model has not seen in training."""


class _Codes(dict[object, float]):
    """The codes of a column's values, None for missing; what is not among them is unknown.

    Args:
        column: With what is known.
    """

    def __init__(self, column: TextInput | CodeInput) -> None:
        known: tuple[object, ...] = column.known
        super().__init__(zip(known, map(float, range(len(known))), strict=True))
        self[None] = np.nan

    def __missing__(self, value: object) -> float:
        return UNKNOWN


@dataclass(frozen=True, slots=True)
class _Places:
    """Where the inputs' columns are found in a decoded request.

    Attributes:
        layout: Of which requests.
        numbers: For each number input its place.
        texts: For each text input its place.
        codes: For each code input its place.
    """

    layout: Layout
    numbers: npt.NDArray[np.intp]
    texts: tuple[int, ...]
    codes: tuple[int, ...]


class Encoder:
    """Turns tables into matrices.

    Args:
        inputs: The matrix's columns.
    """

    def __init__(self, inputs: tuple[Input, ...]) -> None:
        self._width = len(inputs)
        kinds = {
            kind: [at for at, column in enumerate(inputs) if column.kind == kind]
            for kind in ("number", "text", "code")
        }
        self._names = {kind: [inputs[at].name for at in found] for kind, found in kinds.items()}
        self._all = [column.name for column in inputs]
        self._numbers = _span(kinds["number"])
        self._coded = tuple(kinds["text"] + kinds["code"])
        self._codes = tuple(
            _Codes(column)
            for column in map(inputs.__getitem__, self._coded)
            if column.kind != "number"
        )
        self._places: _Places | None = None

    def encode(self, table: Table) -> Floats:
        """Return a table as a matrix.

        Args:
            table: At least the inputs' columns, n rows.

        Returns:
            float64, row-major, shape [n, k]: numbers as they are, categories as codes, unknown
            ones -1; missing is NaN.

        Raises:
            ContractError: A column is missing, or shorter than the others.
        """
        if isinstance(table, Columns):
            places = self._places
            if places is None or places.layout is not table.layout:
                places = self._places = self._find(table.layout)
            if places is not None:
                return self._encode_columns(table, places)
        columns = {name: values_of(table, name) for name in self._all}
        if len(set(map(len, columns.values()))) > 1:
            raise ContractError("the table's columns differ in length")
        rows = len(columns[self._all[0]])
        matrix = np.empty((rows, self._width))
        if self._names["number"]:
            numbers = [columns[name] for name in self._names["number"]]
            flat = np.concatenate(numbers, dtype=np.float64, casting="unsafe")
            matrix[:, self._numbers] = flat.reshape(len(numbers), rows).T
        values = [columns[name].tolist() for name in self._names["text"]]
        values += [_keys(np.asarray(columns[name], np.float64)) for name in self._names["code"]]
        return self._fill_codes(matrix, values)

    def _find(self, layout: Layout) -> _Places | None:
        """Return where the inputs lie; None if one is missing, which the slow way tells."""
        numbers, texts = layout.number_place, layout.text_place
        wanted = {*self._names["number"], *self._names["code"]}
        if not (wanted <= set(numbers) and set(self._names["text"]) <= set(texts)):
            return None
        return _Places(
            layout=layout,
            numbers=np.array([numbers[name] for name in self._names["number"]], np.intp),
            texts=tuple(texts[name] for name in self._names["text"]),
            codes=tuple(numbers[name] for name in self._names["code"]),
        )

    def _encode_columns(self, table: Columns, places: _Places) -> Floats:
        numbers = table.numbers
        matrix = np.empty((len(numbers), self._width))
        matrix[:, self._numbers] = numbers.take(places.numbers, axis=1)
        values: list[list[object]] = [table.texts[at] for at in places.texts]  # type: ignore[misc] # read only
        values += [_keys(numbers[:, at]) for at in places.codes]
        return self._fill_codes(matrix, values)

    def _fill_codes(self, matrix: Floats, values: list[list[object]]) -> Floats:
        if not put_codes(matrix, self._coded, self._codes, tuple(values)):
            for at, codes, given in zip(self._coded, self._codes, values, strict=True):
                matrix[:, at] = np.fromiter(map(codes.__getitem__, given), np.float64, len(given))
        return matrix


def _keys(numbers: Floats) -> list[object]:
    """Return numbers as keys: NaN, which equals nothing, becomes None."""
    return [None if number != number else number for number in numbers.tolist()]


def _span(places: list[int]) -> slice | list[int]:
    """Return places as a slice if they are one run, which numpy fills in a third of the time."""
    if places and places == list(range(places[0], places[-1] + 1)):
        return slice(places[0], places[-1] + 1)
    return places


def values_of(table: Table, name: str) -> Floats | Texts:
    """Return a table's column.

    Raises:
        ContractError: There is no such column.
    """
    values = table.get(name)
    if values is None:
        raise ContractError(f"the table lacks column {name!r}")
    return values
