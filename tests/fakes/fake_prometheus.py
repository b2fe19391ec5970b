"""A fake Prometheus: answers each query by the first rule that matches, and remembers them."""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime

from mlops.budgets.prometheus import Sample, Series


class FakePrometheus:
    """Stands in for `mlops.budgets.prometheus.Prometheus`.

    Args:
        answers: Samples by a pattern that is searched in the expression; none matches: no sample.
        series: The same for range queries; what lies outside the range is cut off.
    """

    def __init__(
        self,
        answers: Mapping[str, Sequence[Sample]],
        series: Mapping[str, Sequence[Series]] | None = None,
    ) -> None:
        self._answers = answers
        self._series = series or {}
        self.ranges: list[tuple[str, int, int, int]] = []
        self.asked: list[tuple[str, datetime]] = []

    def query(self, expr: str, *, at: datetime) -> tuple[Sample, ...]:
        self.asked.append((expr, at))
        for pattern, samples in self._answers.items():
            if re.search(pattern, expr):
                return tuple(samples)
        return ()

    def query_range(self, expr: str, *, first: int, last: int, step_s: int) -> tuple[Series, ...]:
        self.ranges.append((expr, first, last, step_s))
        asked = range(first, last + 1, step_s)
        for pattern, found in self._series.items():
            if re.search(pattern, expr):
                return tuple(
                    Series(each.labels, {t: v for t, v in each.points.items() if t in asked})
                    for each in found
                )
        return ()
