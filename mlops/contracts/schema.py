"""A schema: the pandera model that a user writes. The only file that names pandera.

It is read into a `Domain`, and it validates whole frames for batch work.
"""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn, TypeGuard

import numpy as np
import pandas as pd
import pandera.pandas as pa
from pandera.config import ValidationDepth, config_context
from pandera.pandas import DataFrameModel as DataFrameModel
from pandera.pandas import Field as Field
from pydantic import ValidationError

from mlops.base.errors import ContractError
from mlops.contracts.checks import CompiledChecks, worded
from mlops.contracts.domain import USUAL_DTYPES, Column, ColumnKind, Domain
from mlops.contracts.frames import as_frame as as_frame
from mlops.contracts.frames import as_table as as_table
from mlops.contracts.judgement import Bools
from mlops.contracts.roles import METADATA_KEY, Scope
from mlops.contracts.whole_frame import broken_rows

Schema = type[pa.DataFrameModel]

_SHOWN_PER_RULE = 5


@dataclass(frozen=True, slots=True)
class Violation:
    """One rule that some rows of a frame break.

    Attributes:
        column: The column, or the contract's name for a rule of several columns.
        rule: The check as pandera words it, or `not_nullable`, `finite`, `type`, `length`.
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
    """Tell whether a value is a pandera `DataFrameModel` class for pandas."""
    return isinstance(value, type) and issubclass(value, pa.DataFrameModel)


def as_schema(value: object) -> Schema:
    """Return a value that is a pandera model of pandas.

    Raises:
        ContractError: It is something else, such as a model of polars.
    """
    if is_schema(value):
        return value
    name = getattr(value, "__name__", repr(value))
    modules = {base.__module__ for base in getattr(value, "__mro__", ())}
    if any(module.startswith("pandera.api.polars") for module in modules):
        raise ContractError(
            f"contract {name} is a model of polars, whose lazy frames pandera does not check at all"
            " unless a validation depth is set",
            hint="write it with `from mlops.contracts.schema import DataFrameModel, Field`",
        )
    raise ContractError(
        f"{name} is no contract: it is not a DataFrameModel class of pandera for pandas",
        hint="derive it from mlops.contracts.schema.DataFrameModel",
    )


def read_domain(schema: Schema) -> Domain:
    """Read a pandera model into a domain.

    Args:
        schema: A subclass of `DataFrameModel`.

    Raises:
        ContractError: The class is no valid model of pandas, changes what it is given, or has a
            column without a role, of an unsupported dtype, or with checks without meaning.
    """
    schema = as_schema(schema)
    compiled = _compiled(schema)
    columns = tuple(_read_column(schema, str(name), c) for name, c in compiled.columns.items())
    opaque = [str(check.name or check.error) for check in compiled.checks]
    try:
        return Domain(
            name=schema.__name__,
            columns=columns,
            unique=tuple(compiled.unique or ()),
            opaque=tuple(opaque),
        )
    except ValidationError as error:
        raise ContractError(f"contract {schema.__name__}: {_problem(error)}") from error


def _compiled(schema: Schema) -> Any:
    try:
        compiled = schema.to_schema()
    except Exception as error:  # pandera raises errors of many kinds for a class that is wrong
        raise ContractError(f"contract {schema.__name__} cannot be read: {error}") from error
    if compiled.index is not None:
        raise ContractError(
            f"contract {schema.__name__} has an index, which rows of a request do not have",
            hint="make it a column",
        )
    parts = [("", compiled), *((f"column {name!r} ", c) for name, c in compiled.columns.items())]
    for place, part in parts:
        if part.coerce or part.parsers or getattr(part, "default", None) is not None:
            raise ContractError(
                f"contract {schema.__name__}: {place}changes values (coerce, a parser or a default)"
                ": coercing turns 1.7 into 1 and the text False into True, and a request is never"
                " changed",
                hint="take it out of the contract; convert in the data source",
            )
    return compiled


def _problem(error: ValidationError) -> str:
    return error.errors()[0]["msg"].removeprefix("Value error, ")


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
        raise _senseless(schema, name, _problem(error)) from error
    except (ValueError, TypeError, KeyError) as error:
        raise _senseless(schema, name, str(error)) from error


def _senseless(schema: Schema, name: str, problem: str) -> ContractError:
    return ContractError(
        f"contract {schema.__name__}: column {name!r} makes no sense: {problem}",
        hint="see its checks and its metadata",
    )


def _typed_column(schema: Schema, name: str, column: Any, marks: Mapping[str, Any]) -> Column:
    stored = "str" if str(column.dtype).startswith("str") else str(column.dtype)
    kind = _read_kind(schema, name, stored)
    checks = CompiledChecks(kind, single=stored.lower() == "float32")
    for check in column.checks:
        checks.read(check)
    typed = Column(
        name=name,
        kind=kind,
        dtype="" if stored == USUAL_DTYPES[kind] else stored,
        scope=Scope(marks["scope"]),
        feature=bool(marks["feature"]),
        identifier=bool(marks["identifier"]),
        nullable=bool(column.nullable),
        unique=bool(column.unique),
        unit=str(marks["unit"]),
        description=column.description or "",
        opaque=tuple(checks.opaque),
        **checks.rules(),
    )
    for pattern in (typed.pattern, typed.contains):
        if pattern is not None:
            _try_pattern(pattern)
    return typed


def _try_pattern(pattern: str) -> None:
    """Let pandas try a pattern: Arrow's engine refuses some that `re` takes."""
    try:
        pd.Series(["a"], dtype="str").str.match(pattern)
    except ValueError as error:  # an ArrowInvalid is one
        message = f"pandas cannot match {pattern!r}: {error}"
        raise ValueError(message) from error


