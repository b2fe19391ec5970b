"""A plot: how one budget went down over its period, and when events failed, as an SVG in a page.

Its colours are custom properties of the page that it stands in, so that one drawing serves light,
dark and print.
"""

import re
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from io import StringIO

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from mlops.budgets.history import Step, thinned
from mlops.budgets.report import Row

_LOWEST = -1.0
_BARS = 120
_MOST_POINTS = 300
# Stand-ins, each replaced by the page's own colour of that name.
_COLOURS = {
    "ink": "#010203",
    "muted": "#010204",
    "grid": "#010205",
    "line": "#010206",
    "bad": "#010207",
    "band": "#010208",
}
_HOUR_S, _DAY_S = 3_600, 86_400
_TICKS_S = (
    10, 30, 60, 120, 300, 900, 1_800, _HOUR_S, 3 * _HOUR_S, 6 * _HOUR_S, 12 * _HOUR_S,
    _DAY_S, 2 * _DAY_S, 4 * _DAY_S, 7 * _DAY_S, 14 * _DAY_S, 28 * _DAY_S, 56 * _DAY_S,
)  # fmt: skip
_MOST_TICKS = 9
_METADATA = re.compile(r"\s*<metadata>.*?</metadata>", re.DOTALL)
_SIZE = re.compile(r' width="[\d.]+pt" height="[\d.]+pt"', re.ASCII)
_ID = re.compile(r'(id="|url\(#|href="#)')


def burn_down_svg(row: Row, *, name: str) -> str:
    """Return the plot of one SLO as an SVG element without a size of its own.

    Above, the share of the budget that was left; below, the share of events that failed.
    Maintenance is shaded, and time without data is hatched.

    Args:
        row: The SLO; it has events.
        name: Begins all ids in it, so that many plots can stand in one page.
    """
    with _styled(name):
        figure = Figure(figsize=(8.4, 3.0), layout="constrained")
        upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=[3, 1])
        _draw_left(upper, row)
        _draw_failures(lower, row)
        for axes in (upper, lower):
            _shade(axes, row)
            axes.spines[["top", "right"]].set_visible(False)
        _draw_time(lower, row)
        text = StringIO()
        figure.savefig(text, format="svg", transparent=True, metadata={"Date": None})
    return _embeddable(text.getvalue(), name)


def _styled(name: str) -> AbstractContextManager[None]:
    return rc_context(
        {
            "svg.fonttype": "none",
            "svg.hashsalt": name,
            "font.family": ["sans-serif"],
            "font.size": 9.0,
            "text.color": _COLOURS["muted"],
            "axes.edgecolor": _COLOURS["grid"],
            "axes.labelcolor": _COLOURS["muted"],
            "xtick.color": _COLOURS["muted"],
            "ytick.color": _COLOURS["muted"],
            "hatch.color": _COLOURS["band"],
            "hatch.linewidth": 0.6,
        }
    )


def _draw_left(axes: Axes, row: Row) -> None:
    points = thinned(row.history.burn_down(), _MOST_POINTS)
    times = [_number(row.budget.period.began), *(_number(point.at) for point in points)]
    left = [1.0, *(max(point.remaining, _LOWEST) for point in points)]
    axes.axhline(0, color=_COLOURS["bad"], linewidth=1)
    axes.fill_between(times, left, 0, color=_COLOURS["line"], alpha=0.12, linewidth=0, step="post")
    axes.plot(times, left, color=_COLOURS["line"], linewidth=1.8, drawstyle="steps-post")
    if row.frozen_below is not None:
        axes.axhline(row.frozen_below, color=_COLOURS["ink"], linewidth=1, linestyle=(0, (2, 2)))
        axes.annotate(
            f"no deployment below {row.frozen_below:.0%}",
            (0.004, row.frozen_below),
            xycoords=("axes fraction", "data"),
            xytext=(0, 2),
            textcoords="offset points",
            color=_COLOURS["ink"],
            fontsize=8,
        )
    axes.set_ylim(min(-0.08, min(left) * 1.08), 1.04)
    axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    axes.set_ylabel("budget left")
    axes.grid(axis="y", color=_COLOURS["grid"], linewidth=0.7)
    axes.set_axisbelow(True)


