"""Telemetry: every metric that the toolkit exports, with its labels, unit and buckets.

`serving` creates its instruments from these and `slo` may only name these, so a rule cannot ask
for a series that nobody exports. Names follow the Prometheus conventions: base units, `_total` on
counters, `_seconds` on durations.
"""

from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """The Prometheus type of a metric."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric's declaration.

    Attributes:
        name: Full exported name; a counter's ends in `_total`.
        kind: Prometheus type.
        help: One sentence.
        labels: Label names; their values come from closed sets only.
        buckets: Upper bounds of a histogram, in the unit that the name ends in, without +Inf.
    """

    name: str
    kind: Kind
    help: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()


# Deadlines are tens of milliseconds: the buckets are dense there, so that an SLO threshold of
# 5, 10, 25, 50 or 100 ms is a bucket bound and its ratio exact.
LATENCY_BUCKETS_S = (
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.015, 0.02, 0.025, 0.03, 0.04, 0.05, 0.06, 0.075, 0.1,
    0.15, 0.25, 0.5, 1.0, 2.5,
)  # fmt: skip

HTTP_REQUESTS = Metric(
    "mlops_http_requests_total",
    Kind.COUNTER,
    "Requests to the decision endpoint, by status code of the answer.",
    ("service", "code"),
)
HTTP_CONNECTIONS = Metric(
    "mlops_http_connections",
    Kind.GAUGE,
    "Open connections.",
    ("service",),
)
HTTP_CLOSED = Metric(
    "mlops_http_connections_closed_total",
    Kind.COUNTER,
    "Connections that the server closed on purpose, by cause.",
    ("service", "cause"),
)
DECISIONS = Metric(
    "mlops_decisions_total",
    Kind.COUNTER,
    "Decisions, by the source that answered, the reason for that source and the arm.",
    ("service", "source", "reason", "arm"),
)
DECISION_SECONDS = Metric(
    "mlops_decision_duration_seconds",
    Kind.HISTOGRAM,
    "Time from a request's last byte to its answer's first, for valid requests.",
    ("service",),
    LATENCY_BUCKETS_S,
)
QUEUE_SECONDS = Metric(
    "mlops_queue_duration_seconds",
    Kind.HISTOGRAM,
    "Time from a request's last byte until its work began, for requests to the decision endpoint.",
    ("service",),
    LATENCY_BUCKETS_S,
)
SHED = Metric(
    "mlops_requests_shed_total",
    Kind.COUNTER,
    "Requests refused with 503 to keep others in time, by the caller's priority and the cause.",
    ("service", "priority", "cause"),
)
MODEL_SECONDS = Metric(
    "mlops_model_duration_seconds",
    Kind.HISTOGRAM,
    "Time that the model took for one page of candidates, when it answered.",
    ("service",),
    LATENCY_BUCKETS_S,
)
MODEL_LIMIT = Metric(
    "mlops_model_limit",
    Kind.GAUGE,
    "Pages that the model may owe at once at present, over all workers.",
    ("service",),
)
CONTRACT_VIOLATIONS = Metric(
    "mlops_contract_violations_total",
    Kind.COUNTER,
    "Requests refused with 422, by the first rule that they broke.",
    ("service", "rule"),
)
GUARD_VIOLATIONS = Metric(
    "mlops_guard_violations_total",
    Kind.COUNTER,
    "Model outputs that the guard refused, by what was wrong.",
    ("service", "rule"),
)
CERTIFICATE_BREACHES = Metric(
    "mlops_certificate_breaches_total",
    Kind.COUNTER,
    "Model outputs that the bundle's certificate proves impossible: the model is corrupted.",
    ("service",),
)
HEURISTIC_FAILURES = Metric(
    "mlops_heuristic_failures_total",
    Kind.COUNTER,
    "Heuristics that raised, were late or gave what is no score, so that the next rung answered.",
    ("service", "cause"),
)
BREAKER_STATE = Metric(
    "mlops_breaker_state",
    Kind.GAUGE,
    "Number of workers whose breaker is in a state.",
    ("service", "state"),
)
BREAKER_TRANSITIONS = Metric(
    "mlops_breaker_transitions_total",
    Kind.COUNTER,
    "Changes of a breaker's state, by the reason.",
    ("service", "from_state", "to_state", "reason"),
)
MODEL_RESTARTS = Metric(
    "mlops_model_restarts_total",
    Kind.COUNTER,
    "Times that a model process was replaced, by cause.",
    ("service", "cause"),
)
MODEL_READY = Metric(
    "mlops_model_ready",
    Kind.GAUGE,
    "Number of workers whose model can answer.",
    ("service",),
)
FALLBACK_LATCHED = Metric(
    "mlops_fallback_latched",
    Kind.GAUGE,
    "1 while an error budget policy or a person keeps the model from being asked, else 0.",
    ("service",),
)
FALLBACK_TRANSITIONS = Metric(
    "mlops_fallback_transitions_total",
    Kind.COUNTER,
    "Changes of the state of the latch that keeps the model from being asked, by the cause.",
    ("service", "from_state", "to_state", "cause"),
)
IN_FLIGHT = Metric(
    "mlops_requests_in_flight",
    Kind.GAUGE,
    "Decisions that have begun and not ended.",
    ("service",),
)
WORKERS = Metric(
    "mlops_workers",
    Kind.GAUGE,
    "Workers that give heartbeats.",
    ("service",),
)
WORKER_RESTARTS = Metric(
    "mlops_worker_restarts_total",
    Kind.COUNTER,
    "Times that a process of the service was replaced, by its role and the cause.",
    ("service", "role", "cause"),
)
POISON_REQUESTS = Metric(
    "mlops_poison_requests_total",
    Kind.COUNTER,
    "Requests refused since equal ones had ended workers.",
    ("service",),
)
BUNDLE_INFO = Metric(
    "mlops_bundle_info",
    Kind.GAUGE,
    "Always 1; its labels name the bundle that is served and the one before it.",
    ("service", "digest", "model", "role"),
)
MODEL_TRAINED = Metric(
    "mlops_model_trained_timestamp_seconds",
    Kind.GAUGE,
    "Unix time at which the served model's training ended, or shortly after; 0 without a model.",
    ("service",),
)
BUNDLE_SWAPS = Metric(
    "mlops_bundle_swaps_total",
    Kind.COUNTER,
    "Attempts to replace the served bundle or its settings, by outcome.",
    ("service", "outcome"),
)
LOG_ROWS = Metric(
    "mlops_decision_log_rows_total",
    Kind.COUNTER,
    "Decisions by what became of their row in the decision log.",
    ("service", "outcome"),
)
LOG_SPOOL_BYTES = Metric(
    "mlops_decision_log_spool_bytes",
    Kind.GAUGE,
    "Bytes of decisions that wait in files for the database.",
    ("service",),
)
LOG_AVAILABLE = Metric(
    "mlops_decision_log_available",
    Kind.GAUGE,
    "1 while the decision database takes rows, else 0.",
    ("service",),
)

