"""A check: what is wrong with SLO definitions, or right and yet no alert."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from mlops.base.verdict import Finding, Status, Verdict
from mlops.slo import burn_policy, names
from mlops.slo.alerts import alerting, percent, tiers_of
from mlops.slo.catalog import Catalog, read_catalog
from mlops.slo.exported import unexported
from mlops.slo.index import Index
from mlops.slo.objective import Objective
from mlops.slo.openslo import Slo
from mlops.slo.sliced import Sliced
from mlops.slo.spec import MIN_SCRAPES, SloSpec
from mlops.slo.windows import can_fire, prometheus_duration


def validate(paths: Sequence[str | Path], spec: SloSpec) -> Verdict:
    """Check OpenSLO files as one set.

    Args:
        paths: The files.
        spec: The windows that the objectives are held against.

    Returns:
        Verdict `slo`: a pass for each SLO that rules are generated for; a warning for what is
        valid and not generated, or cannot fire; a failure for a series that nobody exports.

    Raises:
        ConfigError: A file is not OpenSLO v1, a name is used twice, a reference leads nowhere.
    """
    return judge(read_catalog(paths), spec)


def judge(catalog: Catalog, spec: SloSpec) -> Verdict:
    """Check a catalog that is already read; see `validate`."""
    return Verdict("slo", tuple(_findings(catalog, spec)))


def _findings(catalog: Catalog, spec: SloSpec) -> Iterator[Finding]:
    for objective in catalog.objectives:
        problems = [*unexported(objective), *_windows(objective, spec), *_slices(objective, spec)]
        yield from problems
        if not problems:
            message = (
                f"{objective.slo}: {percent(objective.target)} over "
                f"{prometheus_duration(objective.period(spec))}, "
                f"{len(alerting(objective, spec))} alerts"
            )
            yield Finding("slo.objective", Status.PASS, message, place=objective.place)
    for omitted in catalog.omitted:
        yield Finding(
            "slo.omitted",
            Status.WARN,
            f"{omitted.slo}: no rules are generated: {omitted.reason}",
            place=omitted.place,
        )
    yield from _policies(catalog)


def _policies(catalog: Catalog) -> Iterator[Finding]:
    """Find alert policies that make no alert, and rules whose SLOs nobody can measure."""
    index = Index(catalog.entries)
    for entry in catalog.entries:
        if not isinstance(entry.item, Slo):
            continue
        tiers, unused = burn_policy.tiers_of(entry.item.spec, index)
        instead = "" if tiers else "; its alerts come from `slo.tiers`"
        for policy in unused:
            yield Finding(
                "slo.policies",
                Status.WARN,
                f"{entry.item.metadata.name}: an alert policy makes no alert: {policy.reason}"
                f"{instead}",
                place=entry.place("spec", "alertPolicies", policy.at),
            )
    measured = {objective.slo for objective in catalog.objectives}
    for rule in (rule for budget_policy in catalog.policies for rule in budget_policy.rules):
        for slo in sorted(set(rule.slos) - measured):
            yield Finding(
                "slo.policies",
                Status.WARN,
                f"{rule.name} never holds for {slo}, of which no rules are generated",
                place=rule.place,
            )


def _windows(objective: Objective, spec: SloSpec) -> Iterator[Finding]:
    period_s = objective.period(spec)
    for tier in tiers_of(objective, spec):
        name = f"{objective.slo}: {names.alert(tier)}"
        if not can_fire(tier, objective.error_budget):
            yield Finding(
                "slo.reach",
                Status.WARN,
                f"{name} is left out: at {percent(objective.target)} a total failure does not "
                "burn faster than its factor",
                value=tier.factor,
                limit=float(1 / objective.error_budget),
                unit="burn rate",
                place=objective.place,
            )
        if tier.long_s > period_s:
            yield _misfit(
                objective, f"{name} looks back further than its period", tier.long_s, period_s
            )
    for key, problem in spec.problems_of(objective.tiers or ()):
        yield _misfit(objective, f"{objective.slo}: its alert policies: {key}: {problem}")
    if period_s % spec.step_s:
        message = f"{objective.slo}: its period is no multiple of `slo.step_s`"
        yield _misfit(objective, message, period_s, spec.step_s)


def _slices(objective: Objective, spec: SloSpec) -> Iterator[Finding]:
    if not isinstance(objective.indicator, Sliced):
        return
    slice_s, least_s = objective.indicator.slice_s, MIN_SCRAPES * spec.scrape_interval_s
    period_s = objective.period(spec)
    if slice_s < least_s:
        message = (
            f"{objective.slo}: its time slices are shorter than {MIN_SCRAPES} scrapes, so one lost "
            "scrape leaves a slice without data"
        )
        yield _misfit(objective, message, slice_s, least_s)
    if slice_s > period_s:
        message = f"{objective.slo}: its time slices are longer than its period"
        yield _misfit(objective, message, slice_s, period_s)


def _misfit(
    objective: Objective, message: str, value: int | None = None, limit: int | None = None
) -> Finding:
    unit = "" if value is None else "s"
    return Finding(
        "slo.window",
        Status.FAIL,
        message,
        value=value,
        limit=limit,
        unit=unit,
        place=objective.place,
    )
