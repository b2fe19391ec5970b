"""A calibration: small fits that time this host, and the figures that follow from them.

It runs in a process of its own, with one thread, so that neither what is loaded nor what else
runs is counted. Sizes are chosen so that what is found holds for millions of rows: for each kind
of estimator some fits lie inside the caches and some beyond them, and what a dozen fits cannot
tell apart is held near the shipped profile, brought to this machine's speed.

    python -m mlops.cost.calibration     prints a host profile as JSON
"""

import gc
import json
import multiprocessing
import os
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np

from mlops.base.digest import Json
from mlops.base.errors import UnavailableError
from mlops.contracts.domain import Floats
from mlops.cost import nonnegative
from mlops.cost.baseline import BASELINE
from mlops.cost.host import THIS, HostProfile, machine
from mlops.cost.pipeline_work import UnknownWork, fit_work
from mlops.cost.work import Counts, Work
from mlops.cost.workload import ONE_HOT, Rows, make
from mlops.models.predictor import SklearnPredictor
from mlops.models.spec import ModelSpec

MEASURED_UNCERTAINTY = 1.5
"""Factor that a prediction with this host's own timings may be off by; see benchmarks/cost.py."""

_TIMEOUT_S = 180.0
_PRIOR = 0.01
"""Weight of the shipped profile: a unit at twice its shipped cost weighs like a fit off by 10 %."""

_MEMORY_PRIOR = 0.1
"""The same for memory, which hardly depends on the machine."""

_SHORT_S = 0.25
_NOISE_BYTES = 16.0 * 2**20
"""Memory below which a measured peak is the allocator's luck."""

_STATUS = Path("/proc/self/status")
_CLEAR = Path("/proc/self/clear_refs")

_ORDINAL: Json = {
    "name": "texts",
    "select": "categorical",
    "steps": [{"_target_": "sklearn.preprocessing.OrdinalEncoder"}],
}
_SCALED: Json = {
    "name": "numbers",
    "select": "numeric",
    "steps": [
        {"_target_": "sklearn.impute.SimpleImputer", "strategy": "median"},
        {"_target_": "sklearn.preprocessing.StandardScaler"},
    ],
}
_AS_IS: Json = {"name": "numbers", "select": "numeric", "steps": []}

_BOOSTING = "sklearn.ensemble.HistGradientBoostingClassifier"
_FOREST = "sklearn.ensemble.RandomForestClassifier"
_EXTRA = "sklearn.ensemble.ExtraTreesClassifier"
_LOGISTIC = "sklearn.linear_model.LogisticRegression"
_RIDGE = "sklearn.linear_model.Ridge"


@dataclass(frozen=True, slots=True)
class Case:
    """A fit that is timed.

    Attributes:
        path: Dotted path of the estimator.
        columns: Column steps; none gives it the frame.
        rows: Rows.
        numbers: Number columns.
        texts: Category columns.
        parameters: The estimator's arguments.
    """

    path: str
    columns: tuple[Json, ...]
    rows: int
    numbers: int
    texts: int
    parameters: dict[str, Json]

    def spec(self) -> ModelSpec:
        """Return the case as a model's configuration."""
        node: dict[str, Json] = {
            "name": "timed",
            "columns": list(self.columns),
            "estimator": {"_target_": self.path, **self.parameters},
        }
        return ModelSpec.model_validate_json(json.dumps(node))


@dataclass(frozen=True, slots=True)
class Timing:
    """What a fit came to and took.

    Attributes:
        work: Its counts.
        cpu_s: CPU seconds.
        memory_mb: MiB at its peak, beyond what was held before; 0 where it cannot be told.
    """

    work: Work
    cpu_s: float
    memory_mb: float


def _boosting(rows: int, numbers: int, texts: int, **parameters: Json) -> Case:
    fixed: dict[str, Json] = {"early_stopping": False, **parameters}
    return Case(_BOOSTING, (), rows, numbers, texts, fixed)


def _forest(
    rows: int, numbers: int, texts: int, *, path: str = _FOREST, **parameters: Json
) -> Case:
    columns = (_ORDINAL, _AS_IS) if texts else (_AS_IS,)
    return Case(path, columns, rows, numbers, texts, parameters)


