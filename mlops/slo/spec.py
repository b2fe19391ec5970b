"""The SLO section: which definitions, which windows, and where Prometheus is."""

from collections.abc import Iterator, Sequence
from typing import Annotated, Literal

from pydantic import AwareDatetime, Field, StringConstraints, model_validator

from mlops.base.section import Section, contradiction

MIN_SCRAPES = 4

Seconds = Annotated[int, Field(gt=0, le=366 * 86_400)]


_Webhook = Annotated[str, StringConstraints(pattern=r"^(https?://[^/?#\s]+[^\s]*)?$")]
_Target = Annotated[str, StringConstraints(pattern=r"^[^\s/]+:[0-9]{1,5}$")]


class Tier(Section):
    """One pair of windows and the burn rate above which both must lie for an alert."""

    factor: Annotated[float, Field(gt=0, le=10_000, allow_inf_nan=False)]
    """Burn rate; 1 uses up the budget exactly at the end of the period."""

    long_s: Seconds
    """Seconds of the long window: enough of the budget is burnt for it to matter."""

    short_s: Seconds
    """Seconds of the short window: it still burns, and the alert ends soon after the burn."""

    severity: Literal["page", "ticket"]
    """Label `severity`: `page` wakes a person, `ticket` waits for working hours."""

    for_s: Annotated[int, Field(ge=0)] = 0
    """Seconds that the condition must hold; 0, since the long window already smooths."""

    keep_firing_for_s: Annotated[int, Field(ge=0)] = 0
    """Seconds that the alert outlives its condition, so that a lost scrape does not resolve it."""

    labels: dict[Annotated[str, StringConstraints(pattern=r"^[a-zA-Z_][a-zA-Z0-9_]*$")], str] = (
        Field(default_factory=dict)
    )
    """Labels of its alerts beside those that all have, for the routes of Alertmanager."""

    @model_validator(mode="after")
    def _ordered(self) -> "Tier":
        if self.short_s >= self.long_s:
            message = f"short_s={self.short_s} must be shorter than long_s={self.long_s}"
            raise contradiction(message, "short_s", "long_s")
        return self


class Maintenance(Section):
    """A window of planned work: what fails in it costs no budget and calls nobody."""

    start: AwareDatetime
    """When it begins, with its zone, such as `2026-11-24T02:00:00Z`."""

    end: AwareDatetime
    """When it ends, with its zone."""

    services: tuple[Annotated[str, StringConstraints(min_length=1)], ...] = ()
    """The services that it is for, as metrics name them; empty for all."""

    reason: Annotated[str, StringConstraints(min_length=1)]
    """Why, for who reads a report that lacks these hours."""

    @model_validator(mode="after")
    def _ordered(self) -> "Maintenance":
        if self.end <= self.start:
            message = f"end={self.end.isoformat()} must be after start={self.start.isoformat()}"
            raise contradiction(message, "end", "start")
        return self

    def covers(self, service: str) -> bool:
        """Tell whether it is for a service."""
        return not self.services or service in self.services


class Receivers(Section):
    """Where Alertmanager sends alerts: addresses that take its webhook's JSON.

    An address that holds a secret does not belong here: leave it empty and give the receivers of
    the same names in a file of your own.
    """

    page: _Webhook = ""
    """Whom a page wakes; empty for nobody."""

    ticket: _Webhook = ""
    """Where tickets are written; empty for nowhere."""


def _workbook_tiers() -> tuple[Tier, ...]:
    """Return the recommended pairs of windows.

    Of a 30-day budget, 14.4x burns 2 % in an hour, 6x 5 % in six and 1x 10 % in three days; 3x
    over a day is the rung between.

    Source: Google SRE Workbook, chapter 5, "Multiwindow, Multi-Burn-Rate Alerts".
    """
    hour = 3_600
    page, ticket = 120, 900
    return (
        Tier(factor=14.4, long_s=hour, short_s=300, severity="page", keep_firing_for_s=page),
        Tier(factor=6.0, long_s=6 * hour, short_s=1_800, severity="page", keep_firing_for_s=page),
        Tier(factor=3.0, long_s=24 * hour, short_s=2 * hour, severity="ticket",
             keep_firing_for_s=ticket),
        Tier(factor=1.0, long_s=72 * hour, short_s=6 * hour, severity="ticket",
             keep_firing_for_s=ticket),
    )  # fmt: skip


