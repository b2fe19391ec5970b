"""Business: what a ranking earns, in the words and the unit of the person who owns the product."""

from mlops.quality.estimate import Floats, Ints
from mlops.quality.figure import figure
from mlops.quality.measure import Measurement
from mlops.quality.ranking import captured

PER_QUERIES = 1000


def captured_per_thousand(query: Ints, score: Floats, gain: Floats, *, k: int) -> Floats:
    """Return for each query what its first k rows brought, as an amount per 1,000 such queries.

    Its mean over queries is the revenue per 1,000 searches that the subject's first k places hold.

    Args:
        query: Shape (n,), query of each row as 0..q-1.
        score: Shape (n,).
        gain: Shape (n,), the realised value, such as hired times success fee.
        k: Places that count.

    Returns:
        Shape (q,), in the gain's unit.
    """
    return PER_QUERIES * captured(query, score, gain, k=k)


def describe(measurement: Measurement) -> str:
    """Return a measurement as a sentence that can be read aloud.

    >>> from mlops.quality.measure import SubjectKind
    >>> describe(Measurement("revenue", "model", SubjectKind.MODEL,
    ...     reference="popularity", value=41_362.0, low=23_910.0, high=56_350.0, unit="EUR"))
    'model against popularity: revenue +41,362 EUR (95 % between +23,910 and +56,350)'
    >>> describe(Measurement("clicks", "model", SubjectKind.MODEL,
    ...     reference="rule", value=3.0, low=-2.0, high=8.0))
    'model against rule: clicks +3 (95 % between -2 and +8): 0 lies between, cannot be told yet'
    """
    against = f" against {measurement.reference}" if measurement.reference else ""
    head = f" of {measurement.head}" if measurement.head else ""
    lead = f"{measurement.subject}{against}: {measurement.metric}{head}"
    if measurement.value is None:
        return f"{lead} cannot be told: {measurement.abstained}"
    signed = measurement.reference != ""
    text = f"{lead} {figure(measurement.value, unit=measurement.unit, signed=signed)}"
    if measurement.low is None or measurement.high is None:
        return text
    low, high = (figure(end, signed=signed) for end in (measurement.low, measurement.high))
    text = f"{text} ({measurement.level * 100:.3g} % between {low} and {high})"
    if signed and measurement.low <= 0.0 <= measurement.high:
        return f"{text}: 0 lies between, cannot be told yet"
    return text
