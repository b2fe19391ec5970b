"""Extremes: the allowed rows with the least and the largest score that could be found."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from mlops.contracts.domain import Floats
from mlops.contracts.page import PageCheck
from mlops.models.certificate import Example, Property, Range, row_of
from mlops.proofs.cells import Row
from mlops.proofs.claims import Subject
from mlops.proofs.interval import Interval
from mlops.proofs.shift import ordinary, table_for

_ROUNDS = 12


def prove_interval(subject: Subject, intervals: Mapping[str, Sequence[Interval]]) -> Property:
    """Return the certified range of the score as a property, with the extremes found.

    Args:
        subject: The program, its range already proved.
        intervals: What the search found for each head's raw scores.
    """
    certified = subject.bounds.score
    proven = certified.low is not None and certified.high is not None
    reason = "by interval arithmetic and branch and bound"
    starts = list(_starts(subject, intervals))
    extremes = [_climbed(subject, starts, sign) for sign in (-1, 1)]
    examples = tuple(example for example in extremes if example is not None)
    return Property(
        kind="interval",
        of="score",
        claim="no score lies outside the certified range",
        status="proven" if proven else "undecided",
        reason=reason if proven else "; ".join(subject.bounds.unknown),
        gap=_gap(certified, examples),
        examples=examples,
        demand="proven",
    )


def _gap(certified: Range, examples: Sequence[Example]) -> float | None:
    if certified.low is None or certified.high is None or len(examples) < 2:
        return None
    width = examples[1].value - examples[0].value
    return max(0.0, (certified.high - certified.low) / width - 1.0) if width > 0 else None


def _starts(subject: Subject, intervals: Mapping[str, Sequence[Interval]]) -> Iterator[Row]:
    """Yield the rows with the extreme raw scores, with each end of the score's value."""
    name = subject.value_column
    for found in intervals.values():
        for interval in found:
            for row in (interval.least, interval.largest):
                if not name or name in row:
                    yield row
                else:
                    for end in ordinary(subject.domain.column(name).interval):
                        yield {**row, name: end}


def _climbed(subject: Subject, starts: Sequence[Row], sign: int) -> Example | None:
    """Change one column after the other, for as long as the score gets better.

    The extremes of each head are not those of a product of heads.
    """
    check = PageCheck([subject.domain.column(name) for name in starts[0]])
    best, value = None, -np.inf
    for start in starts:
        row, here = start, -np.inf
        for _ in range(_ROUNDS):
            near = [row, *_changed(subject, row)]
            scores = _scores(subject, near, check, sign)
            at = int(scores.argmax())
            if not scores[at] > here:
                break
            row, here = near[at], float(scores[at])
        if here > value:
            best, value = row, here
    return None if best is None else Example(row=row_of(best), value=sign * value)


def _changed(subject: Subject, row: Row) -> Iterator[Row]:
    for variable in subject.variables:
        for shown, known in zip(variable.shown, variable.known.tolist(), strict=True):
            if known and shown != row[variable.name]:
                yield {**row, variable.name: shown}


def _scores(subject: Subject, rows: Sequence[Row], check: PageCheck, sign: int) -> Floats:
    """Return what the program gives, times the sign; minus infinity for rows that do not count."""
    table = table_for(subject.domain, rows)
    values = subject.quantity("score")(table)
    counts = check.mask(table) & np.isfinite(values)
    scores: Floats = np.where(counts, sign * values, -np.inf)
    return scores
