"""An exposition: all series of a service as Prometheus' text, summed over its processes.

The text is laid out by prometheus_client, once, with each series' place where its value will be;
a scrape fills in the values. So it costs an answer of the service no more than an answer does.
"""

from collections.abc import Callable, Iterator
from itertools import accumulate

import numpy as np
import numpy.typing as npt
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

from mlops.base import telemetry
from mlops.base.telemetry import Kind
from mlops.serving.series import FAMILIES, Family

Totals = Callable[[], npt.NDArray[np.float64]]
"""Sums over the processes, shape [`mlops.serving.series.SIZE`]."""

Named = tuple[str, str]
"""A bundle's digest and its model's name."""

_ONE = -1  # a place after the last, which holds a 1
_HISTOGRAMS = tuple(
    (family.start, family.start + len(family.metric.buckets) + 1)
    for family in FAMILIES
    if family.metric.kind is Kind.HISTOGRAM
)


class Exposition:
    """What a scrape gets.

    Args:
        service: Value of the `service` label.
        totals: Sums over the processes.
    """

    def __init__(self, service: str, totals: Totals) -> None:
        self._service = service
        self._totals = totals
        self._bundles: dict[str, Named | None] = {}
        self._between: list[str] = []
        self._places: list[int] = []
        self._open: dict[str, int] = {}

    def name_bundles(self, current: Named | None, previous: Named | None) -> None:
        """Name the bundle that is served and the one before it, where there is one."""
        self._bundles = {"current": current, "previous": previous}
        self._between = []  # laid out by the next scrape, since this is said between two answers

    def count_open(self, path: str) -> None:
        """Count by what callers send, as a drill without closed label sets does."""
        self._open[path] = self._open.get(path, 0) + 1

    def text(self) -> bytes:
        """Return all metrics in Prometheus' text format."""
        if not self._between:
            self._lay_out()
        values = self._totals().tolist()
        for start, end in _HISTOGRAMS:
            values[start:end] = accumulate(values[start:end])
        values.append(1.0)
        told = [_number(values[place]) for place in self._places]
        parts = [part for pair in zip(self._between, told, strict=False) for part in pair]
        more = [f'drill_paths_total{{path="{path}"}} {n}\n' for path, n in self._open.items()]
        return "".join((*parts, self._between[-1], *more)).encode()

    def _lay_out(self) -> None:
        layout = _Layout(self._service, self._bundles)
        registry = CollectorRegistry()
        registry.register(layout)
        self._between, self._places = [""], []
        for line in generate_latest(registry).decode().splitlines(keepends=True):
            if line.startswith("#"):
                self._between[-1] += line
            else:
                head, _, place = line.rpartition(" ")
                self._between[-1] += head + " "
                self._places.append(int(float(place)))
                self._between.append("\n")


def _number(value: float) -> str:
    text: str = floatToGoString(value)  # type: ignore[no-untyped-call] # the library left it so
    return text


class _Layout(Collector):
    """All series, each with its place instead of its value."""

    def __init__(self, service: str, bundles: dict[str, Named | None]) -> None:
        self._service = service
        self._bundles = bundles

    def collect(self) -> Iterator[Metric]:
        for family in FAMILIES:
            yield self._family(family)
        info = telemetry.BUNDLE_INFO
        gauge = GaugeMetricFamily(info.name, info.help, labels=info.labels)
        for role, named in self._bundles.items():
            if named is not None:
                gauge.add_metric([self._service, *named, role], _ONE)
        yield gauge

    def _family(self, family: Family) -> Metric:
        metric = family.metric
        if metric.kind is Kind.HISTOGRAM:
            return self._histogram(family)
        made = (
            CounterMetricFamily(metric.name, metric.help, labels=metric.labels)
            if metric.kind is Kind.COUNTER
            else GaugeMetricFamily(metric.name, metric.help, labels=metric.labels)
        )
        for values, place in family.places.items():
            made.add_metric([self._service, *values], place)
        return made

    def _histogram(self, family: Family) -> Metric:
        metric = family.metric
        bounds = [*map(_number, metric.buckets), "+Inf"]
        buckets = [(bound, float(family.start + at)) for at, bound in enumerate(bounds)]
        made = HistogramMetricFamily(metric.name, metric.help, labels=metric.labels)
        made.add_metric([self._service], buckets, family.start + len(bounds))
        return made