def _read_kind(schema: Schema, name: str, dtype: str) -> ColumnKind:
    if dtype.lower().startswith(("float", "datetime")):
        return ColumnKind.NUMBER
    if dtype.lower().startswith(("int", "uint")):
        return ColumnKind.INTEGER
    if dtype.startswith("bool"):
        return ColumnKind.BOOLEAN
    if dtype.startswith(("str", "object", "category")):
        return ColumnKind.CATEGORY
    raise ContractError(
        f"contract {schema.__name__}: column {name!r} has dtype {dtype}, which is not supported",
        hint="use float, int, bool or str",
    )


def validate(schema: Schema, frame: pd.DataFrame) -> Validated:
    """Split a frame into the rows that keep a contract and those that do not.

    The compiled checks look at all rows first, then pandera at those that they let pass: it takes
    18 s to word a million bad rows. Stricter than pandera alone: infinities are refused, which
    pass `ge`; so are a request's texts beyond 128 letters and whole numbers of 2**53 and beyond.

    Args:
        schema: The contract.
        frame: Rows with at least the contract's columns; others are dropped.

    Raises:
        ContractError: A column is missing or has the wrong dtype, so that no row can be judged; or
            a check of the frame as a whole fails.
    """
    domain = read_domain(schema)
    wanted = [column.name for column in domain.columns]
    missing = [name for name in wanted if name not in frame.columns]
    if missing:
        raise ContractError(
            f"the data lack columns of contract {schema.__name__}: {', '.join(missing)}",
            hint=f"the data have: {', '.join(map(str, frame.columns))}",
        )
    rows = frame[wanted].reset_index(drop=True)
    compiled = _compiled(schema)
    _judged(schema, _without_rows(domain, rows))
    broken = _broken(schema, domain, compiled, rows)
    kept = np.ones(len(rows), np.bool_)
    for mask in broken.values():
        kept &= ~mask
    for key, at in _judged(schema, rows[kept] if broken else rows).items():
        broken.setdefault(key, np.zeros(len(rows), np.bool_))[at] = True
    return _split(rows, broken)


def _without_rows(domain: Domain, rows: pd.DataFrame) -> pd.DataFrame:
    """Return a frame's dtypes alone; texts may lie as objects, which are then judged one by one."""
    objects = [c.name for c in domain.columns if c.stored == "str" and rows[c.name].dtype == object]
    return rows.iloc[:0].astype(dict.fromkeys(objects, "str"))


