"""The cost model's benchmark: predicted against measured, for fits that it was not made from.

Times this host as `mlops check --calibrate` does, predicts 24 fits of three kinds of estimator on
10,000 to 2,000,000 rows, then runs each in a process of its own. The rows are of another kind than
the calibration's (missing values, interactions, rare outcomes, more categories), and so are the
settings. Prints a table and writes benchmarks/results/cost.json. Takes some five minutes on two
quiet cores and 3 GiB.

    OMP_NUM_THREADS=1 python -m benchmarks.cost            all
    OMP_NUM_THREADS=1 python -m benchmarks.cost 300000     only up to so many rows
"""

import gc
import json
import os
import subprocess
import sys
import time
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np

from benchmarks.machine import write
from mlops.base.digest import Json
from mlops.contracts.domain import Column, ColumnKind, Domain, Floats, Table, Texts
from mlops.contracts.roles import Scope
from mlops.cost.baseline import BASELINE
from mlops.cost.calibration import calibrate
from mlops.cost.host import HostProfile
from mlops.cost.pipeline_work import UnknownWork, fit_work
from mlops.models.estimator import build_estimator
from mlops.models.predictor import SklearnPredictor
from mlops.models.spec import ModelSpec

FACTOR = 1.5
WANTED = 0.8
TIMEOUT_S = 420.0

_BOOSTING = "sklearn.ensemble.HistGradientBoostingClassifier"
_FOREST = "sklearn.ensemble.RandomForestClassifier"
_LOGISTIC = "sklearn.linear_model.LogisticRegression"
_IMPUTER: Json = {"_target_": "sklearn.impute.SimpleImputer", "strategy": "median"}
_SCALER: Json = {"_target_": "sklearn.preprocessing.StandardScaler"}
_ONE_HOT: Json = {"_target_": "sklearn.preprocessing.OneHotEncoder", "handle_unknown": "ignore"}
_ORDINAL: Json = {
    "_target_": "sklearn.preprocessing.OrdinalEncoder",
    "handle_unknown": "use_encoded_value",
    "unknown_value": -1,
}
_TEXTS = {_FOREST: [_ORDINAL], _LOGISTIC: [_ONE_HOT]}
_NUMBERS = {_FOREST: [_IMPUTER], _LOGISTIC: [_IMPUTER, _SCALER]}


@dataclass(frozen=True)
class Case:
    """One fit: estimator, rows, number and category columns, categories of each, arguments."""

    path: str
    rows: int
    numbers: int
    texts: int
    codes: int
    parameters: dict[str, Json]

    @property
    def spec(self) -> ModelSpec:
        """The case as a model's configuration."""
        columns: list[Json] = []
        if self.path in _TEXTS:
            if self.texts:
                columns.append(
                    {"name": "texts", "select": "categorical", "steps": _TEXTS[self.path]}
                )
            columns.append({"name": "numbers", "select": "numeric", "steps": _NUMBERS[self.path]})
        node = {
            "name": "case",
            "columns": columns,
            "estimator": {"_target_": self.path, **self.parameters},
        }
        return ModelSpec.model_validate_json(json.dumps(node))


def _boosting(rows: int, numbers: int, texts: int, **parameters: Json) -> Case:
    settings: dict[str, Json] = {"early_stopping": False, "learning_rate": 0.06, **parameters}
    return Case(_BOOSTING, rows, numbers, texts, 60, settings)


def _forest(rows: int, numbers: int, texts: int, **parameters: Json) -> Case:
    return Case(_FOREST, rows, numbers, texts, 60, parameters)


def _logistic(rows: int, numbers: int, texts: int, codes: int, c: float) -> Case:
    return Case(_LOGISTIC, rows, numbers, texts, codes, {"C": c, "max_iter": 500})


