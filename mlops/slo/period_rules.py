"""A period's rules: how much of an SLO's budget is left, as far as PromQL can tell.

A period that rolls is one sum of steps. PromQL cannot look back to the beginning of a month, but it
can tell in UTC which month it is: each step of a calendar's period is recorded once more with the
number of its period as a label, and the steps with the newest number are summed. In a zone that
changes its clocks PromQL cannot tell, so there is no rule; `mlops slo status` can.
"""

from collections.abc import Iterator
from datetime import UTC

from mlops.slo import names
from mlops.slo.calendar import Calendar
from mlops.slo.objective import Objective
from mlops.slo.spec import SloSpec
from mlops.slo.steps import ratio_of, summed
from mlops.slo.windows import prometheus_duration

_UTC = frozenset({"UTC", "Etc/UTC", "Etc/UCT", "UCT", "Zulu", "Etc/Zulu", "GMT", "Etc/GMT"})
_DAY_S = 86_400
_LONGEST_DAYS = {"d": 1, "w": 7, "M": 31, "Q": 92, "Y": 366}
_MONTHS = {"M": 1, "Q": 3, "Y": 12}
_EVERY_MONTH = 28
"""The last day that every month has."""


def calendar_of(objective: Objective, spec: SloSpec) -> Calendar | None:
    """Return the calendar of an objective's period; None if it rolls."""
    return objective.calendar if spec.period_s is None else None


def period_words(objective: Objective, spec: SloSpec) -> str:
    """Return the length of an objective's period for people, such as `28d`."""
    calendar = calendar_of(objective, spec)
    return prometheus_duration(objective.period(spec)) if calendar is None else calendar.words


def unrecorded(objective: Objective, spec: SloSpec) -> str:
    """Return why PromQL cannot tell what is left of an objective's budget; empty if it can."""
    calendar = calendar_of(objective, spec)
    if calendar is None:
        return ""
    if calendar.zone not in _UTC:
        return f"PromQL knows no clocks of {calendar.zone}"
    if calendar.unit in _MONTHS and calendar.start.day > _EVERY_MONTH:
        return f"not every month has a day {calendar.start.day}"
    return ""


def period_rules(objective: Objective, spec: SloSpec) -> Iterator[tuple[str, str]]:
    """Yield name and expression of each series of an objective's period, in order.

    The last is `slo:period_error_budget_remaining:ratio`; there is none where `unrecorded` says so.
    """
    calendar = calendar_of(objective, spec)
    if calendar is None:
        yield from _rolling(objective, spec)
    elif not unrecorded(objective, spec):
        yield from _by_calendar(objective, calendar, spec)


def _rolling(objective: Objective, spec: SloSpec) -> Iterator[tuple[str, str]]:
    period_s = objective.period(spec)
    window = names.error_ratio(period_s)
    bad, total = (
        summed(series, objective.selector, period_s, spec)
        for series in (names.sli_bad(spec), names.sli_total(spec))
    )
    yield window, ratio_of(bad, total)
    yield (
        names.PERIOD_REMAINING,
        f"1 - {window}{objective.selector} / {objective.error_budget}",
    )


def _by_calendar(
    objective: Objective, calendar: Calendar, spec: SloSpec
) -> Iterator[tuple[str, str]]:
    number = f'count_values("period", {_number(calendar, spec)})'
    steps = (names.sli_total(spec), names.sli_bad(spec))
    for series in steps:
        yield (
            names.by_period(series),
            f"{series}{objective.selector}\n* on () group_left (period)\n{number}",
        )
    longest_s = calendar.count * _LONGEST_DAYS[calendar.unit] * _DAY_S
    total, bad = (
        summed(names.by_period(series), objective.selector, longest_s, spec) for series in steps
    )
    yield (
        names.PERIOD_REMAINING,
        (
            "max without (period) (\n"
            f"  1 - {bad} / ({total} > 0) / {objective.error_budget}\n"
            f"  and on (period)\n  {number}\n)"
        ),
    )


def _number(calendar: Calendar, spec: SloSpec) -> str:
    """Return PromQL for the number of the period that the last step began in.

    A step belongs to the period in which it began, so that one which ends at midnight counts in
    the day that is over.
    """
    start = calendar.start
    if calendar.unit not in _MONTHS:
        began = round(start.replace(tzinfo=UTC).timestamp())
        length_s = calendar.count * _LONGEST_DAYS[calendar.unit] * _DAY_S
        return f"floor((vector(time() - {spec.step_s}) - {began}) / {length_s})"
    of_day = start.hour * 3_600 + start.minute * 60 + start.second
    at = f"vector(time() - {spec.step_s + of_day})"
    months = 12 * start.year + start.month
    early = f" - (day_of_month({at}) < bool {start.day})" if start.day > 1 else ""
    count = calendar.count * _MONTHS[calendar.unit]
    return f"floor((12 * year({at}) + month({at}){early} - {months}) / {count})"
