"""A name: what the recorded series and alerts are called; the only place that says so."""

from mlops.slo.spec import SloSpec, Tier
from mlops.slo.windows import prometheus_duration

OBJECTIVE = "slo:objective:ratio"
ERROR_BUDGET = "slo:error_budget:ratio"
CURRENT_BURN_RATE = "slo:current_burn_rate:ratio"
PERIOD_REMAINING = "slo:period_error_budget_remaining:ratio"
INFO = "slo:info"
ERROR_RATIO = "slo:sli_error:ratio_rate"
"""Without its window, which a dashboard lets people choose."""
ALERT_PREFIX = "SloBudgetBurn"
DATA_ABSENT = "SloDataAbsent"
CORRUPTION = "ModelOutsideCertificate"
LOG_UNAVAILABLE = "DecisionLogUnavailable"
DECISIONS_LOST = "DecisionsLost"
WORKERS_RESTARTING = "WorkersRestarting"
SERVICE_ABSENT = "ServiceAbsent"
FALLBACK_LATCHED = "FallbackLatched"


def sli_bad(spec: SloSpec) -> str:
    """Return the series of bad events in one step, such as `slo:sli_bad:increase5m`."""
    return bad_in(spec.step_s)


def bad_in(window_s: int) -> str:
    """Return the series of bad events in a window.

    >>> bad_in(3600)
    'slo:sli_bad:increase1h'
    """
    return f"slo:sli_bad:increase{prometheus_duration(window_s)}"


def sli_total(spec: SloSpec) -> str:
    """Return the series of all events in one step, such as `slo:sli_total:increase5m`."""
    return f"slo:sli_total:increase{prometheus_duration(spec.step_s)}"


def by_period(series: str) -> str:
    """Return the series of a step that says in its label `period` which one it belongs to.

    >>> by_period("slo:sli_bad:increase5m")
    'slo_period:sli_bad:increase5m'
    """
    return series.replace("slo:", "slo_period:", 1)


def error_ratio(window_s: int) -> str:
    """Return the series of bad over all events in a window.

    >>> error_ratio(3600)
    'slo:sli_error:ratio_rate1h'
    """
    return f"{ERROR_RATIO}{prometheus_duration(window_s)}"


def alert(tier: Tier) -> str:
    """Return the alert of a pair of windows, such as `SloBudgetBurn1h5m`."""
    return f"{ALERT_PREFIX}{prometheus_duration(tier.long_s)}{prometheus_duration(tier.short_s)}"
