"""The contract's benchmark: what it costs to hold one request, and a million rows, to a contract.

    OMP_NUM_THREADS=1 python -m benchmarks.contracts

Prints a table and writes benchmarks/results/contracts.json. For one row and for pages of 50 and
200, of 30 columns: pandera on a frame and the page check on arrays, which do the same; then what
begins with JSON: decoding without checks, pydantic, and the request decoder, once with numbers of
four decimals and once with all 17 digits, and without its part in C. Ratios are what counts. Takes
a minute.
"""

import contextlib
import os
import time
from collections.abc import Callable
from typing import Annotated, Any, Literal

import msgspec
import numpy as np
import pandas as pd
import pandera.errors
from pydantic import BaseModel, ConfigDict, create_model
from pydantic import Field as Limit

from benchmarks.machine import write
from mlops.base.digest import Json
from mlops.contracts.domain import Column, ColumnKind, Domain, Floats, Table, Texts
from mlops.contracts.page import PageCheck
from mlops.contracts.roles import candidate
from mlops.contracts.row import RowDecoder
from mlops.contracts.sample import draw
from mlops.contracts.schema import DataFrameModel, Field, Schema, as_frame, read_domain, validate

NUMBERS, WHOLE, TRUTHS, CATEGORIES = 20, 3, 2, 4
PAGES = (1, 50, 200)
WORDS = tuple(f"word_{at}" for at in range(12))
GOAL = 300.0
BUDGET_S = 1.5
"""Measuring time for each figure."""
MILLION = 1_000_000


def main() -> None:
    """Measure, print, write."""
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    schema = contract()
    domain = read_domain(schema)
    drawn = draw(domain, max(PAGES), np.random.default_rng(0), known={"item": ["i1"]})
    rows: dict[str, Floats | Texts] = {}
    for name, values in drawn.items():
        is_text = domain.column(name).is_category
        rows[name] = values if is_text else np.asarray(values, np.float64)
    ids = np.array([f"i{at}" for at in range(max(PAGES))], dtype=object)
    print(f"{len(domain.columns)} columns; CPU microseconds a call, median")
    print(f"{'rows':>5} {'what':<28} {'CPU us':>10} {'times faster than pandera':>26}")
    results: list[Json] = []
    for count in PAGES:
        page = {name: values[:count] for name, values in {**rows, "item": ids}.items()}
        results += measure(schema, domain, page, count)
    report: dict[str, Json] = {
        "columns": len(domain.columns),
        "unit": "microseconds of CPU a call, median",
        "goal_times_faster_for_a_page_of_50": GOAL,
        "results": results,
        "million_bad_rows": million_bad_rows(),
    }
    write("contracts", report)


def contract() -> Schema:
    """Return a contract of 30 columns, each with a check."""
    fields: dict[str, tuple[Any, Any]] = {
        "item": (str, Field(str_matches="^i[0-9]+$", metadata=candidate(identifier=True)))
    }
    for at in range(NUMBERS):
        limits = Field(ge=0, le=1 + at, nullable=at % 5 == 0, metadata=candidate())
        fields[f"number_{at}"] = (float, limits)
    for at in range(WHOLE):
        fields[f"whole_{at}"] = (int, Field(ge=0, le=1000, metadata=candidate()))
    for at in range(TRUTHS):
        fields[f"truth_{at}"] = (bool, Field(metadata=candidate()))
    for at in range(CATEGORIES):
        words = Field(isin=list(WORDS), nullable=at == 0, metadata=candidate())
        fields[f"category_{at}"] = (str, words)
    annotations = {name: annotation for name, (annotation, _) in fields.items()}
    values = {name: field for name, (_, field) in fields.items()}
    made: Schema = type("Page", (DataFrameModel,), {"__annotations__": annotations, **values})
    return made


