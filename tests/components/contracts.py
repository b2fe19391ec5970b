"""Contracts made at random: pandera models of all kinds and checks, and rows at their edges."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from mlops.base.errors import ContractError
from mlops.contracts.domain import Column, ColumnKind, Domain
from mlops.contracts.roles import candidate
from mlops.contracts.schema import DataFrameModel, Field, Schema, read_domain
from mlops.contracts.whole_frame import broken_rows

PATTERNS = (
    "^[a-c]+$", "^a|b$", "[0-9]|x", r"^\d{1,3}$", r"\w+$", r"^\S+$", "a.c", r"^.{2,4}$", r"\bab",
    "^(ab|cd)*$", r"é+", "^[^a]", r"^a\Z", "a{2}", "^$", r"^[\w.-]+@x\.y$", "(?P<n>b)c?", "😀",
    r"a\+b", "^x{0,2}y*?$", r"[\s]", "^[a-]+$",
)  # fmt: skip
TEXTS = (
    "", "a", "b", "ab", "abc", "aab", "abcd", "cdab", "x", "xx", "xxyy", "1", "12", "1234", "a\n",
    "abc\n", "\nabc", "a\nc", "ab\n\n", "é", "éé", "٣", "😀", "a😀c", " a", "a ", "a b", "\u00a0",
    "\u2028", "a\u2028c", "\x1c", "A", "ABC", "w.x-1@x.y", "w@xzy", "a+b", "a-", "None", "nan",
    "a" * 128, "a" * 129, "😀" * 128, "b" * 5000, "1" * 200, "\r", "a\r", "\ud7ff", "\x0b",
)  # fmt: skip
_NUMBERS = (
    0.0, -0.0, 1.0, -1.0, 0.5, 0.1, 1.7, 3.0, 5e-324, -5e-324, 1e-300, 1e308, -1e308, 2.0**53,
    2.0**53 + 2, 3.4e38, 3.5e38, 1e39, math.inf, -math.inf, math.nan, 16777217.0, 127.5,
)  # fmt: skip
_INTEGERS = (
    0, 1, -1, 2, 3, 5, 7, 100, 127, 128, -128, -129, 255, 256, 2**31 - 1, 2**31, 2**53, 2**53 + 1,
    -(2**53), -(2**53) - 1, 2**63 - 1, -(2**63), 10**15,
)  # fmt: skip
FLOAT_DTYPES: tuple[Any, ...] = (float, float, np.float32)
INTEGER_DTYPES: tuple[Any, ...] = (int, int, np.int8, np.int32, np.uint8, pd.Int64Dtype)


@dataclass(frozen=True)
class Made:
    """A contract made at random."""

    schema: Schema
    domain: Domain


def make(rng: np.random.Generator, columns: int = 7) -> Made:
    """Return a contract; one that allows nothing is thrown away."""
    fields: dict[str, tuple[Any, Any]] = {
        "item": (str, Field(str_matches="^i[0-9]+$", metadata=candidate(identifier=True)))
    }
    while len(fields) <= columns:
        try:
            column = _column(rng)
            read_domain(model({"item": fields["item"], "x": column}))
        except (ContractError, ValueError):
            continue
        fields[f"c{len(fields)}"] = column
    schema = model(fields)
    return Made(schema, read_domain(schema))


def model(fields: dict[str, tuple[Any, Any]]) -> Schema:
    """Return a pandera model of some annotations and fields."""
    annotations = {name: annotation for name, (annotation, _) in fields.items()}
    values = {name: field for name, (_, field) in fields.items()}
    made: Schema = type("Made", (DataFrameModel,), {"__annotations__": annotations, **values})
    return made


def _column(rng: np.random.Generator) -> tuple[Any, Any]:
    kind = rng.choice(["number", "number", "integer", "text", "text", "boolean"])
    nullable = bool(rng.random() < 0.4)
    field: dict[str, Any] = {"nullable": nullable, "metadata": candidate()}
    if kind == "boolean":
        dtype: Any = pd.BooleanDtype if nullable else bool
        return dtype, Field(**field)
    if kind == "text":
        return str, Field(**field, **_text_checks(rng))
    dtypes = FLOAT_DTYPES if kind == "number" else INTEGER_DTYPES
    dtype = dtypes[int(rng.integers(len(dtypes)))]
    return dtype, Field(**field, **_number_checks(rng, whole=kind == "integer"))


def _number_checks(rng: np.random.Generator, *, whole: bool) -> dict[str, Any]:
    def number() -> Any:
        if whole:
            return int(rng.choice([-5, -1, 0, 1, 2, 3, 7, 100, 127, 2**40]))
        return float(rng.choice([-1e300, -1.0, -0.0, 0.0, 0.1, 0.5, 1.0, 1.7, 3.0, 1e10, 1e38]))

    def some() -> list[Any]:
        return [number() for _ in range(int(rng.integers(1, 5)))]

    makers: dict[str, Any] = {
        "ge": number, "gt": number, "le": number, "lt": number, "ne": number, "eq": number,
        "isin": some, "notin": some,
        "in_range": lambda: (
            *sorted((number(), number())), bool(rng.integers(2)), bool(rng.integers(2)),
        ),
    }  # fmt: skip
    return _some_of(rng, makers)


def _text_checks(rng: np.random.Generator) -> dict[str, Any]:
    def text() -> str:
        return str(rng.choice(np.array(TEXTS[:24], dtype=object)))

    def some() -> list[str]:
        return [text() for _ in range(int(rng.integers(1, 7)))]

    def pattern() -> str:
        return str(rng.choice(np.array(PATTERNS, dtype=object)))

    makers: dict[str, Any] = {
        "isin": some, "notin": some, "ne": text, "eq": text, "str_matches": pattern,
        "str_contains": pattern, "str_startswith": lambda: text()[:1],
        "str_endswith": lambda: text()[-1:],
        "str_length": lambda: {
            "min_value": int(rng.integers(0, 3)), "max_value": int(rng.choice([3, 5, 200])),
        },
    }  # fmt: skip
    return _some_of(rng, makers)


def _some_of(rng: np.random.Generator, makers: dict[str, Any]) -> dict[str, Any]:
    count = int(rng.choice([0, 1, 1, 1, 2, 2, 3]))
    names = rng.choice(np.array(list(makers)), count, replace=False)
    found = {str(name).strip(): makers[str(name)]() for name in names}
    return {name: value for name, value in found.items() if value != ""}


def rows(made: Made, count: int, rng: np.random.Generator) -> pd.DataFrame:
    """Return rows in the contract's dtypes; most values are allowed, so that some rows are."""
    return pd.DataFrame(
        {column.name: _series(column, count, rng) for column in made.domain.columns}
    )


