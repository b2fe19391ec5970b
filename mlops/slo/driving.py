"""A drive: the series that make an SLI count a load, so that a test can say what happened."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import NamedTuple, Protocol, TypeAlias

from mlops.slo.counter import Counter
from mlops.slo.indicator import CountedRatio, Counts, Indicator
from mlops.slo.load import Load, Phase, counter_values
from mlops.slo.specimen import Specimen, altered, specimen


class InputSeries(NamedTuple):
    """A series of a test: its name with labels, and its samples as promtool reads them."""

    series: str
    values: str


class Drive(Protocol):
    """What makes an SLI count."""

    @property
    def whole(self) -> bool:
        """Whether it counts samples, each good or bad as one, and not events."""
        ...

    @property
    def counts(self) -> bool:
        """Whether its series are counters, which restart, and stand still when nothing happens."""
        ...

    def series(self, load: Load) -> tuple[InputSeries, ...]:
        """Return the series of a load."""
        ...

    def without(self, part: "Part") -> "Drive | None":
        """Return it without the series of some events; None if it has no such series."""
        ...

    def crowd(self, load: Load) -> tuple[InputSeries, ...]:
        """Return the series of a load that is spread over two instances; one never restarts."""
        ...

    def strays(self, load: Load) -> tuple[InputSeries, ...]:
        """Return series that are nearly those of the SLI, and that it must not count."""
        ...


class Part(StrEnum):
    """Which events a counter counts."""

    GOOD = "good"
    BAD = "bad"
    ALL = "all"

    def of(self, phase: Phase) -> int:
        """Return the events of a phase's interval that it counts."""
        match self:
            case Part.GOOD:
                return phase.good
            case Part.BAD:
                return phase.bad
            case Part.ALL:
                return phase.rate


class Driven(NamedTuple):
    """A counter of a test, and what it counts."""

    specimen: Specimen
    part: Part

    def input(self, load: Load) -> InputSeries:
        """Return its series."""
        events = [self.part.of(phase) for phase in load.phases]
        return InputSeries(str(self.specimen), counter_values(load, events))


@dataclass(frozen=True, slots=True)
class CounterDrive:
    """Counters that count good, bad or all events.

    Attributes:
        driven: The counters.
        twins: Counters that count as they do, each beside the one in its place.
        near: Counters that differ from them in one label.
    """

    driven: tuple[Driven, ...]
    twins: tuple[Driven, ...] = ()
    near: tuple[Driven, ...] = ()
    whole: bool = False
    counts: bool = True

    def series(self, load: Load) -> tuple[InputSeries, ...]:
        """Return the counters; see `Drive.series`."""
        return tuple(each.input(load) for each in self.driven)

    def crowd(self, load: Load) -> tuple[InputSeries, ...]:
        """Return the counters and their twins, half of the events each; see `Drive.crowd`."""
        halves = tuple(replace(phase, rate=phase.rate // 2) for phase in load.phases)
        steady = tuple(replace(phase, restarts=False) for phase in halves)
        first, second = replace(load, phases=halves), replace(load, phases=steady)
        return (*(each.input(first) for each in self.driven),
                *(each.input(second) for each in self.twins))  # fmt: skip

    def strays(self, load: Load) -> tuple[InputSeries, ...]:
        """Return the counters nearby, which count as much; see `Drive.strays`."""
        return tuple(each.input(load) for each in self.near)

    def without(self, part: Part) -> "CounterDrive | None":
        """Return it without the counters of some events, as if none had ever happened."""
        left = tuple(each for each in self.driven if each.part is not part)
        return CounterDrive(left) if left and left != self.driven else None


def drive(indicator: Indicator) -> Drive | None:
    """Return what makes an indicator count; None if its queries do not tell."""
    match indicator:
        case CountedRatio():
            return _ratio_drive(indicator.counts, indicator.numerator, indicator.denominator)
        case _:
            return None


def _ratio_drive(counts: Counts, numerator: Counter, denominator: Counter) -> Drive | None:
    counted, other = (Part.BAD, Part.GOOD) if counts is Counts.BAD else (Part.GOOD, Part.BAD)
    kinds: tuple[_Kind, ...] = (
        (counted, (numerator, denominator), ()),
        (other, (denominator,), (numerator,)),
    )
    if specimen(*kinds[0][1:]) is None:
        # Two metrics, as a bucket and a count: a counted event is one of each.
        kinds = (
            (counted, (numerator,), (denominator,)),
            (Part.ALL, (denominator,), (numerator,)),
        )
    driven = _made_up(kinds)
    if driven is None:
        return None
    twins = _made_up(kinds, last=True) or ()
    selectors = (numerator, denominator)
    apart = tuple(_apart(twin, driven) for twin in twins)
    return CounterDrive(driven, apart, tuple(_near(driven, selectors)))


_Kind: TypeAlias = tuple[Part, tuple[Counter, ...], tuple[Counter, ...]]


def _made_up(kinds: Sequence[_Kind], *, last: bool = False) -> tuple[Driven, ...] | None:
    """Return one counter of each kind: what it counts, which selectors pick it, which do not."""
    found: list[Driven] = []
    for part, wanted, unwanted in kinds:
        one = specimen(wanted, unwanted, last=last)
        if one is None:
            return None
        found.append(Driven(one, part))
    return tuple(found)


def _apart(twin: Driven, driven: Sequence[Driven]) -> Driven:
    """Return a twin with a label more if it would be the same series."""
    if all(str(twin.specimen) != str(each.specimen) for each in driven):
        return twin
    labels = {**twin.specimen.labels, "twin": "2"}
    return Driven(Specimen(twin.specimen.metric, labels), twin.part)


def _near(driven: Sequence[Driven], selectors: Sequence[Counter]) -> Iterator[Driven]:
    """Yield counters that differ in one label from those that count, and are not to be counted."""
    for each in driven:
        for label in each.specimen.labels:
            found = altered(each.specimen, label, selectors)
            if found is not None:
                yield Driven(found, each.part)
