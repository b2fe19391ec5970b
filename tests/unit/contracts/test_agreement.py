"""The compiled checks allow what pandera allows, on rows that try every edge of every check.

What is stricter than pandera, and on purpose: an infinity is no number, a request's text has at
most 128 letters unless the contract says otherwise, and its whole numbers lie below 2**53.
"""

import math
from typing import Any

import msgspec
import numpy as np
import pandas as pd
import pandera.errors
import pytest

from mlops.contracts.domain import Column, ColumnKind
from mlops.contracts.frames import as_table
from mlops.contracts.json_schema import column_schema
from mlops.contracts.page import PageCheck
from mlops.contracts.row import InvalidRequestError, RowDecoder
from mlops.contracts.schema import Schema, validate
from tests.components.contracts import Made, make, rows
from tests.components.json_schema import valid

CONTRACTS, ROWS = 50, 2_000


def allowed_by_pandera(schema: Schema, frame: pd.DataFrame) -> Any:
    kept = np.ones(len(frame), bool)
    try:
        with np.errstate(over="ignore"):
            schema.validate(frame, lazy=True)
    except pandera.errors.SchemaErrors as error:
        unplaced = error.failure_cases[error.failure_cases["index"].isna()]
        assert unplaced.empty, (unplaced.to_dict("records"), schema.to_schema())
        kept[error.failure_cases["index"].astype(int).to_numpy()] = False
    return kept


def stricter(made: Made, frame: pd.DataFrame) -> Any:
    """Return the rows that keep what the toolkit demands beside the checks."""
    kept = np.ones(len(frame), bool)
    for column in made.domain.columns:
        series = frame[column.name]
        if column.kind is ColumnKind.NUMBER:
            kept &= ~np.isinf(series.to_numpy(np.float64))
        if column.kind is ColumnKind.INTEGER:
            kept &= np.array([pd.isna(v) or abs(int(v)) < 2**53 for v in series])
        if column.is_category and column.max_length is None and column.categories is None:
            kept &= np.array([pd.isna(v) or len(v) <= 128 for v in series])
    return kept


def as_json(column: Column, value: Any) -> Any:
    if value is None or value is pd.NA or (isinstance(value, float) and math.isnan(value)):
        return None
    match column.kind:
        case ColumnKind.NUMBER:
            return float(value)
        case ColumnKind.INTEGER:
            return int(value)
        case ColumnKind.BOOLEAN:
            return bool(value)
        case ColumnKind.CATEGORY:
            return str(value)


def bodies(made: Made, frame: pd.DataFrame) -> list[dict[str, Any]]:
    columns = [
        [as_json(column, value) for value in frame[column.name].tolist()]
        for column in made.domain.columns
    ]
    names = [column.name for column in made.domain.columns]
    return [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]


def decodes(decoder: RowDecoder, row: dict[str, Any]) -> bool:
    body = msgspec.json.encode({"context": {}, "candidates": [row]})
    told = ""
    try:
        decoder.decode(body)
    except InvalidRequestError as error:
        told = error.errors[0].message
    assert told != "breaks the contract", row  # each refusal has words of its own
    return not told


class Schemas:
    """JSON Schemas of a contract's columns, each value judged once."""

    def __init__(self, made: Made) -> None:
        self._schemas = {c.name: column_schema(c) for c in made.domain.columns}
        self._known: dict[tuple[str, type, Any], bool] = {}

    def valid(self, row: dict[str, Any]) -> bool:
        return all(self._one(name, value) for name, value in row.items())

    def _one(self, name: str, value: Any) -> bool:
        key = (name, type(value), value)
        if key not in self._known:
            self._known[key] = valid(self._schemas[name], value)
        return self._known[key]


@pytest.mark.filterwarnings("ignore:This pattern is interpreted:UserWarning")  # has groups
@pytest.mark.parametrize("part", range(5))
def test_compiled_checks_agree_with_pandera(part: int) -> None:
    """100,000 rows of 50 contracts in all."""
    rng = np.random.default_rng(part)
    seen = np.zeros(2, int)
    for _ in range(CONTRACTS // 5):
        made = make(rng)
        assert not any(column.opaque for column in made.domain.columns)
        frame = rows(made, ROWS, rng)
        expected = allowed_by_pandera(made.schema, frame) & stricter(made, frame)
        seen += [expected.sum(), (~expected).sum()]
        agree(made, frame, expected, validated(made, frame), "whole frame")
        table = as_table(made.domain.columns, frame)
        agree(made, frame, expected, PageCheck(made.domain.columns).mask(table), "page")
        decoder, schemas = RowDecoder(made.domain, max_candidates=1), Schemas(made)
        given = bodies(made, frame)
        finite = np.array([all(is_json(value) for value in row.values()) for row in given])
        for name, judge in (
            ("row", lambda row, decoder=decoder: decodes(decoder, row)),
            ("JSON Schema", schemas.valid),
        ):
            judged = np.array([judge(row) for row in given])
            agree(made, frame[finite], expected[finite], judged[finite], name)
    assert min(seen) > sum(seen) / 10  # both allowed and refused ones were tried


def is_json(value: Any) -> bool:
    return not isinstance(value, float) or math.isfinite(value)


def validated(made: Made, frame: pd.DataFrame) -> Any:
    kept = np.ones(len(frame), bool)
    kept[validate(made.schema, frame).bad.index] = False
    return kept


def agree(made: Made, frame: pd.DataFrame, expected: Any, found: Any, what: str) -> None:
    wrong = np.flatnonzero(expected != found)
    if len(wrong):
        row = frame.iloc[int(wrong[0])].to_dict()
        pytest.fail(f"{what} says {found[wrong[0]]}: {row!r}\n{made.domain.columns!r}")
