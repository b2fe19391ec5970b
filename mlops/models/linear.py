"""A linear sum: a raw score as a sum of weighted numbers and of one weight a category."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import assert_never, get_args

import numpy as np
import numpy.typing as npt

from mlops.contracts.domain import Floats
from mlops.models.flat import LinearRaw, NumberTerm, Step, StepKind
from mlops.models.kernels import Kernel, Terms, add_terms, chosen

_KINDS: tuple[StepKind, ...] = get_args(StepKind)

# Mirror term_t, step_t and group_t in _walk.c.
_TERM = np.dtype(
    [("weight", "<f8"), ("column", "<i4"), ("first", "<i4"), ("end", "<i4"), ("unused", "<i4")]
)
_STEP = np.dtype([("value", "<f8"), ("kind", "<i8")])
_GROUP = np.dtype([("column", "<i4"), ("size", "<u4"), ("first", "<i8")])


def apply_step(kind: StepKind, values: Floats, operand: Floats | float) -> Floats:
    """Return numbers after one step, as scikit-learn's transformers compute it.

    Args:
        kind: What to do; all but `fill` leave missing values missing.
        values: Any shape.
        operand: The step's value, or one for each column of `values`.

    >>> apply_step("fill", np.array([np.nan, 2.0]), 7.0).tolist()
    [7.0, 2.0]
    """
    result: Floats
    match kind:
        case "fill":
            result = np.where(np.isnan(values), operand, values)
        case "subtract":
            result = values - operand
        case "divide":
            result = values / operand
        case "multiply":
            result = values * operand
        case "add":
            result = values + operand
        case "at_least":
            result = np.where(values < operand, operand, values)
        case "at_most":
            result = np.where(values > operand, operand, values)
        case _:
            assert_never(kind)
    return result


def apply_steps(steps: Sequence[Step], values: Floats) -> Floats:
    """Return numbers after all steps, shape as given."""
    for step in steps:
        values = apply_step(step.kind, values, step.value)
    return values


@dataclass(frozen=True, slots=True)
class _Block:
    """Number terms that take the same kinds of steps, done together.

    Attributes:
        columns: Matrix columns, shape [m].
        steps: Each step's kind with its values, shape [m].
        weights: Shape [m].
    """

    columns: npt.NDArray[np.intp]
    steps: tuple[tuple[StepKind, Floats], ...]
    weights: Floats

    def terms(self, matrix: Floats) -> Floats:
        """Return weighted numbers, shape [n, m]."""
        values = matrix[:, self.columns]
        for kind, operand in self.steps:
            values = apply_step(kind, values, operand)
        return values * self.weights


class LinearSum:
    """A linear raw score made ready to be added up.

    Args:
        raw: Its terms.
        sizes: For each matrix column its number of codes, 0 for a number.

    Raises:
        ValueError: A term asks for no matrix column, for a number's code or a code's size, or has
            another number of weights than the column has codes, unknown and missing.
    """

    def __init__(self, raw: LinearRaw, sizes: tuple[int, ...]) -> None:
        for number in raw.numbers:
            _require(0 <= number.column < len(sizes), "a term asks for no matrix column")
            _require(sizes[number.column] == 0, "a number term asks for a category")
        for group in raw.categories:
            _require(0 <= group.column < len(sizes), "a term asks for no matrix column")
            fits = len(group.weights) == sizes[group.column] + 2
            _require(fits and sizes[group.column] > 0, "a category term does not fit its codes")
        self._intercept = raw.intercept
        self._blocks = [_block(group) for group in _alike(raw.numbers)]
        self._columns = np.array([group.column for group in raw.categories], dtype=np.intp)
        self._sizes = np.array([sizes[c] for c in self._columns], dtype=np.float64)
        lengths = [len(group.weights) for group in raw.categories]
        self._starts = np.cumsum([0, *lengths])[:-1]
        self._table = np.array([w for group in raw.categories for w in group.weights], np.float64)
        self._packed = self._pack(raw, sizes)

    def _pack(self, raw: LinearRaw, sizes: tuple[int, ...]) -> Terms:
        alike = [term for group in _alike(raw.numbers) for term in group]
        steps = [(step.value, _KINDS.index(step.kind)) for term in alike for step in term.steps]
        end = np.cumsum([len(term.steps) for term in alike], dtype=np.int64).tolist()
        first = [0, *end][: len(end)]
        terms = [
            (term.weight, term.column, start, stop, 0)
            for term, start, stop in zip(alike, first, end, strict=True)
        ]
        groups = list(zip(self._columns, self._sizes, self._starts, strict=True))
        return Terms(
            columns=len(sizes),
            intercept=raw.intercept,
            terms=np.array(terms, _TERM),
            steps=np.array(steps, _STEP),
            groups=np.array(groups, _GROUP),
            weights=self._table,
        )

    def add(self, matrix: Floats, *, kernel: Kernel | None = None) -> Floats:
        """Return the raw score of encoded rows, terms added in one fixed order.

        Args:
            matrix: float64, shape [n, k].
            kernel: Which kernel; None takes the fastest that is installed.

        Returns:
            Shape [n].

        Raises:
            ValueError: The matrix has another number of columns or another dtype.
        """
        if chosen(kernel) == "c":
            return add_terms(self._packed, matrix)
        # One after the other, so that a row's score does not depend on the rows beside it.
        return np.ascontiguousarray(np.cumsum(self.terms(matrix), axis=1)[:, -1])

    def reach(self, matrix: Floats) -> Floats:
        """Return the sum of the terms' sizes, by which a sum's rounding is measured, shape [n]."""
        sizes: Floats = np.abs(self.terms(matrix)).sum(axis=1)
        return sizes

    def terms(self, matrix: Floats) -> Floats:
        """Return what is added up, in order, shape [n, number of terms]."""
        intercept = np.full((len(matrix), 1), self._intercept)
        numbers = [block.terms(matrix) for block in self._blocks]
        return np.concatenate([intercept, *numbers, self._weights(matrix)], axis=1)

    def _weights(self, matrix: Floats) -> Floats:
        if not len(self._columns):
            return np.zeros((len(matrix), 0))
        code = matrix[:, self._columns]
        known = (code >= 0) & (code < self._sizes)
        code = np.where(known, code, self._sizes + np.isnan(code))
        weights: Floats = self._table[self._starts + code.astype(np.intp)]
        return weights


def _alike(terms: Sequence[NumberTerm]) -> list[list[NumberTerm]]:
    """Return terms in groups that take the same kinds of steps; so they are added."""
    alike: dict[tuple[StepKind, ...], list[NumberTerm]] = {}
    for term in terms:
        alike.setdefault(tuple(step.kind for step in term.steps), []).append(term)
    return list(alike.values())


def _block(group: Sequence[NumberTerm]) -> _Block:
    return _Block(
        columns=np.array([term.column for term in group], dtype=np.intp),
        steps=tuple(
            (step.kind, np.array([term.steps[i].value for term in group]))
            for i, step in enumerate(group[0].steps)
        ),
        weights=np.array([term.weight for term in group]),
    )


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise ValueError(message)
