"""Figures: measurements as a table, one row a metric and one column a subject."""

from collections.abc import Sequence

from rich.console import Console as RichConsole
from rich.markup import escape
from rich.table import Table as RichTable

from mlops.quality.measure import Measurement, SubjectKind

_THOUSAND = 1000


def show_measurements(out: RichConsole, measurements: Sequence[Measurement]) -> None:
    """Print the model beside the heuristics, and why an estimate abstains.

    Args:
        out: Where.
        measurements: Of one bundle.
    """
    own = [m for m in measurements if not m.reference]
    subjects = list(dict.fromkeys((m.subject, m.kind) for m in own))
    table = RichTable(title="held-out measurements", title_justify="left")
    table.add_column("metric", no_wrap=True)
    table.add_column("events", justify="right")
    for name, kind in subjects:
        mark = "model" if kind is SubjectKind.MODEL else kind.value
        table.add_column(f"{escape(name)}\n[dim]{mark}[/]", justify="right")
    for metric, head in dict.fromkeys((m.metric, m.head) for m in own):
        row = [m for m in own if (m.metric, m.head) == (metric, head)]
        cells = []
        for name, _ in subjects:
            found = next((m for m in row if m.subject == name), None)
            cells.append("" if found is None else _cell(found))
        events = max(m.events for m in row)
        label = f"{metric} of {head}" if head else metric
        unit = next((m.unit for m in row if m.unit), "")
        table.add_row(escape(f"{label} [{unit}]" if unit else label), f"{events:,}", *cells)
    out.print(table)
    reasons = dict.fromkeys((m.metric, m.abstained) for m in own if m.abstained)
    for metric, reason in reasons:
        out.print(f"[yellow]{escape(metric)} abstains[/]: {escape(reason)}")


def _cell(measurement: Measurement) -> str:
    if measurement.value is None:
        return "[yellow]abstains[/]"
    shown = figure(measurement.value)
    if measurement.low is None or measurement.high is None:
        return shown
    return f"{shown}\n[dim]{figure(measurement.low)} .. {figure(measurement.high)}[/]"


def figure(value: float) -> str:
    """Return a number with as many digits as a reader wants.

    >>> figure(138576.0), figure(0.80337), figure(0.0033909)
    ('138,576', '0.803', '0.00339')
    """
    return f"{value:,.0f}" if abs(value) >= _THOUSAND else f"{value:.3g}"
