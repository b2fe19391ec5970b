"""Monotonicity: a larger value of a column never lowers an answer, or never raises it.

For trees each pair of neighbouring cells is looked at alone: a chain rises if and only if each step
of it does, and at one threshold only the few trees that split there matter. A raw score that never
falls cannot fall behind a rising link, and not in a product of factors that are never negative.
"""

import math
from dataclasses import replace
from typing import Literal

from mlops.models.certificate import Property
from mlops.models.flat import LinearRaw
from mlops.models.spec import HeadScore
from mlops.proofs.cells import Shown
from mlops.proofs.claims import Claim, Subject, conclude, named, parts
from mlops.proofs.moves import (
    Budget,
    Fall,
    Mover,
    Pair,
    Part,
    corners,
    linear_falls,
    neighbours,
    same_sign,
    tree_falls,
)
from mlops.proofs.spec import MonotoneSpec

Missing = Literal["ignore", "lowest", "highest"]


def prove_monotone(subject: Subject, column: str, declared: MonotoneSpec) -> Property:
    """Decide whether an answer follows a column in one direction.

    Args:
        subject: The program.
        column: A number column of the contract.
        declared: Which answer, which direction, and where a missing value stands.
    """
    of, missing = declared.of, declared.missing
    sign = 1 if declared.direction == "increasing" else -1
    sentence = _sentence(column, declared)
    claim = Claim("monotone", of, column, sentence, declared.demand, downwards=sign < 0)
    mover = subject.mover(column)
    doubt = _doubt(subject, of)
    if mover is None:
        return claim.decided(f"{of} does not read {column}")
    budget = subject.budget()
    found = [_of_part(mover, part, sign, missing, budget) for part in parts(subject.heads(of))]
    if sign < 0:
        found += subject.value_moves(of, column)
    return conclude(subject, claim, mover, found, doubt=doubt)


def _sentence(column: str, declared: MonotoneSpec) -> str:
    verb = "lowers" if declared.direction == "increasing" else "raises"
    stands = "" if declared.missing == "ignore" else f", missing counting as the {declared.missing}"
    return f"a higher {column} never {verb} {named(declared.of)}{stands}"


def _doubt(subject: Subject, of: str) -> str:
    """Return why the heads' directions do not make the score's; empty if they do."""
    score = subject.program.outline.score
    if of != "score" or isinstance(score, HeadScore):
        return ""
    for name in score.heads:
        low = subject.bounds.heads[name].output.low
        if low is None or low < 0:
            return f"head {name} may be negative, which turns the product's direction round"
    if subject.domain.column(score.value).interval[0] < 0:
        return f"{score.value} may be negative, which turns the product's direction round"
    return ""


def _of_part(mover: Mover, part: Part, sign: int, missing: Missing, budget: Budget) -> Fall:
    """Return what moves against the wanted direction can do to a raw score."""
    raw, along = part.raw, sign * part.rising
    if isinstance(raw, LinearRaw):
        found = _linear(mover, part, raw, along, missing)
    else:
        pairs = _pairs(mover, missing)
        moves = pairs if along > 0 else [(b, a) for a, b in pairs]
        found = tree_falls(mover, raw, moves, budget)
    if found.witness is None or part.rising > 0:
        return found
    # Behind a link that falls the answer falls on the way back.
    there = found.witness
    return replace(found, witness=replace(there, first=there.second, second=there.first))


def _pairs(mover: Mover, missing: Missing) -> list[Pair]:
    """Return the moves upwards, a missing value where it is declared to stand."""
    present = mover.present
    pairs = neighbours(present)
    if not mover.column.nullable or missing == "ignore" or present == 0:
        return pairs
    return [*pairs, (present, 0) if missing == "lowest" else (present - 1, present)]


def _linear(mover: Mover, part: Part, raw: LinearRaw, sign: int, missing: Missing) -> Fall:
    values = list(corners(mover, raw))
    falls = [_missing(mover, part, raw, values, sign, missing)]
    if not same_sign(mover, raw, sign):
        falls.append(linear_falls(mover, part, raw, values[::sign]))
    return max(falls, key=_badness)


def _missing(
    mover: Mover, part: Part, raw: LinearRaw, values: list[Shown], sign: int, missing: Missing
) -> Fall:
    if not mover.column.nullable or missing == "ignore":
        return Fall(0.0, 0.0)
    step = [None, values[0]] if missing == "lowest" else [values[-1], None]
    return linear_falls(mover, part, raw, step[::sign])


def _badness(fall: Fall) -> tuple[bool, float]:
    return fall.witness is not None, fall.most if math.isfinite(fall.most) else math.inf
