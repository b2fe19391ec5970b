"""Whatever is proved of random models holds for random rows, those beside thresholds included."""

import itertools
from typing import Any, Literal

import numpy as np
from hypothesis import HealthCheck, given, note, settings

from mlops.contracts.domain import Column, Floats, Table
from mlops.contracts.sample import draw
from mlops.models.certificate import Certificate
from mlops.models.parity import beside_cuts
from mlops.models.program import Program
from mlops.proofs.bounds import certify
from mlops.proofs.claims import TOLERANCE, Subject
from mlops.proofs.independence import prove_independent
from mlops.proofs.interval import bound
from mlops.proofs.monotone import prove_monotone
from mlops.proofs.proof import subject_of
from mlops.proofs.spec import IndependentSpec, MonotoneSpec, ProofsSpec
from tests.components.pipelines import Compiled, cases, compiled

Missing = Literal["ignore", "lowest", "highest"]


def still() -> float:
    return 0.0


def rows_of(found: Compiled, rng: np.random.Generator) -> Table:
    table = draw(found.domain, 300, rng, known=found.program.known)
    return beside_cuts(found.program, found.domain, table, rng)


def range_holds(found: Compiled, table: Table, rng: np.random.Generator) -> Certificate:
    """Check every certified interval on rows, and return the certificate."""
    program, domain = found.program, found.domain
    matrix = program.encode(table)
    intervals = bound(program, domain, budget_s=1.0, clock=still, rng=rng, node_limit=20)
    for head in program.outline.heads:
        raws = program.raw(matrix, head)
        for interval, raw in zip(intervals[head.name], raws, strict=True):
            low, high = interval.certified
            assert low <= raw.min() <= raw.max() <= high
            assert low <= interval.found.low <= interval.found.high <= high
    tighter = {name: [each.certified for each in own] for name, own in intervals.items()}
    bounds = certify(program, domain, tighter=tighter)
    for value in program.score(table).tolist():
        assert bounds.score.holds(value)
    return bounds


def scores_apart(program: Program, table: Table, other: Table) -> Floats:
    """Return how far a score lies above the other's, beyond what counts as rounding."""
    before, after = program.score(table), program.score(other)
    rounding = TOLERANCE * np.maximum(np.abs(before), np.abs(after)) + 1e-12
    return before - after - rounding


def independence_holds(subject: Subject, column: Column, table: Table, other: Table) -> None:
    found = prove_independent(subject, column.name, IndependentSpec())
    note(f"{column.name} independent: {found.status}")
    if found.status == "proven":
        assert scores_apart(subject.program, table, other).max() <= 0
        assert scores_apart(subject.program, other, table).max() <= 0


def monotonicity_holds(
    subject: Subject, column: Column, table: Table, other: Table, declared: MonotoneSpec
) -> None:
    found = prove_monotone(subject, column.name, declared)
    note(f"{column.name} {declared.direction}, missing {declared.missing}: {found.status}")
    if found.status != "proven":
        return
    stands = {"ignore": np.nan, "lowest": -np.inf, "highest": np.inf}[declared.missing]
    x, y = (np.asarray(each[column.name], dtype=np.float64) for each in (table, other))
    x, y = (np.where(np.isnan(each), stands, each) for each in (x, y))
    if declared.direction == "decreasing":
        x, y = y, x
    rises = x <= y  # never where a missing value is not compared
    assert scores_apart(subject.program, table, other)[rises].max(initial=-1.0) <= 0


@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(case=cases())
def test_what_is_proved_of_a_model_holds(case: dict[str, Any]) -> None:
    rng = np.random.default_rng(case["seed"])
    found = compiled(case, rng)
    if isinstance(found, str):
        note(found)
        return
    table = rows_of(found, rng)
    bounds = range_holds(found, table, rng)
    subject = subject_of(found.program, found.domain, ProofsSpec(), clock=still, bounds=bounds)
    directions: tuple[Literal["increasing", "decreasing"], ...] = ("increasing", "decreasing")
    places: tuple[Missing, ...] = ("ignore", "lowest", "highest")
    for column in found.domain.features:
        moved = table[column.name][rng.permutation(300)]
        other = {**table, column.name: moved}
        independence_holds(subject, column, table, other)
        if column.is_category:
            continue
        for direction, missing in itertools.product(directions, places):
            declared = MonotoneSpec(direction=direction, missing=missing)
            monotonicity_holds(subject, column, table, other, declared)
