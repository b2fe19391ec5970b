"""A sloth file: SLOs in the formats of github.com/slok/sloth, read as OpenSLO.

Its plain specs (`version: prometheus/v1`), its resources (`PrometheusServiceLevel`) and its alert
windows (`AlertWindows`) are read. What its plugins compute is code and cannot be.
"""

from collections.abc import Iterator, Mapping
from typing import Literal

from pydantic import Field

from mlops.base.digest import Json
from mlops.base.errors import ConfigError
from mlops.slo.document import Document, KeyPath
from mlops.slo.foreign import MOST_DESCRIPTION, Foreign, Imported, Labels, typed
from mlops.slo.openslo import ADAPTER, OpenSlo
from mlops.slo.promql import seconds
from mlops.slo.windowed import parse_windowed

_PERIOD = "30d"
"""The period of a sloth SLO unless its command line says another."""
_LABEL_BYTES = 63
_RAW_WINDOW = "5m"
"""Over which a ratio without its events is looked at; what it is made of is not known."""


class _Plugin(Foreign):
    id: str
    options: Labels = Field(default_factory=dict)
    config: object = None
    priority: int = 0


class _Plugins(Foreign):
    chain: tuple[_Plugin, ...] = ()
    override_previous: bool = False


class _Events(Foreign):
    error_query: str
    total_query: str


class _Raw(Foreign):
    error_ratio_query: str


class _Sli(Foreign):
    events: _Events | None = None
    raw: _Raw | None = None
    plugin: _Plugin | None = None


class _Alert(Foreign):
    disable: bool = False
    labels: Labels = Field(default_factory=dict)
    annotations: Labels = Field(default_factory=dict)


class _Alerting(Foreign):
    name: str = ""
    labels: Labels = Field(default_factory=dict)
    annotations: Labels = Field(default_factory=dict)
    page_alert: _Alert = _Alert()
    ticket_alert: _Alert = _Alert()


class _Slo(Foreign):
    name: str
    objective: float = Field(ge=0, lt=100)
    description: str = ""
    labels: Labels = Field(default_factory=dict)
    sli: _Sli
    alerting: _Alerting = _Alerting()
    plugins: _Plugins = _Plugins()


class _Service(Foreign):
    service: str
    labels: Labels = Field(default_factory=dict)
    slos: tuple[_Slo, ...] = ()
    slo_plugins: _Plugins = _Plugins()


class _Plain(_Service):
    version: Literal["prometheus/v1"]


class _Resource(Foreign):
    api_version: Literal["sloth.slok.dev/v1"]
    kind: Literal["PrometheusServiceLevel"]
    metadata: dict[str, object] = Field(default_factory=dict)
    spec: _Service


class _Pair(Foreign):
    error_budget_percent: float = Field(gt=0, le=100)
    short_window: str
    long_window: str


class _Speeds(Foreign):
    quick: _Pair
    slow: _Pair


class _WindowsSpec(Foreign):
    slo_period: str
    page: _Speeds
    ticket: _Speeds


class _Windows(Foreign):
    api_version: Literal["sloth.slok.dev/v1"]
    kind: Literal["AlertWindows"]
    spec: _WindowsSpec


def is_sloth(value: Mapping[str, Json]) -> bool:
    """Tell whether a document is one of sloth's."""
    return value.get("version") == "prometheus/v1" or value.get("apiVersion") == "sloth.slok.dev/v1"


def convert(document: Document) -> Imported:
    """Return what a document of sloth says.

    Raises:
        ConfigError: It is none, or an SLI cannot be read.
    """
    if document.value.get("kind") == "AlertWindows":
        return Imported(tiers=tuple(_tiers(typed(_Windows, document).spec)))
    if "version" in document.value:
        service: _Service = typed(_Plain, document)
        at: KeyPath = ()
    else:
        service, at = typed(_Resource, document).spec, ("spec",)
    objects: list[OpenSlo] = []
    notes: list[str] = []
    for index, slo in enumerate(service.slos):
        place: KeyPath = (*at, "slos", index)
        objects.append(_slo(service, slo, document, place))
        notes += [f"{document.place(place)}: {slo.name}: {note}" for note in _notes(service, slo)]
    return Imported(tuple(objects), notes=tuple(notes))


