"""A workload: made-up rows that a host is timed with, of a shape that can be chosen."""

from dataclasses import dataclass

import numpy as np

from mlops.base.digest import Json
from mlops.contracts.domain import Column, ColumnKind, Domain, Floats, Table, Texts
from mlops.contracts.roles import Scope

ONE_HOT: Json = {
    "name": "texts",
    "select": "categorical",
    "steps": [{"_target_": "sklearn.preprocessing.OneHotEncoder", "handle_unknown": "ignore"}],
}
"""The column step by which the made-up texts reach a linear model."""


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows to fit on.

    Attributes:
        domain: Their contract.
        table: The features, n rows.
        outcome: 0 or 1, shape (n,).
    """

    domain: Domain
    table: Table
    outcome: Floats


def make(rows: int, *, numbers: int, texts: int, codes: int = 20, rng: np.random.Generator) -> Rows:
    """Make rows: numbers that depend on each other, a third of them skewed, and categories.

    The outcome follows from all of them with noise, and happens in about a quarter of the rows.

    Args:
        rows: How many.
        numbers: Number columns.
        texts: Category columns.
        codes: Categories of each, the first ones more often.
        rng: Source of randomness.
    """
    table: dict[str, Floats | Texts] = {}
    raw = np.zeros(rows)
    shared = rng.standard_normal(rows)
    for at in range(numbers):
        values = rng.standard_normal(rows) + 0.5 * shared
        raw += values * rng.normal(0.0, 0.4)
        table[f"n{at}"] = np.exp(values) if at % 3 == 2 else values
    for at in range(texts):
        drawn = np.minimum((rng.random(rows) ** 2 * codes).astype(np.int64), codes - 1)
        raw += rng.normal(0.0, 0.5, codes)[drawn]
        table[f"c{at}"] = np.array([f"v{code}" for code in range(codes)], dtype=object)[drawn]
    chance = 1.0 / (1.0 + np.exp(1.5 - raw))
    outcome = (rng.random(rows) < chance).astype(np.float64)
    return Rows(_domain(numbers, texts, codes), table, outcome)


def _domain(numbers: int, texts: int, codes: int) -> Domain:
    known = tuple(f"v{code}" for code in range(codes))
    return Domain(
        name="Workload",
        columns=(
            Column(
                name="id",
                kind=ColumnKind.CATEGORY,
                scope=Scope.CANDIDATE,
                feature=False,
                identifier=True,
            ),
            *(_column(f"n{at}", ColumnKind.NUMBER, None) for at in range(numbers)),
            *(_column(f"c{at}", ColumnKind.CATEGORY, known) for at in range(texts)),
        ),
    )


def _column(name: str, kind: ColumnKind, categories: tuple[str, ...] | None) -> Column:
    return Column(name=name, kind=kind, scope=Scope.CANDIDATE, feature=True, categories=categories)
