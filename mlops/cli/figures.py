"""Figures: measurements as a table, one row a metric and one column a subject."""

from collections.abc import Sequence

from rich.box import SIMPLE_HEAD
from rich.console import Console as RichConsole
from rich.markup import escape
from rich.table import Table as RichTable

from mlops.quality.business import describe
from mlops.quality.figure import figure
from mlops.quality.measure import Measurement, SubjectKind

_HUNDRED = 100


def show_measurements(out: RichConsole, measurements: Sequence[Measurement]) -> None:
    """Print the model beside the heuristics, and why an estimate abstains.

    Args:
        out: Where.
        measurements: Of one bundle.
    """
    own = [m for m in measurements if not m.reference]
    kinds = {m.subject: m.kind for m in own}
    table = RichTable(
        title="held-out measurements", title_justify="left", box=SIMPLE_HEAD, padding=(0, 1, 0, 0)
    )
    table.add_column("metric", overflow="fold", min_width=14)
    for name, kind in kinds.items():
        mark = "" if kind is SubjectKind.MODEL else f"\n[dim]{kind.value}[/]"
        table.add_column(
            f"{escape(name)}{mark}", justify="right", overflow="fold", min_width=11, max_width=16
        )
    table.add_column("events", justify="right", no_wrap=True)
    for metric, head in dict.fromkeys((m.metric, m.head) for m in own):
        row = {m.subject: m for m in own if (m.metric, m.head) == (metric, head)}
        cells = [_cell(row[name]) if name in row else "" for name in kinds]
        events = max(m.events for m in row.values())
        unit = next((m.unit for m in row.values() if m.unit), "")
        label = f"{metric} {head}".strip()
        table.add_row(escape(f"{label} ({unit})" if unit else label), *cells, f"{events:,}")
    out.print(table)
    reasons: dict[str, list[str]] = {}
    for m in own:
        if m.abstained:
            reasons.setdefault(f"{m.subject}: {m.abstained}", []).append(m.metric)
    for reason, metrics in reasons.items():
        out.print(f"[yellow]{escape(', '.join(metrics))} abstain[/] for {escape(reason)}")
    for m in measurements:
        if m.reference and "_per_1000_" in m.metric:
            out.print(escape(describe(m)))


def _cell(measurement: Measurement) -> str:
    if measurement.value is None:
        return "[yellow]abstains[/]"
    shown = figure(measurement.value)
    if measurement.low is None or measurement.high is None:
        return shown
    return f"{shown}\n[dim]{_short(measurement.low)}..{_short(measurement.high)}[/]"


def _short(value: float) -> str:
    """Return an interval's end, in two digits: more would pretend to know it."""
    return f"{value:,.0f}" if abs(value) >= _HUNDRED else f"{value:.2g}"
