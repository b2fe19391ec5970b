"""The interval's benchmark: how near certified ends come to rows that are really there.

For each model: the plain interval (each tree's extreme leaf), the ends certified by the search, the
extreme rows it found, and the widths' ratios; then millions of random rows and of rows near the
extremes, none of which may lie outside. Prints a table and writes benchmarks/results/bounds.json.
Takes some twelve minutes; `--quick` takes two and writes nothing. Where the peer tool veritas can
be imported (`--veritas DIR` names its site-packages), it searches the model without categories too.

    OMP_NUM_THREADS=1 python -m benchmarks.bounds [--quick] [--veritas DIR]
"""

import argparse
import importlib
import json
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from benchmarks.clicks import clicks
from benchmarks.machine import write
from mlops.base.digest import Json
from mlops.contracts.domain import Domain, Floats, Table
from mlops.models.flat import TreesRaw
from mlops.models.lowering import lower
from mlops.models.predictor import SklearnPredictor
from mlops.models.program import Program
from mlops.models.spec import HeadScore, ModelSpec
from mlops.proofs.bounds import Ends, raw_ends
from mlops.proofs.cells import cut_columns, table_of
from mlops.proofs.interval import Interval, bound
from mlops.proofs.reach import whole_box

BUDGET_S = 60.0
ROWS = 10_000_000
"""Rows that all models together are checked with."""
BLOCK = 100_000

BOOSTING = "sklearn.ensemble.HistGradientBoostingClassifier"
DEPTH_4 = {"max_depth": 4, "max_leaf_nodes": None}
ENCODED = [
    {"name": "categories", "select": "categorical", "steps": [
        {"_target_": "sklearn.preprocessing.OrdinalEncoder",
         "handle_unknown": "use_encoded_value", "unknown_value": -1, "encoded_missing_value": -2}]},
    {"name": "numbers", "select": "numeric", "steps": []},
]  # fmt: skip


@dataclass(frozen=True)
class Case:
    """A model to bound.

    Attributes:
        name: What it is.
        arguments: The estimator's.
        goal: Largest ratio of certified to found width that is aimed at.
        estimator: The class.
        columns: The column steps.
        numbers_only: Whether it sees no category and no missing value, as veritas needs.
    """

    name: str
    arguments: dict[str, Any]
    goal: float | None = None
    estimator: str = BOOSTING
    columns: list[Any] = field(default_factory=list)
    numbers_only: bool = False


CASES = (
    Case("200 well-regularised trees of depth 4", {"max_iter": 200, **DEPTH_4,
         "learning_rate": 0.05, "min_samples_leaf": 1000, "l2_regularization": 50.0}, goal=1.05),
    Case("200 trees of depth 4", {"max_iter": 200, **DEPTH_4, "learning_rate": 0.06,
         "min_samples_leaf": 200}, goal=1.25),
    Case("200 trees of 31 leaves", {"max_iter": 200, "max_leaf_nodes": 31}, goal=2.5),
    Case("50 trees of 31 leaves", {"max_iter": 50, "max_leaf_nodes": 31}),
    Case("500 trees of 31 leaves", {"max_iter": 500, "max_leaf_nodes": 31}),
    Case("forest of 100 trees, leaves of 200 rows", {"n_estimators": 100, "min_samples_leaf": 200},
         estimator="sklearn.ensemble.RandomForestClassifier", columns=ENCODED),
    Case("200 trees of depth 4, numbers only", {"max_iter": 200, **DEPTH_4, "learning_rate": 0.06,
         "min_samples_leaf": 200}, numbers_only=True),
)  # fmt: skip


def main() -> None:
    """Measure, print, write."""
    asked = argparse.ArgumentParser()
    asked.add_argument("--quick", action="store_true")
    asked.add_argument("--veritas", default="")
    options = asked.parse_args()
    budget, rows = (8.0, 200_000) if options.quick else (BUDGET_S, ROWS)
    if options.veritas:
        sys.path.append(options.veritas)
    data = clicks()
    print(f"{'model':<42}{'plain':>8}{'certified':>11}{'found':>8}{'plain/f':>9}{'cert/f':>8}"
          f"{'goal':>6}{'s':>6}{'outside':>9}")  # fmt: skip
    each = rows // len(CASES) + 1
    results: list[Json] = []
    for case in CASES:
        results.append(_measure(case, data, budget, each, options.veritas))
        if not options.quick:  # after each, since the whole takes long
            report: dict[str, Json] = {
                "features": len(data[0].columns), "categories": 5, "trained_on": len(data[2]),
                "budget_s": budget, "results": results,
            }  # fmt: skip
            write("bounds", report)


def _measure(
    case: Case, data: tuple[Domain, Table, Floats], budget: float, rows: int, veritas: str
) -> Json:
    program, domain = _fitted(case, data)
    head = program.outline.heads[0]
    raw = head.members[0].raw
    assert isinstance(raw, TreesRaw)
    plain = raw_ends(program, raw, whole_box(program, domain))
    start = time.monotonic()
    found = bound(program, domain, budget_s=budget, clock=time.monotonic,
                  rng=np.random.default_rng(1))[head.name][0]  # fmt: skip
    spent = time.monotonic() - start
    outside, nearest = _outside(program, domain, found, rows)
    width = _width(found.found)
    print(f"{case.name:<42}{_width(plain):>8.3f}{_width(found.certified):>11.3f}{width:>8.3f}"
          f"{_width(plain) / width:>9.3f}{found.ratio:>8.3f}{case.goal or '':>6}{spent:>6.1f}"
          f"{outside:>9}", flush=True)  # fmt: skip
    result: dict[str, Json] = {
        "model": case.name, "trees": raw.last - raw.first,
        "leaves": int((program.trees.feature < 0).sum()),
        "plain": list(plain), "certified": list(found.certified), "found": list(found.found),
        "plain_over_found": round(_width(plain) / width, 4),
        "certified_over_found": round(found.ratio, 4), "goal": case.goal,
        "optimal": found.optimal, "boxes": found.nodes, "seconds": round(spent, 1),
        "rows_checked": rows, "rows_outside": outside, "extremes_of_these_rows": list(nearest),
    }  # fmt: skip
    if case.numbers_only:
        result["veritas"] = _veritas(program, raw, budget / 2, asked=veritas)
    return result


