"""A history: the recorded steps of one SLO's period, for plots and for what will be."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from itertools import accumulate

from mlops.budgets.period import Period, period_of
from mlops.budgets.prometheus import Prometheus
from mlops.slo import names
from mlops.slo.objective import Objective
from mlops.slo.spec import SloSpec


@dataclass(frozen=True, slots=True)
class Step:
    """One recorded step.

    Attributes:
        end: Its end, Unix seconds.
        total: Events in it.
        bad: Bad events in it.
    """

    end: int
    total: float
    bad: float


@dataclass(frozen=True, slots=True)
class Point:
    """The budget at one time of its period.

    Attributes:
        at: The time, in UTC.
        remaining: Share of the whole period's budget that was left then; below 0 overspent.
    """

    at: datetime
    remaining: float


@dataclass(frozen=True, slots=True)
class History:
    """What was recorded in a period; steps without data are not in it.

    Attributes:
        period: The period.
        error_budget: Share of events that may be bad, in (0, 1].
        steps: Its steps, ascending; those in maintenance are left out.
    """

    period: Period
    error_budget: float
    steps: tuple[Step, ...]

    @property
    def total(self) -> float:
        """Return all events."""
        return math.fsum(step.total for step in self.steps)

    def burn_down(self) -> tuple[Point, ...]:
        """Return how the budget went down, a point a step.

        The budget is that of all the period's events so far, so that the line begins at 1, never
        rises, and ends at what `status` says is left.

        Returns:
            The points, ascending; none without events.
        """
        budget = self.error_budget * self.total
        if not budget:
            return ()
        spent = accumulate(step.bad for step in self.steps)
        return tuple(
            Point(datetime.fromtimestamp(step.end, UTC), 1 - bad / budget)
            for step, bad in zip(self.steps, spent, strict=True)
        )

    def error_ratio(self, window_s: int) -> float | None:
        """Return the share of bad events in the last steps.

        Args:
            window_s: Seconds before the period's time.

        Returns:
            In [0, 1]; None without events.
        """
        since = self.period.at.timestamp() - window_s
        steps = [step for step in self.steps if step.end > since]
        total = math.fsum(step.total for step in steps)
        return math.fsum(step.bad for step in steps) / total if total else None


def read_history(
    objective: Objective, spec: SloSpec, prometheus: Prometheus, *, at: datetime
) -> History:
    """Read the steps of an objective's period.

    Args:
        objective: The SLO; its rules must be loaded with the same `spec`.
        spec: Gives the steps and maintenance.
        prometheus: Where to ask.
        at: The time, timezone-aware.

    Raises:
        UnavailableError: Prometheus gives no usable answer.
    """
    period = period_of(objective, spec, at=at)
    total, bad = (
        _points(series + objective.selector, period, prometheus)
        for series in (names.sli_total(spec), names.sli_bad(spec))
    )
    steps = tuple(Step(end, total[end], bad[end]) for end in sorted(total.keys() & bad.keys()))
    return History(period, float(Decimal(1) - objective.target), steps)


def thinned(points: Sequence[Point], most: int) -> tuple[Point, ...]:
    """Return at most so many points of a line, evenly, with its first and its last.

    Args:
        points: The line.
        most: At least 2.
    """
    if len(points) <= most:
        return tuple(points)
    last = len(points) - 1
    return tuple(points[index * last // (most - 1)] for index in range(most))


def _points(expr: str, period: Period, prometheus: Prometheus) -> dict[int, float]:
    found: dict[int, float] = {}
    for span in period.spans:
        for series in prometheus.query_range(
            expr, first=span.first, last=span.last, step_s=period.step_s
        ):
            found.update(_finite(series.points.items()))
    return found


def _finite(points: Iterable[tuple[int, float]]) -> Iterable[tuple[int, float]]:
    return ((time, value) for time, value in points if math.isfinite(value))
