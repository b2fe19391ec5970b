"""A report: all budgets at one time, how they came to be what they are, and where they go.

The document for machines has a `version`; a change to it that a reader could notice raises it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from mlops.base.digest import Json
from mlops.base.verdict import Status, worst
from mlops.budgets.forecast import when
from mlops.budgets.history import History, read_history, thinned
from mlops.budgets.prometheus import Prometheus
from mlops.budgets.status import Budget, status
from mlops.slo.objective import Objective
from mlops.slo.policy import Act, BudgetLeft, Policy
from mlops.slo.spec import Maintenance, SloSpec

LATELY_S = 3_600
_MOST_POINTS = 200

WORDS = {
    Status.PASS: "within budget",
    Status.WARN: "alert fires",
    Status.FAIL: "budget spent",
    Status.UNKNOWN: "unknown",
}


@dataclass(frozen=True, slots=True)
class Row:
    """One SLO of a report.

    Attributes:
        objective: What is promised.
        budget: What is left.
        history: The period's steps.
        frozen_below: Rest of the budget below which a policy freezes deployments; None if none
            does.
        spent_at: When the budget will be spent if as much fails as in the last hour; None if it
            is spent, or not within one period.
        maintenance: The windows that the period lacks.
    """

    objective: Objective
    budget: Budget
    history: History
    frozen_below: float | None
    spent_at: datetime | None
    maintenance: tuple[Maintenance, ...]


@dataclass(frozen=True, slots=True)
class Report:
    """All budgets at one time.

    Attributes:
        at: The time.
        rows: One an SLO, in the order of the definitions.
    """

    at: datetime
    rows: tuple[Row, ...]

    @property
    def status(self) -> Status:
        """Return the worst state; unknown if there is no SLO, for then nothing is known."""
        return worst(row.budget.status for row in self.rows) if self.rows else Status.UNKNOWN

    @property
    def counts(self) -> tuple[tuple[Status, int], ...]:
        """Return how many budgets are in each state, worst first; states of none are left out."""
        states = [row.budget.status for row in self.rows]
        order = (Status.FAIL, Status.UNKNOWN, Status.WARN, Status.PASS)
        return tuple((state, states.count(state)) for state in order if state in states)


def read_report(
    objectives: Sequence[Objective],
    policies: Sequence[Policy],
    spec: SloSpec,
    prometheus: Prometheus,
    *,
    at: datetime,
) -> Report:
    """Read all budgets and their periods' steps.

    Args:
        objectives: The SLOs; their rules must be loaded with the same `spec`.
        policies: Say at which rest deployments are frozen.
        spec: Gives the steps, windows and maintenance.
        prometheus: Where to ask.
        at: The time, timezone-aware.

    Raises:
        UnavailableError: Prometheus gives no usable answer.
    """
    budgets = status(objectives, spec, prometheus, at=at)
    rows: list[Row] = []
    for objective, budget in zip(objectives, budgets, strict=True):
        history = read_history(objective, spec, prometheus, at=at)
        rows.append(
            Row(
                objective,
                budget,
                history,
                max(_frozen_below(objective, policies), default=None),
                _spent_at(budget, history),
                tuple(_maintenance(objective, budget, spec)),
            )
        )
    return Report(at, tuple(rows))


def as_document(report: Report) -> Json:
    """Return a report as the document that machines read."""
    slos: list[Json] = []
    for row in report.rows:
        line: list[Json] = [
            [point.at.isoformat(), round(point.remaining, 6)]
            for point in thinned(row.history.burn_down(), _MOST_POINTS)
        ]
        slos.append(
            {
                **budget_document(row.budget),
                "frozen_below": row.frozen_below,
                "spent_at_this_rate": _iso(row.spent_at),
                "burn_down": line,
            }
        )
    return {
        "version": 1,
        "at": report.at.astimezone(UTC).isoformat(),
        "status": report.status.value,
        "slos": slos,
    }


def budget_document(budget: Budget) -> dict[str, Json]:
    """Return one budget as machines read it; shares are in [0, 1], but the rest can be below."""
    period = budget.period
    return {
        "slo": budget.slo,
        "service": budget.service,
        "title": budget.title,
        "status": budget.status.value,
        "reason": budget.reason,
        "objective": budget.target,
        "kept": budget.sli,
        "budget_remaining": budget.remaining,
        "burn_rate": budget.burn_rate,
        "events": budget.total,
        "bad_events": budget.bad,
        "firing": list(budget.firing),
        "period": period.words,
        "began": _iso(period.began),
        "at": _iso(period.at),
        "ends": _iso(period.ends),
        "recorded": budget.coverage,
        "maintenance_s": period.left_out * period.step_s,
    }


def _iso(time: datetime | None) -> str | None:
    return None if time is None else time.astimezone(UTC).isoformat()


def _frozen_below(objective: Objective, policies: Sequence[Policy]) -> Iterator[float]:
    for policy in policies:
        for rule in policy.having(Act.FREEZE):
            if isinstance(rule.when, BudgetLeft) and objective.slo in rule.slos:
                yield rule.when.below


def _spent_at(budget: Budget, history: History) -> datetime | None:
    lately = history.error_ratio(max(LATELY_S, history.period.step_s))
    if not lately or budget.remaining is None or budget.remaining <= 0:
        return None
    return when(history, error_ratio=lately, reached=lambda rest: rest <= 0)


def _maintenance(objective: Objective, budget: Budget, spec: SloSpec) -> Iterator[Maintenance]:
    for window in spec.maintenance:
        inside = window.start < budget.period.at and window.end > budget.period.began
        if inside and window.covers(objective.service):
            yield window
