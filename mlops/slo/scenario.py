"""A scenario: one thing that happens to an SLO, and when to look at its alerts and its series.

`burns` gives a burn just above and just below each tier's factor, and one long run in which a
failure and bursts lie so that every window is seen to have its length.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from mlops.slo.alerts import AlertRule, min_bad_events
from mlops.slo.driving import Drive
from mlops.slo.expected import Alarm, Expected
from mlops.slo.grid import Grid
from mlops.slo.load import Load, Phase
from mlops.slo.objective import Objective
from mlops.slo.spec import SloSpec, Tier

_MARGINS = (0.03, 0.1, 0.3, 1.0, 3.0)
_BUSY = 3
_BURST = 1.05
_BELOW = 1.03
_ENOUGH = 10
_FINE = 1_000


@dataclass(frozen=True, slots=True)
class Subject:
    """What is proved.

    Attributes:
        objective: The SLO.
        spec: Windows and intervals.
        tiers: The pairs of windows that it has alerts for.
        alerts: Their alerts, in the same order.
        absent: The alert that says that there are no data, if it has one.
        drive: What makes its SLI count.
        grid: The grid of its tests.
    """

    objective: Objective
    spec: SloSpec
    tiers: tuple[Tier, ...]
    alerts: tuple[AlertRule, ...]
    absent: AlertRule | None
    drive: Drive
    grid: Grid

    def limit(self, tier: Tier) -> float:
        """Return the share of bad events at which a tier's factor is reached."""
        return tier.factor * float(self.objective.error_budget)

    def load(self, *phases: Phase) -> Load:
        """Return a load on its grid; phases are as long as evaluations say."""
        return Load(phases, self.grid.interval_s, self.drive.whole)

    def phase(self, evaluations: int, share: float = 0.0, busy: int = 1) -> Phase:
        """Return a phase that lasts some evaluations."""
        return Phase(evaluations * self.grid.samples, share=share, rate=busy * self.rate)

    def expected(self, load: Load) -> Expected:
        """Return what is to be seen under a load."""
        return Expected(self.objective, self.spec, load, self.grid.evaluation_s)

    @property
    def guard(self) -> int:
        """Return the bad events in the long window without which no alert fires."""
        return min_bad_events(self.objective, self.spec)

    @property
    def rate(self) -> int:
        """Return the events of an interval.

        Many enough that no guard of low traffic holds, and that whole numbers of them are bad
        within a thousandth of any share that is asked for.
        """
        least = min((self.limit(tier) for tier in self.tiers), default=1.0)
        return round(max(_ENOUGH * self.guard / self.grid.samples, _FINE) / least)


@dataclass(frozen=True, slots=True)
class Scenario:
    """One thing that happens.

    Attributes:
        name: A sentence.
        drive: What makes the SLI count.
        load: What happens.
        looks_s: When alerts are looked at, in seconds.
        values_s: When recorded series are looked at, in seconds.
        crowd: Whether the load is spread over two instances.
        strays: Whether there are series nearby that must not count, of the SLI and of other SLOs.
    """

    name: str
    drive: Drive
    load: Load
    looks_s: tuple[int, ...]
    values_s: tuple[int, ...] = ()
    crowd: bool = False
    strays: bool = False


def burns(subject: Subject) -> Iterator[Scenario]:
    """Yield what tells the factors and the windows of an SLO's alerts."""
    for tier in subject.tiers:
        yield from _around(subject, tier)
        yield _each_alone(subject, tier)
    if subject.tiers:
        yield _long_run(subject)


def _around(subject: Subject, tier: Tier) -> Iterator[Scenario]:
    """Yield a burn that is just above a tier's factor, and one that is just below."""
    limit, name = subject.limit(tier), f"{tier.factor:g}x"
    for word, wanted in (("above", Alarm.FIRES), ("below", Alarm.SILENT)):
        for margin in (*_MARGINS, float("inf")):
            above = wanted is Alarm.FIRES
            share = min(1.0, limit * (1 + margin)) if above else limit / (1 + margin)
            load = _steady(subject, tier, share, wanted)
            if load is not None:
                yield Scenario(f"a burn just {word} {name}", subject.drive, load, (load.end_s,))
                break


