"""An alert: one pair of windows of one objective, written for the person it wakes."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from mlops.slo import names
from mlops.slo.maintenance import outside
from mlops.slo.objective import Objective
from mlops.slo.period_rules import period_words, unrecorded
from mlops.slo.spec import SloSpec, Tier
from mlops.slo.windows import can_fire, prometheus_duration

_NOT_IN_LABELS = re.compile(r"[^a-zA-Z0-9_]")


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


def tiers_of(objective: Objective, spec: SloSpec) -> tuple[Tier, ...]:
    """Return the pairs of windows of an objective: its own, or the section's."""
    return spec.tiers if objective.tiers is None else objective.tiers


def alerting(objective: Objective, spec: SloSpec) -> tuple[Tier, ...]:
    """Return the pairs of windows of an objective that become alerts: within reach, not muted."""
    return tuple(
        tier
        for tier in tiers_of(objective, spec)
        if tier.severity not in objective.muted and can_fire(tier, objective.error_budget)
    )


def min_bad_events(objective: Objective, spec: SloSpec) -> int:
    """Return the bad events in the long window without which none of its alerts fires."""
    own = objective.min_bad_events
    return spec.min_bad_events if own is None else own


def burn_alert(objective: Objective, tier: Tier, spec: SloSpec) -> AlertRule:
    """Return the alert of one tier.

    Both windows must burn faster than the factor: the long one, so that enough of the budget is
    at stake, and the short one, so that the alert ends soon after the burn does. Beside that the
    long window must hold some bad events, since where little happens one failure is a fast burn.

    Source: Google SRE Workbook, chapter 5, "Multiwindow, Multi-Burn-Rate Alerts" and "Low-Traffic
    Services and Error Budget Alerting".
    """
    conditions = [
        f"{names.error_ratio(window)}{objective.selector} / {objective.error_budget}"
        f" > {number(tier.factor)}"
        for window in (tier.long_s, tier.short_s)
    ]
    least = min_bad_events(objective, spec)
    if least:
        conditions.append(f"{names.bad_in(tier.long_s)}{objective.selector} >= {least}")
    return AlertRule(
        name=names.alert(tier),
        expr=outside("\nand\n".join(conditions), objective.service, spec),
        for_s=tier.for_s,
        keep_firing_for_s=tier.keep_firing_for_s,
        labels={
            **_routed({**objective.labels, **tier.labels}),
            "service": objective.service,
            "severity": tier.severity,
            "slo": objective.slo,
            "long_window": prometheus_duration(tier.long_s),
            "short_window": prometheus_duration(tier.short_s),
        },
        annotations=_annotations(objective, tier, spec),
    )


def absent_alert(objective: Objective, spec: SloSpec) -> AlertRule | None:
    """Return the alert of an objective that has no data, not even zeros; None if it has none.

    A burn rate cannot see this: without series there is no ratio. It is a ticket, never a page: a
    program that exports a counter only from its first event on looks the same while it is idle.
    """
    if spec.absent_for_s is None or "ticket" in objective.muted:
        return None
    lasting = prometheus_duration(spec.absent_for_s)
    series = ", ".join(f"`{literal(str(counter))}`" for counter in objective.counters)
    return AlertRule(
        name=names.DATA_ABSENT,
        expr=outside(
            f"absent({names.sli_total(spec)}{objective.selector})", objective.service, spec
        ),
        for_s=spec.absent_for_s,
        keep_firing_for_s=0,
        labels={
            **_routed(objective.labels),
            "service": objective.service,
            "severity": "ticket",
            "slo": objective.slo,
        },
        annotations={
            "summary": f"{_named(objective)}: no data for {lasting}",
            "description": (
                f"For {lasting} nothing was counted for {objective.slo}, not even zeros. Its other "
                "alerts cannot fire meanwhile, and its budget is not known."
            ),
            "first_look": (
                f"Ask Prometheus for {series or 'its query'}: is it scraped, was a metric or a "
                "label renamed? A program that exports its counters only from the first event on "
                "is silent while idle."
            ),
            **_links(objective, spec, anchor="no-data"),
        },
    )