def _logistic(rows: int, numbers: int, texts: int, rounds: int, *, scaled: bool = True) -> Case:
    number_steps = _SCALED if scaled else _AS_IS
    columns = (ONE_HOT, number_steps) if texts else (number_steps,)
    # A tolerance that cannot be met: the rounds are those that are asked for.
    return Case(_LOGISTIC, columns, rows, numbers, texts, {"max_iter": rounds, "tol": 1e-12})


CASES = (
    _boosting(5_000, 8, 2, max_iter=60, max_leaf_nodes=15),
    _boosting(60_000, 8, 2, max_iter=20),
    _boosting(60_000, 8, 2, max_iter=10, max_leaf_nodes=127),
    _boosting(60_000, 24, 0, max_iter=4),
    _boosting(250_000, 6, 2, max_iter=6),
    _forest(6_000, 8, 2, n_estimators=12),
    _forest(50_000, 8, 2, n_estimators=2, min_samples_leaf=20),
    _forest(50_000, 10, 0, n_estimators=2, max_depth=9, max_features=None),
    _forest(400_000, 16, 0, n_estimators=1, max_depth=2),
    _forest(30_000, 8, 0, path=_EXTRA, n_estimators=3),
    _logistic(5_000, 8, 2, 40),
    _logistic(60_000, 8, 2, 20),
    _logistic(60_000, 16, 0, 10, scaled=False),
    _logistic(200_000, 6, 1, 5),
    Case(_RIDGE, (_AS_IS,), 60_000, 24, 0, {}),
)  # fmt: skip
"""What is timed: some seven CPU seconds, chosen unlike what benchmarks/cost.py predicts."""


def time_apart(case: Case, seed: int) -> Timing:
    """Fit once in a fresh copy of this process, so that no fit fills what another one freed.

    Args:
        case: What is fitted.
        seed: Seed of the rows.
    """
    work = _work(case)
    if not hasattr(os, "fork"):
        cpu_s, memory_mb = time_fit(case, seed)
        return Timing(work, cpu_s, memory_mb)
    context = multiprocessing.get_context("fork")
    receiver, sender = context.Pipe(duplex=False)
    child = context.Process(target=_report, args=(case, seed, sender), daemon=True)
    child.start()
    sender.close()
    try:
        cpu_s, memory_mb = receiver.recv()
    finally:
        child.join()
    return Timing(work, cpu_s, memory_mb)


def _report(case: Case, seed: int, sender: Connection) -> None:
    sender.send(time_fit(case, seed))


def _work(case: Case) -> Work:
    domain = make(2, numbers=case.numbers, texts=case.texts, rng=np.random.default_rng(0)).domain
    predictor = SklearnPredictor(case.spec(), domain, seed=0)
    work = fit_work(predictor.estimator, domain, case.rows)
    assert not isinstance(work, UnknownWork)
    return work


def time_fit(case: Case, seed: int) -> tuple[float, float]:
    """Fit once and return the CPU seconds, and the MiB at the peak; 0 where it cannot be told.

    Args:
        case: What is fitted.
        seed: Seed of the rows.
    """
    rng = np.random.default_rng(seed)
    rows = make(case.rows, numbers=case.numbers, texts=case.texts, rng=rng)
    gc.collect()
    before = _reset_peak()
    spent = _fit_s(case, rows)
    memory_mb = max(_peak_mb() - before, 0.0) if before else 0.0
    if spent < _SHORT_S:  # other work on the machine can only add time, to short fits the most
        spent = min(spent, _fit_s(case, rows))
    return spent, memory_mb


def _fit_s(case: Case, rows: Rows) -> float:
    predictor = SklearnPredictor(case.spec(), rows.domain, seed=0)
    started = time.process_time()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it is told to stop before it has converged
        predictor.fit(rows.table, rows.outcome)
    return time.process_time() - started


def _reset_peak() -> float:
    """Forget this process' largest memory and return what it holds now, in MiB; 0 if it cannot."""
    try:
        _CLEAR.write_text("5", encoding="ascii")
    except OSError:
        return 0.0
    return _status_mb("VmRSS")


def _peak_mb() -> float:
    return _status_mb("VmHWM")


def _status_mb(name: str) -> float:
    for line in _STATUS.read_text(encoding="ascii", errors="replace").splitlines():
        if line.startswith(f"{name}:"):
            return float(line.split()[1]) / 1024
    return 0.0


