"""A needed number: how many events would tell what too few events cannot."""

import math

from mlops.quality.estimate import quantile
from mlops.quality.measure import Measurement

_MOST = 10**12


def scaled_events(events: int, *, half_width: float, target: float) -> int | None:
    """Return the events at which an interval would be as narrow as wanted; None if never.

    The width of an interval falls with the square root of the events.

    Args:
        events: Events that the present interval rests on.
        half_width: Its half width.
        target: The wanted half width, in the same unit.

    >>> scaled_events(50, half_width=0.2, target=0.1)
    200
    """
    if target <= 0 or events <= 0:
        return None
    needed = events * (half_width / target) ** 2
    return math.ceil(round(needed, 6)) if needed < _MOST else None


def auc_events(auc: float, *, half_width: float, level: float, others_per_event: float) -> int:
    """Return the events at which an AUC of this size is known to within a half width.

    It is on the safe side: of normal scores with an AUC of 0.7 three quarters of it are enough.

    Args:
        auc: The AUC that is expected, in (0, 1).
        half_width: The wanted half width of its interval, in (0, 1).
        level: Confidence level.
        others_per_event: Rows without an event for each row with one.

    Source: Hanley & McNeil 1982, "The meaning and use of the area under a receiver operating
    characteristic (ROC) curve", eq. 1, solved for the number of events.

    >>> auc_events(0.55, half_width=0.05, level=0.95, others_per_event=250.0)
    136
    """
    q1, q2 = auc / (2 - auc), 2 * auc**2 / (1 + auc)
    # With m events and r*m others the variance is (a/m + b/m^2)/r.
    a = others_per_event * (q2 - auc**2) + (q1 - auc**2)
    b = auc * (1 - auc) - (q1 - auc**2) - (q2 - auc**2)
    limit = others_per_event * (half_width / quantile(level)) ** 2
    return math.ceil((a + math.sqrt(a**2 + 4 * limit * max(b, 0.0))) / (2 * limit))


def in_words(measurement: Measurement, needed: int | None) -> str:
    """Return how many events are there and needed, with the rows and days that would bring them.

    Args:
        measurement: Rows, events and days that are there.
        needed: Events that are needed; None if no number would do.

    >>> from mlops.quality.measure import SubjectKind
    >>> m = Measurement("auc", "model", SubjectKind.MODEL, value=0.6, rows=3000, events=12, days=2)
    >>> in_words(m, 200)
    '12 events are there, 200 are needed: 50,000 rows, or 34 days, at the present rate'
    """
    # A measurement that abstains has told already how many are there.
    there = "" if measurement.abstained else f"{measurement.events:,} events are there, "
    if needed is None:
        return f"{there}more of them would not tell either"
    text = f"{there}{needed:,} are needed" if there else f"{needed:,} events are needed"
    if not measurement.events:
        return text
    factor = needed / measurement.events
    rows = math.ceil(measurement.rows * factor)
    if not measurement.days:
        return f"{text}: {rows:,} rows at the present rate"
    days = math.ceil(measurement.days * factor)
    return f"{text}: {rows:,} rows, or {days:,} days, at the present rate"
