"""An objective's consistency: what its file promises against what the service is set to do."""

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from mlops.base.errors import MlopsError, Place
from mlops.base.telemetry import DECISION_SECONDS, DECISIONS, MODEL_SECONDS
from mlops.base.verdict import Finding, Status
from mlops.config.origin import short
from mlops.config.settings import Settings
from mlops.cost.cost import Prediction
from mlops.slo.alerts import min_bad_events, tiers_of
from mlops.slo.catalog import read_catalog
from mlops.slo.counter import Counter, Matcher
from mlops.slo.indicator import Counts
from mlops.slo.objective import Objective
from mlops.slo.spec import Tier
from mlops.slo.windowed import Events

_DAY_S = 86_400


def objectives_of(
    settings: Settings, folder: Path, prediction: Prediction | None
) -> Iterator[Finding]:
    """Hold the SLO files of a service against its other sections.

    Files that cannot be read are another rule's to tell.

    Args:
        settings: The configuration.
        folder: Where the command runs.
        prediction: What the model is predicted to take; None where that is not known.
    """
    try:
        objectives = read_catalog([folder / name for name in settings.slo.files]).objectives
    except (MlopsError, OSError):
        return
    own = [each for each in objectives if _service(each) == settings.name]
    yield from _whose(settings, objectives, own)
    for objective in own:
        yield from _latency(settings, objective, prediction)
        yield from _holdout(settings, objective)
        yield from _rare(settings, objective)
    yield from _retention(settings, own)
    yield from _windows(settings, own)


def asked_at(objective: Objective) -> str:
    """Return where an objective's query stands, as a person in the present folder types it."""
    place = objective.asked_at
    return f"{short(Path(place.origin))}:{place.line}"


def _service(objective: Objective) -> str:
    """Return the service that an objective's queries count."""
    named = _services(objective.counters[-1:])
    return named[0] if named else objective.service


def _services(counters: Sequence[Counter]) -> list[str]:
    return [
        matcher.value
        for counter in counters
        for matcher in counter.matchers
        if matcher.label == "service" and matcher.operator == "="
    ]


def _whose(
    settings: Settings, objectives: tuple[Objective, ...], own: list[Objective]
) -> Iterator[Finding]:
    if objectives and not own:
        named = ", ".join(sorted({_service(each) for each in objectives}))
        yield Finding(
            "check.consistency.slo-service",
            Status.FAIL,
            f"slo.files promise nothing for {settings.name}: their objectives count {named}",
            key=("slo", "files"),
            hint=f'name the service in the queries, service="{settings.name}", or its own file',
        )
    for objective in objectives:
        labels = {*_services(objective.counters), _service(objective), objective.service}
        if settings.name in labels and len(labels) > 1:
            yield Finding(
                "check.consistency.slo-service",
                Status.FAIL,
                f"{objective.slo} counts events of several services: {', '.join(sorted(labels))}",
                place=objective.asked_at,
                hint=f"its label and both queries must name {settings.name}",
            )


def _bucket_ms(objective: Objective, metric: str) -> float | None:
    """Return the threshold that a ratio over a histogram asks for, in milliseconds."""
    numerator = None if objective.ratio is None else objective.ratio.numerator
    if not isinstance(numerator, Counter) or numerator.metric != f"{metric}_bucket":
        return None
    for matcher in numerator.matchers:
        if matcher.label == "le" and matcher.operator == "=":
            try:
                return float(matcher.value) * 1000
            except ValueError:
                return None
    return None


def _latency(
    settings: Settings, objective: Objective, prediction: Prediction | None
) -> Iterator[Finding]:
    serving = settings.serving
    promised = _bucket_ms(objective, DECISION_SECONDS.name)
    if promised is not None:
        at = f'{objective.slo} promises le="{promised / 1000:g}", {promised:g} ms'
        if promised < serving.deadline_ms:
            yield Finding(
                "check.consistency.slo-deadline",
                Status.WARN,
                f"{at}, less than serving.deadline_ms={serving.deadline_ms:g}: while the model is"
                " slow the fallback answers in time for the deadline and too late for the promise",
                value=promised,
                limit=serving.deadline_ms,
                unit="ms",
                key=("serving", "deadline_ms"),
                hint=f"lower the deadline to {promised:g}, or promise it at {asked_at(objective)}",
            )
        yield from _kept(settings, objective, promised, prediction)
    of_model = _bucket_ms(objective, MODEL_SECONDS.name)
    left_ms = serving.deadline_ms - serving.reserve_ms
    if of_model is not None and of_model >= left_ms:
        yield Finding(
            "check.consistency.slo-deadline",
            Status.WARN,
            f"{objective.slo} allows the model {of_model:g} ms, but after {left_ms:g} ms nobody"
            " waits for it, and what is cut off is not counted: it can hardly be missed",
            value=of_model,
            limit=left_ms,
            unit="ms",
            place=objective.asked_at,
            hint="promise less than deadline_ms - reserve_ms, or count decisions by their source",
        )


