"""A window: how the calls of the last seconds ended, counted in slices of time."""

from collections import deque
from enum import StrEnum

_SLICES = 32


class Outcome(StrEnum):
    """How a call to the model ended."""

    OK = "ok"
    SLOW = "slow"
    """In time and valid, but slower than it should be."""
    FAILED = "failed"
    """It was late, raised, or its process was gone."""
    REFUSED = "refused"
    """The guard refused its output."""


class Counts:
    """Numbers of calls; each kind holds the graver ones too.

    Attributes:
        calls: All.
        slow: Slow, failed or refused.
        failed: Failed or refused.
        refused: Refused by the guard.
    """

    __slots__ = ("calls", "failed", "refused", "slow")

    def __init__(self) -> None:
        self.calls = self.slow = self.failed = self.refused = 0

    def add(self, outcome: Outcome) -> None:
        """Count a call."""
        self.calls += 1
        if outcome is not Outcome.OK:
            self.slow += 1
            self.failed += outcome is not Outcome.SLOW
            self.refused += outcome is Outcome.REFUSED

    def subtract(self, other: "Counts") -> None:
        """Take calls away."""
        self.calls -= other.calls
        self.slow -= other.slow
        self.failed -= other.failed
        self.refused -= other.refused


class Window:
    """The calls of the last seconds; its memory does not grow with their number.

    Args:
        length_s: Seconds of calls that are kept; the oldest leave together with those of the
            thirty-second part of the window that began with the oldest.
    """

    def __init__(self, length_s: float) -> None:
        self._length_s = length_s
        self._slice_s = length_s / _SLICES
        self._slices: deque[tuple[float, Counts]] = deque()
        self.counts = Counts()

    def add(self, now: float, outcome: Outcome) -> None:
        """Count a call that ended now, and forget those that are too old.

        Args:
            now: Monotonic seconds.
            outcome: How it ended.
        """
        slices = self._slices
        if not slices or now - slices[-1][0] >= self._slice_s:
            slices.append((now, Counts()))
            while now - slices[0][0] > self._length_s:
                self.counts.subtract(slices.popleft()[1])
        slices[-1][1].add(outcome)
        self.counts.add(outcome)

    def clear(self) -> None:
        """Forget all calls."""
        self._slices.clear()
        self.counts = Counts()
