"""A grid: at which times a test has samples, and at which it evaluates the rules."""

from dataclasses import dataclass
from math import gcd

from mlops.slo.spec import MIN_SCRAPES, SloSpec, Tier

MOST_SAMPLES = 10_000
"""promtool takes no longer series."""

_LONGEST_EVALUATION_S = 300
_LONGEST_INTERVAL_S = 120


@dataclass(frozen=True, slots=True)
class Grid:
    """Two intervals, of which one divides the other.

    Attributes:
        interval_s: Seconds between two samples.
        evaluation_s: Seconds between two evaluations of the rules.
    """

    interval_s: int
    evaluation_s: int

    @property
    def samples(self) -> int:
        """Return the intervals of samples in one of evaluation."""
        return self.evaluation_s // self.interval_s

    @property
    def most_evaluations(self) -> int:
        """Return how many evaluations a test may last."""
        return (MOST_SAMPLES - 2) // self.samples

    def evaluations(self, seconds: float) -> int:
        """Return the evaluations that last at least some seconds."""
        return int(-(-seconds // self.evaluation_s))


def evaluation_interval(spec: SloSpec) -> int:
    """Return how often a test evaluates, in seconds: with each step, which records all there is.

    promtool has one such interval for a whole file and runs every rule at it, whatever its group
    says. A sample is stale after five minutes, so a longer step is evaluated more often.
    """
    return _largest_divisor(spec.step_s, _LONGEST_EVALUATION_S)


def grid(spec: SloSpec, tiers: tuple[Tier, ...]) -> Grid:
    """Return the grid of an SLO's tests.

    Samples are as rare as the shortest window that reads them allows: production's 72 hours at one
    sample a minute are 4,320, where the service's own 15 s would be 17,280.

    Args:
        spec: Windows and intervals.
        tiers: The SLO's pairs of windows.
    """
    evaluation_s = evaluation_interval(spec)
    windows = [seconds for tier in tiers for seconds in (tier.long_s, tier.short_s)]
    direct = [seconds for seconds in windows if seconds <= spec.direct_window_max_s]
    common = gcd(evaluation_s, *direct)
    shortest = min([spec.step_s, *direct])
    longest = min(shortest // MIN_SCRAPES, _LONGEST_INTERVAL_S, evaluation_s)
    return Grid(_largest_divisor(common, max(1, longest)), evaluation_s)


def _largest_divisor(length: int, most: int) -> int:
    return next(size for size in range(min(length, most), 0, -1) if length % size == 0)