def _kept(
    settings: Settings, objective: Objective, promised: float, prediction: Prediction | None
) -> Iterator[Finding]:
    """Fail a promise that a usual page breaks although the deadline is kept."""
    if prediction is None:
        return
    host = prediction.host
    page_ms = prediction.page_ms(settings.release.latency_page)
    sure = page_ms / (1.0 if host.measured else host.uncertainty)
    left_ms = settings.serving.deadline_ms - settings.serving.reserve_ms
    if promised < sure <= left_ms:
        yield Finding(
            "check.consistency.slo-latency",
            Status.FAIL,
            f"{objective.slo} promises {promised:g} ms, and the model is predicted to take"
            f" {page_ms:.3g} ms for a page of {settings.release.latency_page}",
            value=page_ms,
            limit=promised,
            unit="ms",
            place=objective.asked_at,
            hint="take a smaller model, or promise what it can keep",
        )


def _holdout(settings: Settings, objective: Objective) -> Iterator[Finding]:
    """Find objectives whose budget the holdout uses up, since it is answered on purpose."""
    share = settings.serving.holdout.share
    event = {
        "service": settings.name, "source": "heuristic", "reason": "holdout", "arm": "holdout",
    }  # fmt: skip
    ratio = objective.ratio
    if not share or ratio is None or any(each.metric != DECISIONS.name for each in ratio.counters):
        return
    named = _selects(ratio.numerator, event)
    bad = named if ratio.counts is Counts.BAD else not named
    budget = float(objective.error_budget)
    if _selects(ratio.denominator, event) and bad and share > budget / 2:
        yield Finding(
            "check.consistency.slo-holdout",
            Status.FAIL if share >= budget else Status.WARN,
            f"{objective.slo} counts the heuristic holdout as failures:"
            f" serving.holdout.share={share:g} uses {min(share / budget, 1.0):.0%} of its error"
            f" budget of {budget:g} all the time",
            value=share,
            limit=budget,
            unit="ratio",
            place=objective.asked_at,
            hint='leave it out of both queries, reason!="holdout"',
        )


def _selects(events: Events, labels: Mapping[str, str]) -> bool:
    return isinstance(events, Counter) and all(
        _matches(matcher, labels.get(matcher.label, "")) for matcher in events.matchers
    )


def _matches(matcher: Matcher, value: str) -> bool:
    if matcher.operator in ("=", "!="):
        return (value == matcher.value) is (matcher.operator == "=")
    try:
        found = re.fullmatch(matcher.value, value) is not None
    except re.error:  # RE2 knows some that Python does not
        return False
    return found is (matcher.operator == "=~")


def _retention(settings: Settings, own: list[Objective]) -> Iterator[Finding]:
    if not own:
        return
    objective = max(own, key=lambda each: each.period(settings.slo))
    period_s, kept_s = objective.period(settings.slo), settings.slo.retention_days * _DAY_S
    if period_s > kept_s:
        yield Finding(
            "check.consistency.retention",
            Status.FAIL,
            f"{objective.slo} has a budget over {period_s / _DAY_S:g} days, and"
            f" slo.retention_days={settings.slo.retention_days:g}: Prometheus forgets its start",
            value=settings.slo.retention_days,
            limit=period_s / _DAY_S,
            unit="days",
            key=("slo", "retention_days"),
            hint="keep the data for longer than the period, --storage.tsdb.retention.time",
        )


def _windows(settings: Settings, own: list[Objective]) -> Iterator[Finding]:
    kept_s = settings.slo.retention_days * _DAY_S
    for at, tier in enumerate(settings.slo.tiers):
        if tier.long_s > kept_s:
            yield _forgotten(settings, f"slo.tiers.{at}.long_s={tier.long_s}", tier, at=at)
    for objective in own:
        for tier in objective.tiers or ():
            if tier.long_s > kept_s:
                what = f"an alert policy of {objective.slo}, {tier.long_s} s,"
                yield _forgotten(settings, what, tier, place=objective.place)


def _forgotten(
    settings: Settings, what: str, tier: Tier, *, at: int = 0, place: Place | None = None
) -> Finding:
    days = settings.slo.retention_days
    return Finding(
        "check.consistency.retention",
        Status.FAIL,
        f"{what} looks back for longer than slo.retention_days={days:g} days keep",
        value=tier.long_s,
        limit=days * _DAY_S,
        unit="s",
        place=place,
        key=() if place is not None else ("slo", "tiers", str(at), "long_s"),
        hint="it is summed from recorded steps, which are kept as long as all else",
    )


def _rare(settings: Settings, objective: Objective) -> Iterator[Finding]:
    """Find pages that a single failure sends at the declared traffic.

    Source: Google SRE Workbook, chapter 5, "Low-Traffic Services and Error Budget Alerting".
    """
    rps = settings.serving.expected_rps
    if rps is None or min_bad_events(objective, settings.slo) > 1:
        return
    for at, tier in enumerate(tiers_of(objective, settings.slo)):
        budget = float(objective.error_budget)
        allowed = tier.factor * budget * rps * tier.long_s
        if tier.severity == "page" and tier.factor * budget < 1 and allowed < 1:
            yield Finding(
                "check.consistency.low-traffic",
                Status.WARN,
                f"at {rps:g} requests a second one failure within {tier.long_s} s pages for"
                f" {objective.slo}: its window holds {rps * tier.long_s:.3g} requests",
                value=allowed,
                limit=1.0,
                unit="failures",
                place=objective.place if objective.tiers else None,
                key=() if objective.tiers else ("slo", "tiers", str(at), "long_s"),
                hint="ask for more bad events (slo.min_bad_events), take a longer window, a lower"
                " objective, or make traffic of your own",
            )
