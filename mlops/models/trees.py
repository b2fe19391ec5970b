"""Trees: the decision trees of all heads as one flat table of nodes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from mlops.contracts.domain import Floats

Int32s = npt.NDArray[np.int32]
Bytes = npt.NDArray[np.uint8]
Words = npt.NDArray[np.uint64]
Array = Floats | Int32s | Bytes | Words

LEAF = -1
MISSING_LEFT = 1
UNKNOWN_LEFT = 2
WORD_BITS = 64

NODE_DTYPES: dict[str, np.dtype[Any]] = {
    "feature": np.dtype("<i4"), "cut": np.dtype("<f8"), "left": np.dtype("<i4"),
    "right": np.dtype("<i4"), "flags": np.dtype("u1"), "word": np.dtype("<i4"),
}  # fmt: skip
"""The arrays that have one value a node."""

_DTYPES = {**NODE_DTYPES, "words": np.dtype("<u8"), "roots": np.dtype("<i4")}


@dataclass(frozen=True, slots=True)
class Trees:
    """Nodes of all trees, n of them, t trees.

    A node is a leaf (`feature` is -1), or asks for one matrix column: a number goes left if it is
    at most `cut`; a category's code goes left if its bit is set. Missing (NaN) and unknown (a code
    outside 0..size-1) go left if their flag says so. Children come after their parent in the
    table, so every walk ends.

    Attributes:
        feature: Matrix column, or -1, shape [n].
        cut: A leaf's value, a number node's threshold, else 0, shape [n].
        left: Node for "left", 0 at leaves, shape [n].
        right: Node for "right", 0 at leaves, shape [n].
        flags: Sum of MISSING_LEFT and UNKNOWN_LEFT, shape [n].
        word: First of a category node's words, -1 at other nodes, shape [n].
        words: Sets of codes, 64 codes a word, lowest bit first.
        roots: First node of each tree, shape [t].
    """

    feature: Int32s
    cut: Floats
    left: Int32s
    right: Int32s
    flags: Bytes
    word: Int32s
    words: Words
    roots: Int32s

    def to_arrays(self) -> dict[str, Array]:
        """Return the table's arrays by name."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, npt.NDArray[np.generic]]) -> Self:
        """Return a table from its arrays; `check` has still to be called.

        Raises:
            ValueError: An array is missing, unasked for, or has another dtype or shape.
        """
        if set(arrays) != set(_DTYPES):
            message = f"the arrays must be {', '.join(_DTYPES)}; found {', '.join(arrays)}"
            raise ValueError(message)
        for name, dtype in _DTYPES.items():
            if arrays[name].dtype != dtype or arrays[name].ndim != 1:
                message = f"array {name!r} must have dtype {dtype} and one dimension"
                raise ValueError(message)
        return cls(**arrays)  # type: ignore[arg-type] # each dtype was just checked

    @classmethod
    def empty(cls) -> Self:
        """Return a table without trees."""
        nothing: dict[str, Array] = {n: np.zeros(0, dtype=d) for n, d in _DTYPES.items()}
        return cls.from_arrays(nothing)

    def check(self, sizes: Sequence[int]) -> None:
        """Make sure that every walk over a matrix stays inside the table and ends.

        Args:
            sizes: For each matrix column its number of codes, 0 for a number.

        Raises:
            ValueError: An index is out of range, a child precedes its parent, a value is not
                finite, or a node asks a number for its code or a code for its size.
        """
        nodes = len(self.feature)
        lengths = {len(a) for a in (self.cut, self.left, self.right, self.flags, self.word)}
        _require(lengths == {nodes}, "the node arrays differ in length")
        _require(_inside(self.roots, 0, nodes), "a root lies outside the table")
        leaf = self.feature == LEAF
        _require(_inside(self.feature[~leaf], 0, len(sizes)), "a node asks for no matrix column")
        _require(bool(np.isfinite(self.cut[leaf]).all()), "a leaf's value is not finite")
        _require(not np.isnan(self.cut).any(), "a threshold is missing")
        _require(bool((self.flags <= MISSING_LEFT + UNKNOWN_LEFT).all()), "a flag is unknown")
        parent = np.flatnonzero(~leaf)
        for child in (self.left[parent], self.right[parent]):
            ordered = bool((child > parent).all() and (child < nodes).all())
            _require(ordered, "a child does not come after its parent")
        self._check_words(parent, np.asarray(sizes, dtype=np.int64))

    def _check_words(self, parent: npt.NDArray[np.intp], sizes: npt.NDArray[np.int64]) -> None:
        size = sizes[self.feature[parent]]
        start = self.word[parent].astype(np.int64)
        coded = size > 0
        _require(bool((start[~coded] == -1).all()), "a number node has a set of codes")
        end = start[coded] + (size[coded] + WORD_BITS - 1) // WORD_BITS
        _require(
            bool((start[coded] >= 0).all() and (end <= len(self.words)).all()),
            "a set of codes lies outside the table",
        )


def _inside(values: Int32s, low: int, end: int) -> bool:
    return bool(((values >= low) & (values < end)).all())


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise ValueError(message)