CASES = (
    _boosting(10_000, 20, 4, max_iter=200),
    _boosting(30_000, 12, 3, max_iter=300, max_leaf_nodes=15, min_samples_leaf=100),
    _boosting(100_000, 15, 5, max_iter=150),
    _boosting(100_000, 40, 0, max_iter=80, max_leaf_nodes=63),
    _boosting(300_000, 10, 6, max_iter=100, max_leaf_nodes=15),
    _boosting(300_000, 25, 3, max_iter=60, max_leaf_nodes=127),
    _boosting(1_000_000, 12, 4, max_iter=60),
    _boosting(2_000_000, 9, 2, max_iter=40, max_depth=6),
    _forest(10_000, 20, 4, n_estimators=100),
    _forest(30_000, 12, 3, n_estimators=40, min_samples_leaf=5),
    _forest(100_000, 15, 5, n_estimators=10, max_depth=12),
    _forest(100_000, 25, 0, n_estimators=8, min_samples_leaf=50, max_features=0.5),
    _forest(300_000, 10, 4, n_estimators=6, min_samples_leaf=30),
    _forest(300_000, 20, 2, n_estimators=4, max_depth=9),
    _forest(1_000_000, 12, 2, n_estimators=2, min_samples_leaf=100),
    _forest(2_000_000, 9, 2, n_estimators=2, max_depth=8),
    _logistic(10_000, 20, 4, 30, 1.0),
    _logistic(30_000, 12, 3, 30, 0.01),
    _logistic(100_000, 15, 5, 100, 0.1),
    _logistic(100_000, 40, 0, 1, 1.0),
    _logistic(300_000, 10, 6, 30, 1.0),
    _logistic(300_000, 25, 3, 300, 10.0),
    _logistic(1_000_000, 12, 4, 30, 0.1),
    _logistic(2_000_000, 9, 2, 60, 1.0),
)  # fmt: skip


def rows_of(case: Case, seed: int) -> tuple[Domain, Table, Floats]:
    """Make rows: heavy tails, missing values, interactions, and an outcome in a tenth of them."""
    rng = np.random.default_rng(seed)
    table: dict[str, Floats | Texts] = {}
    raw = np.full(case.rows, -2.6)
    before = np.zeros(case.rows)
    for at in range(case.numbers):
        values = rng.standard_t(4, case.rows) + 0.3 * before
        raw += 0.25 * rng.choice([-1, 1]) * np.tanh(values) + (at % 4 == 0) * 0.2 * values * before
        before = np.clip(values, -3, 3)
        if at % 3 == 1:
            values[rng.random(case.rows) < 0.08] = np.nan
        table[f"n{at}"] = values
    for at in range(case.texts):
        drawn = rng.zipf(1.3, case.rows) % case.codes
        raw += rng.normal(0.0, 0.4, case.codes)[drawn]
        names = np.array([f"value {code}" for code in range(case.codes)], dtype=object)
        table[f"c{at}"] = names[drawn]
    outcome = (rng.random(case.rows) < 1 / (1 + np.exp(-raw))).astype(np.float64)
    return domain_of(case), table, outcome


def domain_of(case: Case) -> Domain:
    """Return the contract of a case's rows; its categories are closed."""
    named = Column(
        name="id", kind=ColumnKind.CATEGORY, scope=Scope.CANDIDATE, feature=False, identifier=True
    )
    numbers = [
        _column(f"n{at}", ColumnKind.NUMBER, nullable=at % 3 == 1) for at in range(case.numbers)
    ]
    known = tuple(f"value {code}" for code in range(case.codes))
    texts = [_column(f"c{at}", ColumnKind.CATEGORY, categories=known) for at in range(case.texts)]
    return Domain(name="Case", columns=(named, *numbers, *texts))


def _column(
    name: str,
    kind: ColumnKind,
    *,
    nullable: bool = False,
    categories: tuple[str, ...] | None = None,
) -> Column:
    return Column(
        name=name, kind=kind, scope=Scope.CANDIDATE, feature=True, nullable=nullable,
        categories=categories,
    )  # fmt: skip


def measure(number: int) -> None:
    """Run one case in this process and print what it took, as JSON."""
    case = CASES[number]
    domain, table, outcome = rows_of(case, 1_000 + number)
    predictor = SklearnPredictor(case.spec, domain, seed=number)
    predictor_state = predictor.estimator
    gc.collect()
    held_mb = _reset_peak()
    started = time.process_time()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        predictor.fit(table, outcome)
    cpu_s = time.process_time() - started
    final = getattr(predictor_state, "steps", [("", predictor_state)])[-1][1]
    rounds = np.ravel(getattr(final, "n_iter_", 0))[0]
    report = {
        "cpu_s": cpu_s,
        "fit_mb": _status_mb("VmHWM") - held_mb,
        "process_mb": _status_mb("VmHWM"),
        "rounds": int(rounds),
    }
    print(json.dumps(report))


