"""Lowering of tree ensembles: histogram gradient boosting flattened into one table of nodes."""

import struct
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from mlops.base.errors import ConfigError
from mlops.models.flat import Step, TreesRaw
from mlops.models.forms import CodedForm, Form, Inputs, NumberForm
from mlops.models.lowering_encoders import lower_ordinal
from mlops.models.trees import (
    LEAF,
    MISSING_LEFT,
    NODE_DTYPES,
    UNKNOWN_LEFT,
    WORD_BITS,
    Array,
    Trees,
)

MOST_NODES = 10_000_000
"""Nodes of all trees together: some 300 MB in the bundle, as much again when they are served."""

_NEAR = 4  # the steps' own rounding moves a number by a few ranks
_LARGEST = struct.unpack(">q", struct.pack(">d", np.finfo(np.float64).max))[0]


class Table:
    """The table of nodes while it grows, tree by tree."""

    def __init__(self) -> None:
        self._rows: list[tuple[int, float, int, int, int, int]] = []
        self._blocks: list[dict[str, Array]] = []
        self._nodes = 0
        self._roots: list[int] = []
        self._words: list[int] = []
        self._sets: dict[tuple[int, ...], int] = {}

    @property
    def trees(self) -> int:
        """How many trees it holds."""
        return len(self._roots)

    def begin_tree(self) -> int:
        """Note that the next node is a root; return its index."""
        self._roots.append(self._nodes)
        return self._nodes

    def add_leaf(self, value: float) -> None:
        """Append a leaf."""
        self._append((LEAF, value, 0, 0, 0, -1))

    def add_number(self, column: int, cut: float, *, children: tuple[int, int], flags: int) -> None:
        """Append a node that asks whether a number is at most `cut`."""
        self._append((column, cut, *children, flags, -1))

    def add_codes(
        self, column: int, left: Sequence[bool], *, children: tuple[int, int], flags: int
    ) -> None:
        """Append a node that asks whether a code is in a set."""
        self._append((column, 0.0, *children, flags, self.word(left)))

    def word(self, left: Sequence[bool]) -> int:
        """Return where a set of codes lies in the table of words; equal sets lie there once."""
        packed = [0] * ((len(left) + WORD_BITS - 1) // WORD_BITS)
        for code in np.flatnonzero(left).tolist():
            packed[code // WORD_BITS] |= 1 << (code % WORD_BITS)
        key = tuple(packed)
        if key not in self._sets:
            self._sets[key] = len(self._words)
            self._words += packed
        return self._sets[key]

    def add_nodes(self, nodes: Mapping[str, npt.NDArray[np.generic]]) -> None:
        """Append many nodes: the node arrays of `Trees` by name, children already counted on.

        Raises:
            ConfigError: The table becomes larger than a bundle can hold.
        """
        if self._nodes + len(nodes["feature"]) > MOST_NODES:
            raise ConfigError(
                f"the trees have more than {MOST_NODES:,} nodes, which no bundle holds",
                hint="limit the trees by max_depth, max_leaf_nodes or min_samples_leaf",
            )
        self._flush()
        block: dict[str, Array] = {n: nodes[n].astype(d) for n, d in NODE_DTYPES.items()}
        self._blocks.append(block)
        self._nodes += len(block["feature"])

    def _append(self, row: tuple[int, float, int, int, int, int]) -> None:
        self._rows.append(row)
        self._nodes += 1

    def _flush(self) -> None:
        columns = list(zip(*self._rows, strict=True)) or [()] * len(NODE_DTYPES)
        self._blocks.append(
            {
                name: np.array(values, dtype=dtype)
                for (name, dtype), values in zip(NODE_DTYPES.items(), columns, strict=True)
            }
        )
        self._rows = []

    def finish(self) -> Trees:
        """Return the table."""
        self._flush()
        arrays = {n: np.concatenate([block[n] for block in self._blocks]) for n in NODE_DTYPES}
        arrays["words"] = np.array(self._words, dtype="<u8")
        arrays["roots"] = np.array(self._roots, dtype="<i4")
        return Trees.from_arrays(arrays)


def lower_boosting(
    estimator: Any, forms: Sequence[Form], inputs: Inputs, *, table: Table
) -> TreesRaw:
    """Append a fitted HistGradientBoosting model's trees to a table; return its raw score.

    Args:
        estimator: The fitted model; a classifier must be binary.
        forms: What enters it, one form a feature.
        inputs: The matrix columns.
        table: Where the trees go.

    Raises:
        ConfigError: It has more than two classes, or a text column that it takes as a number.
    """
    if estimator.n_trees_per_iteration_ != 1:
        raise ConfigError("a classifier of more than two classes cannot be compiled")
    own = _own_forms(estimator, forms, inputs)
    first = table.trees
    for iteration in estimator._predictors:
        _add_tree(iteration[0], own, table)
    return TreesRaw(
        baseline=float(np.asarray(estimator._baseline_prediction).ravel()[0]),
        first=first,
        last=table.trees,
    )


def _own_forms(
    estimator: Any, forms: Sequence[Form], inputs: Inputs
) -> list[NumberForm | CodedForm]:
    """Return the features in the order in which the trees number them: categories first."""
    categorical = estimator.is_categorical_
    if categorical is None:
        ordered = list(forms)
    else:
        encoder = estimator._preprocessor.named_transformers_["encoder"]
        taken = [form for form, coded in zip(forms, categorical, strict=True) if coded]
        ordered = [lower_ordinal(encoder, i, form, inputs) for i, form in enumerate(taken)]
        ordered += [form for form, coded in zip(forms, categorical, strict=True) if not coded]
    found: list[NumberForm | CodedForm] = []
    for form in ordered:
        if not isinstance(form, (NumberForm, CodedForm)):
            name = inputs.contract(form.column).name
            raise ConfigError(f"text column {name!r} reaches the trees as a number")
        found.append(form)
    return found


def _add_tree(predictor: Any, forms: Sequence[NumberForm | CodedForm], table: Table) -> None:
    start = table.begin_tree()
    sets = predictor.raw_left_cat_bitsets
    for node in predictor.nodes:
        if node["is_leaf"]:
            table.add_leaf(float(node["value"]))
            continue
        children = (start + int(node["left"]), start + int(node["right"]))
        missing_left = bool(node["missing_go_to_left"])
        asks = _asks_set(sets[node["bitset_idx"]]) if node["is_categorical"] else None
        cut = float(node["num_threshold"])
        form = forms[node["feature_idx"]]
        if isinstance(form, CodedForm):
            left = _left_codes(form, asks or cut.__ge__, missing_left)
            flags = UNKNOWN_LEFT * left[-2] + MISSING_LEFT * left[-1]
            table.add_codes(form.column, left[:-2], children=children, flags=flags)
        else:
            missing = _after(form.steps, float("nan"))
            filled_left = missing_left if missing != missing else missing <= cut
            table.add_number(
                form.column,
                fold_threshold(form.steps, cut),
                children=children,
                flags=MISSING_LEFT * filled_left,
            )


def _asks_set(bits: Any) -> Callable[[float], bool]:
    codes = {word * 32 + bit for word in range(8) for bit in range(32) if bits[word] >> bit & 1}
    return codes.__contains__


def _left_codes(form: CodedForm, asks: Callable[[float], bool], missing_left: bool) -> list[bool]:
    return [missing_left if value != value else asks(value) for value in form.values.tolist()]


def fold_threshold(steps: Sequence[Step], cut: float) -> float:
    """Return the largest number that is at most `cut` after the steps.

    Steps never turn the order round, rounding included, so the numbers that go left before and
    after folding are the same ones, bit for bit.

    Args:
        steps: What the number passes; `fill` does not touch it.
        cut: Threshold after the steps.

    Returns:
        Threshold before them; infinite if all numbers or none go left.

    >>> fold_threshold([Step(kind="subtract", value=1.0), Step(kind="divide", value=2.0)], 3.0)
    7.0
    """
    if not any(step.kind != "fill" for step in steps):
        return cut
    low, high = -_LARGEST - 1, _LARGEST + 1  # low goes left, high does not; both are no numbers
    guess = _rank_of(_before(steps, cut))
    for near in (guess - _NEAR, guess + _NEAR):  # most often the answer lies between these
        if low < near < high:
            goes_left = _after(steps, _number_at(near)) <= cut
            low, high = (near, high) if goes_left else (low, near)
    while high - low > 1:
        middle = (low + high) // 2
        if _after(steps, _number_at(middle)) <= cut:
            low = middle
        else:
            high = middle
    if low == _LARGEST:
        return float("inf")
    return float("-inf") if low < -_LARGEST else _number_at(low)


def _number_at(rank: int) -> float:
    """Return the double of a rank, where neighbouring doubles have neighbouring ranks."""
    (size,) = struct.unpack(">d", struct.pack(">q", abs(rank)))
    return -float(size) if rank < 0 else float(size)


def _rank_of(number: float) -> int:
    """Return the rank of a double; that of the largest for what is beyond it."""
    if number != number:
        return 0
    (rank,) = struct.unpack(">q", struct.pack(">d", abs(number)))
    size = min(int(rank), int(_LARGEST))
    return -size if number < 0 else size


def _before(steps: Sequence[Step], value: float) -> float:
    """Return about the number that the steps make a value of."""
    for step in reversed(steps):
        value = _INVERSE.get(step.kind, _same)(value, step.value)
    return value


def _same(value: float, operand: float) -> float:
    return value


def _after(steps: Sequence[Step], value: float) -> float:
    for step in steps:
        value = _SCALAR[step.kind](value, step.value)
    return value


# max and min give their first argument where one is NaN: missing stays missing.
_SCALAR: dict[str, Callable[[float, float], float]] = {
    "fill": lambda value, fill: fill if value != value else value,
    "subtract": lambda value, operand: value - operand,
    "divide": lambda value, operand: value / operand,
    "multiply": lambda value, operand: value * operand,
    "add": lambda value, operand: value + operand,
    "at_least": max,
    "at_most": min,
}
_INVERSE: dict[str, Callable[[float, float], float]] = {
    "subtract": _SCALAR["add"],
    "add": _SCALAR["subtract"],
    "divide": _SCALAR["multiply"],
    "multiply": _SCALAR["divide"],
}
