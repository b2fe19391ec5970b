"""A page: a report as one HTML file that needs nothing else, for a screen or for paper."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC
from itertools import pairwise

from jinja2 import Environment, PackageLoader, StrictUndefined

from mlops.base.verdict import Status
from mlops.budgets.history import Point, thinned
from mlops.budgets.plot import burn_down_svg
from mlops.budgets.report import WORDS, Report, Row
from mlops.budgets.wording import percent, stamp

_MARKS = {Status.FAIL: "✕", Status.UNKNOWN: "?", Status.WARN: "!", Status.PASS: "✓"}
_LISTED = 29


@dataclass(frozen=True, slots=True)
class _Shown:
    """One SLO as the template prints it.

    Attributes:
        anchor: Its `id`.
        row: What is known.
        mark: A sign for its state, which colours alone would not tell everybody.
        state: The state in words.
        facts: Names and texts.
        plot: The drawing, as elements whose texts are escaped; None without events.
        told: What the drawing shows, in words.
        points: Times and rests, for who cannot see the drawing.
    """

    anchor: str
    row: Row
    mark: str
    state: str
    facts: tuple[tuple[str, str], ...]
    plot: str | None
    told: str
    points: tuple[tuple[str, str], ...]


def as_page(report: Report) -> str:
    """Return a report as an HTML document: no script, and nothing is fetched from anywhere."""
    environment = Environment(
        loader=PackageLoader("mlops.budgets", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["percent"] = percent
    environment.filters["stamp"] = stamp
    return environment.get_template("report.html.jinja").render(
        report=report,
        counts=[(state, _MARKS[state], WORDS[state], number) for state, number in report.counts],
        shown=[_shown(row, f"slo-{index}") for index, row in enumerate(report.rows, 1)],
    )


def _shown(row: Row, anchor: str) -> _Shown:
    line = row.history.burn_down()
    return _Shown(
        anchor=anchor,
        row=row,
        mark=_MARKS[row.budget.status],
        state=WORDS[row.budget.status],
        facts=tuple(_facts(row)),
        plot=burn_down_svg(row, name=anchor) if line else None,
        told=_told(row, line),
        points=tuple(
            (stamp(point.at), percent(point.remaining)) for point in thinned(line, _LISTED)
        ),
    )


def _facts(row: Row) -> Iterator[tuple[str, str]]:
    budget, period = row.budget, row.budget.period
    yield "objective", f"{percent(budget.target, 3)} good over {period.words}"
    yield "kept", percent(budget.sli, 4)
    yield "budget left", percent(budget.remaining)
    if budget.total is not None and budget.bad is not None:
        yield "events", f"{budget.bad:,.0f} bad of {budget.total:,.0f}"
    if budget.burn_rate is not None:
        yield "burn rate", f"{budget.burn_rate:.3g} now; 1 spends the budget just in its period"
    yield "period", f"{stamp(period.began)} to {stamp(period.at)}"
    if period.ends is not None:
        yield "new budget", stamp(period.ends)
    if row.spent_at is not None:
        yield "spent", f"{stamp(row.spent_at)}, if as much fails as in the last hour"
    if row.frozen_below is not None:
        yield "no deployment", f"below {percent(row.frozen_below)} of the budget"
    yield "recorded", f"{percent(budget.coverage)} of the period"
    for window in row.maintenance:
        yield "left out", f"{stamp(window.start)} to {stamp(window.end)}: {window.reason}"


def _told(row: Row, line: tuple[Point, ...]) -> str:
    if not line:
        return "There is nothing to draw."
    steepest = max(
        pairwise(line),
        key=lambda pair: pair[0].remaining - pair[1].remaining,
        default=None,
    )
    told = f"The budget went from 100 % to {percent(row.budget.remaining)}."
    if steepest is not None and steepest[0].remaining > steepest[1].remaining:
        at = steepest[1].at.astimezone(UTC)
        told += f" It fell most in the step that ended on {stamp(at)}."
    return told
