"""An exported series: what `mlops.base.telemetry` declares, which our SLIs are held against.

A query for a series that nobody exports is valid for Prometheus: its alert just never fires.
"""

from collections.abc import Iterator, Sequence

from mlops.base.telemetry import ALL, Kind, Metric, exported_series
from mlops.base.verdict import Finding, Status
from mlops.slo.counter import Counter, Matcher
from mlops.slo.document import closest
from mlops.slo.ml_source import EXPECTED
from mlops.slo.objective import Objective

PREFIX = "mlops_"
_SCRAPE_LABELS = frozenset({"job", "instance"})


def unexported(objective: Objective) -> Iterator[Finding]:
    """Yield what an objective asks of our own metrics and nobody exports.

    What an ML source asks for and no part of this release exports yet is a warning: the rules are
    right, and have no data until somebody exports it. Metrics of other programs are not known here
    and pass.
    """
    for counter in objective.counters:
        if not counter.metric.startswith(PREFIX):
            continue
        if _declaration(counter.metric, EXPECTED) is not None:
            message = (
                f"nobody exports `{counter.metric}` yet, so it has no data until somebody does"
            )
            yield _finding(objective, Status.WARN, message)
            continue
        for problem in _problems(counter, counts=counter in objective.indicator.increasing):
            yield _finding(objective, Status.FAIL, problem)


def _finding(objective: Objective, status: Status, message: str) -> Finding:
    return Finding("slo.series", status, f"{objective.slo}: {message}", place=objective.asked_at)


def _problems(counter: Counter, *, counts: bool) -> Iterator[str]:
    metric = _declaration(counter.metric, ALL)
    if metric is None:
        hint = closest(counter.metric, exported_series())
        yield f"`{counter.metric}` is not an exported series; {hint}"
        return
    if counts and not _is_counter(metric, counter.metric):
        yield f"`{counter.metric}` is a {metric.kind.value}, not a counter"
        return
    labels = {*metric.labels, *_SCRAPE_LABELS}
    if counter.metric.endswith("_bucket"):
        labels.add("le")
        if counts and not any(matcher.label == "le" for matcher in counter.matchers):
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


def _declaration(series: str, metrics: Sequence[Metric]) -> Metric | None:
    return next((metric for metric in metrics if series in _series(metric)), None)


def _series(metric: Metric) -> tuple[str, ...]:
    if metric.kind is not Kind.HISTOGRAM:
        return (metric.name,)
    return tuple(f"{metric.name}_{part}" for part in ("bucket", "sum", "count"))


def _is_counter(metric: Metric, series: str) -> bool:
    if metric.kind is Kind.HISTOGRAM:
        return not series.endswith("_sum")
    return metric.kind is Kind.COUNTER


def _is_bound(matcher: Matcher, metric: Metric) -> bool:
    return matcher.operator == "=" and matcher.value in {
        "+Inf",
        *map(bucket_text, metric.buckets),
    }
