"""An interval: between which ends a raw score stays, and how near to them some row really comes.

Both are found together and within a budget: the certified ends hold for every row that the
contract allows, whenever the search is stopped, and the found rows show how much is left to prove.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from mlops.contracts.domain import Domain, Floats
from mlops.models.program import Program
from mlops.verify.bounds import Ends, raw_ends
from mlops.verify.cells import Row, Variable, cut_columns, table_of
from mlops.verify.reach import whole_box

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
        optimal: Whether nothing but the rounding of sums lies between certified and found.
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
    rows = _sample(variables, 2000, rng)
    matrix = program.encode(table_of(rows))
    return {
        head.name: tuple(
            _sampled(raw_ends(program, member.raw, box), rows, raw)
            for member, raw in zip(head.members, program.raw(matrix, head), strict=True)
        )
        for head in program.outline.heads
    }


def _sample(variables: tuple[Variable, ...], count: int, rng: np.random.Generator) -> list[Row]:
    picked = [rng.choice(np.flatnonzero(v.known), count) for v in variables]
    return [
        {v.name: v.shown[cells[i]] for v, cells in zip(variables, picked, strict=True)}
        for i in range(count)
    ]


def _sampled(certified: Ends, rows: list[Row], raw: Floats) -> Interval:
    low, high = int(raw.argmin()), int(raw.argmax())
    found = Ends(float(raw[low]), float(raw[high]))
    return Interval(certified, found, rows[low], rows[high], optimal=False, nodes=0)
