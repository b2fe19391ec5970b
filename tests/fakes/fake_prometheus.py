"""A fake Prometheus: answers each query by the first rule that matches, and remembers them."""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime

from mlops.budgets.prometheus import Sample


class FakePrometheus:
    """Stands in for `mlops.budgets.prometheus.Prometheus`.

    Args:
        answers: Samples by a pattern that is searched in the expression; none matches: no sample.
    """

    def __init__(self, answers: Mapping[str, Sequence[Sample]]) -> None:
        self._answers = answers
        self.asked: list[tuple[str, datetime]] = []

    def query(self, expr: str, *, at: datetime) -> tuple[Sample, ...]:
        self.asked.append((expr, at))
        for pattern, samples in self._answers.items():
            if re.search(pattern, expr):
                return tuple(samples)
        return ()
