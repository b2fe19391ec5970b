"""Instruments: the server's Prometheus metrics, declared in `mlops.base.telemetry`.

All label sets that can occur are created at 0, so that the first increment of a series is not
lost to `increase()`, and all children are looked up once.
"""

from itertools import product

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
    generate_latest,
)

from mlops.base import telemetry
from mlops.base.telemetry import Metric
from mlops.experiments.assignment import Arm
from mlops.serving.breaker import State
from mlops.serving.decision import Decision, Reason, Source
from mlops.serving.guard import Breach

# `_created` doubles the series and no rule here reads it.
disable_created_metrics()  # type: ignore[no-untyped-call] # the library left it untyped

RULES = (
    "json", "type", "missing", "unknown_field", "null", "minimum", "maximum", "category",
    "pattern", "count", "duplicate",
)  # fmt: skip
CODES = ("200", "400", "404", "405", "413", "415", "422", "500", "503")
CAUSES = ("died", "hung", "not_loaded", "corrupted")
TRANSITIONS = (
    (State.CLOSED, State.OPEN),
    (State.OPEN, State.HALF_OPEN),
    (State.HALF_OPEN, State.OPEN),
    (State.HALF_OPEN, State.CLOSED),
)


class Instruments:
    """The metrics of one service.

    Args:
        service: Value of the `service` label.
    """

    def __init__(self, service: str) -> None:
        self._service = service
        self._registry = CollectorRegistry()
        requests = self._counter(telemetry.HTTP_REQUESTS)
        self._requests = {code: requests.labels(service, code) for code in CODES}
        decisions = self._counter(telemetry.DECISIONS)
        self._decisions = {
            key: decisions.labels(service, *key) for key in _possible() if key[2] in _arms(key[1])
        }
        violations = self._counter(telemetry.CONTRACT_VIOLATIONS)
        self._violations = {rule: violations.labels(service, rule) for rule in RULES}
        guard = self._counter(telemetry.GUARD_VIOLATIONS)
        self._guard = {breach: guard.labels(service, breach.value) for breach in Breach}
        self._breaches = self._counter(telemetry.CERTIFICATE_BREACHES).labels(service)
        restarts = self._counter(telemetry.MODEL_RESTARTS)
        self._restarts = {cause: restarts.labels(service, cause) for cause in CAUSES}
        transitions = self._counter(telemetry.BREAKER_TRANSITIONS)
        self._transitions = {key: transitions.labels(service, *key) for key in TRANSITIONS}
        breaker = self._gauge(telemetry.BREAKER_STATE)
        self._breaker = {state: breaker.labels(service, state.value) for state in State}
        self._breaker[State.CLOSED].set(1)
        self._decision_seconds = self._histogram(telemetry.DECISION_SECONDS).labels(service)
        self._model_seconds = self._histogram(telemetry.MODEL_SECONDS).labels(service)
        self._ready = self._gauge(telemetry.MODEL_READY).labels(service)
        self.in_flight = self._gauge(telemetry.IN_FLIGHT).labels(service)
        self._bundle = self._gauge(telemetry.BUNDLE_INFO)

    def count_request(self, code: int) -> None:
        """Count an answer of the decision endpoint by its status code."""
        self._requests[str(code)].inc()

    def count_decision(self, decision: Decision, seconds: float) -> None:
        """Count a decision and the time it took."""
        self._decisions[decision.source, decision.reason, decision.arm].inc()
        self._decision_seconds.observe(seconds)

    def count_violation(self, rule: str) -> None:
        """Count a refused request by the first rule that it broke."""
        self._violations[rule].inc()

    def count_guard(self, breach: Breach) -> None:
        """Count a model output that the guard refused."""
        self._guard[breach].inc()

    def count_breach(self) -> None:
        """Count a model output that the certificate proves impossible."""
        self._breaches.inc()

    def observe_model(self, seconds: float) -> None:
        """Record the time that the model took for a page."""
        self._model_seconds.observe(seconds)

    def model_ready(self, *, ready: bool) -> None:
        """Record whether the model process can answer."""
        self._ready.set(ready)

    def model_restarted(self, cause: str) -> None:
        """Count a replacement of the model process."""
        self._restarts[cause].inc()

    def breaker_changed(self, old: State, new: State) -> None:
        """Record a change of the breaker's state."""
        self._transitions[old, new].inc()
        self._breaker[old].set(0)
        self._breaker[new].set(1)

    def bundle_loaded(self, *, digest: str, model: str) -> None:
        """Name the bundle that is served."""
        self._bundle.labels(self._service, digest, model).set(1)

    def exposition(self) -> bytes:
        """Return all metrics in Prometheus' text format."""
        return generate_latest(self._registry)

    def _counter(self, metric: Metric) -> Counter:
        name = metric.name.removesuffix("_total")
        return Counter(name, metric.help, metric.labels, registry=self._registry)

    def _gauge(self, metric: Metric) -> Gauge:
        return Gauge(metric.name, metric.help, metric.labels, registry=self._registry)

    def _histogram(self, metric: Metric) -> Histogram:
        return Histogram(
            metric.name,
            metric.help,
            metric.labels,
            registry=self._registry,
            buckets=metric.buckets,
        )


def _possible() -> list[tuple[Source, Reason, Arm]]:
    fallbacks = [s for s in Source if s is not Source.MODEL]
    reasons = [r for r in Reason if r is not Reason.OK]
    return [(Source.MODEL, Reason.OK, Arm.MODEL), *product(fallbacks, reasons, Arm)]


def _arms(reason: Reason) -> tuple[Arm, ...]:
    return (Arm.HOLDOUT,) if reason is Reason.HOLDOUT else (Arm.MODEL,)
