"""An indicator: what an SLO counts, as PromQL for the events of any window.

Every kind gives two expressions without labels: all events of a window, and those that were bad.
From them the compiler makes the recorded steps, the error ratios and the budgets, so that a kind
of SLI is one class and nothing else. Here are the protocol and the kinds that count events.
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
        """The selectors that it asks for, without repetition."""
        ...

    @property
    def increasing(self) -> tuple[Counter, ...]:
        """Those of `counters` whose increase it takes by itself, so that they must be counters."""
        ...


def error_share(indicator: Indicator, window_s: int, spec: SloSpec) -> str:
    """Return PromQL for bad over all events in a window; nothing where there are no events.

    Args:
        indicator: What is counted.
        window_s: Seconds, as for `Indicator.total`.
        spec: Gives the intervals.
    """
    return f"{indicator.bad(window_s, spec)}\n/\n({indicator.total(window_s, spec)} > 0)"


class Counts(StrEnum):
    """What the numerator of a ratio counts."""

    GOOD = "good"
    BAD = "bad"

    def bad(self, numerator: str, total: str) -> str:
        """Return PromQL for the bad events of a window, from both sides of a ratio.

        A numerator without series counts 0 while there are events: a counter of errors is born
        with the first error.

        Args:
            numerator: PromQL for what is counted.
            total: PromQL for all events.
        """
        counted = f"(\n  {numerator}\n  or\n  0 * {total}\n)"
        if self is Counts.BAD:
            return counted
        difference = f"{total}\n-\n{counted},"
        # Two counters are extrapolated apart, so good may exceed total by a hair.
        return f"clamp_min(\n{indent(difference, _INDENT)}\n  0\n)"


@dataclass(frozen=True, slots=True)
class _Ratio:
    """What both kinds of ratio have in common."""

    counts: Counts
    numerator: Events
    denominator: Events

    def total(self, window_s: int, spec: SloSpec) -> str:
        """Return all events in a window; see `Indicator.total`."""
        del spec
        return self.denominator.increase(prometheus_duration(window_s))

    def bad(self, window_s: int, spec: SloSpec) -> str:
        """Return the bad events in a window; see `Indicator.bad`."""
        numerator = self.numerator.increase(prometheus_duration(window_s))
        return self.counts.bad(numerator, self.total(window_s, spec))

    @property
    def counters(self) -> tuple[Counter, ...]:
        """All selectors of both sides."""
        return tuple(dict.fromkeys((*self.numerator.counters, *self.denominator.counters)))

    @property
    def increasing(self) -> tuple[Counter, ...]:
        """The sides that are plain counters; a query takes its increases itself."""
        sides = (self.numerator, self.denominator)
        return tuple(dict.fromkeys(side for side in sides if isinstance(side, Counter)))


@dataclass(frozen=True, slots=True)
class CountedRatio(_Ratio):
    """Good or bad events over all events, both from plain counters.

    Attributes:
        counts: What `numerator` counts.
        numerator: Good or bad events.
        denominator: All events.
    """

    numerator: Counter
    denominator: Counter


@dataclass(frozen=True, slots=True)
class QueriedRatio(_Ratio):
    """Good or bad events over all events, of which at least one is a query of a window.

    Attributes:
        counts: What `numerator` counts.
        numerator: Good or bad events.
        denominator: All events.
    """
