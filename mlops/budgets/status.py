"""A budget: how much of an SLO's allowed failure is left, as a real Prometheus has it."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TypeAlias

from mlops.base.verdict import Finding, Status, Verdict
from mlops.budgets.period import Period, Span, over_steps, period_of
from mlops.budgets.prometheus import Prometheus, Sample
from mlops.slo import names
from mlops.slo.objective import Objective
from mlops.slo.spec import SloSpec
from mlops.slo.windows import prometheus_duration


@dataclass(frozen=True, slots=True)
class Budget:
    """The state of one SLO at one time.

    Attributes:
        slo: Its name.
        service: The service as metrics name it.
        title: Its name for people.
        target: Least share of good events, in [0, 1).
        period: The time that it is for.
        status: PASS; WARN while an alert fires; FAIL once the budget is used up; UNKNOWN where
            there is no data, which is never a pass.
        reason: Why it is not a pass; empty if it is.
        total: Events in the period; None without data.
        bad: Bad events in the period; None without data.
        burn_rate: Burn rate over the last step; None while nothing happens or is recorded.
        coverage: Share of the period, maintenance left out, for which events were recorded, in
            [0, 1].
        firing: Names of the alerts that fire, sorted.
    """

    slo: str
    service: str
    title: str
    target: float
    period: Period
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
    are each exact to about a scrape: nothing over 28 days, much over the first minutes. Steps in
    maintenance are left out.

    Args:
        objectives: The SLOs; their rules must be loaded with the same `spec`.
        spec: Gives the steps, windows and maintenance.
        prometheus: Where to ask.
        at: The time, timezone-aware.

    Returns:
        One budget an objective, in their order.

    Raises:
        UnavailableError: Prometheus gives no usable answer.
    """
    if not objectives:
        return ()
    periods = [period_of(objective, spec, at=at) for objective in objectives]
    now = _read_now(objectives, spec, prometheus, at)
    sums: dict[tuple[Span, ...], _Sums] = {}
    for period in periods:
        if period.spans not in sums:
            same = [
                item
                for item, other in zip(objectives, periods, strict=True)
                if other.spans == period.spans
            ]
            sums[period.spans] = _read_sums(same, period, spec, prometheus)
    return tuple(
        _budget(objective, period, sums[period.spans], now, spec)
        for objective, period in zip(objectives, periods, strict=True)
    )


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


_Key: TypeAlias = tuple[str, str]


@dataclass(frozen=True, slots=True)
class _Now:
    """What is recorded at the time itself, by service and SLO."""

    total: Mapping[_Key, float]
    burn_rate: Mapping[_Key, float]
    firing: Mapping[_Key, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class _Sums:
    """Sums over a period's steps, by service and SLO."""

    total: Mapping[_Key, float]
    bad: Mapping[_Key, float]
    steps: Mapping[_Key, float]


def _read_now(
    objectives: Sequence[Objective], spec: SloSpec, prometheus: Prometheus, at: datetime
) -> _Now:
    selector = _selector(objectives)

    def ask(expr: str) -> tuple[Sample, ...]:
        return prometheus.query(expr, at=at)

    alerts = f'ALERTS{{alertstate="firing",alertname=~"{names.ALERT_PREFIX}.*",{selector[1:]}'
    return _Now(
        total=_figures(ask(f"{names.sli_total(spec)}{selector}")),
        burn_rate=_figures(ask(f"{names.CURRENT_BURN_RATE}{selector}")),
        firing=_firing(ask(alerts)),
    )


def _read_sums(
    objectives: Sequence[Objective], period: Period, spec: SloSpec, prometheus: Prometheus
) -> _Sums:
    selector = _selector(objectives)
    asked = (
        ("sum_over_time", names.sli_total(spec)),
        ("sum_over_time", names.sli_bad(spec)),
        ("count_over_time", names.sli_total(spec)),
    )
    # Spans are added up here: in PromQL a span without data would make the whole sum vanish.
    total, bad, steps = (
        _added(
            _figures(
                prometheus.query(over_steps(function, series + selector, span, spec), at=period.at)
            )
            for span in period.spans
        )
        for function, series in asked
    )
    return _Sums(total, bad, steps)


def _selector(objectives: Sequence[Objective]) -> str:
    # OpenSLO names hold no character but `.` that a regular expression would take for its own.
    slos = "|".join(sorted({item.slo.replace(".", "[.]") for item in objectives}))
    return f'{{slo=~"{slos}"}}'


def _added(parts: Iterable[Mapping[_Key, float]]) -> dict[_Key, float]:
    found: dict[_Key, float] = {}
    for part in parts:
        for key, value in part.items():
            found[key] = found.get(key, 0.0) + value
    return found


def _key(sample: Sample) -> _Key:
    return sample.labels.get("service", ""), sample.labels.get("slo", "")


def _figures(samples: Sequence[Sample]) -> dict[_Key, float]:
    return {_key(sample): sample.value for sample in samples if math.isfinite(sample.value)}


def _firing(samples: Sequence[Sample]) -> dict[_Key, tuple[str, ...]]:
    found: dict[_Key, set[str]] = {}
    for sample in samples:
        found.setdefault(_key(sample), set()).add(sample.labels.get("alertname", ""))
    return {key: tuple(sorted(alerts)) for key, alerts in found.items()}


def _budget(objective: Objective, period: Period, sums: _Sums, now: _Now, spec: SloSpec) -> Budget:
    key = (objective.service, objective.slo)
    budget = Budget(
        slo=objective.slo,
        service=objective.service,
        title=objective.title,
        target=float(objective.target),
        period=period,
        status=Status.UNKNOWN,
        reason="",
        total=sums.total.get(key),
        bad=sums.bad.get(key),
        burn_rate=now.burn_rate.get(key),
        coverage=min(sums.steps.get(key, 0.0) / period.steps, 1.0) if period.steps else 0.0,
        firing=now.firing.get(key, ()),
    )
    state, reason = _judged(budget, recorded_now=key in now.total, spec=spec)
    return replace(budget, status=state, reason=reason)


def _judged(budget: Budget, *, recorded_now: bool, spec: SloSpec) -> tuple[Status, str]:
    step, words = prometheus_duration(spec.step_s), budget.period.words
    if not budget.period.spans:
        return Status.UNKNOWN, (
            f"no step of {step} is over yet in this {words}, or all of it was maintenance"
        )
    if budget.total is None or budget.bad is None:
        return Status.UNKNOWN, (
            f"no data in {words}: are its rules loaded, is the service scraped, and has it run "
            f"for {step}?"
        )
    if budget.total == 0 or budget.remaining is None:
        return Status.UNKNOWN, f"nothing happened in {words}, so there is nothing to judge"
    if budget.remaining <= 0:
        return Status.FAIL, f"its budget of {words} is used up"
    if not recorded_now and not budget.period.in_maintenance:
        return Status.UNKNOWN, f"no data for the last {step}: is the service scraped?"
    if budget.firing:
        return Status.WARN, f"{', '.join(budget.firing)} fires"
    return Status.PASS, ""
