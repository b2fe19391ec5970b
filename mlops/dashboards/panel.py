"""A panel: one picture of a dashboard, its queries and how they are drawn, as plain values.

Nothing here knows Grafana: `mlops.dashboards.grafana` draws these. What a query holds of Grafana's
own variables is `$window` and `$__rate_interval`, and `expanded` puts lengths of time for them.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum

WINDOW = "$window"
"""Stands in a query for the window that who looks has chosen."""

_RATE_INTERVAL = "$__rate_interval"


class Draw(StrEnum):
    """How a panel's values are drawn."""

    LINES = "lines"
    SHARES = "shares"
    """Lines on top of each other that add up to a whole."""

    VALUE = "value"
    """The present value of each series, large."""

    TABLE = "table"
    """The present values, one row for each set of labels."""

    HEAT = "heat"
    """The buckets of a histogram over time."""


class Unit(StrEnum):
    """A unit in Grafana's words."""

    COUNT = "short"
    RATIO = "percentunit"
    SECONDS = "s"
    PER_SECOND = "reqps"
    BYTES = "bytes"
    BURN = "suffix:x"


@dataclass(frozen=True, slots=True)
class Query:
    """A question to Prometheus.

    Attributes:
        expr: PromQL, which may hold `$window` and `$__rate_interval`.
        legend: What its series are called, such as `{{slo}}`; in a table, its column.
    """

    expr: str
    legend: str = ""

    def expanded(self, window: str, rate_interval: str = "5m") -> str:
        """Return the PromQL that Grafana sends.

        Args:
            window: What is chosen, such as `1h`.
            rate_interval: What Grafana finds right for the width of a picture.

        >>> Query("rate(x[$window])").expanded("1h")
        'rate(x[1h])'
        """
        return self.expr.replace(WINDOW, window).replace(_RATE_INTERVAL, rate_interval)


@dataclass(frozen=True, slots=True)
class Limit:
    """A value from which on something is worth another colour.

    Attributes:
        above: The value.
        color: Grafana's name of a colour.
    """

    above: float
    color: str


@dataclass(frozen=True, slots=True)
class Panel:
    """One picture.

    Attributes:
        title: What it shows.
        description: What it means, and what to do with it.
        queries: What it draws.
        draw: How.
        unit: Of its values; of a table, of none.
        width: Of the 24 columns of a dashboard.
        height: In Grafana's rows of about 30 pixels.
        limits: Where the colour changes, from below; lines show them.
        base: The colour below all limits.
        no_value: What stands there if nothing is known.
        columns: Of a table, the unit of each query's column.
        link: An address behind each value, with Grafana's variables in it; empty for none.
    """

    title: str
    description: str
    queries: tuple[Query, ...]
    draw: Draw = Draw.LINES
    unit: Unit = Unit.COUNT
    width: int = 8
    height: int = 8
    limits: tuple[Limit, ...] = ()
    base: str = "green"
    no_value: str = "no data"
    columns: tuple[Unit, ...] = ()
    link: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    """Panels under a heading.

    Attributes:
        title: The heading.
        panels: From left to right; those that fill 24 columns make a line.
    """

    title: str
    panels: tuple[Panel, ...]


@dataclass(frozen=True, slots=True)
class Annotation:
    """What is marked on all pictures over time.

    Attributes:
        name: Its name.
        expr: PromQL; a mark stands wherever it gives a series.
    """

    name: str
    expr: str


@dataclass(frozen=True, slots=True)
class Board:
    """A dashboard.

    Attributes:
        uid: Its address in Grafana, at most 40 characters, the same for ever.
        title: Its name.
        description: For whom it is and what it answers.
        rows: What it shows.
        windows: What `$window` may be, shortest first; the first is chosen at the beginning.
        links: Title and uid of other dashboards.
        annotations: What is marked on its pictures.
    """

    uid: str
    title: str
    description: str
    rows: tuple[Row, ...]
    windows: tuple[str, ...]
    links: tuple[tuple[str, str], ...] = ()
    annotations: tuple[Annotation, ...] = field(default=())

    def asked(self) -> Iterator[tuple[str, Query]]:
        """Yield all queries with where they stand, marks on the pictures included."""
        for row in self.rows:
            for panel in row.panels:
                for query in panel.queries:
                    yield f"{row.title}: {panel.title}", query
        for annotation in self.annotations:
            yield annotation.name, Query(annotation.expr)
