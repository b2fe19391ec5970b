"""Clicks: a made-up but realistic data set of 30 features, five of them categories, in one seed.

Similarities, amounts, counts, rates, times and places that share hidden factors; every feature acts
on the outcome, mostly together with others, so that trees of many kinds find something to split.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from mlops.contracts.domain import Column, ColumnKind, Domain, Floats, Table, Texts
from mlops.contracts.roles import Scope

ROWS = 100_000
CODES = (40, 30, 12, 60, 6)
_MISSING = 0.08
_PAIRS, _SIZE, _BASE = 150, 0.15, -3.3


def clicks(rows: int = ROWS, *, seed: int = 0) -> tuple[Domain, Table, Floats]:
    """Return the contract, its rows and for each row whether it was clicked on."""
    rng = np.random.default_rng(seed)
    made = _numbers(rows, rng)
    for i, codes in enumerate(CODES):
        share = 1 / np.arange(1, codes + 1) ** 0.8
        drawn = rng.choice(codes, rows, p=share / share.sum())
        texts = np.array([f"c{i}_{code}" for code in drawn], dtype=object)
        made.append((_column(f"cat_{i}", ColumnKind.CATEGORY, identifier=i == 0,
                             nullable=i % 2 == 1), texts))  # fmt: skip
    table: dict[str, Floats | Texts] = {}
    for column, values in made:
        if column.nullable:
            lost = rng.random(rows) < _MISSING
            values[lost] = None if column.is_category else np.nan
        table[column.name] = values
    outcome = _outcome(table, rng)
    return Domain(name="Clicks", columns=tuple(c for c, _ in made)), table, outcome


def _column(name: str, kind: ColumnKind, **limits: object) -> Column:
    fixed = {"name": name, "kind": kind, "scope": Scope.CANDIDATE, "feature": True}
    return Column.model_validate(fixed | limits)


def _numbers(rows: int, rng: np.random.Generator) -> list[tuple[Column, Floats | Texts]]:
    hidden = rng.normal(size=(rows, 6))
    made: list[tuple[Column, Floats | Texts]] = []

    def add(name: str, kind: ColumnKind, values: npt.NDArray[Any], **limits: object) -> None:
        made.append((_column(name, kind, **limits), values.astype(np.float64)))

    number, whole, boolean = ColumnKind.NUMBER, ColumnKind.INTEGER, ColumnKind.BOOLEAN
    for i in range(6):
        match = 1 / (1 + np.exp(-(0.8 * hidden[:, i] + rng.normal(size=rows))))
        add(f"match_{i}", number, match, minimum=0.0, maximum=1.0, nullable=i % 3 == 2)
    for i in range(5):
        amount = np.exp(0.7 * hidden[:, i] + 0.7 * rng.normal(size=rows) + 2)
        add(f"amount_{i}", number, amount, minimum=0.0, maximum=1e6, nullable=i % 2 == 1)
    for i in range(5):
        mean = np.exp(1 + 0.56 * hidden[:, i] + 0.5 * rng.normal(size=rows))
        add(f"count_{i}", whole, rng.poisson(mean), minimum=0.0, maximum=1e6)
    for i in range(4):
        rate = rng.beta(1.2, 18, size=rows)
        add(f"rate_{i}", number, rate, minimum=0.0, maximum=1.0, nullable=i == 0)
    add("hour", whole, rng.integers(0, 24, rows), minimum=0.0, maximum=23.0)
    position = np.minimum(50, 1 + rng.geometric(0.12, rows))
    add("position", whole, position, minimum=1.0, maximum=50.0)
    add("age_days", number, rng.exponential(20, rows), minimum=0.0, maximum=36_525.0, nullable=True)
    add("returning", boolean, rng.random(rows) < 0.4)
    add("mobile", boolean, rng.random(rows) < 0.6)
    return made


def _outcome(table: Table, rng: np.random.Generator) -> Floats:
    """Draw the outcome from many small effects of one, two and three features."""
    units = [_unit(values, rng) for values in table.values()]
    raw = np.full(len(units[0]), _BASE)
    for unit in units:
        raw = raw + 0.12 * rng.normal() * unit
    for i in range(_PAIRS):
        a, b = (units[at] for at in rng.choice(len(units), 2, replace=False))
        raw = raw + _SIZE * rng.normal() * (
            a * b if i % 3 else np.where(a > rng.uniform(-0.5, 0.5), b, -b)
        )
    for _ in range(_PAIRS // 2):
        a, b, c = (units[at] for at in rng.choice(len(units), 3, replace=False))
        turn = np.sign(a - rng.uniform(-0.5, 0.5)) * np.sign(b)
        raw = raw + _SIZE * rng.normal() * turn * c
    outcome: Floats = (rng.random(len(raw)) < 1 / (1 + np.exp(-raw))).astype(np.float64)
    return outcome


def _unit(values: Floats | Texts, rng: np.random.Generator) -> Floats:
    """Return a feature as numbers in about [-1, 1]: ranks, or one number for each text."""
    if values.dtype == object:
        effects = {text: float(rng.normal()) for text in sorted(set(values), key=str)}
        return np.clip([effects[text] for text in values], -1.5, 1.5)
    numbers = np.asarray(values, dtype=np.float64)
    filled = np.nan_to_num(numbers, nan=float(np.nanmedian(numbers)))
    rank = np.argsort(np.argsort(filled + 1e-9 * rng.random(len(filled))))
    unit: Floats = 2 * rank / len(rank) - 1
    return unit
