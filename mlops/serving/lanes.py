"""A choice of lane: whether a model runs inline or in a process, by trust and measured cost."""

import logging
import math
from collections.abc import Callable
from typing import Literal, NamedTuple

import numpy as np

from mlops.base.clock import Clock
from mlops.contracts.domain import Domain
from mlops.contracts.sample import draw
from mlops.models.artifact import Bundle
from mlops.models.certificate import Certificate
from mlops.models.heuristics import Heuristic
from mlops.models.kernels import Kernel, kernel_name
from mlops.models.program import Program
from mlops.serving.drill import DrilledHeuristic
from mlops.serving.faults import Fault
from mlops.serving.inline import InlineModel
from mlops.serving.model_worker import WorkerSettings
from mlops.serving.process import ModelProcess, Watcher
from mlops.serving.settings import ServeSettings
from mlops.serving.spec import Protection, ServingSpec

LaneKind = Literal["inline", "process"]

_log = logging.getLogger(__name__)
_SHARE = 0.1  # of the model's time: what an inline page may take at most
_RUNS = 7
_MEASURING_S = 0.05
_SEED = 5


class Choice(NamedTuple):
    """Where a model runs.

    Attributes:
        lane: `inline` or `process`.
        reason: Why, for the log.
    """

    lane: LaneKind
    reason: str


def certified(certificate: Certificate) -> bool:
    """Tell whether a score is proved to be finite and both ends of its range are proved."""
    score = certificate.score
    return certificate.finite and score.low is not None and score.high is not None


def choose(
    spec: ServingSpec, *, certified: bool, kernel: Kernel, page_s: float, rows: int
) -> Choice:
    """Choose a lane.

    Args:
        spec: The deadline and what is asked for.
        certified: Whether the score is proved to be finite and inside a range.
        kernel: What walks the trees.
        page_s: Seconds that the largest page takes on this host.
        rows: Candidates of that page.
    """
    if spec.lane != "auto":
        trust = "" if certified else ", though it is not certified"
        return Choice(spec.lane, f"serving.lane says so{trust if spec.lane == 'inline' else ''}")
    time_s = (spec.deadline_ms - spec.reserve_ms) / 1000
    cost = f"{page_s * 1000:.3g} ms of {time_s * 1000:g} ms for {rows} candidates"
    if spec.faults_allowed:
        return Choice("process", "faults may be played")
    if not certified:
        return Choice("process", "its range is not certified")
    if kernel != "c":
        return Choice("process", "the C kernel is not installed")
    if page_s >= _SHARE * time_s:
        return Choice("process", f"it takes {cost}")
    return Choice("inline", f"certified, {cost}")


def measure_page(program: Program, domain: Domain, rows: int, clock: Clock) -> float:
    """Return the seconds that a page takes here, the least of a few runs; of a slow one, of fewer.

    Args:
        program: The model.
        domain: Rows are drawn from it.
        rows: Candidates of the page.
        clock: Monotonic time.
    """
    table = draw(domain, rows, np.random.default_rng(_SEED), known=program.known)
    taken: list[float] = []
    while len(taken) < _RUNS and sum(taken) < _MEASURING_S:  # it keeps the start waiting
        began = clock.monotonic()
        program.score(table)
        taken.append(clock.monotonic() - began)
    return min(taken)  # what others on the machine do only adds to it


def choose_lane(bundle: Bundle, settings: ServeSettings, clock: Clock) -> Choice:
    """Measure a bundle's model, choose its lane, and log the choice.

    Args:
        bundle: The bundle.
        settings: What is asked for.
        clock: Monotonic time.
    """
    spec, parts, rows = settings.serving, bundle.parts, settings.max_candidates
    trusted = certified(parts.certificate)
    page_s = math.inf
    if spec.lane == "auto" and trusted:
        page_s = measure_page(parts.program, parts.domain, rows, clock)
    choice = choose(spec, certified=trusted, kernel=kernel_name(), page_s=page_s, rows=rows)
    level = logging.INFO if trusted or choice.lane == "process" else logging.WARNING
    _log.log(level, "the model runs %s: %s", choice.lane, choice.reason, extra={"always": True})
    return choice


def open_lane(
    lane: LaneKind,
    bundle: Bundle,
    *,
    settings: ServeSettings,
    clock: Clock,
    watcher: Watcher,
    faults: Callable[[], Fault],
) -> InlineModel | ModelProcess:
    """Return where a bundle's model runs; a process still has to be started.

    Args:
        lane: Which; `choose_lane` chooses.
        bundle: The bundle.
        settings: Limits and protections.
        clock: Monotonic time.
        watcher: Is told about processes; of an inline model it hears nothing.
        faults: Returns the fault of a drill.
    """
    if lane == "inline":
        return InlineModel(bundle.parts.program)
    return _process("", bundle, settings=settings, clock=clock, watcher=watcher, faults=faults)


def open_heuristic(
    name: str,
    bundle: Bundle,
    *,
    settings: ServeSettings,
    clock: Clock,
    watcher: Watcher,
    faults: Callable[[], Fault],
) -> Heuristic | ModelProcess:
    """Return where a heuristic runs: one of our own kinds inline, a user's own in a process.

    Where faults may be played, those of our own kinds play `heuristic_error` too.

    Args:
        name: One of the bundle's.
        bundle: The bundle.
        settings: Limits and protections.
        clock: Monotonic time.
        watcher: Is told about processes.
        faults: Returns the fault of a drill.
    """
    fitted = bundle.parts.heuristics[name]
    if fitted.kind != "custom":
        drilled = settings.serving.faults_allowed
        return DrilledHeuristic(fitted.heuristic, faults) if drilled else fitted.heuristic
    return _process(name, bundle, settings=settings, clock=clock, watcher=watcher, faults=faults)


def process_settings(heuristic: str, bundle: Bundle, settings: ServeSettings) -> WorkerSettings:
    """Return what a model process is started with.

    Args:
        heuristic: Name of the bundle's heuristic that scores; empty for the model.
        bundle: The bundle.
        settings: Limits and protections.
    """
    spec = settings.serving
    return WorkerSettings(
        bundle=str(bundle.ref.path),
        digest=bundle.ref.digest,
        packages=settings.packages,
        heuristic=heuristic,
        columns=() if heuristic else bundle.parts.program.columns,
        golden=spec.protects(Protection.GOLDEN_BATCH),
        death_signal=spec.protects(Protection.DEATH_SIGNAL),
    )


def _process(
    heuristic: str,
    bundle: Bundle,
    *,
    settings: ServeSettings,
    clock: Clock,
    watcher: Watcher,
    faults: Callable[[], Fault],
) -> ModelProcess:
    spec = settings.serving
    return ModelProcess(
        process_settings(heuristic, bundle, settings),
        hang_s=spec.hang_ms / 1000,
        clock=clock,
        watcher=watcher,
        faults=faults,
        standby=spec.protects(Protection.STANDBY),
    )