ALL: tuple[Metric, ...] = (
    HTTP_REQUESTS, HTTP_CONNECTIONS, HTTP_CLOSED, DECISIONS, DECISION_SECONDS, QUEUE_SECONDS, SHED,
    MODEL_SECONDS, MODEL_LIMIT, CONTRACT_VIOLATIONS, GUARD_VIOLATIONS, CERTIFICATE_BREACHES,
    HEURISTIC_FAILURES, BREAKER_STATE, BREAKER_TRANSITIONS, MODEL_RESTARTS, MODEL_READY,
    FALLBACK_LATCHED, FALLBACK_TRANSITIONS, IN_FLIGHT, WORKERS, WORKER_RESTARTS, POISON_REQUESTS,
    BUNDLE_INFO, MODEL_TRAINED, BUNDLE_SWAPS, LOG_ROWS, LOG_SPOOL_BYTES, LOG_AVAILABLE,
)  # fmt: skip


def exported_series() -> frozenset[str]:
    """Return the names of all series, a histogram's three included.

    >>> "mlops_decision_duration_seconds_bucket" in exported_series()
    True
    """
    names: set[str] = set()
    for metric in ALL:
        if metric.kind is Kind.HISTOGRAM:
            names |= {f"{metric.name}_{part}" for part in ("bucket", "sum", "count")}
        else:
            names.add(metric.name)
    return frozenset(names)
