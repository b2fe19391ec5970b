"""Ensembles: small random trees over a contract of four columns, and every row that tells apart."""

import itertools
import math
from collections.abc import Mapping, Sequence

import numpy as np

from mlops.contracts.domain import Column, ColumnKind, Domain, Floats
from mlops.contracts.roles import Scope
from mlops.models.flat import Outline
from mlops.models.lowering_trees import Table
from mlops.models.program import Program
from mlops.models.trees import Trees

NUMBERS = ("a", "b")
TEXTS = ("x", "y", "z")
Row = dict[str, float | str | None]


def column(name: str, kind: str, **more: object) -> Column:
    base = {"name": name, "kind": ColumnKind(kind), "scope": Scope.CANDIDATE, "feature": True}
    return Column.model_validate(base | more)


JOB = column("job", "category", identifier=True, feature=False)


def domain(*, missing: bool = True) -> Domain:
    """Return numbers `a` and `b` in [0, 4] and a text `c`, of which `z` is unseen by the model."""
    number = {"minimum": 0.0, "maximum": 4.0, "nullable": missing}
    return Domain(
        name="D",
        columns=(
            JOB,
            column("a", "number", **number),
            column("b", "number", **number),
            column("c", "category", categories=TEXTS, nullable=missing),
        ),
    )


def every_row(*, missing: bool = True) -> list[Row]:
    """Return one row for each piece that cuts at 0.5, 1.5, 2.5 and 3.5 can tell apart."""
    none: list[None] = [None] if missing else []
    numbers = [0.0, 1.0, 2.0, 3.0, 4.0, *none]
    texts = [*TEXTS, *none]
    return [{"a": a, "b": b, "c": c} for a, b, c in itertools.product(numbers, numbers, texts)]


def random_trees(rng: np.random.Generator, count: int, depth: int) -> Trees:
    table = Table()
    for _ in range(count):
        nodes: list[tuple[object, ...]] = []
        _grow(nodes, rng, depth)
        base = table.begin_tree()
        for node in nodes:
            _add(table, node, base)
    return table.finish()


def _grow(nodes: list[tuple[object, ...]], rng: np.random.Generator, depth: int) -> None:
    at = len(nodes)
    if depth == 0 or rng.random() < 0.15:
        nodes.append(("leaf", round(float(rng.normal()), 3)))
        return
    nodes.append(())
    _grow(nodes, rng, depth - 1)
    right = len(nodes)
    _grow(nodes, rng, depth - 1)
    flags = int(rng.integers(4))
    if rng.random() < 0.3:
        nodes[at] = ("codes", [bool(x) for x in rng.integers(0, 2, 2)], at + 1, right, flags)
    else:
        cut = float(rng.integers(4)) + 0.5
        nodes[at] = ("number", int(rng.integers(2)), cut, at + 1, right, flags)


def _add(table: Table, node: Sequence[object], base: int) -> None:
    match node:
        case ("leaf", float(value)):
            table.add_leaf(value)
        case ("codes", list(left), int(one), int(two), int(flags)):
            table.add_codes(2, left, children=(base + one, base + two), flags=flags)
        case ("number", int(at), float(cut), int(one), int(two), int(flags)):
            table.add_number(at, cut, children=(base + one, base + two), flags=flags)


def program_of(
    trees: Trees,
    link: Mapping[str, object] | None = None,
    *,
    score: Mapping[str, object] | None = None,
) -> Program:
    """Return a program of one head `h` whose raw score is all of some trees."""
    raw = {"kind": "trees", "baseline": 0.125, "first": 0, "last": len(trees.roots)}
    outline = {
        "inputs": [
            *({"kind": "number", "name": name} for name in NUMBERS),
            {"kind": "text", "name": "c", "known": TEXTS[:2]},
        ],
        "heads": [{"name": "h", "members": [{"raw": raw, "link": link or {"kind": "identity"}}]}],
        "score": score or {"kind": "head", "head": "h"},
    }
    return Program(Outline.model_validate(outline, strict=False), trees)


def table(rows: Sequence[Row]) -> dict[str, Floats]:
    return {
        name: np.array([row[name] for row in rows], dtype=object)
        if name == "c"
        else np.array([math.nan if row[name] is None else row[name] for row in rows], np.float64)
        for name in rows[0]
    }