def routing(labels: Mapping[str, str]) -> dict[str, str]:
    """Return labels that route alerts as Prometheus takes them, sorted.

    >>> routing({"team": "ranking", "app.kubernetes.io/name": "shop"})
    {'app_kubernetes_io_name': 'shop', 'team': 'ranking'}
    """
    return {_label(key): value for key, value in sorted(labels.items())}


def _routed(labels: Mapping[str, str]) -> dict[str, str]:
    """Return labels for an alert, where Prometheus takes their values for templates."""
    return {key: literal(value) for key, value in routing(labels).items()}


def _label(key: str) -> str:
    name = _NOT_IN_LABELS.sub("_", key)
    return f"_{name}" if name[0].isdigit() else name


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


def literal(text: str) -> str:
    """Return text that Prometheus' template engine prints as it is."""
    return text.replace("{{", '{{ "{{" }}')


def _named(objective: Objective) -> str:
    return literal(f"{objective.service} {objective.title}")


def _annotations(objective: Objective, tier: Tier, spec: SloSpec) -> dict[str, str]:
    long, short = prometheus_duration(tier.long_s), prometheus_duration(tier.short_s)
    period_s, period = objective.period(spec), period_words(objective, spec)
    spent = min(tier.factor * tier.long_s / period_s, 1.0)
    factor = number(tier.factor)
    description = (
        f"Objective, {percent(objective.target)} over {period}: {literal(objective.description)} "
        f'Over the last {long} its error budget burnt at {{{{ $value | printf "%.1f" }}}}x the '
        f"rate that uses it up in exactly {period}, and over the last {short} still above "
        f"{factor}x. {long} at {factor}x costs {spent:.1%} of the whole budget. "
        f"{_time_left(objective, tier, spec)}"
    )
    annotations = {
        "summary": (
            f'{_named(objective)}: the error budget burns at {{{{ $value | printf "%.1f" }}}}x '
            f"({long} and {short} windows)"
        ),
        "description": " ".join(description.split()),
    }
    if objective.first_look:
        annotations["first_look"] = literal(objective.first_look)
    return annotations | _links(objective, spec)


def _links(objective: Objective, spec: SloSpec, *, anchor: str = "") -> dict[str, str]:
    """Return where the runbook and the dashboard are, as far as they are known.

    Args:
        objective: The SLO.
        spec: Gives the bases.
        anchor: Heading on the runbook's page in place of the SLO's own.
    """
    links: dict[str, str] = {}
    runbook = objective.runbook_url
    if runbook:
        base = "" if "://" in runbook else spec.runbook_base_url
        page = f"{runbook.partition('#')[0]}#{anchor}" if anchor else runbook
        links["runbook_url"] = literal(f"{base}{page}")
    dashboard = objective.dashboard_url or spec.dashboard_url
    if dashboard:
        named = dashboard.replace("{service}", objective.service).replace("{slo}", objective.slo)
        links["dashboard_url"] = literal(named)
    return links


def _time_left(objective: Objective, tier: Tier, spec: SloSpec) -> str:
    """Template text: how long the rest of the budget lasts at the long window's burn rate."""
    why = unrecorded(objective, spec)
    if why:
        return f"`mlops slo status` tells how much budget is left; no rule can: {why}."
    selector = objective.selector
    query = (
        f"{names.PERIOD_REMAINING}{selector} * {objective.period(spec)} * "
        f"{objective.error_budget} / {names.error_ratio(tier.long_s)}{selector}"
    )
    return (
        f"{{{{ with query `{query}` }}}}{{{{ $left := . | first | value }}}}"
        "{{ if gt $left 0.0 }}At this rate the rest of the budget is gone in "
        "{{ $left | humanizeDuration }}.{{ else }}The budget of the period is already used up."
        "{{ end }}{{ else }}How much budget is left is not known yet.{{ end }}"
    )
