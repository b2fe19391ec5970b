"""An alert: one pair of windows of one objective, written for the person it wakes."""

from dataclasses import dataclass
from decimal import Decimal

from mlops.slo import names
from mlops.slo.objective import Objective
from mlops.slo.spec import SloSpec, Tier
from mlops.slo.windows import prometheus_duration


@dataclass(frozen=True, slots=True)
class AlertRule:
    """A Prometheus alerting rule.

    Attributes:
        name: `alert`; names both windows.
        expr: PromQL; its value is the burn rate over the long window.
        for_s: Seconds that the condition must hold; 0 for at once.
        keep_firing_for_s: Seconds that the alert outlives its condition.
        labels: What routes it.
        annotations: What a person reads.
    """

    name: str
    expr: str
    for_s: int
    keep_firing_for_s: int
    labels: dict[str, str]
    annotations: dict[str, str]


def burn_alert(objective: Objective, tier: Tier, spec: SloSpec) -> AlertRule:
    """Return the alert of one tier.

    Both windows must burn faster than the factor: the long one, so that enough of the budget is
    at stake, and the short one, so that the alert ends soon after the burn does.

    Source: Google SRE Workbook, chapter 5, "Multiwindow, Multi-Burn-Rate Alerts".
    """
    burns = [
        f"{names.error_ratio(window)}{objective.selector} / {objective.error_budget}"
        f" > {number(tier.factor)}"
        for window in (tier.long_s, tier.short_s)
    ]
    return AlertRule(
        name=names.alert(tier),
        expr=f"{burns[0]}\nand\n{burns[1]}",
        for_s=tier.for_s,
        keep_firing_for_s=tier.keep_firing_for_s,
        labels={
            "service": objective.service,
            "severity": tier.severity,
            "slo": objective.slo,
            "long_window": prometheus_duration(tier.long_s),
            "short_window": prometheus_duration(tier.short_s),
        },
        annotations=_annotations(objective, tier, spec),
    )


def number(value: float) -> str:
    """Return a number in its shortest decimal text.

    >>> number(6.0), number(14.4)
    ('6', '14.4')
    """
    return format(Decimal(repr(value)).normalize(), "f")


def percent(ratio: Decimal) -> str:
    """Return a ratio in percent.

    >>> percent(Decimal("0.9995"))
    '99.95%'
    """
    return format((ratio * 100).normalize(), "f") + "%"


def _annotations(objective: Objective, tier: Tier, spec: SloSpec) -> dict[str, str]:
    long, short = prometheus_duration(tier.long_s), prometheus_duration(tier.short_s)
    period_s = objective.period(spec)
    period = prometheus_duration(period_s)
    spent = min(tier.factor * tier.long_s / period_s, 1.0)
    what = _literal(f"{objective.service} {objective.title}")
    factor = number(tier.factor)
    description = (
        f"Objective, {percent(objective.target)} over {period}: {_literal(objective.description)} "
        f'Over the last {long} its error budget burnt at {{{{ $value | printf "%.1f" }}}}x the '
        f"rate that uses it up in exactly {period}, and over the last {short} still above "
        f"{factor}x. {long} at {factor}x costs {spent:.1%} of the whole budget. "
        f"{_time_left(objective, tier, period_s)}"
    )
    annotations = {
        "summary": (
            f'{what}: the error budget burns at {{{{ $value | printf "%.1f" }}}}x '
            f"({long} and {short} windows)"
        ),
        "description": description,
    }
    if objective.first_look:
        annotations["first_look"] = _literal(objective.first_look)
    if objective.runbook_url:
        full = "://" in objective.runbook_url
        base = "" if full else spec.runbook_base_url
        annotations["runbook_url"] = _literal(f"{base}{objective.runbook_url}")
    return annotations


def _time_left(objective: Objective, tier: Tier, period_s: int) -> str:
    """Template text: how long the rest of the budget lasts at the long window's burn rate."""
    selector = objective.selector
    query = (
        f"{names.PERIOD_REMAINING}{selector} * {period_s} * {objective.error_budget} / "
        f"{names.error_ratio(tier.long_s)}{selector}"
    )
    return (
        f"{{{{ with query `{query}` }}}}{{{{ $left := . | first | value }}}}"
        "{{ if gt $left 0.0 }}At this rate the rest of the budget is gone in "
        "{{ $left | humanizeDuration }}.{{ else }}The budget of the period is already used up."
        "{{ end }}{{ else }}How much budget is left is not known yet.{{ end }}"
    )


def _literal(text: str) -> str:
    """Return text that Prometheus' template engine prints as it is."""
    return text.replace("{{", '{{ "{{" }}')
