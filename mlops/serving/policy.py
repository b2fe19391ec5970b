"""A policy: which burn rates a server watches of itself, and what it does when one is too high.

It is what `mlops serve` makes of the service's error budget policy: names are resolved, windows
are seconds, and each SLO is two selections of the server's own series.
"""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from mlops.base.section import Section, contradiction


class Matcher(Section):
    """One condition on a label."""

    label: str
    """Name of the label."""
    operator: Literal["=", "!=", "=~", "!~"]
    """How it is held against the value."""
    value: str
    """A text, or a pattern that must match all of the label."""


class Selection(Section):
    """Some series of the server's own, which are counted together."""

    metric: str
    """Name of the series, such as `mlops_decision_duration_seconds_count`."""
    matchers: tuple[Matcher, ...] = ()
    """Conditions on their labels."""


class WatchedSlo(Section):
    """An SLO whose burn rate the server works out."""

    slo: str
    """Its name."""
    budget: Annotated[float, Field(gt=0, le=1)]
    """Share of events that may be bad: 1 - objective."""
    counts: Literal["good", "bad"]
    """What `numerator` counts."""
    numerator: Selection
    """Good or bad events."""
    total: Selection
    """All events."""


class BurnRule(Section):
    """What the server does when the budget of one of some SLOs burns too fast."""

    name: str
    """Name of the rule in the policy."""
    slos: Annotated[tuple[WatchedSlo, ...], Field(min_length=1)]
    """The SLOs; one that burns is enough."""
    above: Annotated[float, Field(gt=0)]
    """Burn rate that both windows must exceed."""
    long_s: Annotated[float, Field(gt=0)]
    """Seconds of the long window."""
    short_s: Annotated[float, Field(gt=0)]
    """Seconds of the short window."""
    min_bad_events: Annotated[int, Field(ge=1)] = 1
    """Bad events in the long window without which it does not hold."""
    falls_back: bool
    """Whether the model is left alone then."""
    rolls_back: bool = False
    """Whether the bundle before is brought back then."""
    recovery: Literal["probe", "person"] = "person"
    """Who decides the way back from the fallback."""
    after_s: Annotated[float, Field(ge=0)] = 0.0
    """Seconds from the fallback to the first probe."""

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.short_s >= self.long_s:
            message = f"short_s={self.short_s:g} must be shorter than long_s={self.long_s:g}"
            raise contradiction(message, "short_s", "long_s")
        return self
