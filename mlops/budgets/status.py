"""A budget: how much of an SLO's allowed failure is left, as a real Prometheus has it."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from mlops.base.verdict import Finding, Status, Verdict
from mlops.budgets.prometheus import Prometheus, Sample
from mlops.slo import names
from mlops.slo.objective import Objective
from mlops.slo.rules import summed
from mlops.slo.spec import SloSpec
from mlops.slo.windows import prometheus_duration


@dataclass(frozen=True, slots=True)
class Budget:
    """The state of one SLO at one time.

    Attributes:
        slo: Its name.
        service: The service as metrics name it.
        target: Least share of good events, in [0, 1).
        period_s: Length of the period in seconds.
        status: PASS; WARN while an alert fires; FAIL once the budget is used up; UNKNOWN where
            there is no data, which is never a pass.
        reason: Why it is not a pass; empty if it is.
        total: Events in the period; None without data.
        bad: Bad events in the period; None without data.
        burn_rate: Burn rate over the last step; None while nothing happens or is recorded.
        coverage: Share of the period for which events were recorded, in [0, 1].
        firing: Names of the alerts that fire, sorted.
    """

    slo: str
    service: str
    target: float
    period_s: int
    status: Status
    reason: str
    total: float | None
    bad: float | None
    burn_rate: float | None
    coverage: float
    firing: tuple[str, ...]

    @property
    def sli(self) -> float | None:
        """Return the share of good events in the period, in [0, 1]; None without events."""
        return None if not self.total or self.bad is None else 1 - self.bad / self.total

    @property
    def remaining(self) -> float | None:
        """Return the share of the budget that is left: 1 untouched, below 0 overspent."""
        sli = self.sli
        return None if sli is None else 1 - (1 - sli) / (1 - self.target)


def status(
    objectives: Sequence[Objective], spec: SloSpec, prometheus: Prometheus, *, at: datetime
) -> tuple[Budget, ...]:
    """Read the budgets of objectives from the series that their rules record.

    All figures are asked for one time. Events are whole recorded steps, so they are up to one step
    behind, they lack what happened before the rules were first evaluated, and a burst's two edges
    are each exact to about a scrape: nothing over 28 days, much over the first minutes.

    Args:
        objectives: The SLOs; their rules must be loaded with the same `spec`.
        spec: Gives the steps and windows.
        prometheus: Where to ask.
        at: The time, timezone-aware.

    Returns:
        One budget an objective, in their order.

    Raises:
        UnavailableError: Prometheus gives no usable answer.
    """
    readings: dict[int, _Reading] = {}
    for objective in objectives:
        period_s = objective.period(spec)
        if period_s not in readings:
            readings[period_s] = _read(objectives, period_s, spec, prometheus, at)
    return tuple(_budget(item, readings[item.period(spec)], spec) for item in objectives)


def verdict(budgets: Sequence[Budget]) -> Verdict:
    """Return the verdict `slo.status` over some budgets, one finding each."""
    return Verdict(
        "slo.status",
        tuple(
            Finding(
                "slo.budget",
                budget.status,
                f"{budget.slo}: {budget.reason or 'within its budget'}",
                value=budget.remaining,
                limit=0.0,
                unit="ratio",
            )
            for budget in budgets
        ),
    )


_Key = tuple[str, str]


@dataclass(frozen=True, slots=True)
class _Reading:
    """Figures by service and SLO."""

    total: Mapping[_Key, float]
    bad: Mapping[_Key, float]
    steps: Mapping[_Key, float]
    now: Mapping[_Key, float]
    burn_rate: Mapping[_Key, float]
    firing: Mapping[_Key, tuple[str, ...]]


def _read(
    objectives: Sequence[Objective],
    period_s: int,
    spec: SloSpec,
    prometheus: Prometheus,
    at: datetime,
) -> _Reading:
    # OpenSLO names hold no character but `.` that a regular expression would take for its own.
    slos = "|".join(sorted({item.slo.replace(".", "[.]") for item in objectives}))
    selector = f'{{slo=~"{slos}"}}'
    bad, total = names.sli_bad(spec), names.sli_total(spec)

    def ask(expr: str) -> tuple[Sample, ...]:
        return prometheus.query(expr, at=at)

    period_total = summed(total, selector, period_s, spec)
    return _Reading(
        total=_figures(ask(period_total)),
        bad=_figures(ask(summed(bad, selector, period_s, spec))),
        steps=_figures(ask(period_total.replace("sum_over_time", "count_over_time", 1))),
        now=_figures(ask(f"{total}{selector}")),
        burn_rate=_figures(ask(f"{names.CURRENT_BURN_RATE}{selector}")),
        firing=_firing(ask(_alerts(selector))),
    )


def _alerts(selector: str) -> str:
    return f'ALERTS{{alertstate="firing",alertname=~"{names.ALERT_PREFIX}.*",{selector[1:]}'


def _key(sample: Sample) -> _Key:
    return sample.labels.get("service", ""), sample.labels.get("slo", "")


def _figures(samples: Sequence[Sample]) -> dict[_Key, float]:
    return {_key(sample): sample.value for sample in samples if math.isfinite(sample.value)}


def _firing(samples: Sequence[Sample]) -> dict[_Key, tuple[str, ...]]:
    found: dict[_Key, set[str]] = {}
    for sample in samples:
        found.setdefault(_key(sample), set()).add(sample.labels.get("alertname", ""))
    return {key: tuple(sorted(alerts)) for key, alerts in found.items()}


def _budget(objective: Objective, reading: _Reading, spec: SloSpec) -> Budget:
    key = (objective.service, objective.slo)
    period_s = objective.period(spec)
    budget = Budget(
        slo=objective.slo,
        service=objective.service,
        target=float(objective.target),
        period_s=period_s,
        status=Status.UNKNOWN,
        reason="",
        total=reading.total.get(key),
        bad=reading.bad.get(key),
        burn_rate=reading.burn_rate.get(key),
        coverage=min(reading.steps.get(key, 0.0) * spec.step_s / period_s, 1.0),
        firing=reading.firing.get(key, ()),
    )
    state, reason = _judged(budget, recorded_now=key in reading.now, spec=spec)
    return replace(budget, status=state, reason=reason)


def _judged(budget: Budget, *, recorded_now: bool, spec: SloSpec) -> tuple[Status, str]:
    step, period = prometheus_duration(spec.step_s), prometheus_duration(budget.period_s)
    if budget.total is None or budget.bad is None:
        return Status.UNKNOWN, (
            f"no data in {period}: are its rules loaded, is the service scraped, and has it run "
            f"for {step}?"
        )
    if budget.total == 0 or budget.remaining is None:
        return Status.UNKNOWN, f"nothing happened in {period}, so there is nothing to judge"
    if budget.remaining <= 0:
        return Status.FAIL, f"its budget of {period} is used up"
    if not recorded_now:
        return Status.UNKNOWN, f"no data for the last {step}: is the service scraped?"
    if budget.firing:
        return Status.WARN, f"{', '.join(budget.firing)} fires"
    return Status.PASS, ""
