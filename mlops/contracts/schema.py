"""A schema: the pandera model that a user writes. The only file that names pandera.

It is read into a `Domain`, and it validates whole frames for batch work.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NoReturn, TypeGuard, cast

import numpy as np
import pandas as pd
import pandera.pandas as pa
from pandera.pandas import DataFrameModel as DataFrameModel
from pandera.pandas import Field as Field
from pydantic import ValidationError

from mlops.base.errors import ContractError
from mlops.contracts.domain import Column, ColumnKind, Domain, Floats, Table, Texts
from mlops.contracts.roles import METADATA_KEY, Scope

Schema = type[pa.DataFrameModel]

_SHOWN_PER_RULE = 5


@dataclass(frozen=True, slots=True)
class Violation:
    """One rule that some rows of a frame break.

    Attributes:
        column: The column, or the frame-wide check's name.
        rule: The check as pandera words it, or `not_nullable`, `finite`.
        rows: Zero-based positions of the rows, ascending.
        values: The first few offending values, as text.
    """

    column: str
    rule: str
    rows: tuple[int, ...]
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Validated:
    """A frame split by its contract.

    Attributes:
        good: Rows that keep it, in order, with a fresh index.
        bad: Rows that break it, with the broken rules in a last column `violations`.
        violations: What was broken.
        checked: How many rows were looked at.
    """

    good: pd.DataFrame
    bad: pd.DataFrame
    violations: tuple[Violation, ...]
    checked: int


def is_schema(value: object) -> TypeGuard[Schema]:
    """Tell whether a value is a pandera `DataFrameModel` class."""
    return isinstance(value, type) and issubclass(value, pa.DataFrameModel)


def read_domain(schema: Schema) -> Domain:
    """Read a pandera model into a domain.

    Raises:
        ContractError: The class is no valid model, or a column has no role, an unsupported dtype,
            or checks without meaning.
    """
    try:
        compiled = schema.to_schema()
    except Exception as error:  # pandera raises errors of many kinds for a class that is wrong
        raise ContractError(f"contract {schema.__name__} cannot be read: {error}") from error
    columns = tuple(_read_column(schema, str(name), c) for name, c in compiled.columns.items())
    opaque = tuple(str(check.name or check.error) for check in compiled.checks)
    try:
        return Domain(name=schema.__name__, columns=columns, opaque=opaque)
    except ValidationError as error:
        problem = error.errors()[0]["msg"].removeprefix("Value error, ")
        raise ContractError(f"contract {schema.__name__}: {problem}") from error


def _read_column(schema: Schema, name: str, column: Any) -> Column:
    marks = (column.metadata or {}).get(METADATA_KEY)
    if marks is None:
        raise ContractError(
            f"contract {schema.__name__}: column {name!r} has no role",
            hint="give it metadata=context(), candidate(), logged() or outcome()",
        )
    if column.regex or not column.required:
        raise ContractError(
            f"contract {schema.__name__}: column {name!r} may be left out, or stands for several",
            hint="name each column; one whose values may be missing has nullable=True",
        )
    try:
        return _typed_column(schema, name, column, marks)
    except ValidationError as error:
        problem = error.errors()[0]["msg"].removeprefix("Value error, ")
        raise _senseless(schema, name, problem) from error
    except (ValueError, TypeError, KeyError) as error:
        raise _senseless(schema, name, str(error)) from error


def _senseless(schema: Schema, name: str, problem: str) -> ContractError:
    return ContractError(
        f"contract {schema.__name__}: column {name!r} makes no sense: {problem}",
        hint="see its checks and its metadata",
    )


def _typed_column(schema: Schema, name: str, column: Any, marks: Mapping[str, Any]) -> Column:
    limits: dict[str, object] = {}
    opaque: list[str] = []
    for check in column.checks:
        found = _read_check(str(check.name), cast("Mapping[str, Any]", check.statistics or {}))
        if found is None:
            opaque.append(str(check.name or check.error))
        else:
            limits.update(found)
    typed = Column(
        name=name,
        kind=_read_kind(schema, name, str(column.dtype)),
        scope=Scope(marks["scope"]),
        feature=bool(marks["feature"]),
        identifier=bool(marks["identifier"]),
        nullable=bool(column.nullable),
        unit=str(marks["unit"]),
        description=column.description or "",
        opaque=tuple(opaque),
        **cast("dict[str, Any]", limits),
    )
    if typed.identifier and (not typed.is_category or typed.nullable):
        message = "the identifier must be a text that is never missing"
        raise ValueError(message)
    return typed


def _read_kind(schema: Schema, name: str, dtype: str) -> ColumnKind:
    if dtype.startswith("float"):
        return ColumnKind.NUMBER
    if dtype.lower().startswith(("int", "uint")):
        return ColumnKind.INTEGER
    if dtype.startswith("bool"):
        return ColumnKind.BOOLEAN
    if dtype.startswith(("str", "object", "category")):
        return ColumnKind.CATEGORY
    if dtype.startswith("datetime"):
        return ColumnKind.NUMBER
    raise ContractError(
        f"contract {schema.__name__}: column {name!r} has dtype {dtype}, which is not supported",
        hint="use float, int, bool or str",
    )


def _read_check(name: str, statistics: Mapping[str, Any]) -> dict[str, object] | None:
    """Return the limits that a built-in check sets, or None if it cannot be compiled."""
    match name:
        case "greater_than_or_equal_to":
            return {"minimum": float(statistics["min_value"])}
        case "greater_than":
            return {"minimum": float(statistics["min_value"]), "minimum_open": True}
        case "less_than_or_equal_to":
            return {"maximum": float(statistics["max_value"])}
        case "less_than":
            return {"maximum": float(statistics["max_value"]), "maximum_open": True}
        case "in_range":
            return {
                "minimum": float(statistics["min_value"]),
                "maximum": float(statistics["max_value"]),
                "minimum_open": not statistics["include_min"],
                "maximum_open": not statistics["include_max"],
            }
        case "isin":
            return _read_isin(tuple(statistics["allowed_values"]))
        case "str_matches":
            pattern = statistics["pattern"]
            return {"pattern": str(getattr(pattern, "pattern", pattern))}
        case _:
            return None


def _read_isin(values: tuple[object, ...]) -> dict[str, object] | None:
    if all(isinstance(value, str) for value in values):
        return {"categories": tuple(str(value) for value in values)}
    numbers = sorted(float(cast("float", value)) for value in values)
    whole = [float(n) for n in range(math.floor(numbers[0]), math.floor(numbers[-1]) + 1)]
    if numbers != whole:  # a set with gaps is no interval
        return None
    return {"minimum": numbers[0], "maximum": numbers[-1]}


def validate(schema: Schema, frame: pd.DataFrame) -> Validated:
    """Split a frame into the rows that keep a contract and those that do not.

    Besides pandera's checks, infinities are refused in every number column: they pass `ge`.

    Args:
        schema: The contract.
        frame: Rows with at least the contract's columns; others are dropped.

    Raises:
        ContractError: A column is missing or has the wrong dtype, so that no row can be judged.
    """
    wanted = list(schema.to_schema().columns)
    missing = [name for name in wanted if name not in frame.columns]
    if missing:
        raise ContractError(
            f"the data lack columns of contract {schema.__name__}: {', '.join(missing)}",
            hint=f"the data have: {', '.join(map(str, frame.columns))}",
        )
    rows = frame[wanted].reset_index(drop=True)
    broken = _infinities(rows)
    try:
        schema.validate(rows, lazy=True)
    except pa.errors.SchemaErrors as error:
        broken.update(_grouped(schema, error.failure_cases))
    violations = tuple(_violation(rows, *key, at) for key, at in sorted(broken.items()))
    return _split(rows, violations)


def _infinities(rows: pd.DataFrame) -> dict[tuple[str, str], list[int]]:
    broken: dict[tuple[str, str], list[int]] = {}
    for name in rows.select_dtypes("number").columns:
        at = np.flatnonzero(np.isinf(rows[name].to_numpy(np.float64)))
        if len(at):
            broken[str(name), "finite"] = [int(i) for i in at]
    return broken


def _grouped(schema: Schema, cases: pd.DataFrame) -> dict[tuple[str, str], list[int]]:
    unplaced = cases[cases["index"].isna()]
    if len(unplaced):
        _refuse(schema, unplaced)
    broken: dict[tuple[str, str], list[int]] = {}
    for (column, check), group in cases.groupby(["column", "check"], dropna=False):
        name = str(column) if isinstance(column, str) else schema.__name__
        broken[name, str(check)] = sorted({int(i) for i in group["index"]})
    return broken


def _refuse(schema: Schema, cases: pd.DataFrame) -> NoReturn:
    lines = [f"{row.column}: {row.check}, found {row.failure_case}" for row in cases.itertuples()]
    raise ContractError(
        f"the data do not have the dtypes of contract {schema.__name__}: {'; '.join(lines)}",
        hint="convert the column in the data source; a contract never coerces",
    )


def _violation(rows: pd.DataFrame, column: str, rule: str, at: list[int]) -> Violation:
    shown = rows[column].iloc[at[:_SHOWN_PER_RULE]].tolist() if column in rows else []
    return Violation(column, rule, tuple(at), tuple(str(value) for value in shown))


def _split(rows: pd.DataFrame, violations: tuple[Violation, ...]) -> Validated:
    reasons: dict[int, list[str]] = {}
    for violation in violations:
        for row in violation.rows:
            reasons.setdefault(row, []).append(f"{violation.column}: {violation.rule}")
    at = sorted(reasons)
    bad = rows.iloc[at].copy()
    bad["violations"] = ["; ".join(reasons[row]) for row in at]
    good = rows.drop(index=rows.index[at]).reset_index(drop=True) if at else rows
    return Validated(good=good, bad=bad, violations=violations, checked=len(rows))


def as_table(domain_columns: tuple[Column, ...], frame: pd.DataFrame) -> Table:
    """Return a frame's columns as a table of plain arrays.

    Args:
        domain_columns: Which columns, with their kinds.
        frame: A frame that keeps the contract.
    """
    return {column.name: _as_array(column, frame[column.name]) for column in domain_columns}


def _as_array(column: Column, series: "pd.Series[Any]") -> Floats | Texts:
    if not column.is_category:
        if str(series.dtype).startswith("datetime"):
            seconds = series.astype("int64").to_numpy(np.float64)
            return seconds / 1e9 if "ns" in str(series.dtype) else seconds / 1e6
        return series.to_numpy(np.float64)
    values = series.astype(object)
    return values.where(series.notna(), None).to_numpy(dtype=object)


def as_frame(table: Table, columns: tuple[Column, ...]) -> pd.DataFrame:
    """Return a table as a frame with the contract's dtypes."""
    data: dict[str, object] = {}
    for column in columns:
        values = table[column.name]
        match column.kind:
            case ColumnKind.CATEGORY:
                data[column.name] = pd.Series(values, dtype="str")
            case ColumnKind.INTEGER if not column.nullable:
                data[column.name] = values.astype(np.int64)
            case ColumnKind.BOOLEAN if not column.nullable:
                data[column.name] = values.astype(np.bool_)
            case _:
                data[column.name] = values
    return pd.DataFrame(data)