def solve(
    counts: Sequence[Counts],
    amounts: Sequence[float],
    shipped: Counts,
    *,
    floor: float = 0.0,
    prior: float = _PRIOR,
) -> dict[str, float]:
    """Return the cost of each unit that explains some measured amounts best.

    Differences count relative to the amount. Each unit is drawn to its shipped cost times the
    machine's overall ratio, lightly, so that what the measurements do not tell stays sensible; a
    unit that was shipped without a cost has none.

    Args:
        counts: Units of each measurement.
        amounts: What each took, positive.
        shipped: Costs to fall back on; none for a profile that is made from nothing.
        floor: Amount below which differences count as if it were this one.
        prior: Weight of the shipped costs.
    """
    if not amounts:
        return dict(shipped)  # this system does not tell a process' largest memory
    units = sorted(shipped or {unit for each in counts for unit in each})
    matrix = np.array([[each.get(unit, 0.0) for unit in units] for each in counts])
    measured = np.asarray(amounts, dtype=np.float64)
    usual = np.array([shipped.get(unit, 0.0) for unit in units])
    guessed = matrix @ usual
    known = guessed > 0
    speed = float(np.median(measured[known] / guessed[known])) if known.any() else 1.0
    weight = np.maximum(measured, floor)
    rows = [matrix / weight[:, None]]
    wanted = [measured / weight]
    held = usual > 0
    if held.any():
        pull = np.zeros((int(held.sum()), len(units)))
        pull[np.arange(len(pull)), np.flatnonzero(held)] = 1.0 / (usual[held] * speed)
        rows.append(np.sqrt(prior) * pull)
        wanted.append(np.full(len(pull), np.sqrt(prior)))
    found: Floats = nonnegative.solve(np.concatenate(rows), np.concatenate(wanted))
    return {unit: float(value) for unit, value in zip(units, found, strict=True) if value > 0}


def measure(cases: Sequence[Case] = CASES) -> HostProfile:
    """Time this host, in this process."""
    from mlops.cost.run_timing import time_run, time_serving

    base_mb = _status_mb("VmRSS")
    rng = np.random.default_rng(0)
    timings = [time_apart(case, seed) for seed, case in enumerate(cases)]
    with tempfile.TemporaryDirectory() as folder:
        steps, held = time_run(Path(folder), reset=_reset_peak, peak=_peak_mb)
    served, server_mb = time_serving(rng)
    seconds = solve(
        [*(each.work.cpu for each in timings), *(counts for counts, _ in (*steps, *served))],
        [*(each.cpu_s for each in timings), *(amount for _, amount in (*steps, *served))],
        BASELINE.seconds,
    )
    sized = [each for each in timings if each.memory_mb > 0]
    sizes = solve(
        [*(each.work.memory for each in sized), *(counts for counts, _ in held)],
        [*(each.memory_mb * 2**20 for each in sized), *(amount for _, amount in held)],
        BASELINE.bytes,
        floor=_NOISE_BYTES,
        prior=_MEMORY_PRIOR,
    )
    here = machine()
    return HostProfile(
        name=THIS,
        measured=True,
        uncertainty=MEASURED_UNCERTAINTY,
        processor=here.processor,
        cores=here.cores,
        memory_mb=here.memory_mb,
        python=here.python,
        scikit_learn=here.scikit_learn,
        seconds=seconds,
        bytes=sizes,
        base_mb=round(base_mb, 1),
        server_mb=round(server_mb, 1),
    )


def calibrate() -> HostProfile:
    """Time this host in a process of its own; it takes some ten CPU seconds.

    Raises:
        UnavailableError: The process failed, or took more than three minutes.
    """
    environment = {
        **os.environ,
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
    }
    try:
        done = subprocess.run(
            [sys.executable, "-m", "mlops.cost.calibration"],
            env=environment, capture_output=True, timeout=_TIMEOUT_S, check=True,
        )  # fmt: skip
        return HostProfile.model_validate_json(done.stdout)
    except subprocess.TimeoutExpired as error:
        raise UnavailableError(
            f"this host could not be timed within {_TIMEOUT_S:g} s",
            hint="try again when the machine is less busy",
        ) from error
    except (subprocess.CalledProcessError, ValueError) as error:
        told = getattr(error, "stderr", b"") or b""
        last = (told.decode(errors="replace").strip().splitlines() or [str(error)])[-1]
        raise UnavailableError(f"this host could not be timed: {last}") from error


if __name__ == "__main__":
    sys.stdout.write(measure().model_dump_json(indent=1) + "\n")
