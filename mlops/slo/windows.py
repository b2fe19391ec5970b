"""A window: a length of time, in Prometheus' and OpenSLO's words, and what it must keep to.

Four scrapes are the least that a window may hold: with fewer, one lost scrape leaves `increase`
without the two samples that it needs, and the alert flaps or never fires.
"""

from collections.abc import Iterable
from decimal import Decimal

from mlops.slo.spec import SloSpec, Tier

_UNITS_S = (("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1))
_OPENSLO_S = {"m": 60, "h": 3_600, "d": 86_400, "w": 604_800}


def prometheus_duration(seconds: int) -> str:
    """Return a length of time in the largest unit that divides it.

    Args:
        seconds: At least 1.

    >>> [prometheus_duration(seconds) for seconds in (5, 300, 3600, 259200, 2419200)]
    ['5s', '5m', '1h', '3d', '28d']
    """
    for unit, size in _UNITS_S:
        if seconds % size == 0:
            return f"{seconds // size}{unit}"
    raise AssertionError(seconds)


def openslo_seconds(duration: str) -> int | None:
    """Return the seconds of an OpenSLO duration; None for months, quarters and years.

    Args:
        duration: `duration-shorthand`, such as `28d`; months and longer have no fixed length.

    >>> openslo_seconds("4w"), openslo_seconds("1M")
    (2419200, None)
    """
    size = _OPENSLO_S.get(duration[-1])
    return None if size is None else int(duration[:-1]) * size


def can_fire(tier: Tier, error_budget: Decimal) -> bool:
    """Return whether a total failure burns faster than the tier's factor.

    The error ratio is at most 1, so the burn rate is at most 1 / error budget: 14.4 is out of
    reach at an objective of 93.06 % or below.

    Args:
        tier: The tier.
        error_budget: 1 - objective, in (0, 1].

    Source: Google SRE Workbook, chapter 5, "Alerting on SLOs".
    """
    return Decimal(repr(tier.factor)) * error_budget < 1


def recorded_windows(tiers: Iterable[Tier], spec: SloSpec) -> tuple[int, ...]:
    """Return the windows in seconds whose error ratio is recorded, shortest first.

    Args:
        tiers: Pairs of windows.
        spec: Gives the step, which is recorded always.
    """
    return tuple(sorted({spec.step_s, *(s for tier in tiers for s in (tier.long_s, tier.short_s))}))