def _steady(subject: Subject, tier: Tier, share: float, wanted: Alarm) -> Load | None:
    """Return the shortest burn that surely has one end; None if it never has."""
    evaluations = 4
    longest = min(
        subject.grid.evaluations(tier.long_s + tier.for_s) + 2, subject.grid.most_evaluations
    )
    while evaluations <= max(longest, 4):
        load = subject.load(subject.phase(evaluations, share))
        if subject.expected(load).alarm(tier, load.end_s) is wanted:
            return load
        evaluations *= 2
    return None


def _each_alone(subject: Subject, tier: Tier) -> Scenario:
    """Return a time in which only the short window is above a factor, and one with only the long.

    The other one is just below it, so that a lower factor for one of them is found.
    """
    limit, short = subject.limit(tier), subject.grid.evaluations(tier.short_s)
    lead = max(1, short // 2)
    above, below = min(1.0, 1.2 * limit), limit / _BELOW
    before = max(0.0, (below * (lead + short) - above * short) / lead)
    phases = (
        subject.phase(lead, before),
        subject.phase(short, above),
        subject.phase(lead, min(1.0, 2 * limit)),
        subject.phase(short + 1, below),
    )
    load = subject.load(*phases)
    ends = (lead + short, load.intervals // subject.grid.samples)
    looks = tuple(end * subject.grid.evaluation_s for end in ends)
    return Scenario(f"only one window above {tier.factor:g}x", subject.drive, load, looks)


def _long_run(subject: Subject) -> Scenario:
    """Return a failure, and after it bursts that are just fast enough for one tier's short window.

    As long as the failure lies within the tier's long window, such a burst fires; soon after it has
    left that window, one does not. A shorter or longer window in a rule is found by that.
    """
    grid = subject.grid
    failure = _failure(subject)
    bursts: dict[int, float] = {}
    ends: list[int] = []
    looks = {failure}
    for tier in subject.tiers:
        length = grid.evaluations(tier.short_s)
        for age in _ages(subject, tier, failure):
            end = failure + age
            if end + length > grid.most_evaluations:
                continue
            ends.append(end)
            looks |= {end, end + _settled(subject, tier)}
            share = min(1.0, subject.limit(tier) * _BURST)
            for slot in range(end - length, end):
                bursts[slot] = max(bursts.get(slot, 0.0), share)
    shares = [1.0] * failure
    tail = _settled(subject, subject.tiers[0]) + 1
    last = min(max(ends, default=failure) + tail, grid.most_evaluations)
    shares += [bursts.get(slot, 0.0) for slot in range(failure, last)]
    load = subject.load(*_phases(subject, shares))
    for tier in subject.tiers:
        half = grid.evaluations(tier.short_s) // 2
        looks |= {failure + half, failure + _settled(subject, tier)}
    seen = sorted(slot * grid.evaluation_s for slot in looks if slot <= last)
    values = sorted(slot * grid.evaluation_s for slot in {failure, *ends, last} if slot <= last)
    name = "a failure, and bursts while each window still holds it and after"
    return Scenario(name, subject.drive, load, tuple(seen), tuple(values))


def _settled(subject: Subject, tier: Tier) -> int:
    """Return the evaluations after a burn at which its short window's alert is over."""
    return subject.grid.evaluations(tier.short_s + tier.keep_firing_for_s) + 2


def _failure(subject: Subject) -> int:
    """Return the evaluations of a total failure that every long window notices for long."""
    needed = max(
        1.3 * subject.limit(tier) * tier.long_s / _BUSY / max(0.05, 1 - subject.limit(tier))
        for tier in subject.tiers
    )
    return subject.grid.evaluations(needed) + 1


def _ages(subject: Subject, tier: Tier, failure: int) -> Iterator[int]:
    """Yield evaluations after the failure at which a tier's bursts end: once early, once late."""
    grid = subject.grid
    long, short = grid.evaluations(tier.long_s), grid.evaluations(tier.short_s)
    limit = subject.limit(tier)
    for age in range(int(long * 0.92), short, -1):
        kept = _BUSY * min(failure, long - age)
        if kept / (kept + age) > 1.1 * limit:
            yield age
            break
    yield long + failure + short + 3


def _phases(subject: Subject, shares: Sequence[float]) -> Iterator[Phase]:
    begin = 0
    for index in range(1, len(shares) + 1):
        if index < len(shares) and shares[index] == shares[begin]:
            continue
        share = shares[begin]
        yield subject.phase(index - begin, share, _BUSY if share == 1.0 else 1)
        begin = index