def _draw_failures(axes: Axes, row: Row) -> None:
    history = row.history
    width_s = max(row.budget.period.length_s // _BARS, history.period.step_s)
    buckets: dict[int, list[Step]] = {}
    for step in history.steps:
        buckets.setdefault((step.end - 1) // width_s, []).append(step)
    starts = [key * width_s / _DAY_S for key in buckets]
    shares = [_share(steps) for steps in buckets.values()]
    axes.bar(starts, shares, width=width_s / _DAY_S, align="edge", color=_COLOURS["bad"])
    axes.axhline(history.error_budget, color=_COLOURS["ink"], linewidth=1, linestyle=(0, (2, 2)))
    axes.set_ylim(0, max([*shares, history.error_budget]) * 1.15)
    axes.yaxis.set_major_formatter(PercentFormatter(1.0))
    axes.locator_params(axis="y", nbins=2)
    axes.set_ylabel("failed")


def _share(steps: Sequence[Step]) -> float:
    total = sum(step.total for step in steps)
    return sum(step.bad for step in steps) / total if total else 0.0


def _draw_time(axes: Axes, row: Row) -> None:
    period = row.budget.period
    axes.set_xlim(_number(period.began), _number(period.ends or period.at))
    ticks, form = _ticks(period.began, period.ends or period.at)
    axes.set_xticks([_number(tick) for tick in ticks], [f"{tick:{form}}" for tick in ticks])
    if period.ends is not None:
        axes.axvline(_number(period.at), color=_COLOURS["muted"], linewidth=1)


def _ticks(began: datetime, ends: datetime) -> tuple[list[datetime], str]:
    """Return round times of UTC within a period, and how to write them."""
    first, last = began.timestamp(), ends.timestamp()
    apart_s = next((each for each in _TICKS_S if (last - first) / each < _MOST_TICKS), _TICKS_S[-1])
    start = -int(-first // apart_s) * apart_s
    ticks = [datetime.fromtimestamp(at, UTC) for at in range(start, int(last) + 1, apart_s)]
    if apart_s >= _DAY_S:
        return ticks, "%b %d"
    return ticks, "%H:%M" if apart_s >= _TICKS_S[2] else "%H:%M:%S"


def _shade(axes: Axes, row: Row) -> None:
    for window in row.maintenance:
        axes.axvspan(_number(window.start), _number(window.end), color=_COLOURS["band"], alpha=0.3,
                     linewidth=0)  # fmt: skip
    for start, end in _silences(row):
        axes.axvspan(start, end, facecolor="none", edgecolor=_COLOURS["band"], hatch="////",
                     linewidth=0)  # fmt: skip


def _silences(row: Row) -> Iterator[tuple[float, float]]:
    """Yield times for which nothing was recorded, though it was no maintenance."""
    recorded = {step.end for step in row.history.steps}
    step_s = row.budget.period.step_s
    for span in row.budget.period.spans:
        start = None
        for end in range(span.first, span.last + step_s, step_s):
            if end not in recorded and start is None:
                start = end - step_s
            elif end in recorded and start is not None:
                yield start / _DAY_S, (end - step_s) / _DAY_S
                start = None
        if start is not None:
            yield start / _DAY_S, span.last / _DAY_S


def _number(time: datetime) -> float:
    """Days since 1970, which is what the axis counts."""
    return time.timestamp() / _DAY_S


def _embeddable(document: str, name: str) -> str:
    svg = document[document.index("<svg") :]
    svg = _SIZE.sub("", _METADATA.sub("", svg), count=1)
    for colour, stand_in in _COLOURS.items():
        svg = svg.replace(stand_in, f"var(--{colour})")
    return _ID.sub(rf"\g<1>{name}-", svg)
