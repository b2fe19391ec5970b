"""An exported series: what `mlops.base.telemetry` declares, which our SLIs are held against.

A query for a series that nobody exports is valid for Prometheus: its alert just never fires.
"""

from collections.abc import Iterator

from mlops.base.telemetry import ALL, Kind, Metric, exported_series
from mlops.base.verdict import Finding, Status
from mlops.slo.counter import Counter, Matcher
from mlops.slo.document import closest
from mlops.slo.objective import Objective

PREFIX = "mlops_"
_SCRAPE_LABELS = frozenset({"job", "instance"})


def unexported(objective: Objective) -> Iterator[Finding]:
    """Yield what an objective asks of our own metrics and nobody exports.

    Metrics of other programs are not known here and pass.
    """
    for counter in objective.counters:
        if not counter.metric.startswith(PREFIX):
            continue
        for message in _problems(counter):
            yield Finding(
                "slo.series", Status.FAIL, f"{objective.slo}: {message}", place=objective.asked_at
            )


def _problems(counter: Counter) -> Iterator[str]:
    metric = _declaration(counter.metric)
    if metric is None:
        hint = closest(counter.metric, exported_series())
        yield f"`{counter.metric}` is not an exported series; {hint}"
        return
    if not _is_counter(metric, counter.metric):
        yield f"`{counter.metric}` is a {metric.kind.value}, not a counter"
        return
    labels = {*metric.labels, *_SCRAPE_LABELS}
    bucket = counter.metric.endswith("_bucket")
    if bucket:
        labels.add("le")
        if not any(matcher.label == "le" for matcher in counter.matchers):
            yield f"`{counter.metric}` without `le` counts every event once a bucket"
    for matcher in counter.matchers:
        if matcher.label not in labels:
            hint = closest(matcher.label, labels)
            yield f"`{counter.metric}` has no label `{matcher.label}`; {hint}"
        elif matcher.label == "le" and not _is_bound(matcher, metric):
            bounds = ", ".join(map(bucket_text, metric.buckets))
            yield f"`le` must be `=` and one of {bounds}; it is `{matcher}`"


def bucket_text(bound: float) -> str:
    """Return a bucket's bound as the exposition format of Python's client writes it.

    >>> bucket_text(0.05), bucket_text(1)
    ('0.05', '1.0')
    """
    return repr(float(bound))


def _declaration(series: str) -> Metric | None:
    for metric in ALL:
        if metric.kind is Kind.HISTOGRAM:
            if series in {f"{metric.name}_{part}" for part in ("bucket", "sum", "count")}:
                return metric
        elif series == metric.name:
            return metric
    return None


def _is_counter(metric: Metric, series: str) -> bool:
    if metric.kind is Kind.HISTOGRAM:
        return not series.endswith("_sum")
    return metric.kind is Kind.COUNTER


def _is_bound(matcher: Matcher, metric: Metric) -> bool:
    return matcher.operator == "=" and matcher.value in {
        "+Inf",
        *map(bucket_text, metric.buckets),
    }
