"""A catalog: all objects of some OpenSLO files, checked against each other.

Files are read as one set. What is valid OpenSLO and not compiled yet is kept as `Omitted`, with
the reason, so that nobody believes in an alert that does not exist.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from mlops.base.errors import ConfigError, Place
from mlops.slo.alert_policy import (
    AlertPolicySpec,
    ConditionRef,
    InlinePolicy,
    PolicyRef,
    TargetRef,
)
from mlops.slo.counter import Counter, parse_counter
from mlops.slo.document import Document, KeyPath, closest, read_documents
from mlops.slo.indicator import CountedRatio, Counts
from mlops.slo.objective import Objective
from mlops.slo.openslo import (
    ADAPTER,
    KINDS,
    AlertPolicy,
    DataSource,
    Metric,
    OpenSlo,
    Sli,
    SliSpec,
    Slo,
)
from mlops.slo.windows import openslo_seconds

PROMETHEUS = "prometheus"


@dataclass(frozen=True, slots=True)
class Entry:
    """An object and the document that it was written in."""

    item: OpenSlo
    document: Document

    def place(self, *path: str | int) -> Place:
        """Return where a key of the object stands."""
        return self.document.place(path)


@dataclass(frozen=True, slots=True)
class Omitted:
    """An SLO for which no rules are generated.

    Attributes:
        slo: Its name.
        reason: Why not, as a sentence.
        place: Where it is defined.
    """

    slo: str
    reason: str
    place: Place


@dataclass(frozen=True, slots=True)
class Catalog:
    """What some files define.

    Attributes:
        entries: All objects, in the order of the files.
        objectives: The SLOs that rules are generated for.
        omitted: The SLOs that are valid and not generated.
    """

    entries: tuple[Entry, ...]
    objectives: tuple[Objective, ...]
    omitted: tuple[Omitted, ...]

    def of_file(self, path: str) -> tuple[Objective, ...]:
        """Return the objectives that one file defines."""
        return tuple(item for item in self.objectives if item.place.origin == path)


def read_entries(path: Path) -> tuple[Entry, ...]:
    """Read the objects of one file, each alone: references are not followed.

    Raises:
        ConfigError: The file is not OpenSLO v1; all its problems are in `problems`.
    """
    entries: list[Entry] = []
    problems: list[ConfigError] = []
    for document in read_documents(path):
        try:
            item = ADAPTER.validate_json(json.dumps(document.value))
        except ValidationError as error:
            problems += _explained(error, document)
        else:
            entries.append(Entry(item, document))
    _raise(problems)
    return tuple(entries)


def read_catalog(paths: Sequence[str | Path]) -> Catalog:
    """Read files as one set, follow all references and resolve the SLOs.

    Args:
        paths: The files; their order does not change what is generated for each.

    Raises:
        ConfigError: A file is wrong, a name is used twice, or a reference leads nowhere.
    """
    entries: list[Entry] = []
    problems: list[ConfigError] = []
    for path in dict.fromkeys(map(Path, paths)):
        try:
            found = read_entries(path)
        except ConfigError as error:
            problems += [item for item in error.problems if isinstance(item, ConfigError)] or [
                error
            ]
            continue
        if not found:
            problems.append(ConfigError("no OpenSLO object in it", place=Place(str(path))))
        entries += found
    _raise(problems)
    index = _Index(entries)
    _raise([*index.duplicates(), *index.dangling()])
    objectives: list[Objective] = []
    omitted: list[Omitted] = []
    for entry in entries:
        if isinstance(entry.item, Slo):
            resolved = index.resolve(entry.item, entry)
            if isinstance(resolved, Objective):
                objectives.append(resolved)
            else:
                omitted.append(resolved)
    return Catalog(tuple(entries), tuple(objectives), tuple(omitted))


class _Index:
    """The objects of a set by kind and name."""

    def __init__(self, entries: Sequence[Entry]) -> None:
        self._entries = entries
        self._names = {(entry.item.kind, entry.item.metadata.name): entry for entry in entries}

    def duplicates(self) -> Iterator[ConfigError]:
        seen: dict[tuple[str, str], Entry] = {}
        for entry in self._entries:
            name = (entry.item.kind, entry.item.metadata.name)
            first = seen.setdefault(name, entry)
            if first is not entry:
                yield ConfigError(
                    f"{name[0]} `{name[1]}` is defined twice; first in "
                    f"{first.place('metadata', 'name')}",
                    place=entry.place("metadata", "name"),
                )

    def dangling(self) -> Iterator[ConfigError]:
        for entry in self._entries:
            for kind, name, path in _references(entry.item):
                if kind == "Service" and not self._known(kind):
                    continue  # OpenSLO lets `service` be a plain name
                if (kind, name) not in self._names:
                    yield ConfigError(
                        f"there is no {kind} `{name}`",
                        hint=closest(name, self._known(kind)),
                        place=entry.place(*path),
                    )

    def resolve(self, slo: Slo, entry: Entry) -> Objective | Omitted:
        try:
            return self._objective(slo, entry)
        except ValueError as error:
            return Omitted(slo.metadata.name, str(error), entry.place("metadata", "name"))

    def _objective(self, slo: Slo, entry: Entry) -> Objective:
        """Compile-ready form of an SLO; ValueError says why there is none."""
        ratio = self._ratio(slo)
        notes = slo.metadata.annotations
        return Objective(
            slo=slo.metadata.name,
            service=self._service_label(slo.spec.service),
            title=slo.metadata.display_name or slo.metadata.name,
            description=" ".join((slo.spec.description or "").split()),
            target=slo.spec.objectives[0].ratio,
            period_s=_period_s(slo),
            indicator=ratio,
            runbook_url=notes.get("runbook_url", ""),
            first_look=" ".join(notes.get("first_look", "").split()),
            place=entry.place("metadata", "name"),
            query_place=self._query_place(slo, entry, ratio.counts),
        )

    def _query_place(self, slo: Slo, entry: Entry, counts: Counts) -> Place:
        query = ("ratioMetric", counts.value, "metricSource", "spec", "query")
        target = slo.spec.objectives[0]
        if slo.spec.indicator is not None:
            return entry.place("spec", "indicator", "spec", *query)
        if target.indicator is not None:
            return entry.place("spec", "objectives", 0, "indicator", "spec", *query)
        named = self._names["SLI", slo.spec.indicator_ref or target.indicator_ref or ""]
        return named.place("spec", *query)

    def _ratio(self, slo: Slo) -> CountedRatio:
        if slo.spec.budgeting_method != "Occurrences":
            raise ValueError(f"the budgeting method {slo.spec.budgeting_method} is not compiled")
        if len(slo.spec.objectives) > 1:
            raise ValueError("an SLO with several objectives is not compiled; write one each")
        ratio = self._indicator(slo).ratio_metric
        if ratio is None:
            raise ValueError("a thresholdMetric is not compiled")
        if ratio.total is None:
            raise ValueError("a raw ratio is not compiled")
        if not ratio.counter:
            raise ValueError("only counters are compiled: set `counter: true` if it is one")
        total = self._query(ratio.total)
        if ratio.good is not None:
            return CountedRatio(Counts.GOOD, self._query(ratio.good), total)
        assert ratio.bad is not None
        return CountedRatio(Counts.BAD, self._query(ratio.bad), total)

    def _indicator(self, slo: Slo) -> SliSpec:
        target = slo.spec.objectives[0]
        inline = slo.spec.indicator or target.indicator
        if inline is not None:
            return inline.spec
        named = self._names["SLI", slo.spec.indicator_ref or target.indicator_ref or ""].item
        assert isinstance(named, Sli)
        return named.spec

    def _query(self, metric: Metric) -> Counter:
        source = metric.metric_source
        kind = source.type
        if kind is None:
            named = self._names["DataSource", source.metric_source_ref or ""].item
            assert isinstance(named, DataSource)
            kind = named.spec.type
        if kind.lower() != PROMETHEUS:
            raise ValueError(f"a metric source of type {kind} is not compiled, only Prometheus")
        query = source.spec.get("query")
        if not isinstance(query, str) or set(source.spec) != {"query"}:
            raise ValueError("a Prometheus metric source has `spec.query`, a text, and no more")
        return parse_counter(query)

    def _service_label(self, service: str) -> str:
        """Return the service as metrics name it: RFC 1123 names have no underscore, ours do."""
        entry = self._names.get(("Service", service))
        label = None if entry is None else entry.item.metadata.labels.get("service")
        return label if isinstance(label, str) else service

    def _known(self, kind: str) -> list[str]:
        return [name for other, name in self._names if other == kind]


def _period_s(slo: Slo) -> int:
    if slo.spec.time_window is None:
        raise ValueError("without a timeWindow there is no budget; add one, such as 28d rolling")
    window = slo.spec.time_window[0]
    if not window.is_rolling:
        raise ValueError("a calendar-aligned window is not compiled, only a rolling one")
    period_s = openslo_seconds(window.duration)
    if period_s is None:
        raise ValueError(f"{window.duration} has no fixed length; use days, such as 28d")
    return period_s


def _references(item: OpenSlo) -> Iterator[tuple[str, str, KeyPath]]:
    """Yield kind, name and key path of what an object refers to."""
    if isinstance(item, Sli):
        yield from _source_references(item.spec, ("spec",))
    elif isinstance(item, AlertPolicy):
        yield from _policy_references(item.spec, ("spec",))
    elif isinstance(item, Slo):
        yield "Service", item.spec.service, ("spec", "service")
        holders = [(item.spec, ("spec",))] + [
            (target, ("spec", "objectives", index))
            for index, target in enumerate(item.spec.objectives)
        ]
        for holder, path in holders:
            if holder.indicator_ref is not None:
                yield "SLI", holder.indicator_ref, (*path, "indicatorRef")
            if holder.indicator is not None:
                yield from _source_references(holder.indicator.spec, (*path, "indicator", "spec"))
        for index, policy in enumerate(item.spec.alert_policies or ()):
            at: KeyPath = ("spec", "alertPolicies", index)
            if isinstance(policy, InlinePolicy):
                yield from _policy_references(policy.spec, (*at, "spec"))
            elif isinstance(policy, PolicyRef):
                yield "AlertPolicy", policy.alert_policy_ref, (*at, "alertPolicyRef")
            else:
                yield "AlertPolicy", policy, at


def _source_references(spec: SliSpec, path: KeyPath) -> Iterator[tuple[str, str, KeyPath]]:
    held: list[tuple[Metric | None, KeyPath]] = [(spec.threshold_metric, ("thresholdMetric",))]
    if spec.ratio_metric is not None:
        ratio = spec.ratio_metric
        parts = {"good": ratio.good, "bad": ratio.bad, "total": ratio.total, "raw": ratio.raw}
        held += [(metric, ("ratioMetric", name)) for name, metric in parts.items()]
    for metric, below in held:
        if metric is not None and metric.metric_source.metric_source_ref is not None:
            at = (*path, *below, "metricSource", "metricSourceRef")
            yield "DataSource", metric.metric_source.metric_source_ref, at


def _policy_references(spec: AlertPolicySpec, path: KeyPath) -> Iterator[tuple[str, str, KeyPath]]:
    for index, condition in enumerate(spec.conditions):
        if isinstance(condition, ConditionRef):
            at = (*path, "conditions", index, "conditionRef")
            yield "AlertCondition", condition.condition_ref, at
    for index, target in enumerate(spec.notification_targets):
        if isinstance(target, TargetRef):
            at = (*path, "notificationTargets", index, "targetRef")
            yield "AlertNotificationTarget", target.target_ref, at


def _explained(error: ValidationError, document: Document) -> Iterator[ConfigError]:
    details = error.errors(include_url=False, include_input=False)
    for detail in details:
        path = detail["loc"]
        if any(path == other["loc"][: len(path)] != other["loc"] for other in details):
            continue  # a list is "too short" because its only item is wrong: say the latter
        message = detail["msg"].removeprefix("Value error, ")
        hint = ""
        match detail["type"]:
            case "union_tag_not_found":
                path, message = ("kind",), "`kind` is required"
                hint = f"one of {', '.join(KINDS)}"
            case "union_tag_invalid":
                path, message = ("kind",), f"there is no kind `{document.value.get('kind')}`"
                hint = closest(str(document.value.get("kind")), KINDS)
            case "missing":
                message = "this key is required"
            case "extra_forbidden":
                message = "OpenSLO v1 has no such key here"
        yield ConfigError(message, hint=hint, place=document.place(path))


def _raise(problems: Iterable[ConfigError]) -> None:
    found = tuple(problems)
    if len(found) == 1:
        raise found[0]
    if found:
        raise ConfigError(
            f"{len(found)} problems in SLO definitions", place=found[0].place, problems=found
        )
