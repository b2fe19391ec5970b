"""Independence: no value of a column ever changes an answer, a missing one included."""

from mlops.models.certificate import Property
from mlops.models.flat import LinearRaw
from mlops.proofs.cells import Shown
from mlops.proofs.claims import Claim, Subject, conclude, named, parts
from mlops.proofs.moves import (
    Budget,
    Fall,
    Mover,
    Part,
    corners,
    linear_falls,
    neighbours,
    tree_falls,
)
from mlops.proofs.spec import IndependentSpec


def prove_independent(subject: Subject, column: str, declared: IndependentSpec) -> Property:
    """Decide whether an answer depends on a column.

    Neighbouring cells are enough, in both directions: what is equal from each to the next is equal
    everywhere.

    Args:
        subject: The program.
        column: A column of the contract.
        declared: Which answer.
    """
    of = declared.of
    sentence = f"{column} never changes {named(of)}"
    claim = Claim("independent", of, column, sentence, declared.demand)
    mover = subject.mover(column)
    if mover is None:
        return claim.decided(f"{of} does not read {column}")
    budget = subject.budget()
    found = [_of_part(mover, part, budget) for part in parts(subject.heads(of))]
    return conclude(subject, claim, mover, [*found, *subject.value_moves(of, column)])


def _of_part(mover: Mover, part: Part, budget: Budget) -> Fall:
    raw = part.raw
    if isinstance(raw, LinearRaw):
        return _linear(mover, part, raw)
    pairs = neighbours(len(mover.variable.shown))
    return tree_falls(mover, raw, [*pairs, *((b, a) for a, b in pairs)], budget)


def _linear(mover: Mover, part: Part, raw: LinearRaw) -> Fall:
    if not _reads(mover, raw):
        return Fall(0.0, 0.0)
    values: list[Shown] = list(mover.variable.shown)
    if not mover.column.is_category:
        values = [*corners(mover, raw), *([None] if mover.column.nullable else [])]
    ways = [linear_falls(mover, part, raw, values), linear_falls(mover, part, raw, values[::-1])]
    return max(ways, key=lambda fall: (fall.witness is not None, fall.most))


def _reads(mover: Mover, raw: LinearRaw) -> bool:
    """Tell whether a column has some weight that is not zero."""
    return any(t.weight for t in raw.numbers if t.column in mover.variable.inputs) or any(
        len(set(group.weights)) > 1
        for group in raw.categories
        if group.column in mover.variable.inputs
    )
