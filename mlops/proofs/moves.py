"""A move: one column goes from one value to another, and a raw score falls by it, or never does."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from mlops.contracts.domain import Column, ColumnKind
from mlops.models.flat import CodeInput, Head, LinearRaw, NumberTerm, Raw, TreesRaw
from mlops.models.program import Program
from mlops.proofs.bounds import linear_reach
from mlops.proofs.cells import Row, Shown, Variable, table_of
from mlops.proofs.change import Cells, Piece, Splits, least, quick, rounding
from mlops.proofs.reach import Box

Pair = tuple[int, int]
"""Two cells of a column: where it comes from and where it goes to."""

_ROUNDINGS = 8 * 2.0**-53  # of one float operation, with room for its product and its sum


@dataclass(frozen=True, slots=True)
class Budget:
    """How long one may look for a proof.

    Attributes:
        steps: Boxes to look into for each pair of cells.
        expired: Tells whether the time is over.
    """

    steps: int
    expired: Callable[[], bool]


@dataclass(frozen=True, slots=True)
class Witness:
    """A move by which a raw score falls.

    Attributes:
        first: The value that the column comes from.
        second: The value that it goes to.
        where: Cells of the other columns in which it falls.
    """

    first: Shown
    second: Shown
    where: Cells


@dataclass(frozen=True, slots=True)
class Fall:
    """What is known about the moves of one column and one raw score.

    Attributes:
        most: No move lets the raw score fall by more; 0 if none lets it fall.
        slack: By how much float sums may err there.
        witness: A move by which it falls; None if none was found.
    """

    most: float
    slack: float
    witness: Witness | None = None

    @property
    def never(self) -> bool:
        """Whether it is proved that no move lets it fall."""
        return self.witness is None and self.most <= self.slack


@dataclass(frozen=True, slots=True)
class Part:
    """One raw score of a program.

    Attributes:
        head: The head that it is of.
        member: Which of the head's members.
    """

    head: Head
    member: int

    @property
    def raw(self) -> Raw:
        """The raw score."""
        return self.head.members[self.member].raw

    @property
    def rising(self) -> int:
        """1 if the head's output rises with it, -1 if it falls, by its link."""
        link = self.head.members[self.member].link
        return -1 if link.kind == "sigmoid" and link.slope > 0 else 1


@dataclass(frozen=True, slots=True)
class Mover:
    """One column of a program that is to be moved.

    Attributes:
        program: The compiled model.
        column: What the contract says of the column.
        variables: All columns in cells.
        at: Which of them moves.
        box: All that the contract allows.
    """

    program: Program
    column: Column
    variables: tuple[Variable, ...]
    at: int
    box: Box

    @property
    def variable(self) -> Variable:
        """The column that moves."""
        return self.variables[self.at]

    @property
    def present(self) -> int:
        """Number of its cells that hold a value; a cell for missing is the last one."""
        shown = self.variable.shown
        return len(shown) - (shown[-1] is None)


def tree_falls(mover: Mover, raw: TreesRaw, pairs: Sequence[Pair], budget: Budget) -> Fall:
    """Tell by how much trees' raw score can fall when a column moves between neighbouring cells.

    Args:
        mover: The column.
        raw: A raw score of trees.
        pairs: The moves.
        budget: How long to look.
    """
    trees = mover.program.trees
    roots: list[int] = trees.roots[raw.first : raw.last].tolist()
    splits = Splits(trees, roots, mover.variables)
    slack = rounding(trees, roots, raw.baseline)
    open_pairs: list[tuple[float, Pair, list[list[Piece]]]] = []
    most = 0.0
    for pair, parts in _told_apart(splits, mover.at, pairs):
        if budget.expired():
            most = math.inf
            break
        bound = quick(parts)
        if bound < -slack:
            open_pairs.append((bound, pair, parts))
        else:
            most = max(most, -bound)
    for _, pair, parts in sorted(open_pairs, key=lambda each: each[0]):
        found = least(parts, enough=-slack, steps=budget.steps, expired=budget.expired)
        if found.found < -slack:
            shown = mover.variable.shown
            witness = Witness(shown[pair[0]], shown[pair[1]], found.where)
            return Fall(-quick(parts), slack, witness)
        most = max(most, -found.proved)
    return Fall(most, slack)


