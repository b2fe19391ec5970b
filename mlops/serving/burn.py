"""A burn rate: how fast a server spends an SLO's budget, worked out from its own counters.

It is what Prometheus' rules record, without Prometheus: the increase of the bad events over that of
all, over a long and a short window, divided by the budget. A server that runs for less than a
window looks at what there is, as Prometheus does with a series that is young.
"""

from collections import deque
from dataclasses import dataclass

import numpy as np

from mlops.contracts.domain import Floats
from mlops.serving.decision import Reason
from mlops.serving.policy import BurnRule, WatchedSlo
from mlops.serving.selected import weights
from mlops.serving.series import BY_NAME, SIZE

_STEPS = 30
"""Samples in a short window: it is right within about a thirtieth of its length."""
_LONGEST_STEP_S = 5.0
_MOST_SAMPLES = 5000
_FALLBACKS_OWN = (Reason.BURN, Reason.BREAKER_OPEN, Reason.BREAKER_RAMP)


@dataclass(frozen=True, slots=True)
class Reading:
    """An SLO's burn rates at one time.

    Attributes:
        long: Over the long window; None without any event in it.
        short: Over the short window; None without any event in it.
        bad_events: Bad events in the long window.
    """

    long: float | None
    short: float | None
    bad_events: float


@dataclass(frozen=True, slots=True)
class _Sample:
    at: float
    bad: float
    total: float


class Meter:
    """One SLO's burn rates over one rule's windows.

    Args:
        watched: The SLO.
        rule: The windows, and what is too fast.
        service: The label `service` of the server's series.
        asked_only: Whether decisions for which the model was not asked on purpose are left out:
            on the way back most are of that kind, and say nothing of the model.

    Raises:
        ValueError: The SLO counts what the server does not.
    """

    def __init__(
        self, watched: WatchedSlo, rule: BurnRule, service: str, *, asked_only: bool = False
    ) -> None:
        self.slo = watched.slo
        self._rule = rule
        self._budget = watched.budget
        self._total = weights(watched.total, service)
        numerator = weights(watched.numerator, service)
        self._bad = numerator if watched.counts == "bad" else self._total - numerator
        if asked_only:
            for weight in (self._total, self._bad):
                weight[_ON_PURPOSE] = 0.0
        self._step_s = step_s(rule)
        self._samples: deque[_Sample] = deque()

    def restart(self, now: float, totals: Floats) -> None:
        """Forget what was before now."""
        self._samples.clear()
        self.sample(now, totals)

    def sample(self, now: float, totals: Floats) -> bool:
        """Take note of the counters, unless the last time was a moment ago.

        Args:
            now: Monotonic seconds.
            totals: The sums over all processes, shape [`mlops.serving.series.SIZE`].

        Returns:
            Whether it took note.
        """
        samples = self._samples
        if samples and now - samples[-1].at < self._step_s:
            return False
        samples.append(_Sample(now, float(self._bad @ totals), float(self._total @ totals)))
        while len(samples) > 1 and samples[1].at <= now - self._rule.long_s:
            samples.popleft()
        return True

    def read(self) -> Reading:
        """Return the burn rates up to the last sample; there is one."""
        newest, oldest = self._samples[-1], self._samples[0]
        since = newest.at - self._rule.short_s
        begin = next((each for each in reversed(self._samples) if each.at <= since), oldest)
        return Reading(
            self._burn(oldest, newest), self._burn(begin, newest), _rise(oldest.bad, newest.bad)
        )

    def too_fast(self) -> Reading | None:
        """Return the burn rates if both are too high and there are enough bad events.

        Nothing is too fast before a whole short window was seen: the first seconds of a server,
        or of what was just changed, are the breaker's to judge.
        """
        reading, above = self.read(), self._rule.above
        seen_s = self._samples[-1].at - self._samples[0].at
        if reading.bad_events < self._rule.min_bad_events or seen_s < self._rule.short_s:
            return None
        fast = all(rate is not None and rate > above for rate in (reading.long, reading.short))
        return reading if fast else None

    def _burn(self, begin: _Sample, end: _Sample) -> float | None:
        events = end.total - begin.total
        if events <= 0:
            return None
        return min(_rise(begin.bad, end.bad) / events, 1.0) / self._budget


def step_s(rule: BurnRule) -> float:
    """Return the seconds between two samples of a rule's windows."""
    return max(min(rule.short_s / _STEPS, _LONGEST_STEP_S), rule.long_s / _MOST_SAMPLES)


def _rise(begin: float, end: float) -> float:
    # Numbers that belong together are read one update apart: good may be ahead of all.
    return max(end - begin, 0.0)


def _places() -> list[int]:
    """Return the places of decisions for which the model was not asked on purpose."""
    decisions = BY_NAME["mlops_decisions_total"].places
    reasons = {str(reason) for reason in _FALLBACKS_OWN}
    return [place for (_, reason, _), place in decisions.items() if reason in reasons]


_ON_PURPOSE = np.isin(np.arange(SIZE), _places())
