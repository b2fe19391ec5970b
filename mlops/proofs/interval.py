"""An interval: between which ends a raw score stays, and how near to them some row really comes.

Both are found together and within a budget: the certified ends hold for every row that the
contract allows, whenever the search is stopped, and the found rows show how much is left to prove.
"""

import math
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from mlops.contracts.domain import Domain
from mlops.models.flat import Head, LinearRaw, TreesRaw
from mlops.models.program import Program
from mlops.proofs.bounds import Ends, raw_ends, summed
from mlops.proofs.branch import Limits, Search, spread
from mlops.proofs.cells import Row, Variable, cut_columns, table_of
from mlops.proofs.climb import Int32s, climb, lay_out
from mlops.proofs.compiled import compiled
from mlops.proofs.groups import Splits, group_of, split_trees
from mlops.proofs.linear import linear_extremes
from mlops.proofs.reach import Box, whole_box

_STARTS = 12  # rows drawn at random to climb from
_ROUNDS = 250  # of each
_FEW_ROUNDS = 30  # of a row that the relaxation leans to
_HEAT = 3.0  # of the leaves' spread that a row may be worse, and be gone on from
_EQUAL = 1e-9  # of the largest sum: a row so near to a bound meets it
_MOST_WORK = 30_000_000  # nodes times cells that are laid out for a search: some 10 s
_ROWS = 2000  # drawn where there is no search
_CLIMB_SHARE = 0.08  # of the time that goes to climbing before the branching

Clock = Callable[[], float]
"""Seconds from some start."""


@dataclass(frozen=True, slots=True)
class Interval:
    """What was found out about one raw score.

    Attributes:
        certified: No row of the contract has a raw score outside.
        found: The least and the largest raw score that a row was found for.
        least: The row with the least raw score found: each table column's value.
        largest: The row with the largest.
        optimal: Whether certified and found ends are the same, but for a millionth of what all
            leaves together can reach.
        nodes: How many boxes the search looked into, both ends together.
    """

    certified: Ends
    found: Ends
    least: Row
    largest: Row
    optimal: bool
    nodes: int

    @property
    def ratio(self) -> float:
        """The certified width over the width between the rows found, at least 1."""
        width = self.found.high - self.found.low
        certified = self.certified.high - self.certified.low
        return certified / width if width > 0 else (1.0 if self.optimal else float("inf"))


def bound(
    program: Program,
    domain: Domain,
    *,
    budget_s: float,
    clock: Clock,
    rng: np.random.Generator,
    node_limit: int | None = None,
) -> dict[str, tuple[Interval, ...]]:
    """Bound every raw score of a program, the better the longer it may take.

    Args:
        program: The compiled model.
        domain: The contract that it answers for.
        budget_s: Seconds of wall time for all raw scores together.
        clock: Tells the time.
        rng: Source of randomness of the search for extreme rows.
        node_limit: Boxes to look into for each end of each raw score; None is bounded by time
            alone. With a limit and time enough the result depends on the seed alone.

    Returns:
        For each head the intervals of its members' raw scores.

    Raises:
        ContractError: The program reads a column that the contract does not have.
    """
    variables = cut_columns(program, domain)
    box = whole_box(program, domain)
    members = [(head, i) for head in program.outline.heads for i in range(len(head.members))]
    start = clock()
    found: dict[str, list[Interval]] = {head.name: [] for head in program.outline.heads}
    searched = [isinstance(head.members[i].raw, TreesRaw) for head, i in members]
    for at, (head, i) in enumerate(members):
        # What a member leaves of its share, those after it have.
        until = start + budget_s * sum(searched[: at + 1]) / max(1, sum(searched))
        plan = _Plan(program, variables, box, clock, until, node_limit)
        found[head.name].append(plan.interval(head, i, rng))
    return {name: tuple(intervals) for name, intervals in found.items()}


