"""Maintenance: planned work as PromQL, so that what fails in it is neither recorded nor alerted on.

A recorded step looks back over its length, so it is left out until it holds nothing of the
maintenance any more.
"""

import math
from textwrap import indent

from mlops.slo.spec import SloSpec


def during(service: str, spec: SloSpec, *, reach_s: int = 0) -> str:
    """Return PromQL that has a value while a service is under maintenance.

    Args:
        service: The service as metrics name it.
        spec: Gives the windows of maintenance.
        reach_s: Seconds for which it has one after the end, too: what looks back.

    Returns:
        An expression without labels; empty if no maintenance is declared for the service.
    """
    return "\nor\n".join(
        f"vector(time()) > {math.floor(window.start.timestamp())}"
        f" < {math.ceil(window.end.timestamp()) + reach_s}"
        for window in sorted(spec.maintenance, key=lambda window: (window.start, window.end))
        if window.covers(service)
    )


def outside(expr: str, service: str, spec: SloSpec, *, reach_s: int = 0) -> str:
    """Return an expression that has no value while a service is under maintenance.

    Args:
        expr: The expression.
        service: The service as metrics name it.
        spec: Gives the windows of maintenance.
        reach_s: Seconds for which it has none after the end, too.
    """
    condition = during(service, spec, reach_s=reach_s)
    return f"{expr}\nunless on ()\n{grouped(condition)}" if condition else expr


def grouped(expr: str) -> str:
    """Return an expression in parentheses, on lines of its own where it has several."""
    return f"(\n{indent(expr, '  ')}\n)" if "\n" in expr else f"({expr})"
