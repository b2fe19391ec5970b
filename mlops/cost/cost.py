"""A cost: what a training and its serving would take on a host, told before anything runs."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import reduce

from mlops.contracts.domain import Domain
from mlops.cost import work
from mlops.cost.host import HostProfile
from mlops.cost.page_work import page_work
from mlops.cost.pipeline_work import UnknownWork, fit_work
from mlops.cost.work import Outcome, Work

_MIB = 2.0**20
_NODE_BYTES = 27.0
_WEIGHT_BYTES = 8.0
_LOADED = 3.0
"""Times its size that a model takes in memory while it is loaded: file, arrays and checks."""

_ROUNDS = ("boosting.round", "logistic.round", "forest.tree", "forest.sort", "forest.draw",
           "forest.near", "forest.far", "forest.node")  # fmt: skip


@dataclass(frozen=True, slots=True)
class Learner:
    """One head, as far as its cost goes.

    Attributes:
        name: The head's name.
        share: Share of the training rows that it is expected to learn from, 0 to 1.
        most: The same as an upper bound.
    """

    name: str
    share: float = 1.0
    most: float = 1.0


@dataclass(frozen=True, slots=True)
class Job:
    """What is to be trained and served.

    Attributes:
        estimator: The unfitted pipeline, as `build_estimator` gives it.
        domain: The request's contract.
        columns: Columns of the training contract.
        rows: Rows that are read.
        train_share: Share of them that train, 0 to 1.
        learners: The heads.
        heuristics: Heuristics that count the past.
    """

    estimator: object
    domain: Domain
    columns: int
    rows: float
    train_share: float
    learners: tuple[Learner, ...]
    heuristics: int = 0


@dataclass(frozen=True, slots=True)
class Prediction:
    """What a job is predicted to take.

    Attributes:
        job: What was asked.
        host: On which machine.
        cpu_s: CPU seconds of fitting, as the run's budget counts them.
        most_cpu_s: The same, if nothing stops early and no row is left out.
        wall_s: Seconds of reading, validating and fitting.
        memory_mb: MiB that the run holds at its peak.
        rounds: Iterations or trees of a fit; 0 where there are none.
        round_cpu_s: Part of `cpu_s` that grows with them.
        doubts: What makes it less sure, as words.
        outcome: The compiled model's size.
    """

    job: Job
    host: HostProfile
    cpu_s: float
    most_cpu_s: float
    wall_s: float
    memory_mb: float
    rounds: float
    round_cpu_s: float
    doubts: tuple[str, ...]
    outcome: Outcome

    @property
    def artifact_mb(self) -> float:
        """MiB of the compiled model."""
        nodes = self.outcome.trees * 2.0 * self.outcome.leaves
        return (nodes * _NODE_BYTES + self.outcome.weights * _WEIGHT_BYTES) / _MIB

    @property
    def server_mb(self) -> float:
        """MiB of the process that answers with it."""
        return self.host.server_mb + _LOADED * self.artifact_mb

    def page_ms(self, rows: int) -> float:
        """Return the milliseconds in which the compiled model scores a page of so many rows."""
        counts = page_work(
            rows,
            columns=len(self.job.domain.features),
            trees=self.outcome.trees,
            depth=self.outcome.depth,
            linear=self.outcome.weights > 0,
        )
        return self.host.cpu_s(counts) * 1000


def predict(job: Job, host: HostProfile) -> Prediction | UnknownWork:
    """Predict what a job takes; nothing is fitted and nothing is read.

    Args:
        job: What is to be trained.
        host: The machine's timings.

    Returns:
        The prediction, or the class that there is no count for.
    """
    train = job.rows * job.train_share
    fits: list[tuple[Work, Work]] = []
    for learner in job.learners:
        found = fit_work(job.estimator, job.domain, max(train * learner.share, 1.0))
        bound = fit_work(job.estimator, job.domain, max(train * learner.most, 1.0))
        if isinstance(found, UnknownWork):
            return found
        if isinstance(bound, UnknownWork):
            return bound
        fits.append((found, bound))
    features = len(job.domain.features)
    around = {"run.heuristic": train * job.heuristics}
    tables = [{"run.table": train * each.share * features} for each in job.learners]
    counts = work.total([*(found.cpu for found, _ in fits), *tables, around])
    bounds = [{"run.table": train * each.most * features} for each in job.learners]
    cells = job.rows * job.columns
    cpu_s = host.cpu_s(counts)
    parallel = max((found.parallel for found, _ in fits), default=0.0)
    outcome = reduce(Outcome.joined, (found.outcome for found, _ in fits), Outcome())
    memory = max((host.memory_mb_of(found.memory) for found, _ in fits), default=0.0)
    return Prediction(
        job=job,
        host=host,
        cpu_s=cpu_s,
        most_cpu_s=host.cpu_s(work.total([*(bound.most for _, bound in fits), *bounds, around])),
        wall_s=host.cpu_s({"run.read": cells, "run.keep": cells})
        + cpu_s * (1.0 - parallel * (1.0 - 1.0 / max(host.cores, 1))),
        memory_mb=host.base_mb + host.memory_mb_of({"run.base": 1.0, "run.cell": cells}) + memory,
        rounds=max((found.iterations for found, _ in fits), default=0.0),
        round_cpu_s=host.cpu_s({u: c for u, c in counts.items() if u.startswith(_ROUNDS)}),
        doubts=tuple(dict.fromkeys(doubt for found, _ in fits for doubt in found.doubts)),
        outcome=outcome,
    )


def rows_within(
    prediction: Prediction, limit: float, of: Callable[[Prediction], float]
) -> float | None:
    """Return the most rows with which a figure stays within a limit; None if no row does.

    Args:
        prediction: What is too much.
        limit: What is allowed.
        of: Takes the figure; it must grow with the rows.
    """

    def figure(rows: float) -> float:
        found = predict(replace(prediction.job, rows=rows), prediction.host)
        return float("inf") if isinstance(found, UnknownWork) else of(found)

    low, high = 100.0, prediction.job.rows
    if figure(low) > limit:
        return None
    for _ in range(40):
        middle = (low * high) ** 0.5
        low, high = (middle, high) if figure(middle) <= limit else (low, middle)
    return low


def rounds_within(prediction: Prediction, limit_s: float) -> float | None:
    """Return the most iterations or trees with which fitting stays within a limit; None if none."""
    if prediction.rounds < 1 or prediction.round_cpu_s <= 0:
        return None
    fixed = prediction.cpu_s - prediction.round_cpu_s
    fitting = prediction.rounds * (limit_s - fixed) / prediction.round_cpu_s
    return fitting if fitting >= 1 else None
