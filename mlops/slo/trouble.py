"""Trouble: what real series do that must neither raise an alert nor hide a burn.

Counters that begin anew, hours without traffic, targets that are not scraped, labels that never
had a first event, and so little traffic that one failure is a burn rate of a hundred.
"""

from collections.abc import Iterator
from dataclasses import replace

from mlops.slo.driving import Drive, Part
from mlops.slo.load import Phase
from mlops.slo.scenario import Scenario, Subject

_SHORT = 4
"""Evaluations of a phase: enough for every window to see it."""


def troubles(subject: Subject) -> Iterator[Scenario]:
    """Yield what is to be tested of an SLO beside burns."""
    if not subject.tiers:
        return
    if subject.drive.counts:
        yield _restarts(subject)
        yield from _idle(subject)
        yield from _low_traffic(subject)
    yield _others(subject)
    yield _gap(subject)
    yield from _unborn(subject)


def _restarts(subject: Subject) -> Scenario:
    clean, burn = subject.phase(_SHORT), subject.phase(_SHORT, share=0.5)
    again, burning = replace(clean, restarts=True), replace(burn, restarts=True)
    phases = (clean, again, again, burning, burning)
    scenario = _seen_throughout(subject, "two instances of which one restarts", phases)
    # The first evaluation of a phase: its windows hold the restart.
    restarted = (_SHORT * number + 1 for number in range(1, len(phases)))
    values = tuple(number * subject.grid.evaluation_s for number in restarted)
    return replace(scenario, values_s=values, crowd=True)


def _others(subject: Subject) -> Scenario:
    phases = (subject.phase(_SHORT, share=0.5), subject.phase(_SHORT, share=0.2))
    return replace(_seen_throughout(subject, "series of others", phases), strays=True)


def _idle(subject: Subject) -> Iterator[Scenario]:
    clean, idle = subject.phase(_SHORT), subject.phase(3 * _SHORT, busy=0)
    failing = subject.phase(2 * _SHORT, share=1.0)
    yield _seen_throughout(subject, "hours without traffic", (clean, idle, clean, idle, failing))


def _gap(subject: Subject) -> Scenario:
    spec, clean = subject.spec, subject.phase(2 * _SHORT)
    gap_s = (spec.absent_for_s or 0) + spec.step_s
    gap = subject.phase(subject.grid.evaluations(gap_s) + 2)
    failing = subject.phase(4 * _SHORT, share=1.0)
    phases = (clean, replace(gap, missing=True), failing)
    seen = _seen_throughout(subject, "a target that is not scraped", phases)
    return replace(seen, strays=True)


def _unborn(subject: Subject) -> Iterator[Scenario]:
    """Yield series of which one side never had an event, so that it does not exist."""
    cases = (
        (Part.BAD, 0.0, "bad events that never had a first"),
        (Part.GOOD, 1.0, "good events that never had a first"),
    )
    for part, share, name in cases:
        drive = subject.drive.without(part)
        if drive is not None:
            phase = subject.phase(2 * _SHORT, share=share)
            yield _seen_throughout(subject, name, (phase,), drive=drive)


def _low_traffic(subject: Subject) -> Iterator[Scenario]:
    """Yield failures, of one event each, that are too few for an alert, and as many as it needs."""
    one = Phase(1, share=1.0, rate=1)
    pause = Phase(subject.grid.samples - 1, rate=0)
    rest = Phase(subject.grid.samples, rate=0)
    cases = ((subject.guard - 1, "too few failures"), (subject.guard, "just enough failures"))
    for count, name in cases:
        if count > 0:
            phases = (one, pause) * count
            yield _seen_throughout(subject, name, (rest, *phases))


def _seen_throughout(
    subject: Subject, name: str, phases: tuple[Phase, ...], *, drive: Drive | None = None
) -> Scenario:
    """Return a scenario that is looked at whenever something changes, and half-way."""
    load = subject.load(*phases)
    each = subject.grid.samples
    at, looks = 0, set[int]()
    for phase in phases:
        looks |= {(at + phase.intervals // 2) // each, (at + phase.intervals) // each}
        at += phase.intervals
    seen = tuple(number * subject.grid.evaluation_s for number in sorted(looks))
    clear = not any(phase.missing for phase in phases)
    return Scenario(name, drive or subject.drive, load, seen, seen[-1:] if clear else ())
