"""The cost step: what a composed configuration is predicted to take, held to its own budgets."""

from dataclasses import dataclass, replace
from pathlib import Path

from mlops.base.errors import ConfigError
from mlops.base.verdict import Finding, Status
from mlops.config.compose import Composed
from mlops.config.resolve import Contracts
from mlops.config.settings import Settings, allowed_packages, folders
from mlops.cost import host
from mlops.cost.baseline import BASELINE
from mlops.cost.budget import Budgets, Key, figure, judge
from mlops.cost.cost import Job, Learner, Prediction, predict
from mlops.cost.host import HostProfile
from mlops.cost.pipeline_work import UnknownWork
from mlops.data.size import Size, size, usable_share
from mlops.data.spec import CsvSource
from mlops.models.estimator import build_estimator
from mlops.models.spec import CustomSpec, StaticSpec
from mlops.training import record


@dataclass(frozen=True, slots=True)
class Costed:
    """What the step found.

    Attributes:
        findings: All `check.cost.*`.
        prediction: What they rest on; None where nothing could be predicted.
    """

    findings: tuple[Finding, ...]
    prediction: Prediction | None = None


def cost(composed: Composed, loaded: Contracts, folder: Path) -> Costed:
    """Predict a configuration's cost; no data are read and nothing is fitted.

    Args:
        composed: The configuration.
        loaded: Its contracts.
        folder: Where the command runs.

    Raises:
        ConfigError: The model cannot be built, or the host's profile is none.
    """
    settings = composed.settings
    try:
        profile, key = host_of(settings, folder)
    except ConfigError as error:
        finding = Finding(
            "check.cost.host", Status.FAIL, error.message, key=("cost", "host"), hint=error.hint
        )
        return Costed((finding,))
    known = rows_of(settings, loaded, folder)
    if known is None:
        return Costed((_unknown_rows(),))
    estimator = build_estimator(
        settings.model, loaded.request, seed=settings.seed, packages=allowed_packages(settings)
    )
    found = predict(_job(settings, loaded, estimator, known.rows), profile)
    if isinstance(found, UnknownWork):
        return Costed((_unknown_work(found),))
    budgets = Budgets(
        cpu_s=settings.training.budget_cpu_s,
        memory_mb=settings.training.budget_memory_mb,
        gate_ms=settings.release.max_latency_ms,
        model_ms=settings.serving.deadline_ms - settings.serving.reserve_ms,
        page=settings.release.latency_page,
        largest=settings.contracts.max_candidates,
        declared_host=key,
    )
    guessed = _less_sure(found, known)
    return Costed((_basis(found, known, budgets.page), *judge(guessed, budgets)), guessed)


def host_of(settings: Settings, folder: Path) -> tuple[HostProfile, Key]:
    """Return the profile that costs are predicted with, and the key that declares it.

    This host's calibration is used where there is one, else the shipped profile.

    Raises:
        ConfigError: The configuration names no profile that there is.
    """
    spec = settings.cost
    if host.THIS in spec.hosts:
        raise ConfigError(f"cost.hosts.{host.THIS} is taken: it is where the check runs")
    own = host.place(folders(settings, folder).root, host.machine())
    here = host.load(own) if own.is_file() else shipped()
    if spec.host == host.THIS:
        return here, ()
    if spec.host in spec.hosts:
        declared = host.declared(spec.host, spec.hosts[spec.host], here)
        return declared, ("cost", "hosts", spec.host)
    if spec.host.endswith(".json") or "/" in spec.host:
        loaded = host.load(folder / spec.host)
        return loaded.model_copy(update={"name": Path(spec.host).stem}), ("cost", "host")
    known = ", ".join([host.THIS, *spec.hosts])
    raise ConfigError(f"cost.host is {spec.host!r}; known: {known}, or a file that ends in .json")


def shipped() -> HostProfile:
    """Return the shipped profile with what is known of this machine without timing it."""
    here = host.machine()
    return BASELINE.model_copy(
        update={"name": host.THIS, "cores": here.cores, "memory_mb": here.memory_mb}
    )


def rows_of(settings: Settings, loaded: Contracts, folder: Path) -> Size | None:
    """Return how many rows a run will read, if anything tells."""
    recorded = None
    if isinstance(settings.data.source, CsvSource) and settings.data.expected_rows is None:
        recorded = record.rows_of_last(
            settings.name, settings.data.source.model_dump(mode="json"),
            folders(settings, folder).runs,
        )  # fmt: skip
    columns = len(loaded.training.columns)
    return size(settings.data, columns=columns, folder=folder, recorded=recorded)


def _job(settings: Settings, loaded: Contracts, estimator: object, rows: float) -> Job:
    heuristics = settings.training.heuristics.values()
    learners = []
    for head in settings.training.heads:
        share, most = usable_share(settings.data, head.given)
        learners.append(Learner(head.name, share, most))
    return Job(
        estimator=estimator,
        domain=loaded.request,
        columns=len(loaded.training.columns),
        rows=rows,
        train_share=1.0 - settings.data.split.test_share,
        learners=tuple(learners),
        heuristics=sum(not isinstance(h, StaticSpec | CustomSpec) for h in heuristics),
    )


def _less_sure(prediction: Prediction, known: Size) -> Prediction:
    """Return a prediction that says how sure it is where the rows are guessed."""
    if known.factor <= 1:
        return prediction
    wider = prediction.host.uncertainty * known.factor
    profile = prediction.host.model_copy(update={"uncertainty": wider, "measured": False})
    return replace(prediction, host=profile)


def _basis(prediction: Prediction, known: Size, page: int) -> Finding:
    """Return the figures in one line, with what they rest on."""
    profile = prediction.host
    if profile.measured:
        told = "timed by `mlops check --calibrate`"
    elif profile.name == host.THIS:
        told = "which was never timed: `mlops check --calibrate` makes them surer"
    else:
        told = "as it is declared"
    name = "this host" if profile.name == host.THIS else profile.name
    return Finding(
        "check.cost.rows",
        Status.PASS,
        f"{figure(prediction.cpu_s)} CPU seconds, {figure(prediction.memory_mb)} MiB,"
        f" {figure(prediction.page_ms(page))} ms a page, for about {known.rows:,.0f} rows by"
        f" {known.known_by}, on {name}, {told}",
        value=known.rows,
        unit="rows",
    )


def _unknown_rows() -> Finding:
    return Finding(
        "check.cost.rows",
        Status.UNKNOWN,
        "how many rows a run will read is not known, so its cost cannot be predicted",
        unit="rows",
        key=("data", "source"),
        hint="declare data.expected_rows, or train once: the next check reads the run's record",
    )


def _unknown_work(found: UnknownWork) -> Finding:
    return Finding(
        "check.cost.model",
        Status.UNKNOWN,
        f"what fitting {found.name} takes is not known, so its cost cannot be predicted",
        key=("model", "estimator", "_target_"),
        hint="known: gradient boosting by histograms, forests and trees, logistic, linear and"
        " ridge regression, and calibrations of these; others are held to the budget by the run",
    )
