"""An indicator: what an SLO counts, as PromQL for the events of any window.

Every kind gives two expressions without labels: all events of a window, and those that were bad.
From them the compiler makes the recorded steps, the error ratios and the budgets, so that a kind
of SLI is one class here and nothing else.
"""

from dataclasses import dataclass
from enum import StrEnum
from textwrap import indent
from typing import Protocol

from mlops.slo.counter import Counter
from mlops.slo.spec import SloSpec
from mlops.slo.windowed import Events
from mlops.slo.windows import prometheus_duration

_INDENT = "  "


class Indicator(Protocol):
    """What an SLO counts."""

    def total(self, window_s: int, spec: SloSpec) -> str:
        """Return PromQL for all events in a window: one series without labels, or none.

        Args:
            window_s: Seconds, at most `spec.direct_window_max_s` or the step.
            spec: Gives the intervals.
        """
        ...

    def bad(self, window_s: int, spec: SloSpec) -> str:
        """Return PromQL for the bad events in a window; 0, not nothing, while there are events.

        Args:
            window_s: Seconds, as for `total`.
            spec: Gives the intervals.
        """
        ...

    @property
    def counters(self) -> tuple[Counter, ...]:
        """The plain selectors that it asks for, without repetition."""
        ...


class Counts(StrEnum):
    """What the numerator of a ratio counts."""

    GOOD = "good"
    BAD = "bad"


@dataclass(frozen=True, slots=True)
class CountedRatio:
    """Good or bad events over all events, both counted.

    Attributes:
        counts: What `numerator` counts.
        numerator: Good or bad events.
        denominator: All events.
    """

    counts: Counts
    numerator: Events
    denominator: Events

    def total(self, window_s: int, spec: SloSpec) -> str:
        """Return all events in a window; see `Indicator.total`."""
        del spec
        return self.denominator.increase(prometheus_duration(window_s))

    def bad(self, window_s: int, spec: SloSpec) -> str:
        """Return the bad events in a window; see `Indicator.bad`."""
        total = self.total(window_s, spec)
        numerator = self.numerator.increase(prometheus_duration(window_s))
        counted = f"(\n  {numerator}\n  or\n  0 * {total}\n)"
        if self.counts is Counts.BAD:
            return counted
        difference = f"{total}\n-\n{counted},"
        # Two counters are extrapolated apart, so good may exceed total by a hair.
        return f"clamp_min(\n{indent(difference, _INDENT)}\n  0\n)"

    @property
    def counters(self) -> tuple[Counter, ...]:
        """What the two select."""
        return tuple(dict.fromkeys((*self.numerator.counters, *self.denominator.counters)))
