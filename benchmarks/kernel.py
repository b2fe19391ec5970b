"""The kernel's benchmark: the compiled model beside scikit-learn, measured in the same run.

Prints a table and writes benchmarks/results/kernel.json. Ratios are what counts: the absolute
times depend on the machine, which is described beside them. Takes under a minute.

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
from mlops.contracts.domain import Column, ColumnKind, Domain, Table
from mlops.contracts.roles import Scope
from mlops.contracts.sample import draw
from mlops.models.kernels import Kernel, kernel_name
from mlops.models.lowering import lower
from mlops.models.predictor import SklearnPredictor
from mlops.models.program import Program
from mlops.models.spec import HeadScore, ModelSpec

NUMBERS, CATEGORIES, CODES, ROWS = 25, 5, 40, 20_000
TREES = 200
PAGES = (1, 50, 200)
BUDGET_S = 1.5
"""Measuring time for each figure."""


@dataclass(frozen=True)
class Case:
    """A fitted model, its compiled form and rows to score."""

    predictor: SklearnPredictor
    program: Program
    rows: Table


def main() -> None:
    """Measure, print, write."""
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    case = _case()
    results: list[Json] = []
    print(f"{TREES} trees of 31 leaves, {NUMBERS} numbers, {CATEGORIES} categories of {CODES}")
    print(f"{'rows':>5} {'what':<34} {'CPU us':>10} {'times faster':>13}")
    for rows in PAGES:
        page = {name: values[:rows] for name, values in case.rows.items()}
        results += _page(case, page, rows)
    report: dict[str, Json] = {
        "trees": TREES,
        "leaves": 31,
        "columns": NUMBERS + CATEGORIES,
        "unit": "microseconds of CPU a call, median",
        "results": results,
    }
    write("kernel", report)


def _case() -> Case:
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
    return Case(predictor, program, draw(domain, max(PAGES), rng, known=known))


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


def _page(case: Case, page: Table, rows: int) -> list[Json]:
    matrix = case.program.encode(page)
    wanted = case.predictor.predict(page)
    calls: dict[str, Callable[[], object]] = {
        "scikit-learn, from a table": lambda: case.predictor.predict(page)
    }
    kernels: tuple[Kernel, ...] = ("c", "numpy") if kernel_name() == "c" else ("numpy",)
    for kernel in kernels:
        assert np.array_equal(case.program.heads(matrix, kernel=kernel)["p"], wanted)
        calls[f"program on {kernel}, from a table"] = _call(
            lambda kernel: case.program.score(page, kernel=kernel), kernel
        )
        calls[f"program on {kernel}, from a matrix"] = _call(
            lambda kernel: case.program.heads(matrix, kernel=kernel), kernel
        )
    found: list[Json] = []
    base = 0.0
    for name, call in calls.items():
        cost = _median_us(call)
        base = base or cost
        print(f"{rows:>5} {name:<34} {cost:>10.1f} {base / cost:>13.1f}")
        found.append({"rows": rows, "what": name, "cpu_us": round(cost, 1),
                      "times_faster": round(base / cost, 1)})  # fmt: skip
    return found


def _call(function: Callable[[Kernel], object], kernel: Kernel) -> Callable[[], object]:
    return lambda: function(kernel)


def _median_us(call: Callable[[], object]) -> float:
    """Return the median CPU time of a call, in microseconds, over at most `BUDGET_S`."""
    call()
    spent: list[float] = []
    end = time.perf_counter() + BUDGET_S
    while time.perf_counter() < end and len(spent) < 5000:
        start = time.process_time_ns()
        call()
        spent.append((time.process_time_ns() - start) / 1e3)
    return float(np.median(spent))


if __name__ == "__main__":
    main()
