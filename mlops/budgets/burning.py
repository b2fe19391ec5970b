"""A burn: how fast an SLO's budget goes over a long and a short window, as Prometheus has it."""

import math
from dataclasses import dataclass
from datetime import datetime

from mlops.budgets.period import latest, over_steps
from mlops.budgets.prometheus import Prometheus
from mlops.slo import names
from mlops.slo.objective import Objective
from mlops.slo.policy import Burn
from mlops.slo.spec import SloSpec
from mlops.slo.steps import bad_in, total_in


@dataclass(frozen=True, slots=True)
class Burning:
    """What a condition on burn rates is held against.

    Attributes:
        long: Burn rate over the long window; 0 if nothing happened in it.
        short: Burn rate over the short window; 0 if nothing happened in it.
        bad: Bad events in the long window.
    """

    long: float
    short: float
    bad: float

    def meets(self, burn: Burn) -> bool:
        """Tell whether a condition holds."""
        too_fast = min(self.long, self.short) > burn.above
        return too_fast and self.bad >= burn.min_bad_events


def read_burning(
    objective: Objective, burn: Burn, spec: SloSpec, prometheus: Prometheus, *, at: datetime
) -> Burning | None:
    """Read how fast a budget burns over a condition's windows.

    Args:
        objective: The SLO.
        burn: Gives the windows.
        spec: Windows up to its `direct_window_max_s` are read from the indicator's own series,
            longer ones from the recorded steps.
        prometheus: Where to ask.
        at: The time, timezone-aware.

    Returns:
        The burn rates; None without data in either window.

    Raises:
        UnavailableError: Prometheus gives no usable answer.
    """
    rates: list[float] = []
    bads: list[float] = []
    for window_s in (burn.long_s, burn.short_s):
        bad_of, total_of = _queries(objective, window_s, spec, at)
        bad, total = _value(bad_of, prometheus, at), _value(total_of, prometheus, at)
        if bad is None or total is None:
            return None
        bads.append(bad)
        rates.append(bad / total / float(objective.error_budget) if total else 0.0)
    return Burning(long=rates[0], short=rates[1], bad=bads[0])


def _queries(objective: Objective, window_s: int, spec: SloSpec, at: datetime) -> tuple[str, str]:
    """Bad events and all events of a window."""
    if window_s <= spec.direct_window_max_s:
        return bad_in(objective, window_s, spec), total_in(objective, window_s, spec)
    span = latest(window_s, spec, at=at)
    bad, total = (
        over_steps("sum_over_time", series + objective.selector, span, spec)
        for series in (names.sli_bad(spec), names.sli_total(spec))
    )
    return bad, total


def _value(expr: str, prometheus: Prometheus, at: datetime) -> float | None:
    values = [sample.value for sample in prometheus.query(expr, at=at)]
    return values[0] if values and math.isfinite(values[0]) else None
