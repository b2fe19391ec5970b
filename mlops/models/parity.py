"""Parity: the proof, on many rows, that a program gives what scikit-learn gives."""

import json
from collections.abc import Mapping, Sequence

import numpy as np

from mlops.base.verdict import Finding, Status, Verdict
from mlops.contracts.domain import Column, ColumnKind, Domain, Floats, Table
from mlops.contracts.sample import bounds, draw
from mlops.models.flat import Head
from mlops.models.kernels import kernel_name
from mlops.models.links import apply_link
from mlops.models.predictor import Predictor
from mlops.models.program import Program

ROWS = 10_000
_NEAR_SHARE = 0.3  # of a number's values, moved to where the program tells numbers apart
LINEAR_LIMIT = 1e-12
"""Allowed difference of a probability from a linear model, whose sums are added in another order.
Trees get none."""


def prove(
    program: Program,
    predictors: Mapping[str, Predictor],
    domain: Domain,
    *,
    rng: np.random.Generator,
    rows: int = ROWS,
    real: Table | None = None,
) -> Verdict:
    """Compare a program with the predictors it was compiled from.

    The rows are drawn from the contract with its edges: bounds and their neighbours, missing
    values, categories that training did not have; and with the program's own: its thresholds, the
    numbers that it takes as categories, and the neighbours of both. The program gets the table,
    scikit-learn the frame. A copy of the program that was written and read back takes part, and
    the numpy kernel.

    Args:
        program: The compiled form.
        predictors: The fitted predictor of each of its heads.
        domain: The contract.
        rng: Source of randomness.
        rows: How many rows are drawn.
        real: More rows to compare on, such as the training table.

    Returns:
        A verdict named `parity`: one finding for each head, one for the kernels, one for the
        written and read copy.
    """
    table = beside_cuts(program, domain, draw(domain, rows, rng, known=program.known), rng)
    if real is not None:
        table = {name: np.concatenate([table[name], real[name]]) for name in table}
    matrix = program.encode(table)
    found = program.heads(matrix)
    findings = [
        _compare_head(
            head,
            found[head.name],
            predictors[head.name].predict(table),
            allowed=_steepness(program, head, matrix),
        )
        for head in program.outline.heads
    ]
    copy = Program.from_parts(json.dumps(program.to_json()), program.to_arrays())
    findings.append(
        _compare_bits(
            "parity.copy", "a copy written and read back", found, copy.heads(copy.encode(table))
        )
    )
    kernels = f"the {kernel_name()} and the numpy kernel"
    findings.append(
        _compare_bits("parity.kernels", kernels, found, program.heads(matrix, kernel="numpy"))
    )
    return Verdict("parity", tuple(findings))


def beside_cuts(program: Program, domain: Domain, table: Table, rng: np.random.Generator) -> Table:
    """Return rows in which many numbers lie at or next to where the program tells them apart.

    Args:
        program: The compiled form.
        domain: The contract, which the rows still keep.
        table: Rows to start from.
        rng: Source of randomness.
    """
    found = dict(table)
    for at, wanted in enumerate(program.outline.inputs):
        if wanted.kind == "text":
            continue
        cuts = program.trees.cut[program.trees.feature == at]
        if wanted.kind == "code":
            cuts = np.array(wanted.known)
        near = _near(np.unique(cuts[np.isfinite(cuts)]), domain.column(wanted.name))
        values = np.array(found[wanted.name], dtype=np.float64)
        moved = rng.random(len(values)) < _NEAR_SHARE
        if len(near):
            values[moved] = rng.choice(near, int(moved.sum()))
        found[wanted.name] = values
    return found


def _near(cuts: Floats, column: Column) -> Floats:
    """Return numbers and their neighbours as far as a column allows them."""
    if column.kind is ColumnKind.NUMBER:
        near = np.concatenate([cuts, np.nextafter(cuts, -np.inf), np.nextafter(cuts, np.inf)])
    else:
        near = np.concatenate([np.floor(cuts), np.ceil(cuts)])
    low, high = bounds(column)
    if column.kind is ColumnKind.BOOLEAN:
        low, high = 0.0, 1.0
    elif column.minimum is None or column.maximum is None:
        low = -np.inf if column.minimum is None else low
        high = np.inf if column.maximum is None else high
    return near[(near >= low) & (near <= high)]


def _steepness(program: Program, head: Head, matrix: Floats) -> Floats:
    """Return how far each output moves where linear raw scores move by the limit, shape [n].

    A calibrator's line between two points that lie 1e-9 apart makes 1e-7 of a difference of 1e-16:
    there the raw scores are what is held to the limit. So they are where they are the output, and
    then it is the sizes of the added terms that a difference is measured by. All other links are
    flatter than 1 and end at 1.
    """
    total = np.zeros(len(matrix))
    for i, (member, raw) in enumerate(zip(head.members, program.raw(matrix, head), strict=True)):
        if member.raw.kind == "linear" and member.link.kind == "isotonic":
            off = LINEAR_LIMIT * np.maximum(1.0, np.abs(raw))
            total += apply_link(member.link, raw + off) - apply_link(member.link, raw - off)
        if member.raw.kind == "linear" and member.link.kind == "identity":
            # The limit that is granted everywhere is taken off: sizes may be far below 1.
            total += LINEAR_LIMIT * (program.reach(matrix, head, i) - 1.0)
    return total / len(head.members)


def _compare_head(head: Head, found: Floats, wanted: Floats, *, allowed: Floats) -> Finding:
    check = f"parity.{head.name}"
    limit = 0.0 if head.exact else LINEAR_LIMIT
    apart = int((found.view(np.int64) != wanted.view(np.int64)).sum())
    worst = _worst(found, wanted)
    beyond = _worst(found, wanted, allowed=allowed)
    same = apart == 0 if head.exact else beyond <= limit
    words = "bit-equal" if head.exact else f"within {limit:g}"
    message = (
        f"head {head.name!r} is {'' if same else 'not '}{words} on {len(found)} rows"
        f" ({apart} differ in some bit, at most by {worst:.3g})"
    )
    return Finding(check, Status.PASS if same else Status.FAIL, message, worst, limit, "difference")


def _compare_bits(
    check: str, what: str, found: Mapping[str, Floats], other: Mapping[str, Floats]
) -> Finding:
    pairs: Sequence[tuple[Floats, Floats]] = [(found[name], other[name]) for name in found]
    apart = sum(int((a.view(np.int64) != b.view(np.int64)).sum()) for a, b in pairs)
    worst = max(_worst(a, b) for a, b in pairs)
    message = f"{what}: {apart} outputs differ in some bit, at most by {worst:.3g}"
    return Finding(check, Status.FAIL if apart else Status.PASS, message, worst, 0.0, "difference")


def _worst(found: Floats, wanted: Floats, *, allowed: Floats | float = 0.0) -> float:
    """Return the largest difference beyond what is allowed; infinite where only one is NaN."""
    both = np.isnan(found) & np.isnan(wanted)
    apart = np.abs(np.where(both, 0.0, found - wanted)) - allowed
    return float(np.nan_to_num(apart, nan=np.inf).max(initial=0.0))
