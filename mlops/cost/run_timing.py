"""A run's timing: the steps of a training around its fits, and the model that is served."""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np
import pandas as pd

from mlops.base.digest import Json
from mlops.contracts.domain import Table
from mlops.contracts.schema import as_table, read_domain, validate
from mlops.contracts.search_ranking import Training
from mlops.cost.page_work import page_work
from mlops.cost.work import Counts
from mlops.cost.workload import ONE_HOT, make
from mlops.data.jobboard import JobBoard
from mlops.data.snapshot import take
from mlops.data.spec import JobBoardSource, SplitSpec
from mlops.data.split import Split, by_time
from mlops.models.heuristics import History, fit_heuristic
from mlops.models.lowering import lower
from mlops.models.predictor import SklearnPredictor
from mlops.models.program import Program
from mlops.models.spec import HeadScore, ModelSpec, PopularitySpec

Amounts = list[tuple[Counts, float]]
T = TypeVar("T")

_SEARCHES = 750
_FIT_ROWS = 4_000
_NUMBERS, _TEXTS = 8, 2
_TREES, _LEAVES = 100, 15
_CALLS = 60
_MIB = 2.0**20


def time_run(
    folder: Path, *, reset: Callable[[], float], peak: Callable[[], float]
) -> tuple[Amounts, Amounts]:
    """Time reading, validating and dividing rows, as a run does.

    Args:
        folder: Where the snapshot may lie.
        reset: Forgets the largest memory and returns the present one in MiB; 0 if it cannot.
        peak: Returns the largest memory since, in MiB.

    Returns:
        CPU seconds, and bytes that are held until the end.
    """
    source = JobBoardSource(kind="jobboard", searches=_SEARCHES, jobs=500, seekers=2_000)
    domain = read_domain(Training)
    before = reset()
    frame, read_s = _timed(lambda: JobBoard(source).read())
    cells = float(len(frame) * len(frame.columns))

    def keep() -> tuple[pd.DataFrame, Split]:
        good = validate(Training, frame).good
        take(good, folder)
        return good, by_time(good, SplitSpec())

    (good, split), keep_s = _timed(keep)
    table, table_s = _timed(lambda: as_table(domain.columns, good))
    history = History(table, np.asarray(table["at_s"], np.float64), float("inf"))
    counted = PopularitySpec(key="job_id", outcome="applied")
    _, count_s = _timed(lambda: fit_heuristic(counted, history))
    # The largest memory, not what is held: a run's later steps fill what the earlier ones freed.
    most = (peak() - before) * _MIB if before else 0.0
    del split, table
    held: Amounts = [({"run.base": 1.0, "run.cell": cells}, most)] if most > 0 else []
    spent: Amounts = [
        ({"run.read": cells}, read_s),
        ({"run.keep": cells}, keep_s),
        ({"run.table": cells}, table_s),
        ({"run.heuristic": float(len(frame))}, count_s),
    ]
    return spent, held


def _timed(call: Callable[[], T]) -> tuple[T, float]:
    started = time.process_time()
    found = call()
    return found, time.process_time() - started


def time_serving(rng: np.random.Generator) -> tuple[Amounts, float]:
    """Time a compiled model on pages of several sizes.

    Args:
        rng: Source of randomness.

    Returns:
        Seconds of a call, and MiB of a process that could serve but holds no model.
    """
    amounts: Amounts = []
    for path, parameters, columns in _served():
        rows = make(_FIT_ROWS, numbers=_NUMBERS, texts=_TEXTS, rng=rng)
        node: dict[str, Json] = {
            "name": "timed",
            "columns": list(columns),
            "estimator": {"_target_": path, **parameters},
        }
        spec = ModelSpec.model_validate_json(json.dumps(node))
        predictor = SklearnPredictor(spec, rows.domain, seed=0).fit(rows.table, rows.outcome)
        program = lower({"p": predictor}, rows.domain, HeadScore(head="p"))
        for page in (1, 50, 400):
            table = {name: values[:page] for name, values in rows.table.items()}
            counts = page_work(
                page,
                columns=_NUMBERS + _TEXTS,
                trees=0.0 if columns else float(_TREES),
                depth=1.25 * np.log2(_LEAVES).item(),
                linear=bool(columns),
            )
            amounts.append((counts, _call_s(program, table)))
    return amounts, _server_mb()


def _served() -> Sequence[tuple[str, dict[str, Json], tuple[Json, ...]]]:
    numbers: Json = {
        "name": "numbers",
        "select": "numeric",
        "steps": [{"_target_": "sklearn.preprocessing.StandardScaler"}],
    }
    return (
        (
            "sklearn.ensemble.HistGradientBoostingClassifier",
            {"max_iter": _TREES, "max_leaf_nodes": _LEAVES, "early_stopping": False},
            (),
        ),
        ("sklearn.linear_model.LogisticRegression", {}, (ONE_HOT, numbers)),
    )


def _call_s(program: Program, table: Table) -> float:
    taken = []
    for _ in range(_CALLS):
        started = time.perf_counter()
        program.score(table)
        taken.append(time.perf_counter() - started)
    return float(np.median(taken[_CALLS // 6 :]))


def _server_mb() -> float:
    """Return the memory of an interpreter that has what a model process has."""
    program = (
        "import mlops.models.artifact\n"
        "for line in open('/proc/self/status'):\n"
        "    if line.startswith('VmRSS:'): print(line.split()[1])"
    )
    try:
        done = subprocess.run(  # noqa: S603 - this interpreter and a text of our own
            [sys.executable, "-c", program], capture_output=True, timeout=60, check=True
        )
        return float(done.stdout or 0) / 1024
    except (subprocess.SubprocessError, ValueError):
        return 0.0
