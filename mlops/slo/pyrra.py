"""A pyrra resource: a ServiceLevelObjective of github.com/pyrra-dev/pyrra, read as OpenSLO."""

from collections.abc import Iterator, Mapping
from typing import Literal

from pydantic import Field

from mlops.base.digest import Json
from mlops.base.errors import ConfigError
from mlops.slo.counter import parse_counter
from mlops.slo.document import Document
from mlops.slo.foreign import MOST_DESCRIPTION, Foreign, Imported, Labels, typed
from mlops.slo.openslo import ADAPTER, OpenSlo

_SPEC = ("spec",)
_SERVICE_LABEL = "pyrra.dev/service"


class _Metric(Foreign):
    metric: str


class _Ratio(Foreign):
    errors: _Metric
    total: _Metric
    grouping: tuple[str, ...] = ()


class _Latency(Foreign):
    success: _Metric
    total: _Metric
    grouping: tuple[str, ...] = ()


class _BoolGauge(Foreign):
    metric: str
    grouping: tuple[str, ...] = ()


class _LatencyNative(Foreign):
    latency: str
    total: _Metric
    grouping: tuple[str, ...] = ()


class _Indicator(Foreign):
    ratio: _Ratio | None = None
    latency: _Latency | None = None
    bool_gauge: _BoolGauge | None = None
    latency_native: _LatencyNative | None = None


class _Alerting(Foreign):
    disabled: bool = False
    absent: bool = True
    burnrates: bool = True
    name: str = ""
    absent_name: str = ""
    severities: Labels = Field(default_factory=dict)


class _Spec(Foreign):
    description: str = ""
    indicator: _Indicator
    target: float = Field(ge=0, lt=100)
    window: str = Field(pattern=r"^[1-9][0-9]*[mhdw]$")
    alerting: _Alerting = _Alerting()
    partial_response_strategy: str = ""
    performance_over_accuracy: bool = False
    rule_output: object = None


class _Metadata(Foreign):
    name: str
    namespace: str = ""
    labels: Labels = Field(default_factory=dict)
    annotations: Labels = Field(default_factory=dict)


class _Resource(Foreign):
    api_version: Literal["pyrra.dev/v1alpha1"]
    kind: Literal["ServiceLevelObjective"]
    metadata: _Metadata
    spec: _Spec
    status: object = None


def is_pyrra(value: Mapping[str, Json]) -> bool:
    """Tell whether a document is one of pyrra's."""
    return str(value.get("apiVersion", "")).startswith("pyrra.dev/")


def convert(document: Document) -> Imported:
    """Return what a document of pyrra says.

    Raises:
        ConfigError: It is none, or its indicator cannot be read.
    """
    found = typed(_Resource, document)
    try:
        indicator, objective = _indicator(found.spec.indicator)
    except ValueError as error:
        place = document.place((*_SPEC, "indicator"))
        raise ConfigError(f"{found.metadata.name}: {error}", place=place) from error
    place = document.place(_SPEC)
    notes = tuple(f"{place}: {found.metadata.name}: {note}" for note in _notes(found))
    return Imported((_slo(found, indicator, objective),), notes=notes)


def _slo(found: _Resource, indicator: dict[str, Json], objective: dict[str, Json]) -> OpenSlo:
    name, spec = found.metadata.name, found.spec
    muted = spec.alerting.disabled or not spec.alerting.burnrates
    labels: dict[str, Json] = {
        # Prefixed labels are pyrra's own way to say what goes into Prometheus.
        key.partition("/")[2]: value
        for key, value in found.metadata.labels.items()
        if key.startswith("pyrra.dev/") and key != _SERVICE_LABEL
    }
    return ADAPTER.validate_python(
        {
            "apiVersion": "openslo/v1",
            "kind": "SLO",
            "metadata": {
                "name": name,
                "labels": labels,
                "annotations": {"mlops/disable-alerts": "page,ticket"} if muted else {},
            },
            "spec": {
                "description": spec.description[:MOST_DESCRIPTION],
                "service": found.metadata.labels.get(_SERVICE_LABEL, name),
                "indicator": {"metadata": {"name": f"{name}-sli"}, "spec": indicator},
                "timeWindow": [{"duration": spec.window, "isRolling": True}],
                "budgetingMethod": "Occurrences",
                "objectives": [{"targetPercent": spec.target, **objective}],
            },
        },
        strict=False,
    )


def _indicator(given: _Indicator) -> tuple[dict[str, Json], dict[str, Json]]:
    """Return an SLI's spec and what belongs to the objective."""
    if given.ratio is not None:
        return _counted("bad", given.ratio.errors, given.ratio.total), {}
    if given.latency is not None:
        return _counted("good", given.latency.success, given.latency.total), {}
    if given.bool_gauge is not None:
        gauge = str(parse_counter(given.bool_gauge.metric))
        return {"thresholdMetric": _metric(gauge)}, {"op": "gte", "value": 1}
    if given.latency_native is not None:
        message = (
            "native histograms are not compiled; use a classic histogram's bucket, `latency` with "
            "`success` and `total`"
        )
        raise ValueError(message)
    message = "it has no indicator: ratio, latency or bool_gauge"
    raise ValueError(message)


def _counted(what: str, numerator: _Metric, total: _Metric) -> dict[str, Json]:
    queries = {
        what: str(parse_counter(numerator.metric)), "total": str(parse_counter(total.metric)),
    }  # fmt: skip
    counted: dict[str, Json] = {name: _metric(query) for name, query in queries.items()}
    return {"ratioMetric": {"counter": True, **counted}}


def _metric(query: str) -> dict[str, Json]:
    return {"metricSource": {"type": "Prometheus", "spec": {"query": query}}}


def _notes(found: _Resource) -> Iterator[str]:
    alerting, indicator = found.spec.alerting, found.spec.indicator
    if len(found.spec.description) > MOST_DESCRIPTION:
        yield f"its description is cut to OpenSLO's {MOST_DESCRIPTION} characters"
    kinds = (indicator.ratio, indicator.latency, indicator.bool_gauge)
    grouping = next((each.grouping for each in kinds if each is not None), ())
    if grouping:
        yield (
            f"its grouping by {', '.join(grouping)} is not kept: this is one SLO over all; write "
            "one for each value that has a promise of its own"
        )
    if alerting.name:
        yield f"its alert's name `{alerting.name}` is not kept; ours name their windows"
    if not alerting.absent:
        yield "its absent alert was off; ours comes with every SLO that has alerts"
    if alerting.severities:
        named = ", ".join(sorted(set(alerting.severities.values())))
        yield f"its severities {named} are not kept: tiers have `page` or `ticket`"
    if found.spec.rule_output is not None or found.spec.performance_over_accuracy:
        yield "how pyrra splits its rules has no counterpart"
