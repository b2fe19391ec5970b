"""A forecast: when a budget will have reached something, if traffic goes on as it was.

Old failures leave a rolling period, so that a spent budget comes back by itself; a calendar's
begins anew. Traffic is taken as the period's mean, since what a day next week will bring is not
known; the share that fails is what the reader asks about: none, or as much as lately.
"""

import math
from collections.abc import Callable
from datetime import UTC, datetime

from mlops.budgets.history import History


def when(
    history: History, *, error_ratio: float, reached: Callable[[float], bool]
) -> datetime | None:
    """Return the first end of a step at which the budget's rest will have reached something.

    Args:
        history: The period's steps.
        error_ratio: Share of all later events that will be bad, in [0, 1].
        reached: Tells whether a rest, as a share of the budget, is what is waited for.

    Returns:
        In UTC; None if that is not within the length of one period, or without events.

    >>> from datetime import timedelta
    >>> from mlops.budgets.history import Step
    >>> from mlops.budgets.period import Period, Span
    >>> at = datetime.fromtimestamp(1_200, UTC)
    >>> period = Period("20m", at - timedelta(minutes=20), at, None, 1_200, 300,
    ...                 (Span(300, 1_200),), left_out=0, in_maintenance=False)
    >>> steps = (Step(300, 10, 0), Step(600, 10, 2), Step(900, 10, 0), Step(1_200, 10, 0))
    >>> spent = History(period, 0.05, steps)
    >>> when(spent, error_ratio=0.0, reached=lambda rest: rest > 0.5).isoformat()
    '1970-01-01T00:30:00+00:00'
    """
    total = history.total
    if not total:
        return None
    period = history.period
    mean = total / len(history.steps)
    bad = math.fsum(step.bad for step in history.steps)
    left = 0
    now = int(period.at.timestamp()) // period.step_s * period.step_s
    for _ in range(period.length_s // period.step_s):
        now += period.step_s
        if period.ends is not None and now > period.ends.timestamp():
            return period.ends if reached(1.0) else None
        total, bad = total + mean, bad + mean * error_ratio
        while period.ends is None and left < len(history.steps):
            oldest = history.steps[left]
            if oldest.end > now - period.length_s:
                break
            total, bad, left = total - oldest.total, bad - oldest.bad, left + 1
        if reached(1 - max(bad, 0.0) / (history.error_budget * total)):
            return datetime.fromtimestamp(now, UTC)
    return period.ends if period.ends is not None and reached(1.0) else None