def _broken(
    schema: Schema, domain: Domain, compiled: Any, rows: pd.DataFrame
) -> dict[tuple[str, str], Bools]:
    """Return by column and rule which rows break it: compiled checks, and opaque ones one by one.

    pandera is not asked as a whole, since it words each row that breaks something.
    """
    found: dict[tuple[str, str], Bools] = {}

    def add(column: str, rule: str, mask: Bools) -> None:
        held = found.get((column, rule))
        found[column, rule] = mask if held is None else held | mask

    for column, rule, mask in broken_rows(domain, rows):
        declared = compiled.columns[column].checks if column in compiled.columns else ()
        add(column or schema.__name__, worded(rule, declared), mask)
    for name, column in compiled.columns.items():
        opaque = set(domain.column(name).opaque)
        _add_opaque(add, str(name), [c for c in column.checks if _name(c) in opaque], rows[name])
    _add_opaque(add, schema.__name__, compiled.checks, rows)
    return found


def _name(check: Any) -> str:
    return str(check.name or check.error)


def _add_opaque(add: Any, column: str, checks: Sequence[Any], checked: Any) -> None:
    """Add the rows that checks of the user's own refuse, where they judge row by row."""
    for check in checks:
        if check.raise_warning or check.groupby is not None:
            continue
        try:
            passed = check(checked).check_output
        except Exception:  # noqa: S112 - pandera runs it again below, and says what it raised
            continue
        if isinstance(passed, pd.DataFrame):
            passed = passed.all(axis=1)
        if isinstance(passed, pd.Series) and len(passed) == len(checked):
            mask = ~passed.fillna(value=False).to_numpy(np.bool_)
            if mask.any():
                add(column, _name(check), mask)


def _judged(schema: Schema, rows: pd.DataFrame) -> dict[tuple[str, str], list[int]]:
    """Return what pandera finds, whatever the environment tells it to leave out."""
    depth = ValidationDepth.SCHEMA_AND_DATA
    try:
        with (
            config_context(validation_enabled=True, validation_depth=depth),
            warnings.catch_warnings(),
            np.errstate(over="ignore"),  # an end beyond float32
        ):
            warnings.filterwarnings("ignore", "This pattern is interpreted", UserWarning)
            schema.validate(rows, lazy=True)
    except pa.errors.SchemaErrors as error:
        return _grouped(schema, error.failure_cases, rows)
    return {}


def _grouped(
    schema: Schema, cases: pd.DataFrame, rows: pd.DataFrame
) -> dict[tuple[str, str], list[int]]:
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
    typed = all(str(row.check).startswith("dtype") for row in cases.itertuples())
    if not typed:
        raise ContractError(
            f"the data as a whole break contract {schema.__name__}: {'; '.join(lines)}",
            hint="such a check judges all rows together, so none of them can be set aside",
        )
    raise ContractError(
        f"the data do not have the dtypes of contract {schema.__name__}: {'; '.join(lines)}",
        hint="convert the column in the data source; a contract never coerces",
    )


def _split(rows: pd.DataFrame, broken: Mapping[tuple[str, str], Bools]) -> Validated:
    violations: list[Violation] = []
    reasons = np.full(len(rows), "", dtype=object)
    for (column, rule), mask in sorted(broken.items()):
        at = np.flatnonzero(mask)
        shown = rows[column].iloc[at[:_SHOWN_PER_RULE]].tolist() if column in rows else []
        values = tuple(str(value) for value in shown)
        violations.append(Violation(column, rule, tuple(at.tolist()), values))
        first = mask & (reasons == "")
        reasons[mask & ~first] += f"; {column}: {rule}"
        reasons[first] = f"{column}: {rule}"
    is_bad = reasons != ""
    bad = rows[is_bad].copy()
    bad["violations"] = reasons[is_bad].tolist()
    good = rows[~is_bad].reset_index(drop=True) if is_bad.any() else rows
    return Validated(good=good, bad=bad, violations=tuple(violations), checked=len(rows))
