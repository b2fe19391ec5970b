"""A kernel: what takes a matrix through a flat model. One in C, one in numpy, bit-equal.

The C kernel is an optional part of the installation; where it is missing, numpy does the work. It
knows two ways through trees (`_walk.c`): a walk of each row from node to node, and a sweep over all
nodes of small trees for a block of rows, with narrow or wide vector registers.
"""

import importlib
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, Protocol, cast

import numpy as np
import numpy.typing as npt

from mlops.contracts.domain import Floats
from mlops.models.plan import Plan
from mlops.models.trees import LEAF, MISSING_LEFT, UNKNOWN_LEFT, WORD_BITS, Trees

Kernel = Literal["c", "numpy"]
Way = Literal["walk", "narrow", "wide"]
"""How the C kernel goes through trees."""

_CATEGORY = 4

# Mirrors node_t in _walk.c; a category node holds two uint32, its words and size, in `cut`.
_NODE = np.dtype(
    [("cut", "<f8"), ("feature", "<i4"), ("right", "<i4"), ("left", "<i4"), ("flags", "<u4")]
)

# Numpy walks rows in blocks of so many row-tree pairs, which bounds its memory to some 50 MB.
_BLOCK = 500_000


class _Compiled(Protocol):
    """The functions of the C extension."""

    def add_by_walk(  # noqa: PLR0913 - buffers of C
        self,
        matrix: Floats,
        columns: int,
        nodes: npt.NDArray[np.void],
        words: npt.NDArray[np.uint64],
        roots: npt.NDArray[np.int32],
        first: int,
        last: int,
        out: Floats,
        /,
    ) -> None: ...

    def add_by_sweep(  # noqa: PLR0913 - buffers of C
        self,
        matrix: Floats,
        columns: int,
        nodes: npt.NDArray[np.void],
        words: npt.NDArray[np.uint64],
        gathers: npt.NDArray[np.void],
        tests: npt.NDArray[np.void],
        sets: npt.NDArray[np.uint64],
        leaves: Floats,
        trees: npt.NDArray[np.void],
        first: int,
        last: int,
        out: Floats,
        wide: bool,
        /,
    ) -> None: ...

    def add_terms(  # noqa: PLR0913 - buffers of C
        self,
        matrix: Floats,
        columns: int,
        terms: npt.NDArray[np.void],
        steps: npt.NDArray[np.void],
        groups: npt.NDArray[np.void],
        weights: Floats,
        intercept: float,
        out: Floats,
        /,
    ) -> None: ...

    def put_codes(
        self,
        matrix: Floats,
        columns: int,
        places: tuple[int, ...],
        codes: tuple[Mapping[object, float], ...],
        texts: tuple[list[object], ...],
        /,
    ) -> None: ...

    def widths(self) -> tuple[int, ...]: ...

    def expit(self, values: Floats, /) -> None: ...


def _load_compiled() -> _Compiled | None:
    try:
        return cast("_Compiled", importlib.import_module("mlops.models._walk"))
    except ImportError:
        return None


_COMPILED = _load_compiled()


def kernel_name() -> Kernel:
    """Return which kernel this process runs: `c`, or `numpy` where no compiler was there."""
    return "numpy" if _COMPILED is None else "c"


def expit(raw: Floats, *, kernel: Kernel | None = None) -> Floats:
    """Return 1 / (1 + exp(-raw)) with the C library's `exp`, shape as given, in [0, 1].

    numpy's own `exp` is vectorised and differs in the last bit from the one in scikit-learn.

    >>> expit(np.array([0.0, -1000.0, 1000.0])).tolist()
    [0.5, 0.0, 1.0]
    """
    if chosen(kernel) == "c":
        out = np.array(raw, dtype=np.float64, order="C")
        assert _COMPILED is not None
        _COMPILED.expit(out)
        return out
    return np.array([_expit(x) for x in raw.ravel().tolist()], dtype=np.float64).reshape(raw.shape)


def _expit(raw: float) -> float:
    try:
        return 1.0 / (1.0 + math.exp(-raw))
    except OverflowError:  # exp(710) and beyond: 1 / (1 + inf)
        return 0.0


def chosen(kernel: Kernel | None) -> Kernel:
    """Return which kernel is meant: the given one, or the fastest that is installed.

    Raises:
        RuntimeError: The C kernel is wanted and not installed.
    """
    if kernel == "c" and _COMPILED is None:
        message = "the C kernel is not installed"
        raise RuntimeError(message)
    return kernel or kernel_name()


