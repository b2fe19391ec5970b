"""An error budget policy: what happens at which burn rate or budget, and who decides the way back.

It is a kind of our own beside OpenSLO's, in the same files. Three read it: the server, which works
its burn rates out from its own counters; the deployment gate; and the alerts that call people.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Literal, TypeAlias

from pydantic import Field, StringConstraints, model_validator

from mlops.base.errors import Place
from mlops.slo.document import KeyPath
from mlops.slo.part import Description, Metadata, Name, Part

_UNITS_S = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}
_PROBE_AFTER = "5m"

Span: TypeAlias = Annotated[str, StringConstraints(pattern=r"^[1-9][0-9]{0,8}[smhdw]$")]
"""A length of time; unlike OpenSLO's it may be in seconds, as servers react faster than people."""


class Act(StrEnum):
    """What a rule does while it holds."""

    PAGE = "page"
    """Wakes a person."""
    TICKET = "ticket"
    """Waits for working hours."""
    FALL_BACK = "fallBack"
    """Serving leaves the model alone, until the way back is open."""
    ROLL_BACK = "rollBack"
    """Serving brings the bundle back that served before."""
    FREEZE = "freeze"
    """`mlops slo gate` lets nothing be deployed."""


class Decider(StrEnum):
    """Who decides the way back."""

    PROBE = "probe"
    """The breaker's probes and ramp, as serving declares them."""
    PERSON = "person"
    """Somebody who says so at the admin port."""
    BUDGET = "budget"
    """The condition itself: it ends when it no longer holds."""


class BurnRateAbove(Part):
    """A burn rate that is too high, over a long and a short window alike."""

    above: Annotated[float, Field(gt=0, le=10_000)]
    long_window: Span
    short_window: Span
    min_bad_events: Annotated[int, Field(ge=1)] = 1

    @model_validator(mode="after")
    def _ordered(self) -> "BurnRateAbove":
        if seconds(self.short_window) >= seconds(self.long_window):
            message = "`shortWindow` must be shorter than `longWindow`"
            raise ValueError(message)
        return self


class BudgetRemainingBelow(Part):
    """A rest of the period's budget that is too small; 0 is all of it spent."""

    below: Annotated[float, Field(gt=-1_000, le=1)]


class When(Part):
    """When a rule holds: one of the two."""

    burn_rate: BurnRateAbove | None = None
    budget_remaining: BudgetRemainingBelow | None = None

    @model_validator(mode="after")
    def _one(self) -> "When":
        if (self.burn_rate is None) == (self.budget_remaining is None):
            message = "give either `burnRate` or `budgetRemaining`"
            raise ValueError(message)
        return self


class RecoveryBody(Part):
    """Who decides the way back."""

    by: Annotated[Decider, Field(strict=False)]
    after: Span | None = None

    @model_validator(mode="after")
    def _waits_for_probes(self) -> "RecoveryBody":
        if self.after is not None and self.by is not Decider.PROBE:
            message = "`after` is the wait before probes: it needs `by: probe`"
            raise ValueError(message)
        return self


class RuleBody(Part):
    """One rule."""

    name: Name
    slos: Annotated[tuple[Name, ...], Field(min_length=1)]
    when: When
    then: Annotated[tuple[Annotated[Act, Field(strict=False)], ...], Field(min_length=1)]
    recovery: RecoveryBody | None = None

    @model_validator(mode="after")
    def _has_a_way_back(self) -> "RuleBody":
        problem = next(self._problems(), None)
        if problem is not None:
            raise ValueError(problem)
        return self

    def _problems(self) -> Iterator[str]:
        acts = set(self.then)
        by = None if self.recovery is None else self.recovery.by
        serving = acts & {Act.FALL_BACK, Act.ROLL_BACK}
        if len(acts) < len(self.then) or len(set(self.slos)) < len(self.slos):
            yield "`then` and `slos` name nothing twice"
        if serving and Act.FREEZE in acts:
            yield "`freeze` has another way back than what serving does: write two rules"
        if serving and self.when.burn_rate is None:
            yield f"`{min(serving)}` needs `burnRate`: a server remembers no 28 days"
        if Act.FALL_BACK in acts and by not in (Decider.PROBE, Decider.PERSON):
            yield "`fallBack` needs `recovery` by `probe` or by a `person`"
        if Act.FALL_BACK not in acts and Act.ROLL_BACK in acts and by not in (None, Decider.PERSON):
            yield "only a `person` takes back what `rollBack` did"
        if not serving and by not in (None, Decider.BUDGET):
            yield f"`recovery` by a `{by}` is the way back from `fallBack`"


