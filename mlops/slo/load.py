"""A load: what happens to an SLO's events in a test, phase by phase, and what is then to be seen.

Everything stands on a grid of samples, the first at time 0 with no event yet.
"""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from itertools import accumulate, pairwise


@dataclass(frozen=True, slots=True)
class Phase:
    """A time in which nothing changes.

    Attributes:
        intervals: How many intervals of the grid it lasts.
        share: Share of the events that are bad, in [0, 1]; an interval has whole numbers of them.
        rate: Events in an interval; 0 is an idle time.
        restarts: Whether the program has restarted at its beginning: counters begin anew at 0.
        missing: Whether there are no samples: the target is not scraped.
    """

    intervals: int
    share: float = 0.0
    rate: int = 1_000
    restarts: bool = False
    missing: bool = False

    @property
    def bad(self) -> int:
        """Return the bad events in an interval.

        Whole numbers add up exactly: a counter whose sum is off in its last digit is lower than
        before, and Prometheus takes it for one that has restarted.
        """
        return round(self.share * self.rate)

    @property
    def good(self) -> int:
        """Return the good events in an interval."""
        return self.rate - self.bad


@dataclass(frozen=True)
class Load:
    """Phases that follow each other.

    Attributes:
        phases: In order.
        interval_s: Seconds between two samples.
        whole: Whether events come whole: an interval is one sample of a gauge or one slice, good
            or bad as one, as evenly spread as can be.
    """

    phases: tuple[Phase, ...]
    interval_s: int
    whole: bool = False

    def until(self, at: int) -> tuple[float, float]:
        """Return the bad and all events until a sample.

        Args:
            at: The sample's number; before the first, nothing has happened.
        """
        index = max(bisect_right(self._begins, at) - 1, 0)
        bad, total = self._before[index]
        if self.phases and not self.phases[index].missing:
            more = max(0, min(at, self.intervals) - self._begins[index])
            bad += self._bad(self.phases[index], more)
            total += more * (1.0 if self.whole else self.phases[index].rate)
        return bad, total

    def last_sample(self, at: int) -> int:
        """Return the number of the last sample there is until one."""
        index = max(bisect_right(self._begins, at - 1) - 1, 0)
        while index >= 0 and self.phases[index].missing:
            at = self._begins[index]
            index -= 1
        return at

    def _bad(self, phase: Phase, intervals: int) -> float:
        return float(due(phase, intervals)) if self.whole else phase.bad * intervals

    @cached_property
    def intervals(self) -> int:
        """Return how many intervals it lasts; the last sample's number."""
        return sum(phase.intervals for phase in self.phases)

    @property
    def end_s(self) -> int:
        """Return when it ends, in seconds."""
        return self.intervals * self.interval_s

    @cached_property
    def _begins(self) -> list[int]:
        return list(accumulate((phase.intervals for phase in self.phases[:-1]), initial=0))

    @cached_property
    def _before(self) -> list[tuple[float, float]]:
        """Bad and all events before each phase."""
        found = [(0.0, 0.0)]
        for phase in self.phases[:-1]:
            bad, total = found[-1]
            if not phase.missing:
                bad += self._bad(phase, phase.intervals)
                total += phase.intervals * (1.0 if self.whole else phase.rate)
            found.append((bad, total))
        return found


def due(phase: Phase, intervals: int) -> int:
    """Return how many of a phase's first intervals are bad, where each is so as a whole."""
    return int(intervals * phase.share + 1e-9)


def window_events(load: Load, window_s: int, at: int) -> tuple[float, float]:
    """Return the bad and all events of a window that ends with a sample."""
    begin = max(0, at - window_s // load.interval_s)
    (bad_then, total_then), (bad, total) = load.until(begin), load.until(at)
    return bad - bad_then, total - total_then


def counter_values(load: Load, per_interval: Sequence[int]) -> str:
    """Return a counter's samples as promtool reads them.

    Args:
        load: When the counter restarts, and when there are no samples.
        per_interval: Events in an interval of each phase.
    """
    texts = ["0"]
    level = 0
    for phase, rate in zip(load.phases, per_interval, strict=True):
        if phase.missing:
            texts.append(f"_x{phase.intervals}")
            continue
        if phase.restarts:
            level = 0
        first = level + rate
        level += rate * phase.intervals
        texts.append(
            f"{first}+{rate}x{phase.intervals - 1}" if rate else f"{level}x{phase.intervals - 1}"
        )
    return " ".join(texts)


def sample_values(load: Load, *, good: str, bad: str) -> str:
    """Return a gauge's samples as promtool reads them, each interval good or bad as a whole.

    Args:
        load: A load of whole events.
        good: The value of a good sample.
        bad: The value of a bad one.
    """
    texts = [good]
    for phase in load.phases:
        counts = [due(phase, number) for number in range(phase.intervals + 1)]
        run = [bad if after > before else good for before, after in pairwise(counts)]
        texts += runs(["_"] * phase.intervals if phase.missing else run)
    return " ".join(texts)


def runs(values: Sequence[str]) -> Iterator[str]:
    """Yield samples in promtool's short form: `1x3` is four of them, `_x4` four missing ones."""
    begin = 0
    for index in range(1, len(values) + 1):
        if index < len(values) and values[index] == values[begin]:
            continue
        length = index - begin
        value = values[begin]
        if value == "stale" or length == 1:
            yield from [value] * length
        else:
            yield f"{value}x{length if value == '_' else length - 1}"
        begin = index


def number(value: Decimal | float) -> str:
    """Return a number in plain decimals.

    >>> number(Decimal("0.001")), number(Decimal("1E+3")), number(1e-7)
    ('0.001', '1000', '0.0000001')
    """
    plain = Decimal(repr(value)) if isinstance(value, float) else value
    return format(plain.normalize(), "f")
