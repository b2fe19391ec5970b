"""The claims' benchmark: how long it takes to prove that an answer follows a column, or to refute.

Gradient boosting with and without a monotone constraint, on the clicks of the interval's benchmark.
Each refutation is two rows that were run. Prints a table and writes
benchmarks/results/monotone.json; takes some two minutes.

    OMP_NUM_THREADS=1 python -m benchmarks.monotone
"""

import json
import time
from typing import Any

from benchmarks.clicks import clicks
from benchmarks.machine import write
from mlops.base.digest import Json
from mlops.contracts.domain import Domain, Floats, Table
from mlops.models.lowering import lower
from mlops.models.predictor import SklearnPredictor
from mlops.models.program import Program
from mlops.models.spec import HeadScore, ModelSpec
from mlops.proofs.monotone import prove_monotone
from mlops.proofs.proof import subject_of
from mlops.proofs.spec import MonotoneSpec, ProofsSpec

BUDGET_S = 120.0
BOOSTING = "sklearn.ensemble.HistGradientBoostingClassifier"
FOREST = "sklearn.ensemble.RandomForestClassifier"
ORDINAL = {
    "_target_": "sklearn.preprocessing.OrdinalEncoder",
    "handle_unknown": "use_encoded_value", "unknown_value": -1, "encoded_missing_value": -2,
}  # fmt: skip
ENCODED = [
    {"name": "categories", "select": "categorical", "steps": [ORDINAL]},
    {"name": "numbers", "select": "numeric", "steps": []},
]
COLUMNS = 3  # the first numbers of the contract, for each model
CASES: tuple[tuple[str, str, dict[str, Any], bool], ...] = (
    ("200 trees of 31 leaves, constrained", BOOSTING, {"max_iter": 200}, True),
    ("200 trees of depth 4, constrained", BOOSTING, {"max_iter": 200, "max_depth": 4}, True),
    ("50 trees of 31 leaves", BOOSTING, {"max_iter": 50}, False),
    ("200 trees of 31 leaves", BOOSTING, {"max_iter": 200}, False),
    ("500 trees of 31 leaves", BOOSTING, {"max_iter": 500}, False),
    ("forest of 100 trees, leaves of 200 rows", FOREST,
     {"n_estimators": 100, "min_samples_leaf": 200}, False),
)  # fmt: skip


def main() -> None:
    """Measure, print, write."""
    domain, table, outcome = clicks()
    numbers = [c.name for c in domain.features if not c.is_category][:COLUMNS]
    print(f"{'model':<42}{'column':>10}{'answer':>12}{'seconds':>9}")
    results: list[Json] = []
    for name, estimator, arguments, constrained in CASES:
        shape = {"monotonic_cst": dict.fromkeys(numbers, 1)} if constrained else {}
        program = _fitted(estimator, {**arguments, **shape}, (domain, table, outcome))
        for column in numbers:
            results.append({"model": name, "column": column, **_decided(program, domain, column)})
            last = results[-1]
            assert isinstance(last, dict)
            print(f"{name:<42}{column:>10}{last['answer']!s:>12}{last['seconds']!s:>9}", flush=True)
    write("monotone", {"trained_on": len(outcome), "budget_s": BUDGET_S, "results": results})


def _decided(program: Program, domain: Domain, column: str) -> dict[str, Json]:
    start = time.monotonic()
    spec = ProofsSpec(bound_s=BUDGET_S)
    subject = subject_of(program, domain, spec, clock=time.monotonic)
    found = prove_monotone(subject, column, MonotoneSpec())
    seconds = round(time.monotonic() - start, 2)
    values: list[Json] = [example.value for example in found.examples]
    return {"answer": found.status, "seconds": seconds, "gap": found.gap, "values": values}


def _fitted(
    estimator: str, arguments: dict[str, Any], data: tuple[Domain, Table, Floats]
) -> Program:
    domain, table, outcome = data
    boosting = estimator == BOOSTING
    usual = {"categorical_features": "from_dtype", "early_stopping": False} if boosting else {}
    node = {
        "name": "m",
        "columns": [] if boosting else ENCODED,
        "estimator": {"_target_": estimator, **usual, **arguments},
    }
    spec = ModelSpec.model_validate_json(json.dumps(node))
    fitted = SklearnPredictor(spec, domain, seed=0).fit(table, outcome)
    return lower({"click": fitted}, domain, HeadScore(head="click"))


if __name__ == "__main__":
    main()
