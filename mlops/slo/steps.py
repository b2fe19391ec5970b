"""A step: the events of a short time, recorded once, and the windows that are made of them.

Windows longer than `direct_window_max_s` are sums of the recorded steps, at points one step apart,
so that no event counts twice: `sum(bad) / sum(total)`. A mean of ratios would weigh a quiet night
like a busy day. Shorter windows read the counters, but for one that touches a maintenance: that is
summed from steps, too, since those lack what fell into it.
"""

from textwrap import indent

from mlops.slo import names
from mlops.slo.maintenance import during, grouped, outside
from mlops.slo.objective import Objective
from mlops.slo.spec import SloSpec
from mlops.slo.windows import prometheus_duration

_INDENT = "  "


def summed(series: str, selector: str, window_s: int, spec: SloSpec) -> str:
    """Return the expression for events in a long window, from the recorded steps.

    Args:
        series: `slo:sli_bad:increase...` or `slo:sli_total:increase...`.
        selector: Label matchers with braces.
        window_s: Seconds, a multiple of the step.
        spec: Gives the step.
    """
    window, step = prometheus_duration(window_s), prometheus_duration(spec.step_s)
    return f"sum_over_time({series}{selector}[{window}:{step}])"


def bad_in(objective: Objective, window_s: int, spec: SloSpec) -> str:
    """Return the expression for the bad events of a window: of a step, as it is recorded."""
    indicator, series = objective.indicator, names.bad_in(spec.step_s)
    if window_s > spec.direct_window_max_s and window_s != spec.step_s:
        return summed(series, objective.selector, window_s, spec)
    return _direct(indicator.bad(window_s, spec), series, objective, window_s, spec)


def total_in(objective: Objective, window_s: int, spec: SloSpec) -> str:
    """Return the expression for all events of a window: of a step, as it is recorded."""
    indicator, series = objective.indicator, names.sli_total(spec)
    if window_s > spec.direct_window_max_s and window_s != spec.step_s:
        return summed(series, objective.selector, window_s, spec)
    return _direct(indicator.total(window_s, spec), series, objective, window_s, spec)


def ratio_of(bad: str, total: str) -> str:
    """Return the expression for bad over all events: no labels, and nothing without events.

    Args:
        bad: One series, with labels or without.
        total: The same.
    """
    if "\n" in total:
        total = f"\n{indent(grouped(total), _INDENT)}\n{_INDENT}> 0\n"
    else:
        total = f"{total} > 0"
    return f"{bad}\n/ on ()\n({total})"


def _direct(expr: str, series: str, objective: Objective, window_s: int, spec: SloSpec) -> str:
    touched = during(objective.service, spec, reach_s=window_s)
    if not touched:
        return expr
    apart = outside(grouped(expr), objective.service, spec, reach_s=window_s)
    if window_s == spec.step_s:
        return apart
    kept = summed(series, objective.selector, window_s, spec)
    return grouped(f"{apart}\nor\n{kept}\nand on ()\n{grouped(touched)}")