def _slo(service: _Service, slo: _Slo, document: Document, at: KeyPath) -> OpenSlo:
    try:
        ratio = _ratio(slo.sli)
    except ValueError as error:
        raise ConfigError(f"{slo.name}: {error}", place=document.place((*at, "sli"))) from error
    annotations: dict[str, Json] = {}
    alerting = slo.alerting
    for key in ("runbook_url", "runbook"):
        if key in alerting.annotations:
            annotations["runbook_url"] = alerting.annotations[key]
            break
    muted = [
        severity
        for severity, alert in (("page", alerting.page_alert), ("ticket", alerting.ticket_alert))
        if alert.disable
    ]
    if muted:
        annotations["mlops/disable-alerts"] = ",".join(muted)
    name = f"{service.service}-{slo.name}"
    labels: dict[str, Json] = {
        key: value
        for key, value in {**service.labels, **slo.labels, **alerting.labels}.items()
        if len(key) <= _LABEL_BYTES
    }
    return _validated(
        {
            "apiVersion": "openslo/v1",
            "kind": "SLO",
            "metadata": {
                "name": name, "displayName": slo.name, "labels": labels, "annotations": annotations,
            },
            "spec": {
                "description": slo.description[:MOST_DESCRIPTION],
                "service": service.service,
                "indicator": {"metadata": {"name": f"{name}-sli"}, "spec": {"ratioMetric": ratio}},
                "timeWindow": [{"duration": _PERIOD, "isRolling": True}],
                "budgetingMethod": "Occurrences",
                "objectives": [{"targetPercent": slo.objective}],
            },
        }
    )  # fmt: skip


def _validated(value: dict[str, Json]) -> OpenSlo:
    return ADAPTER.validate_python(value, strict=False)


def _ratio(sli: _Sli) -> dict[str, Json]:
    if sli.events is not None:
        return {
            "counter": True,
            "bad": _metric(sli.events.error_query),
            "total": _metric(sli.events.total_query),
        }
    if sli.raw is not None:
        query = parse_windowed(sli.raw.error_ratio_query).at(_RAW_WINDOW)
        return {"rawType": "failure", "raw": _source(query)}
    named = "" if sli.plugin is None else f" `{sli.plugin.id}`"
    message = f"its SLI is computed by a plugin{named}, which is code; write the queries out"
    raise ValueError(message)


def _metric(query: str) -> dict[str, Json]:
    parse_windowed(query)  # refused here, where the line is known
    return _source(query.strip())


def _source(query: str) -> dict[str, Json]:
    return {"metricSource": {"type": "Prometheus", "spec": {"query": query}}}


def _notes(service: _Service, slo: _Slo) -> Iterator[str]:
    alerting = slo.alerting
    if len(slo.description) > MOST_DESCRIPTION:
        yield f"its description is cut to OpenSLO's {MOST_DESCRIPTION} characters"
    if slo.sli.raw is not None:
        yield f"its ratio is taken over {_RAW_WINDOW}, and longer windows are means of that"
    if alerting.name:
        yield f"its alert's name `{alerting.name}` is not kept; ours name their windows"
    for kind, alert in (("page", alerting.page_alert), ("ticket", alerting.ticket_alert)):
        if alert.labels:
            named = ", ".join(f"{key}={value}" for key, value in sorted(alert.labels.items()))
            yield f"labels of the {kind} alone are not kept ({named}); route by `severity`"
    lost = sorted({*alerting.annotations, *alerting.page_alert.annotations,
                   *alerting.ticket_alert.annotations} - {"runbook", "runbook_url"})  # fmt: skip
    if lost:
        yield f"its annotations {', '.join(lost)} are not kept"
    for plugin in (*service.slo_plugins.chain, *slo.plugins.chain):
        yield f"the plugin `{plugin.id}` is not run"


def _tiers(spec: _WindowsSpec) -> Iterator[dict[str, Json]]:
    """Yield tiers: the share of the budget that a window may burn, as a burn rate."""
    for severity, speeds in (("page", spec.page), ("ticket", spec.ticket)):
        for pair in (speeds.quick, speeds.slow):
            long_s = seconds(pair.long_window)
            factor = pair.error_budget_percent / 100 * seconds(spec.slo_period) / long_s
            yield {
                "factor": round(factor, 6),
                "long_s": int(long_s),
                "short_s": int(seconds(pair.short_window)),
                "severity": severity,
            }
