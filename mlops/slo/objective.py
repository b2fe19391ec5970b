"""An objective: one SLO with all its references followed, ready to be compiled."""

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from mlops.base.errors import Place
from mlops.slo.counter import Counter
from mlops.slo.spec import SloSpec


class Counts(StrEnum):
    """What the numerator of a ratio counts."""

    GOOD = "good"
    BAD = "bad"


@dataclass(frozen=True, slots=True)
class Objective:
    """A share of events that must be good over a rolling period.

    Attributes:
        slo: Name of the SLO; label `slo` of all its series.
        service: The service as metrics name it; label `service`.
        title: Name for people.
        description: What it means for a user.
        target: Least share of good events, in [0, 1), exactly as written.
        period_s: Length of the rolling period in seconds.
        counts: What `numerator` counts.
        numerator: Good or bad events.
        total: All events.
        runbook_url: Where the runbook is; empty if none.
        first_look: What a paged person looks at first; empty if none.
        place: Where it is defined.
        query_place: Where the numerator's query stands; None if it is not known.
    """

    slo: str
    service: str
    title: str
    description: str
    target: Decimal
    period_s: int
    counts: Counts
    numerator: Counter
    total: Counter
    runbook_url: str
    first_look: str
    place: Place
    query_place: Place | None = None

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
