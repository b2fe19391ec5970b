"""A run: from rows to a bundle, with a record of everything on the way."""

from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from mlops.base.clock import Clock
from mlops.base.verdict import Finding, Status, Verdict
from mlops.base.verdict import to_json as verdict_to_json
from mlops.contracts.schema import as_table
from mlops.data.sources import CrossingSource
from mlops.data.split import Split, by_time
from mlops.models.artifact import BundleRef, Parts, point, sign, write
from mlops.models.certificate import Certificate
from mlops.models.heuristics import FittedHeuristic, History, fit_heuristic
from mlops.models.lowering import lower
from mlops.models.parity import prove
from mlops.models.predictor import SklearnPredictor
from mlops.models.program import Program
from mlops.models.signature import Signature, Signer
from mlops.proofs.proof import Task, prove_all
from mlops.quality.evaluate import evaluate
from mlops.quality.measure import Measurement, to_json
from mlops.quality.subject import Subject
from mlops.training import environment, record
from mlops.training.heads import known_by, usable
from mlops.training.intake import Intake, take_in
from mlops.training.plan import Plan
from mlops.training.record import CostRecord, DataRecord, RunRecord, SplitRecord
from mlops.training.subjects import HeuristicSubject, ProgramSubject


@dataclass(frozen=True, slots=True)
class Trained:
    """What a run made.

    Attributes:
        record: Its record.
        record_path: The record's file.
        bundle: Where the bundle lies.
        signature: Who released it; None if nobody has yet.
        intake: What it learned from.
        measurements: The model's and the heuristics' figures.
        verdicts: Parity, certificate and cost.
    """

    record: RunRecord
    record_path: Path
    bundle: BundleRef
    signature: Signature | None
    intake: Intake
    measurements: tuple[Measurement, ...]
    verdicts: tuple[Verdict, ...]


@dataclass(slots=True)
class _Steps:
    """Times the steps of a run and announces them."""

    clock: Clock
    announce: Callable[[str], None]
    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def step(self, name: str) -> Generator[None, None, None]:
        self.announce(name)
        started = self.clock.monotonic()
        yield
        self.seconds[name] = round(self.clock.monotonic() - started, 3)


def train(
    plan: Plan, *, clock: Clock, announce: Callable[[str], None], signer: Signer | None = None
) -> Trained:
    """Run a plan.

    Args:
        plan: What to do.
        clock: Time of the record, of the steps and of the release.
        announce: Told the name of each step as it begins.
        signer: Who releases the bundle; None leaves it unsigned.

    Raises:
        ContractError: The data cannot be learned from.
        ConfigError: The model cannot be built, fitted or compiled.
        UnavailableError: Data cannot be reached or files not written.
    """
    started_at, started = clock.now(), clock.monotonic()
    steps = _Steps(clock, announce)
    with steps.step("read"):
        raw = plan.source.read()
    with steps.step("validate"):
        intake = take_in(raw, plan.schema, max_bad_share=plan.max_bad_share, folders=plan.folders)
        split = by_time(intake.frame, plan.split)
    made = _make(plan, split, steps)
    with steps.step("evaluate"):
        measurements = measure(plan, split, made.program, made.heuristics, model=plan.model.name)
    with steps.step("bundle"):
        bundle = write(_parts(plan, made, measurements), plan.folders.bundles)
        signature = None if signer is None else sign(bundle.path, signer, clock=clock)
        point(bundle, plan.folders.bundles, plan.service)
    cost = CostRecord(
        fit_cpu_s=round(made.fit_cpu_s, 3),
        wall_s=round(clock.monotonic() - started, 3),
        peak_memory_mb=round(environment.peak_memory_mb(), 1),
        steps_s=steps.seconds,
    )
    verdicts = (made.parity, made.certificate.verdict(), judge_cost(plan, cost))
    run = RunRecord(
        run_id=f"{started_at:%Y%m%dT%H%M%S}-{bundle.digest.removeprefix('sha256:')[:12]}",
        service=plan.service,
        model=plan.model.name,
        started_at=started_at.isoformat(),
        seed=plan.seed,
        config=plan.config,
        data=_data_record(intake, split),
        environment=environment.describe(),
        cost=cost,
        bundle=bundle.digest,
        measurements=to_json(measurements),
        verdicts=[verdict_to_json(verdict) for verdict in verdicts],
    )
    path = record.write(run, plan.folders.runs)
    return Trained(run, path, bundle, signature, intake, measurements, verdicts)


@dataclass(frozen=True, slots=True)
class _Made:
    """What fitting and compiling made.

    Attributes:
        program: The compiled model.
        heuristics: The fitted heuristics, by name.
        parity: Whether the program equals what was fitted.
        certificate: What is proved about it.
        fit_cpu_s: CPU seconds of fitting.
    """

    program: Program
    heuristics: Mapping[str, FittedHeuristic]
    parity: Verdict
    certificate: Certificate
    fit_cpu_s: float