@dataclass(frozen=True, slots=True)
class _Plan:
    """What the search for one raw score's ends needs to know."""

    program: Program
    variables: tuple[Variable, ...]
    box: Box
    clock: Clock
    until: float
    node_limit: int | None

    def interval(self, head: Head, i: int, rng: np.random.Generator) -> Interval:
        """Return the interval of a head's member."""
        raw = head.members[i].raw
        plain = raw_ends(self.program, raw, self.box)
        if isinstance(raw, LinearRaw):
            rows = linear_extremes(self.program, raw, self.variables)
            low, high = self._scores(head, i, rows)
            left = max(plain.high - high, low - plain.low)
            return Interval(plain, Ends(low, high), *rows, left <= _EQUAL * plain.reach, 0)
        trees = self.program.trees
        roots = trees.roots[raw.first : raw.last].tolist()
        if self._too_large():
            return self._sampled(head, i, plain, rng)
        splits = split_trees(trees, roots, self.variables)
        seeds = rng.spawn(2)
        with ThreadPoolExecutor(2) as pool:  # the kernels give up the interpreter's lock
            least, most = pool.map(self._end, [splits] * 2, (-1.0, 1.0), seeds)
        sums = Ends(-least.bound, most.bound)
        certified = summed(raw, sums, splits.reach).within(*plain)
        rows = (least.row, most.row)
        low, high = self._scores(head, i, rows)
        optimal = least.optimal and most.optimal
        return Interval(certified, Ends(low, high), *rows, optimal, least.nodes + most.nodes)

    def _too_large(self) -> bool:
        """Tell whether laying out the search would alone take longer than most budgets.

        It is told by counts and not by the clock, so that the same model gives the same interval.
        """
        program = self.program
        asked = np.bincount(program.trees.feature + 1, minlength=len(program.sizes) + 1)
        work = sum(len(v.shown) * int(asked[np.array(v.inputs) + 1].sum()) for v in self.variables)
        return work > _MOST_WORK

    def _sampled(self, head: Head, i: int, plain: Ends, rng: np.random.Generator) -> Interval:
        """Return the plain interval beside the extremes of some rows drawn from all cells."""
        cells = [rng.choice(np.flatnonzero(v.known), _ROWS) for v in self.variables]
        rows = [
            {v.name: v.shown[own[at]] for v, own in zip(self.variables, cells, strict=True)}
            for at in range(_ROWS)
        ]
        raw = self.program.raw(self.program.encode(table_of(rows)), head)[i]
        low, high = int(raw.argmin()), int(raw.argmax())
        found = Ends(float(raw[low]), float(raw[high]))
        return Interval(plain, found, rows[low], rows[high], optimal=False, nodes=0)

    def _end(self, splits: Splits, sign: float, rng: np.random.Generator) -> "_End":
        groups = [group_of(splits, root, sign=sign) for root in splits.roots]
        climber = _Climber(self, splits, sign, spread(groups), rng)
        if not groups:
            return _End(0.0, climber.row, optimal=True, nodes=0)
        climber.start()
        limits = Limits(self.expired, self.node_limit)
        search = Search(groups, splits.cells, climber.best, try_row=climber.try_row, limits=limits)
        found = search.run()
        return _End(found.bound, climber.row, found.met, found.nodes)

    def expired(self) -> bool:
        """Tell whether this raw score's time is up."""
        return self.clock() >= self.until

    def _scores(self, head: Head, i: int, rows: tuple[Row, Row]) -> tuple[float, float]:
        """Return what the program itself gives for rows."""
        matrix = self.program.encode(table_of(rows))
        low, high = self.program.raw(matrix, head)[i].tolist()
        return low, high


@dataclass(frozen=True, slots=True)
class _End:
    """One end of a raw score: a bound of the signed sum, and the row nearest to it."""

    bound: float
    row: Row
    optimal: bool
    nodes: int


class _Climber:
    """Keeps the best row found for one end."""

    def __init__(
        self, plan: _Plan, splits: Splits, sign: float, spread: float, rng: np.random.Generator
    ) -> None:
        self._plan, self._splits, self._rng = plan, splits, rng
        self._slopes = lay_out(splits, plan.variables, sign=sign)
        self._heat = _HEAT * spread
        self._compiled = compiled() is not None
        self.best = -math.inf
        self._cells = self._somewhere()

    def start(self) -> None:
        """Climb from some rows drawn at random."""
        begin = self._plan.clock()
        for turn in range(_STARTS):
            self._try(self._somewhere(), _ROUNDS if self._compiled else 0)
            spent = self._plan.clock() - begin
            if turn and spent >= _CLIMB_SHARE * (self._plan.until - begin):
                return

    def try_row(self, cells: Sequence[int]) -> float:
        """Climb from a row of cells; return the best sum known."""
        shown = self._slopes.shown
        row = np.array(cells, dtype=np.int32)
        bad = shown[self._slopes.cells[:-1] + row] == 0
        row[bad] = self._cells[bad]
        self._try(row, _FEW_ROUNDS if self._compiled else 0)
        return self.best

    def _try(self, row: Int32s, rounds: int) -> None:
        sums = climb(
            self._slopes, row, rounds=rounds, heat=self._heat, rng=self._rng
        )  # fmt: skip
        if sums > self.best:
            self.best, self._cells = sums, row

    def _somewhere(self) -> Int32s:
        chosen = zip(self._plan.variables, self._splits.chosen, strict=True)
        cells = [self._rng.choice(np.flatnonzero(v.known[kept])) for v, kept in chosen]
        return np.array(cells, dtype=np.int32)

    @property
    def row(self) -> Row:
        """The best row, as the contract's values."""
        return {
            variable.name: variable.shown[int(kept[cell])]
            for variable, kept, cell in zip(
                self._plan.variables, self._splits.chosen, self._cells, strict=True
            )
        }