def _width(ends: Ends) -> float:
    return ends.high - ends.low


def _fitted(case: Case, data: tuple[Domain, Table, Floats]) -> tuple[Program, Domain]:
    domain, table, outcome = data
    if case.numbers_only:
        columns = [c.model_copy(update={"nullable": False, "feature": not c.is_category})
                   for c in domain.columns]  # fmt: skip
        domain = Domain(name=domain.name, columns=tuple(columns))
        table = {c.name: table[c.name] if c.is_category else
                 np.nan_to_num(np.asarray(table[c.name], np.float64)) for c in columns}  # fmt: skip
    fixed = {"early_stopping": False} if case.estimator == BOOSTING else {}
    node = {"name": "clicks", "columns": case.columns,
            "estimator": {"_target_": case.estimator, **case.arguments, **fixed}}  # fmt: skip
    spec = ModelSpec.model_validate_json(json.dumps(node))
    predictor = SklearnPredictor(spec, domain, seed=0).fit(table, outcome)
    return lower({"click": predictor}, domain, HeadScore(head="click")), domain


def _outside(
    program: Program, domain: Domain, found: Interval, rows: int
) -> tuple[int, tuple[float, float]]:
    """Return how many rows lie outside the certified ends, and the rows' own extremes."""
    low, high = np.inf, -np.inf
    outside = 0
    for matrix in _matrices(program, domain, found, rows):
        (raw,) = program.raw(matrix, program.outline.heads[0])
        low, high = min(low, float(raw.min())), max(high, float(raw.max()))
        outside += int(((raw < found.certified.low) | (raw > found.certified.high)).sum())
    return outside, (low, high)


def _matrices(program: Program, domain: Domain, found: Interval, rows: int) -> Iterator[Floats]:
    """Yield encoded rows: half drawn from all cells, half near the extreme rows found."""
    rng = np.random.default_rng(2)
    variables = cut_columns(program, domain)
    extremes = program.encode(table_of([found.least, found.largest]))
    for start in range(0, rows, BLOCK):
        count = min(BLOCK, rows - start)
        matrix = np.empty((count, len(program.outline.inputs)))
        drawn = np.empty_like(matrix)
        for variable in variables:
            cells = rng.integers(len(variable.shown), size=count)
            drawn[:, list(variable.inputs)] = variable.matrix[cells]
        near = extremes[rng.integers(2, size=count)]
        moved = rng.random((count, len(variables))) < 2.5 / len(variables)
        moved[rng.random(count) < 0.5] = True  # these rows keep nothing of an extreme
        for at, variable in enumerate(variables):
            own = list(variable.inputs)
            matrix[:, own] = np.where(moved[:, at, None], drawn[:, own], near[:, own])
        yield matrix


def _veritas(program: Program, raw: TreesRaw, budget: float, *, asked: str) -> Json:
    """Return what veritas finds in half of the time for each end, or why it does not run."""
    try:
        veritas: Any = importlib.import_module("veritas")
    except ImportError:
        print(f"  veritas is not installed{' in ' + asked if asked else ''}: pip install "
              "dtai-veritas into an environment of its own, and give --veritas")  # fmt: skip
        return "not installed"
    ends = []
    for kind in ("MIN_OUTPUT", "MAX_OUTPUT"):
        config = veritas.Config(getattr(veritas.HeuristicType, kind))
        search = config.get_search(_as_veritas(veritas, program, raw))
        search.step_for(budget, 1000)
        bounds = search.current_bounds()
        ends.append((float(bounds.best), float(bounds.atleast)))  # what may be, what is
    certified, found = Ends(ends[0][0], ends[1][0]), Ends(ends[0][1], ends[1][1])
    print(f"  veritas: certified {_width(certified):.3f}, found {_width(found):.3f}, "
          f"{2 * budget:.0f} s")  # fmt: skip
    none_found = not np.isfinite([*found]).all()
    return {"certified": list(certified), "found": None if none_found else list(found),
            "seconds": 2 * budget}  # fmt: skip


def _as_veritas(veritas: Any, program: Program, raw: TreesRaw) -> Any:
    ensemble = veritas.AddTree(1, veritas.AddTreeType.REGR)
    ensemble.set_base_score(0, raw.baseline)
    trees = program.trees
    for root in trees.roots[raw.first : raw.last].tolist():
        tree = ensemble.add_tree()
        waiting = [(root, tree.root())]
        while waiting:
            node, at = waiting.pop()
            if trees.feature[node] < 0:
                tree.set_leaf_value(at, 0, float(trees.cut[node]))
                continue
            # veritas goes left below a threshold, a program at most at it.
            tree.split(at, int(trees.feature[node]), float(np.nextafter(trees.cut[node], np.inf)))
            waiting += [(int(trees.left[node]), tree.left(at)),
                        (int(trees.right[node]), tree.right(at))]  # fmt: skip
    return ensemble


if __name__ == "__main__":
    main()
