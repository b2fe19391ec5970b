"""A climb: the search for rows with a very large raw score, or a very small one.

One variable at a time moves to its best cell, all others staying, until none gains; then some move
at random, or into a random leaf, and the climb begins again, from the new row if it is not much
worse (simulated annealing over local optima). Nothing is proved here: it gives rows, and a program
says what they score.

Source: Lourenco, Martin and Stutzle, Iterated local search, in Handbook of Metaheuristics (2003).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mlops.contracts.domain import Floats
from mlops.models.kernels import Kernel
from mlops.proofs.cells import Variable
from mlops.proofs.compiled import compiled
from mlops.proofs.groups import Splits, Words

Int32s = npt.NDArray[np.int32]
Bytes = npt.NDArray[np.uint8]


_CELLS_MOST = 4096


@dataclass(frozen=True, slots=True)
class Slopes:
    """The trees of one raw score laid out for climbing; see `forest` in _search.c."""

    cells: Int32s
    owner: Int32s
    child: Int32s
    value: Floats
    first_word: Int32s
    words: Words
    roots: Int32s
    first_use: Int32s
    uses: Int32s
    shown: Bytes


def lay_out(splits: Splits, variables: Sequence[Variable], *, sign: float) -> Slopes:
    """Return trees laid out for climbing.

    Args:
        splits: The trees over cells.
        variables: The columns, which tell for which cells a value can be shown.
        sign: 1 to look for the largest raw score, -1 for the least.
    """
    trees = splits.trees
    count = len(trees.feature)
    first_word = np.zeros(count, dtype=np.int32)
    words: list[int] = []
    for node in np.flatnonzero(np.array(splits.owner) >= 0):
        first_word[node] = len(words)
        left = splits.left[node]
        for _ in range((splits.cells[splits.owner[node]] + 63) // 64):
            words.append(left & (2**64 - 1))
            left >>= 64
    uses: list[list[int]] = [[] for _ in splits.cells]
    for tree, root in enumerate(splits.roots):
        for at in sorted(_asked(splits, root)):
            uses[at].append(tree)
    shown = [v.known[kept] for v, kept in zip(variables, splits.chosen, strict=True)]
    return Slopes(
        cells=_starts([len(s) for s in shown]), owner=np.array(splits.owner, dtype=np.int32),
        child=np.ascontiguousarray(np.stack([trees.right, trees.left], axis=1), dtype=np.int32),
        value=np.where(np.array(splits.owner) < 0, sign * trees.cut, 0.0), first_word=first_word,
        words=np.array(words or [0], dtype=np.uint64), roots=np.array(splits.roots, dtype=np.int32),
        first_use=_starts([len(u) for u in uses]),
        uses=np.array([t for u in uses for t in u], dtype=np.int32),
        shown=np.concatenate(shown).astype(np.uint8),
    )  # fmt: skip


def _starts(counts: Sequence[int]) -> Int32s:
    return np.concatenate([[0], np.cumsum(counts, dtype=np.int64)]).astype(np.int32)


def _asked(splits: Splits, root: int) -> set[int]:
    found, waiting = set(), [root]
    while waiting:
        node = waiting.pop()
        if splits.owner[node] >= 0:
            found.add(splits.owner[node])
            waiting += [int(splits.trees.left[node]), int(splits.trees.right[node])]
    return found


def climb(
    slopes: Slopes, row: Int32s, *, rounds: int, heat: float, rng: np.random.Generator,
    kernel: Kernel | None = None,
) -> float:  # fmt: skip
    """Look for a row with a large sum of leaves; `row` becomes the best one found.

    Args:
        slopes: The trees.
        row: A cell for each variable, to start from.
        rounds: How often to start again near the row.
        heat: How much worse a row may be and still be gone on from.
        rng: Source of randomness.
        kernel: Which kernel; None takes the fastest that is installed.

    Returns:
        The sum of the row's leaves.
    """
    fast = compiled(kernel)
    if fast is None or np.diff(slopes.cells).max() > _CELLS_MOST:
        return _search(slopes, row, rounds, heat, rng)
    seed, other = (int(x) for x in rng.integers(0, 2**63, 2))
    tables = [getattr(slopes, name) for name in Slopes.__slots__]
    return fast.climb([*tables, row], rounds, heat, seed, other)


def _search(
    slopes: Slopes, row: Int32s, rounds: int, heat: float, rng: np.random.Generator
) -> float:
    """Do in numpy what the C kernel does, without jumps into leaves."""
    best = float(_sums(slopes, row[None, :])[0])
    here = row
    now, variables = -np.inf, len(row)
    for _ in range(rounds + 1):
        there = here.copy()
        if now > -np.inf:
            for at in rng.integers(0, variables, 1 + int(rng.integers(4))):
                there[at] = rng.choice(_shown(slopes, int(at)))
        then = _climb_up(slopes, there, rng)
        if then >= now or np.exp((then - now) / heat) > rng.random():
            here, now = there, then
        if now > best:
            best = now
            row[:] = here
    return best


def _shown(slopes: Slopes, at: int) -> npt.NDArray[np.intp]:
    return np.flatnonzero(slopes.shown[slopes.cells[at] : slopes.cells[at + 1]])


def _climb_up(slopes: Slopes, row: Int32s, rng: np.random.Generator) -> float:
    """Move one variable at a time to its best cell until none gains; return the row's sum."""
    now = float(_sums(slopes, row[None, :])[0])
    idle = 0
    while idle < len(row):
        for at in rng.permutation(len(row)):
            cells = _shown(slopes, int(at))
            near = np.repeat(row[None, :], len(cells), axis=0)
            near[:, at] = cells
            sums = _sums(slopes, near)
            best = int(np.argmax(sums))
            idle += 1
            if sums[best] > now + 1e-12:
                row[at], now, idle = cells[best], float(sums[best]), 0
    return now


def _sums(slopes: Slopes, rows: Int32s) -> Floats:
    """Return the sums of the leaves that rows of cells reach, shape [n]."""
    at = np.repeat(slopes.roots[None, :], len(rows), axis=0)
    while True:
        owner = slopes.owner[at]
        inner = owner >= 0
        if not inner.any():
            return np.ascontiguousarray(slopes.value[at].sum(axis=1))
        cell = np.take_along_axis(rows, np.maximum(owner, 0), axis=1)
        word = slopes.words[np.where(inner, slopes.first_word[at] + cell // 64, 0)]
        left = (word >> (cell % 64).astype(np.uint64)) & np.uint64(1)
        at = np.where(inner, slopes.child[at, left.astype(np.intp)], at)