def measure(schema: Schema, domain: Domain, page: Table, count: int) -> list[Json]:
    """Time each way of holding a page to the contract."""
    frame = as_frame(page, domain.columns)
    short = {
        name: values if domain.column(name).is_category else np.round(values.astype(float), 4)
        for name, values in page.items()
    }
    body, long = as_body(domain, short, count), as_body(domain, page, count)
    check, decoder = PageCheck(domain.columns), RowDecoder(domain, max_candidates=max(PAGES))
    slower = RowDecoder(domain, max_candidates=max(PAGES), quick=False)
    edge = pydantic_model(domain)
    assert check.mask(page).all()
    ways: dict[str, Callable[[], object]] = {
        "pandera, on a frame": lambda: schema.validate(frame, lazy=True),
        "page check, on arrays": lambda: check.mask(page),
        "JSON decoded, no checks": lambda: msgspec.json.decode(body),
        "pydantic, from JSON": lambda: edge.model_validate_json(body),
        "request decoder, from JSON": lambda: decoder.decode(body),
        "  without its part in C": lambda: slower.decode(body),
        "  from JSON of 17 digits": lambda: decoder.decode(long),
    }
    found: list[Json] = []
    slow = 0.0
    for name, call in ways.items():
        taken = time_call(call)
        slow = slow or taken
        print(f"{count:>5} {name:<28} {taken:>10.1f} {slow / taken:>26.0f}")
        ratio = round(slow / taken, 1)
        found.append({"rows": count, "what": name, "cpu_us": round(taken, 2), "ratio": ratio})
    return found


def as_body(domain: Domain, page: Table, count: int) -> bytes:
    """Return the request that says the same as a table."""
    plain = {
        ColumnKind.NUMBER: float,
        ColumnKind.INTEGER: int,
        ColumnKind.BOOLEAN: bool,
        ColumnKind.CATEGORY: str,
    }

    def value(column: Column, at: int) -> object:
        given = page[column.name][at]
        missing = given is None or (not column.is_category and np.isnan(given))
        return None if missing else plain[column.kind](given)

    candidates = [{c.name: value(c, at) for c in domain.columns} for at in range(count)]
    return msgspec.json.encode({"context": {}, "candidates": candidates})


def pydantic_model(domain: Domain) -> type[BaseModel]:
    """Return the same contract as a pydantic model, written as one would by hand."""
    strict = ConfigDict(extra="forbid", strict=True)
    fields: dict[str, Any] = {}
    for column in domain.columns:
        kind: Any = {
            ColumnKind.NUMBER: Annotated[float, Limit(ge=column.minimum, le=column.maximum)],
            ColumnKind.INTEGER: Annotated[int, Limit(ge=column.minimum, le=column.maximum)],
            ColumnKind.BOOLEAN: bool,
            ColumnKind.CATEGORY: Annotated[str, Limit(pattern=column.ecma_pattern)],
        }[column.kind]
        kind = Literal[column.categories] if column.categories else kind
        fields[column.name] = (kind | None, None) if column.nullable else (kind, ...)
    row = create_model("Row", __config__=strict, **fields)
    return create_model(
        "Body", __config__=strict, context=(dict[str, Any], ...), candidates=(list[row], ...)
    )


def time_call(call: Callable[[], object]) -> float:
    """Return the median CPU time of a call, microseconds."""
    call()
    taken: list[float] = []
    started = time.perf_counter()
    while time.perf_counter() - started < BUDGET_S:
        before = time.process_time_ns()
        for _ in range(5):
            call()
        taken.append((time.process_time_ns() - before) / 5_000)
    return float(np.median(taken))


def million_bad_rows() -> dict[str, Json]:
    """Time whole-frame validation where every row is bad: pandera alone, and `validate`."""
    fields: dict[str, tuple[Any, Any]] = {"item": (str, Field(metadata=candidate(identifier=True)))}
    fields |= {f"x{at}": (float, Field(ge=0, metadata=candidate())) for at in range(2)}
    annotations = {name: annotation for name, (annotation, _) in fields.items()}
    values = {name: field for name, (_, field) in fields.items()}
    schema: Schema = type("Rows", (DataFrameModel,), {"__annotations__": annotations, **values})
    items = pd.Series(np.arange(MILLION).astype(str), dtype="str")
    frame = pd.DataFrame({"item": items, "x0": np.full(MILLION, -1.0), "x1": -1.0})
    started = time.process_time()
    with contextlib.suppress(pandera.errors.SchemaErrors):
        schema.validate(frame, lazy=True)
    alone_s = time.process_time() - started
    started = time.process_time()
    assert len(validate(schema, frame).bad) == MILLION
    ours_s = time.process_time() - started
    print(f"a million bad rows, two rules each: pandera {alone_s:.1f} s, validate {ours_s:.1f} s")
    return {"pandera_cpu_s": round(alone_s, 2), "validate_cpu_s": round(ours_s, 2)}


if __name__ == "__main__":
    main()