def _checked(matrix: Floats, columns: int) -> Floats:
    """Return a matrix, row-major.

    Raises:
        ValueError: It has another number of columns or another dtype.
    """
    if matrix.ndim != 2 or matrix.shape[1] != columns or matrix.dtype != np.float64:
        message = f"a float64 matrix of {columns} columns is wanted"
        raise ValueError(message)
    return matrix if matrix.flags.c_contiguous else np.ascontiguousarray(matrix)


@dataclass(frozen=True, slots=True)
class Terms:
    """A linear sum as the C kernel reads it; every index in it was checked.

    Attributes:
        columns: Of the matrix.
        intercept: What the sum starts with.
        terms: Weighted numbers, with the first and one past the last of their steps.
        steps: What is done to the numbers.
        groups: Categories, with the first of their weights.
        weights: Of the categories.
    """

    columns: int
    intercept: float
    terms: npt.NDArray[np.void]
    steps: npt.NDArray[np.void]
    groups: npt.NDArray[np.void]
    weights: Floats


def add_terms(sums: Terms, matrix: Floats) -> Floats:
    """Return a linear sum of encoded rows, with the C kernel.

    Args:
        sums: What to add up.
        matrix: float64, shape [n, k].

    Returns:
        Shape [n].

    Raises:
        ValueError: The matrix has another number of columns or another dtype.
    """
    assert _COMPILED is not None
    rows = _checked(matrix, sums.columns)
    out = np.empty(len(rows))
    _COMPILED.add_terms(
        rows, sums.columns, sums.terms, sums.steps, sums.groups, sums.weights, sums.intercept, out
    )
    return out


def put_codes(
    matrix: Floats,
    places: tuple[int, ...],
    codes: tuple[Mapping[object, float], ...],
    texts: tuple[list[object], ...],
) -> bool:
    """Write the codes of texts into columns of a matrix, -1 for what has none.

    Args:
        matrix: Row-major, shape [n, k].
        places: Columns to write.
        codes: For each of them the code of each text.
        texts: For each of them n texts.

    Returns:
        Whether the C kernel is installed and did it.
    """
    if _COMPILED is None:
        return False
    _COMPILED.put_codes(matrix, matrix.shape[1], places, codes, texts)
    return True


def ways() -> tuple[Way, ...]:
    """Return the ways that the C kernel knows on this machine; none if it is not installed."""
    if _COMPILED is None:
        return ()
    widths = _COMPILED.widths()
    return ("walk", *(("narrow",) if 2 in widths else ()), *(("wide",) if 4 in widths else ()))


