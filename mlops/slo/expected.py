"""An expectation: what an SLO's rules are to show under a load, counted without Prometheus.

The same arithmetic as the rules, done on the load itself: only what is certain is expected. A
window's edge, the steps of a sum and the time until an evaluation leave a value open by a little,
and where that decides about an alert, nothing is asked.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import NamedTuple

from mlops.slo.alerts import min_bad_events
from mlops.slo.load import Load, window_events
from mlops.slo.objective import Objective
from mlops.slo.spec import SloSpec, Tier

CLEARLY = 0.015
"""Relative distance from a limit within which nothing is expected; a burn just above or just below
a factor is 3 % away."""


class Range(NamedTuple):
    """What a measured value may be: it depends on which end of a window counts."""

    least: float
    most: float


class Alarm(Enum):
    """Whether an alert fires."""

    FIRES = "fires"
    SILENT = "silent"
    OPEN = "open"


@dataclass(frozen=True, slots=True)
class Expected:
    """What is to be seen of one SLO under one load.

    Attributes:
        objective: The SLO.
        spec: Windows and intervals.
        load: What happens.
        evaluation_s: Seconds between two evaluations of the rules in the test.
    """

    objective: Objective
    spec: SloSpec
    load: Load
    evaluation_s: int
    _known: dict[tuple[int, int], list[tuple[float, float]]] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    def events(self, window_s: int, at_s: int) -> tuple[Range, Range]:
        """Return the bad and all events that a window may show.

        Args:
            window_s: Seconds.
            at_s: The window's end, in seconds of the load.
        """
        seen = self._seen(window_s, at_s)
        bads, totals = [bad for bad, _ in seen], [total for _, total in seen]
        return Range(min(bads), max(bads)), Range(min(totals), max(totals))

    def ratio(self, window_s: int, at_s: int) -> Range | None:
        """Return the share of bad events that a window may show; None if there may be none."""
        seen = self._seen(window_s, at_s)
        if any(total <= 0 for _, total in seen):
            return None
        ratios = [bad / total for bad, total in seen]
        return Range(min(ratios), max(ratios))

    def _seen(self, window_s: int, at_s: int) -> list[tuple[float, float]]:
        found = self._known.get((window_s, at_s))
        if found is None:  # tiers share windows, and a look asks for several of them again
            at = at_s // self.load.interval_s
            found = [window_events(self.load, each, at) for each in self._covered(window_s)]
            self._known[window_s, at_s] = found
        return found

    def alarm(self, tier: Tier, at_s: int) -> Alarm:
        """Return whether a tier's alert fires at a time.

        It does if its condition held clearly since longer than `for_s`, and does not if that
        was clearly not so since longer than `keep_firing_for_s`.

        Args:
            tier: One of the objective's tiers.
            at_s: A time of evaluation, in seconds of the load.
        """
        held = self._since(tier, at_s, tier.for_s)
        if all(state is Alarm.FIRES for state in held):
            return Alarm.FIRES
        kept = self._since(tier, at_s, tier.keep_firing_for_s)
        if all(state is Alarm.SILENT for state in kept):
            return Alarm.SILENT
        return Alarm.OPEN

    def absent(self, at_s: int) -> Alarm:
        """Return whether the alert fires that says that there are no data."""
        lasting = self.spec.absent_for_s
        if lasting is None:
            return Alarm.SILENT
        needed_s = lasting + self.spec.step_s + 2 * self.evaluation_s
        gap_s = at_s - self.load.last_sample(at_s // self.load.interval_s) * self.load.interval_s
        if gap_s >= needed_s:
            return Alarm.FIRES
        return Alarm.SILENT if gap_s < min(lasting, self.evaluation_s) else Alarm.OPEN

    def _since(self, tier: Tier, at_s: int, span_s: int) -> Sequence[Alarm]:
        back = range(-(-span_s // self.evaluation_s) + 1 if span_s else 1)
        times = (at_s - count * self.evaluation_s for count in back)
        return [self._condition(tier, time) if time >= 0 else Alarm.SILENT for time in times]

    def _condition(self, tier: Tier, at_s: int) -> Alarm:
        limit = tier.factor * float(self.objective.error_budget)
        ratios = [self.ratio(window, at_s) for window in (tier.long_s, tier.short_s)]
        bad, _ = self.events(tier.long_s, at_s)
        guard = min_bad_events(self.objective, self.spec)
        if (
            all(ratio and ratio.least > limit * (1 + CLEARLY) for ratio in ratios)
            and bad.least >= guard
        ):
            return Alarm.FIRES
        few = bad.most < guard
        if few or any(ratio is None or ratio.most < limit * (1 - CLEARLY) for ratio in ratios):
            return Alarm.SILENT
        return Alarm.OPEN

    def _covered(self, window_s: int) -> tuple[int, ...]:
        """Return the seconds that a window may cover at an evaluation.

        A sum of steps reaches one step further back where its end falls on a step.
        """
        if window_s > self.spec.direct_window_max_s:
            return window_s, window_s + self.spec.step_s
        return (window_s,)
