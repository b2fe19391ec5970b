"""A claim: what a configuration says of a model's answers, to be proved over the whole contract."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from mlops.contracts.domain import Domain, Floats, Table
from mlops.models.certificate import Certificate, Demand, Example, Property, row_of
from mlops.models.flat import Head
from mlops.models.program import Program
from mlops.models.spec import HeadScore
from mlops.proofs.cells import Variable
from mlops.proofs.moves import Budget, Fall, Mover, Part, Witness
from mlops.proofs.reach import whole_box
from mlops.proofs.shift import Shift, largest_shift, ordinary

TOLERANCE = 1e-9
"""Share of a value below which a step the wrong way is rounding."""


@dataclass(frozen=True, slots=True)
class Subject:
    """A program whose claims are to be proved.

    Attributes:
        program: The compiled model.
        domain: The contract that it answers for.
        variables: The columns that it reads, in cells.
        bounds: What is proved about its range.
        budget: Makes the budget of one claim.
        seed: Of the rows that are tried.
    """

    program: Program
    domain: Domain
    variables: tuple[Variable, ...]
    bounds: Certificate
    budget: Callable[[], Budget]
    seed: int

    def heads(self, of: str) -> tuple[Head, ...]:
        """Return the heads that `score`, or the head of that name, is made of."""
        score = self.program.outline.score
        names: tuple[str, ...] = (of,)
        if of == "score":
            names = (score.head,) if isinstance(score, HeadScore) else score.heads
        by_name = {head.name: head for head in self.program.outline.heads}
        return tuple(by_name[name] for name in names)

    def mover(self, column: str) -> Mover | None:
        """Return a column that heads read or the score is proportional to, or None."""
        contract, box = self.domain.column(column), whole_box(self.program, self.domain)
        for at, variable in enumerate(self.variables):
            if variable.name == column:
                return Mover(self.program, contract, self.variables, at, box)
        if column != self.value_column:
            return None
        shown = ordinary(contract.interval)
        unread = Variable(column, (), np.zeros((2, 0)), shown, np.ones(2, dtype=np.bool_))
        return Mover(self.program, contract, (*self.variables, unread), len(self.variables), box)

    def quantity(self, of: str) -> Callable[[Table], Floats]:
        """Return what runs the program on a table and gives the score or a head's output."""

        def run(table: Table) -> Floats:
            with np.errstate(over="ignore", invalid="ignore"):
                if of == "score":
                    return self.program.score(table)
                return self.program.heads(self.program.encode(table))[of]

        return run

    def value_moves(self, of: str, column: str) -> tuple[Fall, ...]:
        """Return the fall of a score whose value goes from its largest to its least, if any.

        Only that of a score in the column that it is proportional to: there no proof is tried.
        """
        if of != "score" or column != self.value_column:
            return ()
        low, high = ordinary(self.domain.column(column).interval)
        return (Fall(math.inf, 0.0, Witness(high, low, {})),)

    @property
    def value_column(self) -> str:
        """Column that the score is proportional to; empty if there is none."""
        score = self.program.outline.score
        return "" if isinstance(score, HeadScore) else score.value


def named(of: str) -> str:
    """Return an answer's name within a sentence."""
    return "the score" if of == "score" else f"head {of}"


def parts(heads: Sequence[Head]) -> Iterator[Part]:
    """Yield the raw scores of some heads."""
    for head in heads:
        for member in range(len(head.members)):
            yield Part(head, member)


@dataclass(frozen=True, slots=True)
class Claim:
    """A statement about a column, before it is decided.

    Attributes:
        kind: Of which kind.
        of: `score` or a head's name.
        column: The column.
        sentence: The statement.
        demand: What the configuration asks for.
        downwards: Whether moves that must not lower the answer go to smaller values.
    """

    kind: Literal["monotone", "independent"]
    of: str
    column: str
    sentence: str
    demand: Demand
    downwards: bool = False

    def decided(self, reason: str = "") -> Property:
        """Return it as proven."""
        return self._property(reason)

    def undecided(self, reason: str, *, gap: float | None = None) -> Property:
        """Return it as undecided."""
        finite = gap if gap is None or math.isfinite(gap) else None
        return self._property(reason).model_copy(update={"status": "undecided", "gap": finite})

    def refuted(self, shift: Shift) -> Property:
        """Return it as refuted by two rows."""
        examples = tuple(
            Example(row=row_of(row), value=value)
            for row, value in zip(shift.rows, shift.values, strict=True)
        )
        upwards = examples[::-1] if self.downwards else examples
        update = {"status": "refuted", "examples": upwards}
        return self._property("two rows were run").model_copy(update=update)

    def _property(self, reason: str) -> Property:
        return Property(
            kind=self.kind, of=self.of, column=self.column, claim=self.sentence,
            status="proven", reason=reason, demand=self.demand,
        )  # fmt: skip


def conclude(
    subject: Subject, claim: Claim, mover: Mover, found: Sequence[Fall], *, doubt: str = ""
) -> Property:
    """Decide a claim by what is known of each raw score.

    Args:
        subject: The program.
        claim: The claim.
        mover: The column that is moved.
        found: What moves can do to each raw score that counts.
        doubt: Why the raw scores alone would not decide it; empty if they do.
    """
    if not doubt and all(fall.never for fall in found):
        slack = max((fall.slack for fall in found if fall.most > 0), default=0.0)
        exactly = "no sum moves the wrong way"
        return claim.decided(
            exactly if slack == 0 else f"up to the rounding of sums, {slack:.2g} of a raw score"
        )
    witnesses = [fall.witness for fall in found if fall.witness is not None]
    shift = try_witnesses(subject, claim, mover, witnesses)
    if shift is not None:
        return claim.refuted(shift)
    gap = max((fall.most for fall in found if not fall.never), default=0.0)
    if witnesses:
        doubt = "a raw score moves the wrong way, but no row was found whose answer does"
    return claim.undecided(doubt or "the budget was used up", gap=gap)


def try_witnesses(
    subject: Subject, claim: Claim, mover: Mover, witnesses: Sequence[Witness]
) -> Shift | None:
    """Run the program where a raw score moves the wrong way; None if the answer does not follow."""
    quantity = subject.quantity(claim.of)
    rng = np.random.default_rng(subject.seed)
    both = claim.kind == "independent"
    for witness in witnesses:
        ways = [witness, replace(witness, first=witness.second, second=witness.first)]
        for way in ways if both else ways[:1]:
            shift = largest_shift(mover, subject.domain, way, quantity, rng)
            if shift is not None and _falls(*shift.values):
                return shift
    return None


def _falls(before: float, after: float) -> bool:
    return before - after > TOLERANCE * max(abs(before), abs(after))
