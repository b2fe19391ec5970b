"""A choice: the windows that a dashboard offers, and the address at which it stands."""

import re
from collections.abc import Sequence

from mlops.base.digest import of_bytes
from mlops.slo.alerts import tiers_of
from mlops.slo.objective import Objective
from mlops.slo.spec import SloSpec
from mlops.slo.windows import prometheus_duration, recorded_windows

_LONGEST_UID = 40
_UID = re.compile(r"[A-Za-z0-9_-]+")
_DIGITS = 10

FLEET_UID = "slo-fleet"
"""Address of the dashboard of all SLOs."""


def uid_of(service: str) -> str:
    """Return the address of a service's dashboard: its name, where Grafana takes it for one.

    >>> uid_of("search_ranking"), uid_of("shop.eu")
    ('slo-service-search_ranking', 'slo-service-shop-eu-969d2014c7')
    """
    uid = f"slo-service-{service}"
    if _UID.fullmatch(uid) and len(uid) <= _LONGEST_UID:
        return uid
    plain = re.sub(r"[^A-Za-z0-9_]+", "-", uid)[: _LONGEST_UID - _DIGITS - 1]
    return f"{plain}-{of_bytes(service.encode()).removeprefix('sha256:')[:_DIGITS]}"


def chosen_windows(objectives: Sequence[Objective], spec: SloSpec) -> tuple[str, ...]:
    """Return the windows over which all of some objectives have a recorded error ratio.

    Those that read raw counters only: a longer one would cost Prometheus a day of samples for
    each point of a picture.

    Args:
        objectives: At least one.
        spec: Windows and intervals.

    Returns:
        Durations, shortest first; the step is one of them.
    """
    common = set.intersection(
        *(set(recorded_windows(tiers_of(each, spec), spec)) for each in objectives)
    )
    return tuple(
        prometheus_duration(window)
        for window in sorted(common)
        if window <= max(spec.direct_window_max_s, spec.step_s)
    )
