"""A recorded drive: what an SLI records, made up where its own series are not.

The rules of the SLI itself then record nothing, as there are no series for them, and leave the
place to a test's own. What is proved is all that is made of recorded steps: windows, budgets and
alerts.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from mlops.slo import names
from mlops.slo.alerts import tiers_of
from mlops.slo.composite import Composite
from mlops.slo.driving import Drive, InputSeries, Part
from mlops.slo.indicator import Indicator
from mlops.slo.load import Load, number, runs, window_events
from mlops.slo.objective import Objective
from mlops.slo.sliced import Sliced
from mlops.slo.spec import SloSpec
from mlops.slo.windows import recorded_windows

_SELF_MADE = re.compile(r"\b(?:vector|absent|absent_over_time)\s*\(")


def needs_series(indicator: Indicator, spec: SloSpec) -> bool:
    """Tell whether an indicator records nothing as long as there are no series for it.

    A query such as `sum(rate(x[5m])) or vector(0)` always has a value, which stands where a test
    would put its own.
    """
    match indicator:
        case Composite():
            return all(needs_series(member.indicator, spec) for member in indicator.members)
        case Sliced():
            return all(needs_series(part.inner, spec) for part in indicator.parts)
        case _:
            asked = f"{indicator.total(spec.step_s, spec)} {indicator.bad(spec.step_s, spec)}"
            return _SELF_MADE.search(asked) is None


@dataclass(frozen=True, slots=True)
class RecordedDrive:
    """Recorded steps, and the windows that would read the SLI's own series.

    Attributes:
        objective: The SLO.
        spec: Windows and intervals.
    """

    objective: Objective
    spec: SloSpec
    whole: bool = False
    counts: bool = True

    def series(self, load: Load) -> tuple[InputSeries, ...]:
        """Return what is recorded; see `Drive.series`."""
        return tuple(self._series(load))

    def crowd(self, load: Load) -> tuple[InputSeries, ...]:
        """Return the same: how many instances there are is not recorded."""
        return self.series(load)

    def strays(self, load: Load) -> tuple[InputSeries, ...]:
        """Return nothing; see `Drive.strays`."""
        del load
        return ()

    def without(self, part: Part) -> Drive | None:
        """Return None: a step is recorded whatever happens; see `Drive.without`."""
        del part
        return None

    def _series(self, load: Load) -> Iterator[InputSeries]:
        objective, spec = self.objective, self.spec
        tiers = tiers_of(objective, spec)
        direct = [
            window
            for window in recorded_windows(tiers, spec)
            if spec.step_s != window <= spec.direct_window_max_s
        ]
        steps = _events(load, spec.step_s)
        yield self._named(names.sli_total(spec), [total for _, total in steps])
        yield self._named(names.sli_bad(spec), [bad for bad, _ in steps])
        for window in direct:
            events = _events(load, window)
            if any(tier.long_s == window for tier in tiers):
                yield self._named(names.bad_in(window), [bad for bad, _ in events])
            ratios = [bad / total if bad is not None and total else None for bad, total in events]
            yield self._named(names.error_ratio(window), ratios)

    def _named(self, name: str, values: Sequence[float | None]) -> InputSeries:
        return InputSeries(f"{name}{self.objective.selector}", " ".join(_texts(values)))


def _events(load: Load, window_s: int) -> list[tuple[float | None, float | None]]:
    """Return bad and all events of a window at each sample; None where nothing is known."""
    known = [False]
    for phase in load.phases:
        known += [not phase.missing] * phase.intervals
    found: list[tuple[float | None, float | None]] = []
    for at, there in enumerate(known):
        bad, total = window_events(load, window_s, at)
        found.append((bad, total) if there or (at and total) else (None, None))
    return found


def _texts(values: Sequence[float | None]) -> Iterator[str]:
    """Yield samples as promtool reads them: what is not known any more ends its series."""
    texts: list[str] = []
    for value in values:
        if value is not None:
            texts.append(number(float(f"{value:.12g}")))
        else:
            texts.append("stale" if texts and texts[-1] not in {"_", "stale"} else "_")
    return runs(texts)
