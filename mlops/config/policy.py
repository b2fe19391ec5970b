"""A policy's demands: what error budget policies ask of a service's own server.

The server works its burn rates out from its own counters, so an SLO that it acts on has to be a
ratio of series that it counts itself; anything else is refused here, by name.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from mlops.base.errors import ConfigError
from mlops.config.settings import Settings
from mlops.serving.policy import BurnRule, Matcher, Selection, WatchedSlo
from mlops.serving.settings import unkept
from mlops.serving.spec import ServingSpec
from mlops.slo.catalog import Catalog, read_catalog
from mlops.slo.counter import Counter
from mlops.slo.indicator import CountedRatio
from mlops.slo.objective import Objective
from mlops.slo.policy import Act, Burn, Decider, PolicyRule

HINT = (
    "a server acts on ratios of its own counters: leave `fallBack` and `rollBack` out of the rule,"
    " or change what it names"
)


@dataclass(frozen=True, slots=True)
class Demand:
    """What one rule of a policy asks of the server.

    Attributes:
        rule: The rule, as it was written.
        burn: The rule, as the server gets it; None if it cannot be said in the server's terms.
        problems: Why the server cannot do it, as sentences; empty if it can.
    """

    rule: PolicyRule
    burn: BurnRule | None
    problems: tuple[str, ...]


def burn_rules(settings: Settings, folder: Path) -> tuple[BurnRule, ...]:
    """Return what a service's server does when its budgets burn.

    Args:
        settings: Name the SLO files.
        folder: Where the command runs.

    Raises:
        ConfigError: A file is wrong, or a rule asks what the server cannot do.
    """
    if not settings.slo.files:
        return ()
    catalog = read_catalog([folder / name for name in settings.slo.files])
    found: list[BurnRule] = []
    for demand in demands(catalog, settings.name, settings.serving):
        if demand.problems or demand.burn is None:
            raise ConfigError(
                f"the rule {demand.rule.name} cannot be kept: {demand.problems[0]}",
                hint=HINT,
                place=demand.rule.place,
            )
        found.append(demand.burn)
    return tuple(found)


def demands(catalog: Catalog, service: str, serving: ServingSpec) -> Iterator[Demand]:
    """Yield what the policies of a service ask of its server, in their order.

    Args:
        catalog: All that its SLO files define.
        service: Its name.
        serving: How it is served.
    """
    objectives = {each.slo: each for each in catalog.objectives}
    omitted = {each.slo: each.reason for each in catalog.omitted}
    for policy in catalog.policies:
        if policy.service != service:
            continue
        for rule in policy.having(Act.FALL_BACK, Act.ROLL_BACK):
            watched: list[WatchedSlo] = []
            problems: list[str] = []
            for slo in rule.slos:
                made = _watched(slo, objectives, omitted)
                if isinstance(made, str):
                    problems.append(made)
                else:
                    watched.append(made)
            burn = None if problems else _burn_rule(rule, watched)
            if burn is not None:
                problems += unkept(burn, service, serving)
            yield Demand(rule, burn, tuple(problems))


def _watched(
    slo: str, objectives: dict[str, Objective], omitted: dict[str, str]
) -> WatchedSlo | str:
    """Return an SLO in the server's terms, or why it cannot be said in them."""
    if slo not in objectives:
        return f"{slo} has no rules: {omitted.get(slo, 'it is not defined')}"
    objective = objectives[slo]
    ratio = objective.indicator
    if not isinstance(ratio, CountedRatio):
        return f"{slo} is no ratio of two plain counters, so the server cannot count it"
    return WatchedSlo(
        slo=slo,
        budget=float(objective.error_budget),
        counts="good" if ratio.counts.value == "good" else "bad",
        numerator=_selection(ratio.numerator),
        total=_selection(ratio.denominator),
    )


def _selection(counter: Counter) -> Selection:
    return Selection(
        metric=counter.metric,
        matchers=tuple(
            Matcher(label=each.label, operator=_operator(each.operator), value=each.value)
            for each in counter.matchers
        ),
    )


def _operator(text: str) -> Literal["=", "!=", "=~", "!~"]:
    for each in ("=", "!=", "=~", "!~"):
        if text == each:
            return each
    raise AssertionError(text)


def _burn_rule(rule: PolicyRule, watched: list[WatchedSlo]) -> BurnRule:
    when, recovery = rule.when, rule.recovery
    assert isinstance(when, Burn)  # the policy's own check: nothing else makes a server act
    probed = recovery is not None and recovery.by is Decider.PROBE
    return BurnRule(
        name=rule.name,
        slos=tuple(watched),
        above=when.above,
        long_s=float(when.long_s),
        short_s=float(when.short_s),
        min_bad_events=when.min_bad_events,
        falls_back=Act.FALL_BACK in rule.then,
        rolls_back=Act.ROLL_BACK in rule.then,
        recovery="probe" if probed else "person",
        after_s=float(recovery.after_s) if probed and recovery is not None else 0.0,
    )
