"""Requests: bodies drawn from a contract, as a caller would send them."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from mlops.contracts.domain import Column, ColumnKind, Domain, Table
from mlops.contracts.sample import draw
from tests.components.toys import toy

HASHES = tuple(f"{i:032x}" for i in range(5))


def known(domain: Domain) -> Mapping[str, Sequence[str]]:
    """Return texts that keep each open category's pattern."""
    return {
        c.name: ("7", "42") if c.identifier else HASHES for c in domain.request if c.is_category
    }


def drawn(service: str, rows: int, seed: int) -> tuple[Table, dict[str, Any]]:
    """Return rows of one request, and the body that says the same.

    Identifiers are made different, context columns the same in every row.
    """
    domain = toy(service).domain
    table = dict(draw(domain, rows, np.random.default_rng(seed), known=known(domain)))
    ids = np.empty(rows, dtype=object)
    ids[:] = [str(at) for at in range(rows)]
    table[domain.identifier.name] = ids
    for column in domain.context:
        values = table[column.name].copy()
        values[:] = values[0]
        table[column.name] = values
    return table, body(domain, table)


def body(domain: Domain, table: Table) -> dict[str, Any]:
    rows = len(table[domain.identifier.name])
    return {
        "context": {c.name: plain(c, table[c.name][0]) for c in domain.context},
        "candidates": [
            {c.name: plain(c, table[c.name][at]) for c in domain.candidate} for at in range(rows)
        ],
    }


def plain(column: Column, value: Any) -> Any:
    """Return a table's value as JSON holds it."""
    if value is None or (column.kind is not ColumnKind.CATEGORY and np.isnan(value)):
        return None
    match column.kind:
        case ColumnKind.CATEGORY:
            return str(value)
        case ColumnKind.BOOLEAN:
            return bool(value)
        case ColumnKind.INTEGER:
            return int(value)
        case ColumnKind.NUMBER:
            return float(value)
