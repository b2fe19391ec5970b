"""A deployment gate: whether a service's error budget policies let it be deployed now.

Only rules that `freeze` are asked. Each is read afresh: it freezes as long as its condition holds,
and no longer. What the data cannot tell is no yes.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from mlops.base.verdict import Finding, Status, Verdict, worst
from mlops.budgets.burning import read_burning
from mlops.budgets.forecast import when
from mlops.budgets.history import read_history
from mlops.budgets.period import period_of
from mlops.budgets.prometheus import Prometheus
from mlops.budgets.status import Budget, status
from mlops.budgets.wording import percent, stamp
from mlops.slo.objective import Objective
from mlops.slo.policy import Act, BudgetLeft, Burn, Policy, PolicyRule
from mlops.slo.spec import SloSpec
from mlops.slo.windows import prometheus_duration

_LATELY_S = 3_600


@dataclass(frozen=True, slots=True)
class Answer:
    """What one rule says of one SLO.

    Attributes:
        policy: Name of the policy.
        rule: The rule.
        slo: Name of the SLO.
        status: FAIL if it freezes; UNKNOWN if the data cannot tell.
        message: One sentence for a person.
        value: The rest of the budget, or the lower of both burn rates; None if unknown.
        limit: What it is held against.
        free_at: When it no longer freezes if nothing fails from now on; None if that is not
            known or it does not freeze.
        free_at_this_rate: When, if as much fails as lately; None if not within one period.
    """

    policy: str
    rule: PolicyRule
    slo: str
    status: Status
    message: str
    value: float | None
    limit: float
    free_at: datetime | None = None
    free_at_this_rate: datetime | None = None


@dataclass(frozen=True, slots=True)
class Clearance:
    """Whether services may be deployed.

    Attributes:
        services: Them, as metrics name them.
        at: The time that it holds for.
        answers: What each rule says of each of its SLOs; none if no rule freezes anything.
    """

    services: tuple[str, ...]
    at: datetime
    answers: tuple[Answer, ...]

    @property
    def status(self) -> Status:
        """Return the worst answer; a warning if there is none."""
        return worst(each.status for each in self.answers) if self.answers else Status.WARN

    def verdict(self) -> Verdict:
        """Return the verdict `slo.gate`, one finding an answer."""
        findings = tuple(
            Finding(
                f"slo.gate.{each.rule.name}",
                each.status,
                each.message,
                value=each.value,
                limit=each.limit,
                unit="ratio",
                place=each.rule.place,
            )
            for each in self.answers
        )
        nothing = f"no policy freezes deployments of {', '.join(self.services)}"
        return Verdict("slo.gate", findings or (Finding("slo.gate", Status.WARN, nothing),))


class Gate:
    """Asks the rules that freeze deployments.

    Args:
        objectives: The SLOs that rules may name.
        spec: Gives the steps, windows and maintenance.
        prometheus: Where to ask.
        at: The time that all is asked for, timezone-aware.
    """

    def __init__(
        self,
        objectives: Sequence[Objective],
        spec: SloSpec,
        prometheus: Prometheus,
        *,
        at: datetime,
    ) -> None:
        self._objectives = {objective.slo: objective for objective in objectives}
        self._spec = spec
        self._prometheus = prometheus
        self._at = at

    def ask(self, policies: Sequence[Policy], services: Sequence[str]) -> Clearance:
        """Return whether services may be deployed.

        Args:
            policies: Those of other services are passed over.
            services: Them, as metrics name them.

        Raises:
            UnavailableError: Prometheus gives no usable answer.
        """
        asked = [
            (policy, rule, slo)
            for policy in policies
            if policy.service in services
            for rule in policy.having(Act.FREEZE)
            for slo in rule.slos
        ]
        budgets = self._budgets(
            {slo for _, rule, slo in asked if isinstance(rule.when, BudgetLeft)}
        )
        answers = tuple(self._answer(policy, rule, slo, budgets) for policy, rule, slo in asked)
        return Clearance(tuple(services), self._at, answers)

    def _budgets(self, slos: set[str]) -> Mapping[str, Budget]:
        objectives = [each for slo, each in self._objectives.items() if slo in slos]
        found = status(objectives, self._spec, self._prometheus, at=self._at)
        return {budget.slo: budget for budget in found}

    def _answer(
        self, policy: Policy, rule: PolicyRule, slo: str, budgets: Mapping[str, Budget]
    ) -> Answer:
        limit = rule.when.below if isinstance(rule.when, BudgetLeft) else rule.when.above
        blank = Answer(policy.name, rule, slo, Status.UNKNOWN, "", None, limit)
        objective = self._objectives.get(slo)
        if objective is None:
            return replace(blank, message=f"{slo}: it is not generated, so nobody knows its budget")
        match rule.when:
            case BudgetLeft(below=below):
                return self._by_budget(blank, objective, budgets[slo], below)
            case Burn() as burn:
                return self._by_burn(blank, objective, burn)

    def _by_budget(
        self, blank: Answer, objective: Objective, budget: Budget, below: float
    ) -> Answer:
        rest = budget.remaining
        if rest is None:
            return replace(blank, message=f"{budget.slo}: {budget.reason}")
        told = f"{budget.slo}: {percent(rest)} of its budget of {budget.period.words} is left"
        if rest < below:
            free_at, at_this_rate = self._free(objective, below)
            return replace(
                blank,
                status=Status.FAIL,
                value=rest,
                message=f"{told}, and deployments are frozen below {percent(below)}",
                free_at=free_at,
                free_at_this_rate=at_this_rate,
            )
        if budget.status is Status.UNKNOWN:
            return replace(blank, value=rest, message=f"{told}, but {budget.reason}")
        return replace(blank, status=Status.PASS, value=rest, message=told)

    def _free(self, objective: Objective, below: float) -> tuple[datetime | None, datetime | None]:
        history = read_history(objective, self._spec, self._prometheus, at=self._at)

        def reached(rest: float) -> bool:
            return rest >= below

        lately = history.error_ratio(max(_LATELY_S, self._spec.step_s))
        return (
            when(history, error_ratio=0.0, reached=reached),
            None if lately is None else when(history, error_ratio=lately, reached=reached),
        )

    def _by_burn(self, blank: Answer, objective: Objective, burn: Burn) -> Answer:
        long, short = prometheus_duration(burn.long_s), prometheus_duration(burn.short_s)
        if period_of(objective, self._spec, at=self._at).in_maintenance:
            return replace(blank, status=Status.PASS, message=f"{objective.slo}: in maintenance")
        found = read_burning(objective, burn, self._spec, self._prometheus, at=self._at)
        if found is None:
            message = f"{objective.slo}: no data in {long} or {short}: is the service scraped?"
            return replace(blank, message=message)
        told = (
            f"{objective.slo}: its budget burns at {found.long:.3g}x over {long} and "
            f"{found.short:.3g}x over {short}, with {found.bad:.0f} bad events"
        )
        value = min(found.long, found.short)
        if not found.meets(burn):
            return replace(blank, status=Status.PASS, value=value, message=told)
        return replace(
            blank,
            status=Status.FAIL,
            value=value,
            message=f"{told}, and deployments are frozen above {burn.above:g}x; "
            f"they are free about {short} after the failures end",
        )


def told_when(answer: Answer) -> Iterator[str]:
    """Yield sentences on when an answer that freezes by a budget will be another."""
    if answer.status is not Status.FAIL or isinstance(answer.rule.when, Burn):
        return
    if answer.free_at is None:
        yield "It is not known when that will be enough again."
        return
    yield f"If nothing fails from now on, deployments are free on {stamp(answer.free_at)}."
    if answer.free_at_this_rate is None:
        yield "If as much goes on failing as in the last hour, not within this period."
    elif answer.free_at_this_rate != answer.free_at:
        when_then = stamp(answer.free_at_this_rate)
        yield f"If as much goes on failing as in the last hour, on {when_then}."
