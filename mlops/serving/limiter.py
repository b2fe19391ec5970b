"""A limiter: how many pages may be owed at once, found by watching how long they take.

Additive increase, multiplicative decrease: an answer in good time raises the limit by a part of
a page, one page for each round of answers; a late one lowers it by a quarter, at most once for
each time that a page is given, since what is under way by then was let in before.
Source: Chiu and Jain, "Analysis of the Increase and Decrease Algorithms for Congestion Avoidance
in Computer Networks", 1989, section 3; for latency instead of loss as the signal, Brakmo and
Peterson, "TCP Vegas", 1995.

It rises only when it is used, so that a quiet hour does not open the door for the next rush. It
falls on answers that took most of the time there is, before they are too late. What was given up
is owed until it is answered, since it still takes the model's time.

The same limit bounds the work of a model that runs inline, where one page is under way and the
others wait behind it: those that wait are what is owed (`mlops.serving.admission`).
"""

import math
from typing import Self

from mlops.base.clock import Clock
from mlops.serving.spec import LimitSpec, Protection, ServingSpec

_DECREASE = 0.75
_GOOD_TIME = 0.5
"""The part of the time there is in which an answer counts as in good time."""
_USED = 0.5
"""The part of the limit that must have been owed for an answer to raise it."""
_UNBOUNDED = 1 << 30


class Pace:
    """How long a piece of work takes: a moving mean and how far it strays from it.

    Source: Jacobson, "Congestion Avoidance and Control", 1988, appendix A, for both gains. A mean
    and twice the mean deviation bounds about 95 % of normal times.
    """

    __slots__ = ("_deviation_s", "mean_s")

    def __init__(self) -> None:
        self.mean_s = 0.0
        self._deviation_s = 0.0

    @property
    def longest_s(self) -> float:
        """Seconds that nearly all of it stays below; 0 as long as nothing was seen."""
        return self.mean_s + 2.0 * self._deviation_s

    def observe(self, seconds: float) -> None:
        """Take note of a piece of work."""
        if not self.mean_s:
            self.mean_s = seconds
            return
        off_s = seconds - self.mean_s
        self.mean_s += off_s / 8
        self._deviation_s += (abs(off_s) - self._deviation_s) / 4

    def fade(self) -> None:
        """Trust it less: work was left undone since it seemed too long, so nothing is learnt."""
        self.mean_s *= 0.98
        self._deviation_s *= 0.98


class Limiter:
    """The limit of one model, or of one worker's queue; used from one thread.

    Args:
        spec: Where it starts and where it stops rising.
        time_s: Seconds that a page is given.
        clock: Monotonic time.
        acts: False for a drill that takes the limiter away: everything is let in.
    """

    def __init__(self, spec: LimitSpec, time_s: float, clock: Clock, *, acts: bool = True) -> None:
        self._most = float(max(spec.most, spec.start))
        self._time_s = time_s
        self._clock = clock
        self._limit = float(spec.start)
        self._lowered_at = -math.inf
        self.acts = acts
        self.pace = Pace()

    @classmethod
    def of(cls, spec: ServingSpec, clock: Clock) -> Self:
        """Make the limiter that a service declares; a page has the deadline less the reserve."""
        time_s = (spec.deadline_ms - spec.reserve_ms) / 1000
        return cls(spec.limit, time_s, clock, acts=spec.protects(Protection.LIMITER))

    @property
    def limit(self) -> int:
        """Pages that may be owed at once, at least 1."""
        return int(self._limit) if self.acts else _UNBOUNDED

    @property
    def time_s(self) -> float:
        """Seconds that a page is given."""
        return self._time_s

    def has_room(self, owed: int) -> bool:
        """Tell whether one more page may be asked for.

        Args:
            owed: Pages that are not answered yet, those included that nobody waits for.
        """
        return owed < self._limit or not self.acts

    def has_time(self, left_s: float) -> bool:
        """Tell whether the time left is likely to be enough for a page.

        Args:
            left_s: Seconds.
        """
        if left_s > self.pace.longest_s:
            return left_s > 0
        self.pace.fade()
        return not self.acts

    def answered(self, seconds: float, owed: int) -> None:
        """Take note of an answer.

        Args:
            seconds: From when it was asked for, waiting included.
            owed: Pages that were owed when it was asked for, itself included.
        """
        if seconds > _GOOD_TIME * self._time_s:
            # With nothing before it, it is the model that is slow: fewer pages would not help.
            if owed > 1:
                self.late()
        elif owed >= _USED * self._limit:
            self._limit = min(self._limit + 1.0 / self._limit, self._most)

    def late(self) -> None:
        """Take note of a page that came too late, or nearly so."""
        now = self._clock.monotonic()
        if now - self._lowered_at >= self._time_s:
            self._lowered_at = now
            self._limit = max(1.0, self._limit * _DECREASE)