class PolicyBody(Part):
    """The spec of a policy."""

    description: Description | None = None
    service: Name
    rules: Annotated[tuple[RuleBody, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _named_apart(self) -> "PolicyBody":
        names = [rule.name for rule in self.rules]
        if len(set(names)) < len(names):
            message = "two rules have the same name"
            raise ValueError(message)
        return self


class ErrorBudgetPolicy(Part):
    """What happens when a service burns its budgets."""

    api_version: Literal["mlops/v1"]
    kind: Literal["ErrorBudgetPolicy"]
    metadata: Metadata
    spec: PolicyBody


@dataclass(frozen=True, slots=True)
class Burn:
    """The condition that a budget burns too fast.

    Attributes:
        above: Burn rate that both windows must exceed; 1 spends the budget in just its period.
        long_s: Seconds of the long window.
        short_s: Seconds of the short window.
        min_bad_events: Bad events in the long window without which it does not hold.
    """

    above: float
    long_s: int
    short_s: int
    min_bad_events: int


@dataclass(frozen=True, slots=True)
class BudgetLeft:
    """The condition that too little of the period's budget is left.

    Attributes:
        below: Share of the budget, at most 1; below 0 it is overspent.
    """

    below: float


@dataclass(frozen=True, slots=True)
class Recovery:
    """The way back.

    Attributes:
        by: Who decides.
        after_s: Seconds before the first probe; 0 where none decides.
    """

    by: Decider
    after_s: int = 0


@dataclass(frozen=True, slots=True)
class PolicyRule:
    """What happens when any of some SLOs meets a condition.

    Attributes:
        name: Unique in its policy.
        slos: Names of the SLOs; one that meets the condition is enough.
        when: The condition.
        then: What happens.
        recovery: The way back; None where nothing has to be taken back.
        place: Where it is defined.
    """

    name: str
    slos: tuple[str, ...]
    when: Burn | BudgetLeft
    then: tuple[Act, ...]
    recovery: Recovery | None
    place: Place


@dataclass(frozen=True, slots=True)
class Policy:
    """A service's policy, with all its references followed.

    Attributes:
        name: Its name.
        service: The service as metrics name it.
        description: In words.
        rules: In the order written.
        place: Where it is defined.
    """

    name: str
    service: str
    description: str
    rules: tuple[PolicyRule, ...]
    place: Place

    def having(self, *acts: Act) -> tuple[PolicyRule, ...]:
        """Return the rules that do any of some things, in their order."""
        return tuple(rule for rule in self.rules if not set(acts).isdisjoint(rule.then))


def policy_of(
    item: ErrorBudgetPolicy, *, service: str, place: Callable[[KeyPath], Place]
) -> Policy:
    """Return a policy as its readers have it.

    Args:
        item: As it was written; the SLOs that it names exist.
        service: Its service as metrics name it.
        place: Returns where a key of the object stands.
    """
    return Policy(
        name=item.metadata.name,
        service=service,
        description=" ".join((item.spec.description or "").split()),
        rules=tuple(
            _rule(rule, place(("spec", "rules", index)))
            for index, rule in enumerate(item.spec.rules)
        ),
        place=place(("metadata", "name")),
    )


def references(item: ErrorBudgetPolicy) -> Iterator[tuple[str, str, KeyPath]]:
    """Yield kind, name and key path of what a policy refers to."""
    yield "Service", item.spec.service, ("spec", "service")
    for index, rule in enumerate(item.spec.rules):
        for at, slo in enumerate(rule.slos):
            yield "SLO", slo, ("spec", "rules", index, "slos", at)


def seconds(span: str) -> int:
    """Return the seconds of a length of time.

    >>> seconds("5m")
    300
    """
    return int(span[:-1]) * _UNITS_S[span[-1]]


def _rule(rule: RuleBody, place: Place) -> PolicyRule:
    recovery = rule.recovery
    back = None
    if recovery is not None:
        waits = recovery.by is Decider.PROBE
        back = Recovery(recovery.by, seconds(recovery.after or _PROBE_AFTER) if waits else 0)
    return PolicyRule(rule.name, rule.slos, _condition(rule.when), rule.then, back, place)


def _condition(when: When) -> Burn | BudgetLeft:
    match when:
        case When(burn_rate=BurnRateAbove() as burn):
            windows = (seconds(burn.long_window), seconds(burn.short_window))
            return Burn(burn.above, *windows, burn.min_bad_events)
        case When(budget_remaining=BudgetRemainingBelow(below=below)):
            return BudgetLeft(below)
        case _:
            raise AssertionError(when)