class SloSpec(Section):
    """How SLO definitions become rules, and where their budgets are read."""

    files: tuple[Annotated[str, Field(min_length=1)], ...] = ()
    """OpenSLO files; they are read as one set, so that they may refer to each other."""

    prometheus_url: Annotated[str, Field(pattern=r"^https?://[^/?#\s]+[^?#\s]*$")] = (
        "http://127.0.0.1:9090"
    )
    """Base address of Prometheus' HTTP API; may hold a path prefix."""

    query_timeout_s: Annotated[float, Field(gt=0, le=600)] = 10.0
    """Seconds that one query may take; a 28-day sum takes well under one."""

    scrape_interval_s: Annotated[int, Field(gt=0, le=120)] = 15
    """Seconds between scrapes of the service; at most 120, since a sample is stale after 300."""

    retention_days: Annotated[float, Field(gt=0, le=3660)] = 40.0
    """Days that Prometheus keeps its data, `--storage.tsdb.retention.time`, whose own default is
    15. The budget is summed over the whole period, so it must be longer than that."""

    evaluation_interval_s: Annotated[int, Field(gt=0, le=120)] = 30
    """Seconds between evaluations of the rules; adds to the time until an alert."""

    step_s: Seconds = 300
    """Seconds of the recorded increases that all long windows are summed from."""

    direct_window_max_s: Seconds = 3_600
    """Windows up to this many seconds read the raw counters: exact to the scrape, where a sum of
    steps lags by up to one step. An hour costs about 240 samples a series."""

    period_s: Seconds | None = None
    """Seconds of the budget's period in place of the definitions' own, for a demo or a test; None
    keeps theirs."""

    runbook_base_url: str = ""
    """Put before a `runbook_url` that is not a full address."""

    tiers: Annotated[tuple[Tier, ...], Field(min_length=1)] = _workbook_tiers()
    """Pairs of windows, each of which becomes an alert, unless an SLO has alert policies."""

    min_bad_events: Annotated[int, Field(ge=0)] = 3
    """Bad events in the long window without which no alert fires: where little happens, one failure
    is a burn rate of a hundred. 0 for no such guard."""

    absent_for_s: Annotated[int, Field(ge=1)] | None = 900
    """Seconds without data of an SLO that are a ticket; None for none. An idle service has data,
    namely zeros, once its counters exist."""

    dashboard_url: str = ""
    """Where an SLO's dashboard is; `{service}` and `{slo}` in it are replaced. Empty for none."""

    kubernetes_labels: dict[Annotated[str, StringConstraints(min_length=1)], str] = Field(
        default_factory=dict
    )
    """Labels of a generated `PrometheusRule`, by which a Prometheus of the operator selects it."""

    targets: tuple[_Target, ...] = ("127.0.0.1:8080",)
    """`host:port` of each server that the stack's Prometheus scrapes."""

    receivers: Receivers = Receivers()
    """Where the stack's Alertmanager sends pages and tickets."""

    maintenance: tuple[Maintenance, ...] = ()
    """Windows of planned work. Declare them before they begin: the rules leave out what they record
    in them, and what was recorded before stays; reports leave out those declared afterwards too."""

    @model_validator(mode="after")
    def _consistent(self) -> "SloSpec":
        problems = [
            *self._length_problems("step_s", self.step_s),
            *self.problems_of(self.tiers),
            *self._step_problems(),
        ]
        if problems:
            told = "; ".join(text for _, text in problems)
            raise contradiction(told, *dict.fromkeys(key for key, _ in problems))
        return self

    def problems_of(self, tiers: Sequence[Tier]) -> Iterator[tuple[str, str]]:
        """Yield what is wrong with pairs of windows at this section's intervals.

        Args:
            tiers: This section's, or an SLO's own.

        Yields:
            Key, such as `tiers.0.short_s`, and what is wrong.
        """
        for index, tier in enumerate(tiers):
            yield from self._length_problems(f"tiers.{index}.long_s", tier.long_s)
            yield from self._length_problems(f"tiers.{index}.short_s", tier.short_s)
        pairs = [(tier.long_s, tier.short_s, tier.severity) for tier in tiers]
        for index, (long_s, short_s, severity) in enumerate(pairs):
            if pairs.index((long_s, short_s, severity)) < index:
                text = f"the window pair {long_s} s, {short_s} s is given twice"
                yield f"tiers.{index}", text

    def _length_problems(self, name: str, length: int) -> Iterator[tuple[str, str]]:
        if length < MIN_SCRAPES * self.scrape_interval_s:
            yield (
                name,
                (
                    f"{name}={length} is shorter than {MIN_SCRAPES} scrapes of"
                    f" {self.scrape_interval_s} s"
                ),
            )
        if length > self.direct_window_max_s and length % self.step_s:
            yield (
                name,
                (
                    f"{name}={length} is summed from steps, so it must be a multiple of "
                    f"step_s={self.step_s}"
                ),
            )

    def _step_problems(self) -> Iterator[tuple[str, str]]:
        if self.evaluation_interval_s > self.step_s:
            yield (
                "evaluation_interval_s",
                (
                    f"evaluation_interval_s={self.evaluation_interval_s} leaves steps of "
                    f"step_s={self.step_s} unrecorded"
                ),
            )
        if self.period_s is not None and self.period_s % self.step_s:
            text = f"period_s={self.period_s} is no multiple of step_s={self.step_s}"
            yield "period_s", text
