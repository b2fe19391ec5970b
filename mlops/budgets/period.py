"""A period: the time that a budget is for, as the recorded steps that count in it.

A step is recorded at its end, at whole multiples of `slo.step_s` since 1970; those that end after
the period's beginning and by its time count. A step that a maintenance window touches does not, so
that windows which are declared afterwards change a budget as much as those that were known before.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil

from mlops.slo.objective import Objective
from mlops.slo.spec import SloSpec
from mlops.slo.windows import prometheus_duration


@dataclass(frozen=True, slots=True)
class Span:
    """Steps that follow each other without a gap.

    Attributes:
        first: End of the first, Unix seconds.
        last: End of the last, Unix seconds; at least `first`.
    """

    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Period:
    """The time that a budget is for, as far as it has gone.

    Attributes:
        words: Its length for people: `28d`, `calendar month`.
        began: When it began.
        at: The time that it is looked at.
        ends: When a new one begins; None if it rolls on.
        length_s: Seconds from its beginning to its end; of one that rolls, always.
        step_s: Seconds of a step.
        spans: The steps that count, ascending.
        left_out: Steps that do not, since a maintenance window touches them.
        in_maintenance: Whether the step that runs at the time or the one before is one of those.
    """

    words: str
    began: datetime
    at: datetime
    ends: datetime | None
    length_s: int
    step_s: int
    spans: tuple[Span, ...]
    left_out: int
    in_maintenance: bool

    @property
    def steps(self) -> int:
        """Return how many steps count."""
        return _count(self.spans, self.step_s)


def period_of(objective: Objective, spec: SloSpec, *, at: datetime) -> Period:
    """Return the period of an objective at a time.

    Args:
        objective: Says how long it is and whether it rolls.
        spec: Gives the step and the maintenance windows; its `period_s`, if set, makes each roll.
        at: The time, timezone-aware.
    """
    length_s = objective.period(spec)
    began, ends = at - timedelta(seconds=length_s), None
    words = prometheus_duration(length_s)
    if objective.calendar is not None and spec.period_s is None:
        began, ends = objective.calendar.began(at), objective.calendar.ends(at)
        length_s, words = int((ends - began).total_seconds()), objective.calendar.words
    whole = Span(_after(began, spec.step_s), _by(at, spec.step_s))
    taken = tuple(_maintenance(objective, spec))
    spans = tuple(_without(whole, taken, spec.step_s))
    return Period(
        words=words,
        began=began,
        at=at,
        ends=ends,
        length_s=length_s,
        step_s=spec.step_s,
        spans=spans,
        left_out=_count((whole,), spec.step_s) - _count(spans, spec.step_s),
        in_maintenance=any(
            span.first <= _after(at, spec.step_s) and whole.last <= span.last for span in taken
        ),
    )


def _count(spans: Iterable[Span], step_s: int) -> int:
    return sum((span.last - span.first) // step_s + 1 for span in spans)


def latest(window_s: int, spec: SloSpec, *, at: datetime) -> Span:
    """Return the last steps that are over.

    Args:
        window_s: Seconds; counted in whole steps, rounded up.
        spec: Gives the step.
        at: The time, timezone-aware.
    """
    last = _by(at, spec.step_s)
    return Span(last - (ceil(window_s / spec.step_s) - 1) * spec.step_s, last)


def over_steps(function: str, series: str, span: Span, spec: SloSpec) -> str:
    """Return PromQL of a function over the steps of a span, whatever time it is asked for.

    Args:
        function: Takes a range, such as `sum_over_time`.
        series: A recorded series of steps with its selector.
        span: The steps; a subquery's range holds both its ends, so it begins after the step before.
        spec: Gives the step.
    """
    range_s = span.last - span.first + spec.step_s - 1
    return f"{function}({series}[{range_s}s:{spec.step_s}s] @ {span.last})"


def _after(time: datetime, step_s: int) -> int:
    """First end of a step after a time."""
    return int(time.timestamp()) // step_s * step_s + step_s


def _by(time: datetime, step_s: int) -> int:
    """Last end of a step by a time."""
    return int(time.timestamp()) // step_s * step_s


def _maintenance(objective: Objective, spec: SloSpec) -> Iterator[Span]:
    """Steps that maintenance of the objective's service touches."""
    for window in spec.maintenance:
        if window.covers(objective.service):
            end_s = ceil(window.end.timestamp() / spec.step_s) * spec.step_s
            yield Span(_after(window.start, spec.step_s), end_s)


def _without(whole: Span, taken: Iterable[Span], step_s: int) -> Iterator[Span]:
    first = whole.first
    for span in sorted(taken, key=lambda each: each.first):
        if first <= min(span.first - step_s, whole.last):
            yield Span(first, min(span.first - step_s, whole.last))
        first = max(first, span.last + step_s)
    if first <= whole.last:
        yield Span(first, whole.last)
