"""The kernel's benchmark: the compiled model beside scikit-learn and beside a heuristic.

Prints a table and writes benchmarks/results/kernel.json. Ratios are what counts: the absolute
times depend on the machine, which is described beside them. Each call gets other rows than the one
before: asked for the same page again and again, a processor learns its branches by heart, and a
walk seems to take a third of the time. Takes a minute.

    OMP_NUM_THREADS=1 python -m benchmarks.kernel
"""

import json
import os
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from benchmarks.machine import write
from mlops.base.digest import Json
from mlops.contracts.columns import Columns, Layout
from mlops.contracts.domain import Column, ColumnKind, Domain, Floats, Table
from mlops.contracts.roles import Scope
from mlops.contracts.sample import draw
from mlops.models.heuristics import Popularity
from mlops.models.kernels import Kernel, Walker, Way, kernel_name, ways
from mlops.models.lowering import lower
from mlops.models.predictor import SklearnPredictor
from mlops.models.program import Program
from mlops.models.spec import HeadScore, ModelSpec

NUMBERS, CATEGORIES, CODES, ROWS = 25, 5, 40, 20_000
TREES = 200
PAGES = (1, 50, 200)
ROUND = 20
"""Pages that are asked for in turn."""
BUDGET_S = 1.5
"""Measuring time for each figure."""
GOAL_US = 150.0
"""Of the kernel for 50 rows."""
SHARE = 0.2
"""Most that a heuristic may cost of what the model does."""


@dataclass(frozen=True)
class Case:
    """A fitted model, its compiled form, a heuristic and rows to score."""

    predictor: SklearnPredictor
    program: Program
    walker: Walker
    heuristic: Popularity
    layout: Layout
    rows: Table


@dataclass(frozen=True)
class Page:
    """The same rows in each form: as a table, as a decoded request, as a matrix."""

    table: Table
    request: Columns
    matrix: Floats


Call = Callable[[Page], object]


def main() -> None:
    """Measure, print, write."""
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    case = boosted_case()
    results: list[Json] = []
    print(f"{TREES} trees of 31 leaves, {NUMBERS} numbers, {CATEGORIES} categories of {CODES}")
    print(f"{'rows':>5} {'what':<40} {'CPU us':>10} {'times faster':>13}")
    for rows in PAGES:
        results += _measure(case, rows)
    report: dict[str, Json] = {
        "trees": TREES,
        "leaves": 31,
        "columns": NUMBERS + CATEGORIES,
        "unit": "microseconds of CPU a call, median of rounds over different pages",
        "goal_us_for_50_rows": GOAL_US,
        "most_share_of_the_heuristic": SHARE,
        "results": results,
    }
    write("kernel", report)


def boosted_case() -> Case:
    """Return the model that benchmarks share: 200 trees over 30 columns, fitted on drawn rows."""
    columns = [_column(f"n{i}", ColumnKind.NUMBER, i) for i in range(NUMBERS)]
    columns += [_column(f"c{i}", ColumnKind.CATEGORY, i) for i in range(CATEGORIES)]
    domain = Domain(name="Benchmark", columns=tuple(columns))
    rng = np.random.default_rng(0)
    known = {f"c{i}": [f"v{j}" for j in range(CODES)] for i in range(CATEGORIES)}
    table = draw(domain, ROWS, rng, known=known)
    raw = sum(
        np.nan_to_num(np.asarray(table[f"n{i}"], np.float64)) * rng.normal() for i in range(9)
    )
    effect = dict.fromkeys(known["c0"], 0.0) | {text: rng.normal() for text in known["c0"]}
    raw = raw + np.array([effect.get(str(text), 0.0) for text in table["c0"]])
    outcome = (rng.random(ROWS) < 1 / (1 + np.exp(-raw))).astype(np.float64)
    spec = ModelSpec.model_validate_json(
        json.dumps(
            {
                "name": "benchmark",
                "estimator": {
                    "_target_": "sklearn.ensemble.HistGradientBoostingClassifier",
                    "max_iter": TREES,
                    "early_stopping": False,
                },
            }
        )
    )
    predictor = SklearnPredictor(spec, domain, seed=0).fit(table, outcome)
    program = lower({"p": predictor}, domain, HeadScore(head="p"))
    rates = {text: float(rate) for text, rate in zip(known["c0"], rng.random(CODES), strict=True)}
    return Case(
        predictor=predictor,
        program=program,
        walker=Walker(program.trees, program.sizes),
        heuristic=Popularity("c0", value="n0", prior=0.1, rates=rates),
        layout=Layout.of(domain.columns),
        rows=draw(domain, max(PAGES) * ROUND, rng, known=known),
    )


