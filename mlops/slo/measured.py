"""A measured SLI: the indicator that its definition, an objective and a budgeting method mean."""

from decimal import Decimal

from pydantic import JsonValue

from mlops.slo import ml_source
from mlops.slo.composite import Composite, Member, decimal_text
from mlops.slo.counter import Counter
from mlops.slo.document import KeyPath
from mlops.slo.index import Index
from mlops.slo.indicator import CountedRatio, Counts, Indicator, QueriedRatio
from mlops.slo.openslo import (
    DataSource,
    Metric,
    MetricSource,
    RatioMetric,
    Sli,
    SliSpec,
    Slo,
    Target,
)
from mlops.slo.sampled import GaugeRatio, RawRatio, Sampled, parse_gauge
from mlops.slo.sliced import Slice, Sliced
from mlops.slo.windowed import Windowed, parse_events
from mlops.slo.windows import openslo_seconds

PROMETHEUS = "prometheus"
_LONGEST_SLICE_S = 366 * 86_400
_COUNTER_ENDINGS = ("_total", "_count", "_bucket")


def indicator_of(slo: Slo, target: Target, index: Index) -> Indicator:
    """Return what one objective of an SLO counts.

    Args:
        slo: The SLO.
        target: One of its objectives.
        index: Has what it refers to.

    Raises:
        ValueError: It cannot be compiled; the message says why.
    """
    events = _events(slo, target, index)
    if slo.spec.budgeting_method == "Occurrences":
        return events
    return Sliced(_slice_s(target), (Slice(events, _slice_target(slo, target)),))


def composite_of(slo: Slo, index: Index) -> tuple[Indicator, Decimal]:
    """Return what a composite SLO counts, and its target.

    Args:
        slo: An SLO of several objectives, each with an indicator of its own.
        index: Has what it refers to.

    Raises:
        ValueError: It cannot be compiled; the message says why.
    """
    targets = slo.spec.objectives
    weights = [Decimal(repr(item.composite_weight or 1.0)) for item in targets]
    events = [_events(slo, item, index) for item in targets]
    if slo.spec.budgeting_method == "Occurrences":
        composite = Composite(
            tuple(
                Member(each, 1 - target.ratio, weight)
                for each, target, weight in zip(events, targets, weights, strict=True)
            )
        )
        return composite, 1 - composite.budget
    lengths = {_slice_s(item) for item in targets}
    if len(lengths) > 1:
        message = "the objectives of a composite need one and the same `timeSliceWindow`"
        raise ValueError(message)
    if slo.spec.budgeting_method == "Timeslices" and set(weights) != {Decimal(1)}:
        message = "a slice is bad if any part of it is: `compositeWeight` has no meaning there"
        raise ValueError(message)
    parts = [
        Slice(each, _slice_target(slo, target), weight)
        for each, target, weight in zip(events, targets, weights, strict=True)
    ]
    return Sliced(lengths.pop(), tuple(parts)), max(item.ratio for item in targets)


def definition_of(slo: Slo, target: Target, index: Index) -> tuple[SliSpec, str | None, KeyPath]:
    """Return the SLI of an objective, and where it stands.

    Returns:
        The SLI; the name of the object that holds it, or None for the SLO itself; its key path.
    """
    if slo.spec.indicator is not None:
        return slo.spec.indicator.spec, None, ("spec", "indicator", "spec")
    if target.indicator is not None:
        at = slo.spec.objectives.index(target)
        return target.indicator.spec, None, ("spec", "objectives", at, "indicator", "spec")
    name = slo.spec.indicator_ref or target.indicator_ref or ""
    return index.item(Sli, name).spec, name, ("spec",)


def query_path(spec: SliSpec) -> KeyPath:
    """Return where the query stands that says most about an SLI, below its spec."""
    ratio = spec.ratio_metric
    if ratio is None:
        return ("thresholdMetric", "metricSource", "spec", "query")
    held = next(name for name in ("raw", "good", "bad") if getattr(ratio, name) is not None)
    return ("ratioMetric", held, "metricSource", "spec", "query")


def _events(slo: Slo, target: Target, index: Index) -> Indicator:
    spec, _, _ = definition_of(slo, target, index)
    if spec.threshold_metric is not None:
        query = _query(spec.threshold_metric.metric_source, index)
        if target.op is None or target.value is None:
            message = "a thresholdMetric needs `op` and `value` in its objective"
            raise ValueError(message)
        return Sampled(parse_gauge(query), target.op, decimal_text(Decimal(repr(target.value))))
    assert spec.ratio_metric is not None
    ratio = spec.ratio_metric
    if ratio.raw is None:
        return _ratio(ratio, index)
    source = ratio.raw.metric_source
    if source.type == ml_source.TYPE:
        return _of_ml(ratio, source.spec, index.service_label(slo.spec.service))
    counts = Counts.GOOD if ratio.raw_type == "success" else Counts.BAD
    return RawRatio(counts, parse_gauge(_query(source, index)))


def _of_ml(ratio: RatioMetric, spec: dict[str, JsonValue], service: str) -> Indicator:
    if ratio.raw_type != "success":
        message = "an SLI of ours says by itself what is good: write `rawType: success`"
        raise ValueError(message)
    return ml_source.parse_source(spec).indicator(service)


def _ratio(ratio: RatioMetric, index: Index) -> Indicator:
    counts = Counts.GOOD if ratio.good is not None else Counts.BAD
    sides = [
        _query(side.metric_source, index)
        for side in (ratio.good or ratio.bad, ratio.total)
        if isinstance(side, Metric)
    ]
    if ratio.counter is False:
        numerator, denominator = map(parse_gauge, sides)
        return GaugeRatio(counts, numerator, denominator)
    above, below = map(parse_events, sides)
    for side in (above, below):
        if ratio.counter is None and not _looks_counted(side):
            message = f"`{side}` is a counter or a gauge: say `counter: true` or `counter: false`"
            raise ValueError(message)
    if isinstance(above, Counter) and isinstance(below, Counter):
        return CountedRatio(counts, above, below)
    return QueriedRatio(counts, above, below)


def _looks_counted(side: Counter | Windowed) -> bool:
    """Tell whether a query counts where the definition does not say so: by the names in use."""
    return isinstance(side, Windowed) or side.metric.endswith(_COUNTER_ENDINGS)


def _query(source: MetricSource, index: Index) -> str:
    kind = source.type
    if kind is None:
        kind = index.item(DataSource, source.metric_source_ref or "").spec.type
    if kind == ml_source.TYPE:
        message = (
            "a metric source of type mlops stands in `ratioMetric.raw`, with its type beside it"
        )
        raise ValueError(message)
    if kind.lower() != PROMETHEUS:
        message = f"a metric source of type {kind} is not compiled, only Prometheus"
        raise ValueError(message)
    query = source.spec.get("query")
    if not isinstance(query, str) or set(source.spec) != {"query"}:
        message = "a Prometheus metric source has `spec.query`, a text, and no more"
        raise ValueError(message)
    return query


def _slice_s(target: Target) -> int:
    length = target.time_slice_window
    assert length is not None
    # A bare number is minutes.
    seconds = openslo_seconds(length) if isinstance(length, str) else round(length * 60)
    if seconds is None or not 1 <= seconds <= _LONGEST_SLICE_S:
        message = f"a time slice of {length} is none: it has from a second to a year, and no months"
        raise ValueError(message)
    return seconds


def _slice_target(slo: Slo, target: Target) -> Decimal | None:
    if slo.spec.budgeting_method != "Timeslices":
        return None
    return Decimal(repr(target.time_slice_target))
