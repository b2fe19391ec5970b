"""A resolution: an SLO with all its references followed, as the objectives that it promises."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from mlops.base.errors import ConfigError, Place
from mlops.slo.burn_policy import tiers_of
from mlops.slo.calendar import Calendar, Unit
from mlops.slo.document import closest
from mlops.slo.index import Entry, Index
from mlops.slo.indicator import Indicator
from mlops.slo.measured import composite_of, definition_of, indicator_of, query_path
from mlops.slo.objective import Objective
from mlops.slo.openslo import Slo, Target
from mlops.slo.sliced import Sliced
from mlops.slo.windows import openslo_seconds

_UNITS: dict[str, Unit] = {"d": "d", "w": "w", "M": "M", "Q": "Q", "Y": "Y"}
_LONGEST_S = 3_660 * 86_400
_PREFIX = "mlops/"
_DISABLE, _MIN_BAD = "mlops/disable-alerts", "mlops/min-bad-events"
ANNOTATIONS = ("runbook_url", "first_look", "dashboard_url", _DISABLE, _MIN_BAD)
"""The annotations of an SLO that are read."""

_SEVERITIES = frozenset({"page", "ticket"})
_OWN_LABELS = frozenset({
    "alertname", "service", "severity", "slo", "long_window", "short_window",
})  # fmt: skip
_NOT_IN_A_LABEL = re.compile(r"[^a-zA-Z0-9_]")
_NOT_IN_A_NAME = re.compile(r"[^a-z0-9]+")


@dataclass(frozen=True, slots=True)
class _Promise:
    """What an SLO promises once.

    Attributes:
        name: Name of the objective.
        title: Name for people.
        share: Least share of good events.
        indicator: What is counted.
        written: One of the objectives that it stands in.
    """

    name: str
    title: str
    share: Decimal
    indicator: Indicator
    written: Target


def resolve(slo: Slo, entry: Entry, index: Index) -> tuple[Objective, ...]:
    """Return what an SLO promises: one objective, or one each if it has several on one indicator.

    Args:
        slo: The SLO.
        entry: The same, with its document.
        index: Has what it refers to.

    Raises:
        ConfigError: A label or an annotation of it is wrong.
        ValueError: It cannot be compiled; the message says why.
    """
    promises = tuple(_promises(slo, index))
    period_s, calendar = _period(slo)
    tiers, _ = tiers_of(slo.spec, index)
    notes = slo.metadata.annotations
    muted, min_bad_events = _alerting(slo, entry)
    return tuple(
        Objective(
            slo=promise.name,
            service=index.service_label(slo.spec.service),
            title=promise.title,
            description=" ".join((slo.spec.description or "").split()),
            target=promise.share,
            period_s=period_s,
            indicator=promise.indicator,
            runbook_url=notes.get("runbook_url", ""),
            first_look=" ".join(notes.get("first_look", "").split()),
            place=entry.place("metadata", "name"),
            query_place=_query_place(slo, promise.written, entry, index),
            calendar=calendar,
            tiers=tiers or None,
            labels=_labels(slo, entry),
            muted=muted,
            min_bad_events=_least(min_bad_events, promise.indicator),
            dashboard_url=notes.get("dashboard_url", ""),
        )
        for promise in promises
    )


def _promises(slo: Slo, index: Index) -> Iterator[_Promise]:
    name, title = slo.metadata.name, slo.metadata.display_name or slo.metadata.name
    targets = slo.spec.objectives
    first = targets[0]
    if len(targets) == 1:
        yield _Promise(name, title, first.ratio, indicator_of(slo, first, index), first)
    elif first.indicator is not None or first.indicator_ref is not None:
        indicator, share = composite_of(slo, index)
        yield _Promise(name, title, share, indicator, first)
    else:
        for ending, target in zip(_endings(targets), targets, strict=True):
            yield _Promise(
                name=f"{name}-{ending}",
                title=f"{title}, {target.display_name or ending}",
                share=target.ratio,
                indicator=indicator_of(slo, target, index),
                written=target,
            )


def _endings(targets: Sequence[Target]) -> list[str]:
    """Return what tells objectives apart: their names if they have different ones, or numbers."""
    named = [_NOT_IN_A_NAME.sub("-", (t.display_name or "").lower()).strip("-") for t in targets]
    if all(named) and len(set(named)) == len(named):
        return named
    return [str(number) for number in range(1, len(targets) + 1)]


def _query_place(slo: Slo, target: Target, entry: Entry, index: Index) -> Place:
    spec, holder, path = definition_of(slo, target, index)
    found = entry if holder is None else index.entry("SLI", holder)
    return found.place(*path, *query_path(spec))


def _period(slo: Slo) -> tuple[int, Calendar | None]:
    if slo.spec.time_window is None:
        message = "without a timeWindow there is no budget; add one, such as 28d rolling"
        raise ValueError(message)
    window = slo.spec.time_window[0]
    if window.calendar is None:
        period_s = openslo_seconds(window.duration)
        if period_s is None:
            message = (
                f"a rolling {window.duration} has no fixed length; use days, such as 28d, or a "
                "calendar"
            )
            raise ValueError(message)
        return _bounded(period_s, window.duration), None
    unit = _UNITS.get(window.duration[-1])
    if unit is None:
        message = f"a calendar of {window.duration} is none: its periods are days or longer"
        raise ValueError(message)
    calendar = Calendar(
        count=int(window.duration[:-1]),
        unit=unit,
        start=datetime.fromisoformat(window.calendar.start_time),
        zone=window.calendar.time_zone,
    )
    return _bounded(calendar.nominal_s, window.duration), calendar


def _bounded(period_s: int, duration: str) -> int:
    if period_s > _LONGEST_S:
        message = f"a period of {duration} is longer than ten years"
        raise ValueError(message)
    return period_s


def _least(annotated: int | None, indicator: Indicator) -> int | None:
    """Return the least bad events of an alert; none are asked of slices, each sums up many."""
    return 0 if annotated is None and isinstance(indicator, Sliced) else annotated


def _labels(slo: Slo, entry: Entry) -> dict[str, str]:
    """Return the SLO's labels as Prometheus can have them: `serviceTier: [a, b]` is `a,b`."""
    found: dict[str, str] = {}
    for key, value in slo.metadata.labels.items():
        name = _NOT_IN_A_LABEL.sub("_", key)
        name = f"_{name}" if name[0].isdigit() else name
        if name in _OWN_LABELS or name in found:
            taken = "an alert's own" if name in _OWN_LABELS else "given twice"
            raise ConfigError(
                f"the label `{key}` cannot route alerts: `{name}` is {taken}",
                hint="rename it, or make it an annotation",
                place=entry.place("metadata", "labels", key),
            )
        found[name] = value if isinstance(value, str) else ",".join(value)
    return found


def _alerting(slo: Slo, entry: Entry) -> tuple[frozenset[str], int | None]:
    """Return the severities without alerts and the least bad events, from the annotations."""
    notes = slo.metadata.annotations
    for key in notes:
        if key.startswith(_PREFIX) and key not in ANNOTATIONS:
            raise ConfigError(
                f"there is no annotation `{key}`",
                hint=closest(key, (_DISABLE, _MIN_BAD)),
                place=entry.place("metadata", "annotations", key),
            )
    muted = frozenset(word.strip() for word in notes.get(_DISABLE, "").split(",")) - {""}
    if not muted <= _SEVERITIES:
        raise ConfigError(
            f"`{_DISABLE}` names severities, page or ticket or both with a comma",
            place=entry.place("metadata", "annotations", _DISABLE),
        )
    least = notes.get(_MIN_BAD)
    if least is None:
        return muted, None
    if not (least.isascii() and least.isdigit()):
        raise ConfigError(
            f"`{_MIN_BAD}` is a number of events, 0 or more",
            place=entry.place("metadata", "annotations", _MIN_BAD),
        )
    return muted, int(least)