def _column(name: str, kind: ColumnKind, i: int) -> Column:
    bounded = kind is ColumnKind.NUMBER
    return Column(
        name=name,
        kind=kind,
        scope=Scope.CANDIDATE,
        feature=True,
        identifier=name == "c0",
        nullable=i % 2 == 1,
        minimum=-1.0 if bounded else None,
        maximum=1.0 if bounded else None,
    )


def _pages(case: Case, rows: int) -> list[Page]:
    pages: list[Page] = []
    for at in range(ROUND):
        table = {name: values[at * rows :][:rows] for name, values in case.rows.items()}
        numbers = np.array([table[name] for name in case.layout.numbers], np.float64).T
        texts = tuple(table[name].tolist() for name in case.layout.texts)
        request = Columns(case.layout, np.ascontiguousarray(numbers), texts)
        pages.append(Page(table, request, case.program.encode(table)))
    return pages


def _measure(case: Case, rows: int) -> list[Json]:
    pages = _pages(case, rows)
    calls = _calls(case, rows)
    found: list[Json] = []
    base = 0.0
    for name, call in calls.items():
        cost = _median_us(call, pages)
        base = base or cost
        print(f"{rows:>5} {name:<40} {cost:>10.1f} {base / cost:>13.1f}")
        found.append({"rows": rows, "what": name, "cpu_us": round(cost, 1),
                      "times_faster": round(base / cost, 1)})  # fmt: skip
    return found


def _calls(case: Case, rows: int) -> dict[str, Call]:
    calls: dict[str, Call] = {
        "scikit-learn, from a table": lambda page: case.predictor.predict(page.table)
    }
    kernels: tuple[Kernel, ...] = ("c", "numpy") if kernel_name() == "c" else ("numpy",)
    page = _pages(case, rows)[0]
    wanted = case.predictor.predict(page.table)
    for kernel in kernels:
        assert np.array_equal(case.program.heads(page.matrix, kernel=kernel)["p"], wanted)
        calls |= _program_calls(case.program, kernel)
    for way in ways():
        calls[f"the kernel alone, {way}"] = _kernel_call(case.walker, way)
    calls["popularity heuristic, decoded request"] = lambda page: case.heuristic.score(
        _anew(page.request), rows
    )
    return calls


def _program_calls(program: Program, kernel: Kernel) -> dict[str, Call]:
    return {
        f"program on {kernel}, from a table": lambda page: program.score(page.table, kernel=kernel),
        f"program on {kernel}, from a decoded request": lambda page: program.score(
            _anew(page.request), kernel=kernel
        ),
        f"program on {kernel}, from a matrix": lambda page: program.heads(
            page.matrix, kernel=kernel
        ),
    }


def _kernel_call(walker: Walker, way: Way) -> Call:
    return lambda page: walker.add_by(way, page.matrix, 0, TREES, baseline=0.0)


def _anew(request: Columns) -> Columns:
    """Return a request that nobody has read yet: a column's array is made once and kept."""
    return Columns(request.layout, request.numbers, request.texts)


def _median_us(call: Call, pages: list[Page]) -> float:
    """Return the median CPU time of a call, in microseconds, over about `BUDGET_S`."""
    call(pages[0])
    spent: list[float] = []
    end = time.perf_counter() + BUDGET_S
    while time.perf_counter() < end and len(spent) < 5000:
        start = time.process_time_ns()
        for page in pages:
            call(page)
        spent.append((time.process_time_ns() - start) / 1e3 / len(pages))
    return float(np.median(spent))


if __name__ == "__main__":
    main()