def _told_apart(
    splits: Splits, at: int, pairs: Sequence[Pair]
) -> Iterator[tuple[Pair, list[list[Piece]]]]:
    """Yield those moves that some tree notices, with what each such tree changes by."""
    tellers = splits.tellers(at)
    for first, second in pairs:
        nodes = tellers.get((first, second)) or tellers.get((second, first))
        if nodes:
            yield (first, second), splits.pieces(at, first, second, tellers=nodes)


def linear_falls(mover: Mover, part: Part, raw: LinearRaw, values: Sequence[Shown]) -> Fall:
    """Tell whether a linear raw score falls from one value of a column to the next.

    Only the terms that read the column change. A float sum follows one of them whatever the others
    are; where several change, it does so up to the rounding of the largest sum there can be.

    Args:
        mover: The column.
        part: The raw score.
        raw: The same, as a sum.
        values: The values, in order.
    """
    if len(values) < 2:
        return Fall(0.0, 0.0)
    rows = [{**_somewhere(mover), mover.variable.name: value} for value in values]
    matrix = mover.program.encode(table_of(rows))
    with np.errstate(over="ignore", invalid="ignore"):
        terms = mover.program.terms(matrix, part.head, part.member)
    if not np.isfinite(terms).all():
        return Fall(math.inf, 0.0)
    mine = terms[:, (terms != terms[:1]).any(axis=0)]
    steps = [math.fsum((*after, *-before)) for before, after in pairwise(mine)]
    worst = min(range(len(steps)), key=steps.__getitem__)
    single = mine.shape[1] <= 1
    slack = 0.0 if single else _ROUNDINGS * float(np.abs(mine).sum(axis=1).max())
    if steps[worst] < -slack:
        return Fall(-steps[worst], slack, Witness(values[worst], values[worst + 1], {}))
    if single:
        return Fall(0.0, 0.0)
    wide = _ROUNDINGS * terms.shape[1] * linear_reach(raw, mover.box)
    return Fall(wide, wide) if math.isfinite(wide) else Fall(math.inf, 0.0)


def _somewhere(mover: Mover) -> Row:
    return {v.name: v.shown[0] for v in mover.variables}


def corners(mover: Mover, raw: LinearRaw) -> Sequence[Shown]:
    """Return the numbers of a column between which a linear raw score is a straight line."""
    low, high = mover.column.interval
    marks: set[float] = set()
    inputs = mover.program.outline.inputs
    for term in raw.numbers:
        if term.column in mover.variable.inputs:
            marks |= set(_bends(term))
    for i in mover.variable.inputs:
        reader = inputs[i]
        if isinstance(reader, CodeInput):
            marks |= set(reader.known)
    inner = {x for mark in marks for x in _around(mover.column, mark) if low < x < high}
    return sorted({low, high, *inner, *_numbers(mover)})


def _around(column: Column, mark: float) -> tuple[float, ...]:
    """Return the allowed numbers next to a mark, and the mark itself if it is allowed."""
    if column.kind is ColumnKind.NUMBER:
        return math.nextafter(mark, -math.inf), mark, math.nextafter(mark, math.inf)
    whole = float(math.floor(mark))
    return whole - 1, whole, whole + 1


def _numbers(mover: Mover) -> list[float]:
    return [float(x) for x in mover.variable.shown if x is not None and not isinstance(x, str)]


def _bends(term: NumberTerm) -> Iterator[float]:
    """Yield the numbers at which a term's clipping steps begin to hold."""
    for i, step in enumerate(term.steps):
        if step.kind not in ("at_least", "at_most"):
            continue
        value = step.value
        for before in reversed(term.steps[:i]):
            match before.kind:
                case "subtract":
                    value += before.value
                case "add":
                    value -= before.value
                case "divide":
                    value *= before.value
                case "multiply":
                    value /= before.value
                case _:
                    pass
        yield value


def same_sign(mover: Mover, raw: LinearRaw, sign: int) -> bool:
    """Tell whether all terms that read a column move a raw score one way, by their weights alone.

    Steps never turn the order round, products and sums of floats keep it: no slack is needed.
    """
    mine = [term for term in raw.numbers if term.column in mover.variable.inputs]
    groups = [g for g in raw.categories if g.column in mover.variable.inputs]
    return not groups and all(sign * term.weight >= 0 for term in mine)


def neighbours(count: int) -> list[Pair]:
    """Return each cell with the next.

    >>> neighbours(3)
    [(0, 1), (1, 2)]
    """
    return list(pairwise(range(count)))