class Walker:
    """Trees made ready to be walked.

    Args:
        trees: The table.
        sizes: For each matrix column its number of codes, 0 for a number; shape [k].

    Raises:
        ValueError: Some walk could leave the table; see `Trees.check`.
    """

    def __init__(self, trees: Trees, sizes: tuple[int, ...]) -> None:
        trees.check(sizes)
        self._trees = trees
        self._columns = len(sizes)
        self._plan = Plan.of(trees, sizes)
        # How many of the trees before each one can be swept.
        self._swept = [0, *np.cumsum(self._plan.trees["leaf"] >= 0).tolist()]
        self._ways = ways()
        self._roots = np.ascontiguousarray(trees.roots)
        self._words = np.ascontiguousarray(trees.words)
        leaf = trees.feature == LEAF
        size = np.zeros(len(leaf), dtype=np.int64)
        size[~leaf] = np.asarray(sizes, dtype=np.int64)[trees.feature[~leaf]]
        self._size = size
        self._leaf = leaf
        self._nodes = self._pack(size)
        own = np.arange(len(leaf))
        # Leaves lead to themselves, so that all walks can take the same number of steps.
        self._left = np.where(leaf, own, trees.left)
        self._right = np.where(leaf, own, trees.right)
        self._feature = np.where(leaf, 0, trees.feature)

    def _pack(self, size: npt.NDArray[np.int64]) -> npt.NDArray[np.void]:
        trees = self._trees
        nodes = np.zeros(len(size), dtype=_NODE)
        for name in ("cut", "feature", "left", "right", "flags"):
            nodes[name] = getattr(trees, name)
        coded = size > 0
        sets = np.stack([trees.word[coded], size[coded]], axis=1).astype("<u4")
        nodes["cut"][coded] = np.ascontiguousarray(sets).view("<f8")[:, 0]
        nodes["flags"][coded] |= _CATEGORY
        return nodes

    def add(
        self,
        matrix: Floats,
        first: int,
        last: int,
        *,
        baseline: float,
        kernel: Kernel | None = None,
    ) -> Floats:
        """Return the baseline plus the leaves of some trees, added in the trees' order.

        Args:
            matrix: Encoded rows, float64, row-major, shape [n, k].
            first: First tree.
            last: One past the last tree.
            baseline: What the sum starts with.
            kernel: Which kernel; None takes the fastest that is installed.

        Returns:
            Sums, shape [n].

        Raises:
            ValueError: The matrix has another number of columns or another dtype.
        """
        if chosen(kernel) == "numpy":
            return self._add_by_numpy(
                _checked(matrix, self._columns), self._roots[first:last], baseline
            )
        way = self._best(len(matrix), first, last)
        return self.add_by(way, matrix, first, last, baseline=baseline)

    def _best(self, rows: int, first: int, last: int) -> Way:
        """Return the fastest way, as measured (benchmarks/kernel.py).

        A wide sweep of trees of 31 leaves takes 5 us for up to four rows, a narrow one 13; a walk
        takes 6 to 10 us a row. It also stays faster where a tree's nodes are shared by many rows
        and most trees are too large for a sweep.
        """
        best = self._ways[-1]
        if 2 * (self._swept[last] - self._swept[first]) <= last - first:
            return "walk"
        return "walk" if best == "narrow" and rows == 1 else best

    def add_by(self, way: Way, matrix: Floats, first: int, last: int, *, baseline: float) -> Floats:
        """Return what `add` does, with the C kernel and in a given way, for tests and measurements.

        Args:
            way: One of `ways()`.
            matrix: As in `add`.
            first: First tree.
            last: One past the last tree.
            baseline: What the sum starts with.

        Raises:
            ValueError: As in `add`, or there are no such trees.
        """
        assert _COMPILED is not None
        rows = _checked(matrix, self._columns)
        out = np.empty(len(rows))
        out.fill(baseline)  # a third of the time of numpy.full
        table = (rows, self._columns, self._nodes, self._words)
        if way == "walk":
            _COMPILED.add_by_walk(*table, self._roots, first, last, out)
        else:
            plan = self._plan
            _COMPILED.add_by_sweep(
                *table, plan.gathers, plan.tests, plan.sets, plan.leaves, plan.trees,
                first, last, out, way == "wide",
            )  # fmt: skip
        return out

    def _add_by_numpy(
        self, matrix: Floats, roots: npt.NDArray[np.int32], baseline: float
    ) -> Floats:
        block = max(1, _BLOCK // max(1, len(roots)))
        sums = [
            self._add_block(matrix[start : start + block], roots, baseline)
            for start in range(0, len(matrix), block)
        ]
        return np.concatenate(sums) if sums else np.zeros(0)

    def _add_block(self, matrix: Floats, roots: npt.NDArray[np.int32], baseline: float) -> Floats:
        at = np.broadcast_to(roots.astype(np.intp), (len(matrix), len(roots)))
        row = np.arange(len(matrix))[:, None]
        while not self._leaf[at].all():
            goes_left = self._goes_left(matrix[row, self._feature[at]], at)
            at = np.where(goes_left, self._left[at], self._right[at])
        terms = np.empty((len(matrix), len(roots) + 1))
        terms[:, 0] = baseline
        terms[:, 1:] = self._trees.cut[at]
        # cumsum adds one after the other; sum would add pairs, with other last bits.
        return np.ascontiguousarray(np.cumsum(terms, axis=1)[:, -1])

    def _goes_left(self, value: Floats, at: npt.NDArray[np.intp]) -> npt.NDArray[np.bool_]:
        trees = self._trees
        goes_left = value <= trees.cut[at]
        size = self._size[at]
        coded = size > 0
        if coded.any():
            goes_left = np.where(coded, self._in_set(value, at, size), goes_left)
        missing_left = (trees.flags[at] & MISSING_LEFT) > 0
        return np.where(np.isnan(value), missing_left, goes_left)

    def _in_set(
        self, value: Floats, at: npt.NDArray[np.intp], size: npt.NDArray[np.int64]
    ) -> npt.NDArray[np.bool_]:
        known = (value >= 0) & (value < size)
        code = np.where(known, value, 0).astype(np.int64)
        word = np.where(known, self._trees.word[at] + code // WORD_BITS, 0)
        bit = (self._words[word] >> (code % WORD_BITS).astype(np.uint64)) & np.uint64(1)
        unknown_left = (self._trees.flags[at] & UNKNOWN_LEFT) > 0
        return np.where(known, bit > 0, unknown_left)