def _series(column: Column, count: int, rng: np.random.Generator) -> "pd.Series[Any]":
    dtype: Any = column.stored
    if column.identifier:
        return pd.Series([f"i{at}" for at in range(count)], dtype="str")
    pool = _pool(column, rng)
    values = [pool[at] for at in rng.integers(0, len(pool), count)]
    series: pd.Series[Any] = pd.Series(values, dtype=dtype)
    assert str(series.dtype) == dtype
    # Values that keep the contract are taken nine times in ten, if there are any.
    alone = Domain.model_construct(name="", columns=(column,), unique=(), opaque=())
    bad = np.zeros(count, bool)
    for _, _, mask in broken_rows(alone, pd.DataFrame({column.name: series})):
        bad |= mask
    if bad.all() or not bad.any():
        return series
    good = np.flatnonzero(~bad)
    replaced = bad & (rng.random(count) < 0.9)
    at = np.arange(count)
    at[replaced] = rng.choice(good, int(replaced.sum()))
    return series.iloc[at].reset_index(drop=True)


def _pool(column: Column, rng: np.random.Generator) -> list[Any]:
    missing: list[Any] = [None, None]
    match column.kind:
        case ColumnKind.BOOLEAN:
            return [True, False, *(missing if column.stored == "boolean" else [])]
        case ColumnKind.CATEGORY:
            known = [*(column.categories or ()), *column.forbidden]
            letters = ["".join(rng.choice(list("abcx1 é\n"), 3)) for _ in range(40)]
            own = [f"{column.prefix}{text}{column.suffix}" for text in TEXTS[:12]]
            return [*TEXTS, *known, *own, *letters, *missing]
        case ColumnKind.INTEGER:
            ends = [end + step for end in column.whole_bounds for step in (-1, 0, 1)]
            sets = [int(each) for each in (column.numbers or ()) if float(each).is_integer()]
            low, high = _range(column.stored)
            drawn = [int(each) for each in rng.integers(-10, 130, 20)]
            fit = [each for each in (*_INTEGERS, *ends, *sets, *drawn) if low <= each <= high]
            return [*fit, *(missing if column.stored == "Int64" else [])]
        case ColumnKind.NUMBER:
            return _number_pool(column, rng)


def _number_pool(column: Column, rng: np.random.Generator) -> list[Any]:
    dtype: Any = column.stored
    ends: Any = np.array(column.interval, dtype)
    sets = [float(each) for each in (*(column.numbers or ()), *column.forbidden)]
    drawn = rng.uniform(-3, 5, 20).tolist()
    with np.errstate(over="ignore"):
        near = [np.nextafter(ends, ends.dtype.type(to)) for to in (-np.inf, np.inf)]
        pool = np.array([*_NUMBERS, *ends, *np.concatenate(near), *sets, *drawn])
        return list(pool.astype(dtype))


def _range(dtype: str) -> tuple[int, int]:
    limits = np.iinfo(dtype.lower())
    return int(limits.min), int(limits.max)