def _reset_peak() -> float:
    Path("/proc/self/clear_refs").write_text("5")
    return _status_mb("VmRSS")


def _status_mb(name: str) -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(float(line.split()[1]) / 1024 for line in lines if line.startswith(f"{name}:"))


@dataclass(frozen=True)
class Predicted:
    """CPU seconds, MiB that fitting adds, MiB of the process, rounds."""

    cpu_s: float
    fit_mb: float
    process_mb: float
    rounds: float


def predicted(case: Case, host: HostProfile) -> Predicted:
    """Predict a case; the table that it is given is counted by its bytes."""
    domain = domain_of(case)
    work = fit_work(build_estimator(case.spec, domain, seed=0), domain, case.rows)
    assert not isinstance(work, UnknownWork)
    fit_mb = host.memory_mb_of(work.memory)
    table_mb = case.rows * (case.numbers + case.texts + 1) * 8 / 2**20
    return Predicted(
        host.cpu_s(work.cpu), fit_mb, host.base_mb + table_mb + fit_mb, work.iterations
    )


def main(most_rows: int) -> None:
    """Calibrate, predict, run, print, write."""
    started = time.perf_counter()
    host = calibrate()
    calibration_s = time.perf_counter() - started
    print(f"calibrated in {calibration_s:.1f} s")
    print(
        f"{'estimator':<12}{'rows':>10}{'columns':>9}  {'CPU s':>15}{'':>6}  {'fit MiB':>15}{'':>6}"
    )
    results = [
        _compare(number, case, host) for number, case in enumerate(CASES) if case.rows <= most_rows
    ]
    shares = {
        name: sum(bool(each[name]) for each in results) / len(results)
        for name in ("cpu_within", "fit_memory_within", "process_memory_within",
                     "cpu_within_if_not_calibrated")
    }  # fmt: skip
    for name, share in shares.items():
        print(f"{name:<30}{share:>6.0%} of {len(results)} within a factor {FACTOR:g}")
    report: dict[str, Json] = {
        "factor": FACTOR,
        "wanted_share": WANTED,
        "calibration_s": round(calibration_s, 1),
        "shares": {name: round(share, 3) for name, share in shares.items()},
        "results": cast("list[Json]", results),
    }
    write("cost", report)


def _compare(number: int, case: Case, host: HostProfile) -> dict[str, Json]:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.cost", "--one", str(number)],
        env={**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
        capture_output=True, text=True, timeout=TIMEOUT_S, check=True,
    )  # fmt: skip
    found = json.loads(done.stdout)
    told, shipped = predicted(case, host), predicted(case, BASELINE)
    name = case.path.rpartition(".")[2]
    ratios = [told.cpu_s / found["cpu_s"], told.fit_mb / found["fit_mb"]]
    print(
        f"{name[:11]:<12}{case.rows:>10,}{case.numbers:>5}+{case.texts:<3}"
        f"  {told.cpu_s:>7.2f}{found['cpu_s']:>8.2f}{ratios[0]:>6.2f}"
        f"  {told.fit_mb:>7.0f}{found['fit_mb']:>8.0f}{ratios[1]:>6.2f}"
        f"  rounds {told.rounds:.0f} {found['rounds']}",
        flush=True,
    )
    return {
        "estimator": name,
        "rows": case.rows,
        "numbers": case.numbers,
        "texts": case.texts,
        "parameters": case.parameters,
        "predicted_cpu_s": round(told.cpu_s, 3),
        "measured_cpu_s": round(found["cpu_s"], 3),
        "predicted_fit_mb": round(told.fit_mb, 1),
        "measured_fit_mb": round(found["fit_mb"], 1),
        "predicted_process_mb": round(told.process_mb, 1),
        "measured_process_mb": round(found["process_mb"], 1),
        "predicted_rounds": round(told.rounds, 1),
        "measured_rounds": found["rounds"],
        "cpu_within": _within(ratios[0]),
        "fit_memory_within": _within(ratios[1]),
        "process_memory_within": _within(told.process_mb / found["process_mb"]),
        "cpu_within_if_not_calibrated": _within(shipped.cpu_s / found["cpu_s"]),
    }


def _within(ratio: float) -> bool:
    return 1 / FACTOR <= ratio <= FACTOR


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:
        measure(int(sys.argv[2]))
    else:
        main(int(sys.argv[1]) if len(sys.argv) > 1 else 10**9)
