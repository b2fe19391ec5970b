"""An objective: one SLO with all its references followed, ready to be compiled."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from mlops.base.errors import Place
from mlops.slo.calendar import Calendar
from mlops.slo.counter import Counter
from mlops.slo.indicator import CountedRatio, Indicator
from mlops.slo.spec import SloSpec, Tier


@dataclass(frozen=True, slots=True)
class Objective:
    """A share of events that must be good over a period.

    Attributes:
        slo: Name of the SLO; label `slo` of all its series.
        service: The service as metrics name it; label `service`.
        title: Name for people.
        description: What it means for a user.
        target: Least share of good events, in [0, 1), exactly as written.
        period_s: Length of the period in seconds; of a calendar's, about.
        indicator: What it counts.
        runbook_url: Where the runbook is; empty if none.
        first_look: What a paged person looks at first; empty if none.
        place: Where it is defined.
        query_place: Where its query stands; None if it is not known.
        calendar: The periods, if they do not roll.
        tiers: Its own pairs of windows, from its alert policies; None takes the section's.
        labels: What routes its alerts, beside the labels that all have.
        muted: Severities of which it has no alerts.
        min_bad_events: Bad events in the long window without which no alert fires; None takes
            the section's.
        dashboard_url: Where its dashboard is; empty takes the section's.
    """

    slo: str
    service: str
    title: str
    description: str
    target: Decimal
    period_s: int
    indicator: Indicator
    runbook_url: str
    first_look: str
    place: Place
    query_place: Place | None = None
    calendar: Calendar | None = None
    tiers: tuple[Tier, ...] | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    muted: frozenset[str] = frozenset()
    min_bad_events: int | None = None
    dashboard_url: str = ""

    @property
    def ratio(self) -> CountedRatio | None:
        """Return its indicator if that is a ratio of two counters."""
        return self.indicator if isinstance(self.indicator, CountedRatio) else None

    @property
    def counters(self) -> tuple[Counter, ...]:
        """Return the plain selectors that its rules ask for."""
        return self.indicator.counters

    @property
    def asked_at(self) -> Place:
        """Return where its query stands, as near as is known."""
        return self.query_place or self.place

    @property
    def error_budget(self) -> Decimal:
        """Return the share of events that may be bad, in (0, 1]."""
        return 1 - self.target

    @property
    def selector(self) -> str:
        """Return the label matchers of all series recorded for it."""
        return f'{{service="{self.service}",slo="{self.slo}"}}'

    def period(self, spec: SloSpec) -> int:
        """Return the period in seconds, after the configuration's override."""
        return self.period_s if spec.period_s is None else spec.period_s