def _make(plan: Plan, split: Split, steps: _Steps) -> _Made:
    cpu_before = environment.cpu_s()
    with steps.step("fit"):
        predictors = _fit(plan, split)
        heuristics = _fit_heuristics(plan, split)
    fit_cpu_s = environment.cpu_s() - cpu_before
    with steps.step("compile"):
        program = lower(predictors, plan.request, plan.training.score)
        parity = prove(
            program,
            predictors,
            plan.request,
            rng=np.random.default_rng(plan.seed),
            rows=plan.training.parity_rows,
        )
    with steps.step("certify"):
        task = Task(program, plan.request, plan.proofs, plan.seed)
        certificate = prove_all(task, clock=steps.clock.monotonic)
    return _Made(program, heuristics, parity, certificate, fit_cpu_s)


def _parts(plan: Plan, made: _Made, measurements: tuple[Measurement, ...]) -> Parts:
    return Parts(
        service=plan.service,
        model=plan.model.name,
        domain=plan.request,
        program=made.program,
        heuristics=made.heuristics,
        certificate=made.certificate,
        quality={
            "measurements": to_json(measurements),
            "parity": verdict_to_json(made.parity),
        },
    )


def _fit(plan: Plan, split: Split) -> dict[str, SklearnPredictor]:
    predictors: dict[str, SklearnPredictor] = {}
    for head in plan.training.heads:
        # The run happens at the log's end and knows every outcome that has arrived by then.
        rows = usable(head, split.train, time=plan.split.column, as_of_s=split.as_of_s)
        frame = split.train.loc[rows]
        predictor = SklearnPredictor(
            plan.model, plan.request, seed=plan.seed, packages=plan.packages
        )
        table = as_table(plan.request.features, frame)
        outcome = frame[head.outcome].to_numpy(np.float64)
        predictors[head.name] = predictor.fit(table, outcome)
    return predictors


def _fit_heuristics(plan: Plan, split: Split) -> dict[str, FittedHeuristic]:
    history = History(
        table=as_table(plan.domain.columns, split.train),
        at_s=split.train[plan.split.column].to_numpy(np.float64),
        as_of_s=split.boundary_s,
    )
    return {
        name: fit_heuristic(spec, history, packages=plan.packages)
        for name, spec in plan.training.heuristics.items()
    }


def measure(
    plan: Plan,
    split: Split,
    program: Program,
    heuristics: Mapping[str, FittedHeuristic],
    *,
    model: str,
) -> tuple[Measurement, ...]:
    """Measure a compiled model and the heuristics beside it on the held-out future.

    Args:
        plan: What to measure.
        split: The divided rows.
        program: The compiled model.
        heuristics: The fitted heuristics, by name.
        model: Name of the compiled model, which need not be the one that the plan would train.

    Raises:
        ConfigError: The quality section does not fit the contract.
    """
    test = split.test
    subjects: list[Subject] = [
        ProgramSubject(model, program, plan.request),
        *(HeuristicSubject(n, fitted.heuristic, plan.request) for n, fitted in heuristics.items()),
    ]
    mature = {
        head.name: known_by(head, test, time=plan.split.column, as_of_s=split.as_of_s)
        for head in plan.training.heads
        if head.matures_days
    }
    crossing: Callable[[pd.DataFrame], pd.DataFrame] | None = None
    if isinstance(plan.source, CrossingSource):
        crossing = plan.source.cross
    rng = np.random.default_rng(plan.seed)
    return evaluate(plan.quality, test, subjects, crossing=crossing, rng=rng, mature=mature)


def judge_cost(plan: Plan, cost: CostRecord) -> Verdict:
    """Hold what a run took against its budget."""
    training = plan.training
    held = (
        ("cost.fit_cpu", cost.fit_cpu_s, training.budget_cpu_s, "s", "fitting took"),
        ("cost.memory", cost.peak_memory_mb, training.budget_memory_mb, "MiB", "the run held"),
    )
    return Verdict(
        "cost",
        tuple(
            Finding(
                check,
                Status.PASS if value <= limit else Status.FAIL,
                f"{words} {value:.4g} {unit}, of {limit:.6g} {unit} allowed",
                value=value,
                limit=limit,
                unit=unit,
            )
            for check, value, limit, unit, words in held
        ),
    )


def _data_record(intake: Intake, split: Split) -> DataRecord:
    return DataRecord(
        snapshot=intake.snapshot.digest,
        rows=intake.snapshot.rows,
        quarantined=intake.bad_rows,
        quarantine=str(intake.quarantine or ""),
        split=SplitRecord(
            train_rows=len(split.train),
            test_rows=len(split.test),
            boundary_s=split.boundary_s,
            as_of_s=split.as_of_s,
        ),
    )
