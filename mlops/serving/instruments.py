"""Instruments: what one process of a service counts and measures of itself.

The metrics are declared in `mlops.base.telemetry`, their series in `mlops.serving.series`. Each
process writes to a vector of its own; a scrape of any of them tells the sums over all.
"""

import logging
from bisect import bisect_left
from collections.abc import Callable, Hashable

import numpy as np

from mlops.base import telemetry
from mlops.base.telemetry import Metric
from mlops.serving.breaker import Change, State
from mlops.serving.decision import Decision
from mlops.serving.exposition import Exposition, Named, Totals
from mlops.serving.guard import Breach
from mlops.serving.latch import Cause, LatchState
from mlops.serving.series import BY_NAME, SIZE

_log = logging.getLogger(__name__)


class Instruments:
    """The metrics of one process; one object for each vector.

    Args:
        service: Value of the `service` label.
        numbers: The process's vector, of `mlops.serving.series.SIZE` float64; None makes one that
            no other process sees.
        totals: Sums over all processes; None takes this one's own numbers.

    Attributes:
        in_flight: Decisions that have begun and not ended.
        queued: Records the seconds that a request waited for its work to begin.
        observe_model: Records the seconds that the model took for a page.
    """

    def __init__(
        self,
        service: str,
        numbers: "memoryview[float] | None" = None,
        totals: Totals | None = None,
    ) -> None:
        given = memoryview(bytearray(8 * SIZE)).cast("d") if numbers is None else numbers
        own = np.frombuffer(given.cast("B"), dtype=np.float64)
        self._exposition = Exposition(service, totals or (lambda: own))
        self._numbers = given
        requests = BY_NAME[telemetry.HTTP_REQUESTS.name].places
        self._requests = {int(code): place for (code,), place in requests.items()}
        self._connections = Gauge(telemetry.HTTP_CONNECTIONS, given)
        self._closed = _Counter(telemetry.HTTP_CLOSED, given)
        self._decisions = _Counter(telemetry.DECISIONS, given)
        self._took = _histogram(telemetry.DECISION_SECONDS, given)
        self.queued = _histogram(telemetry.QUEUE_SECONDS, given)
        self._shed = _Counter(telemetry.SHED, given)
        self.observe_model = _histogram(telemetry.MODEL_SECONDS, given)
        self._model_limit = Gauge(telemetry.MODEL_LIMIT, given)
        self._violations = _Counter(telemetry.CONTRACT_VIOLATIONS, given)
        self._guard = _Counter(telemetry.GUARD_VIOLATIONS, given)
        self._breaches = _Counter(telemetry.CERTIFICATE_BREACHES, given)
        self._heuristic = _Counter(telemetry.HEURISTIC_FAILURES, given)
        self._breaker = {state: Gauge(telemetry.BREAKER_STATE, given, state) for state in State}
        self._transitions = _Counter(telemetry.BREAKER_TRANSITIONS, given)
        self._model_restarts = _Counter(telemetry.MODEL_RESTARTS, given)
        self._ready = Gauge(telemetry.MODEL_READY, given)
        self._latched = Gauge(telemetry.FALLBACK_LATCHED, given)
        self._latch = _Counter(telemetry.FALLBACK_TRANSITIONS, given)
        self.in_flight = Gauge(telemetry.IN_FLIGHT, given)
        self._workers = Gauge(telemetry.WORKERS, given)
        self._worker_restarts = _Counter(telemetry.WORKER_RESTARTS, given)
        self._poison = _Counter(telemetry.POISON_REQUESTS, given)
        self._trained = Gauge(telemetry.MODEL_TRAINED, given)
        self._swaps = _Counter(telemetry.BUNDLE_SWAPS, given)
        self._rows = _Counter(telemetry.LOG_ROWS, given)
        self._spool = Gauge(telemetry.LOG_SPOOL_BYTES, given)
        self._available = Gauge(telemetry.LOG_AVAILABLE, given)

    def count_request(self, code: int) -> None:
        """Count an answer of the decision endpoint by its status code.

        A code that has no series counts as the plainest of its hundred.
        """
        at = self._requests.get(code)
        if at is None:
            at = self._requests[400 if 400 <= code < 500 else 500]
        self._numbers[at] += 1.0

    def count_path(self, path: str) -> None:
        """Count by a path that a caller made up; only a drill asks for that."""
        self._exposition.count_open(path)

    def connections(self, open_now: int) -> None:
        """Record the open connections."""
        self._connections.set(open_now)

    def connection_closed(self, cause: str) -> None:
        """Count a connection that was closed on purpose; see `mlops.serving.series.CLOSED`."""
        self._closed.inc(cause)

    def count_decision(self, decision: Decision, seconds: float) -> None:
        """Count a decision and the time it took."""
        self._decisions.inc((decision.source, decision.reason, decision.arm))
        self._took(seconds)

    def shed(self, priority: str, cause: str) -> None:
        """Count a request refused to keep others in time; see `mlops.serving.series.SHED`."""
        self._shed.inc((priority, cause))

    def count_violation(self, rule: str) -> None:
        """Count a refused request by the first rule that it broke."""
        self._violations.inc(rule)

    def count_guard(self, breach: Breach) -> None:
        """Count a model output that the guard refused."""
        self._guard.inc(breach)

    def count_breach(self) -> None:
        """Count a model output that the certificate proves impossible."""
        self._breaches.inc(())

    def model_limit(self, pages: float) -> None:
        """Record how many pages the model may owe at once."""
        self._model_limit.set(pages)

    def model_ready(self, *, ready: bool) -> None:
        """Record whether the model can answer."""
        self._ready.set(ready)

    def model_restarted(self, cause: str) -> None:
        """Count a replacement of the model process; see `mlops.serving.series.MODEL_CAUSES`."""
        self._model_restarts.inc(cause)

    def heuristic_failed(self, cause: str) -> None:
        """Count a heuristic that gave nothing usable: `raised`, `late` or `invalid`."""
        self._heuristic.inc(cause)

    def breaker_is(self, state: State) -> None:
        """Record the breaker's state, for a process whose breaker has just been made."""
        for each, gauge in self._breaker.items():
            gauge.set(each is state)

    def breaker_changed(self, old: State, new: State, reason: Change) -> None:
        """Record a change of the breaker's state."""
        self._transitions.inc((old, new, reason))
        self.breaker_is(new)

    def fallback_changed(self, old: LatchState, new: LatchState, cause: Cause) -> None:
        """Record a change of the state of the latch that keeps the model from being asked."""
        self._latch.inc((old, new, cause))
        self._latched.set(new is LatchState.LATCHED)

    def workers(self, number: int) -> None:
        """Record how many workers give heartbeats."""
        self._workers.set(number)

    def worker_restarted(self, role: str, cause: str) -> None:
        """Count a replaced process; see `mlops.serving.series.ROLES` and `WORKER_CAUSES`."""
        self._worker_restarts.inc((role, cause))

    def poison_refused(self) -> None:
        """Count a request refused since equal ones had ended workers."""
        self._poison.inc(())

    def bundles(self, current: Named | None, previous: Named | None) -> None:
        """Name the bundle that is served and the one before it, each by digest and model.

        Every process that answers a scrape has to be told.
        """
        self._exposition.name_bundles(current, previous)

    def model_trained(self, at: float) -> None:
        """Record when the served model was trained, in seconds since 1970; 0 for no model."""
        self._trained.set(at)

    def swap(self, outcome: str) -> None:
        """Count an attempt to replace bundle or settings; see `mlops.serving.series.SWAPS`."""
        self._swaps.inc(outcome)

    def log_rows(self, outcome: str, rows: int) -> None:
        """Count rows of the decision log; see `mlops.serving.series.ROWS`."""
        self._rows.inc(outcome, rows)

    def log_spool(self, size: int) -> None:
        """Record how many bytes wait in files for the database."""
        self._spool.set(size)

    def log_available(self, available: bool) -> None:
        """Record whether the database takes rows."""
        self._available.set(available)

    def exposition(self) -> bytes:
        """Return all metrics of the service in Prometheus' text format."""
        return self._exposition.text()


class Gauge:
    """A value that goes up and down.

    Args:
        metric: Its declaration.
        numbers: The process's vector.
        *labels: Values of the labels after `service`.
    """

    __slots__ = ("_at", "_numbers")

    def __init__(self, metric: Metric, numbers: "memoryview[float]", *labels: str) -> None:
        self._numbers = numbers
        self._at = BY_NAME[metric.name].places[tuple(map(str, labels))]

    def set(self, value: float) -> None:
        """Set the value."""
        self._numbers[self._at] = value

    def inc(self) -> None:
        """Add 1."""
        self._numbers[self._at] += 1.0

    def dec(self) -> None:
        """Take 1 away."""
        self._numbers[self._at] -= 1.0


class _Counter:
    """The series of a counter, by label value; by a tuple of values where there are several."""

    __slots__ = ("_name", "_numbers", "_places")

    def __init__(self, metric: Metric, numbers: "memoryview[float]") -> None:
        self._name = metric.name
        self._numbers = numbers
        # Members of a StrEnum hash and compare as their text, so they need no look-up of it.
        self._places: dict[Hashable, int] = {
            values[0] if len(values) == 1 else values: place
            for values, place in BY_NAME[metric.name].places.items()
        }

    def inc(self, key: Hashable, by: float = 1.0) -> None:
        at = self._places.get(key)
        if at is None:  # a mistake of ours, which must cost neither an answer nor a new series
            _log.error("%s has no series for what is to be counted: %r", self._name, key)
        else:
            self._numbers[at] += by


def _histogram(metric: Metric, numbers: "memoryview[float]") -> Callable[[float], None]:
    """Return what records a value: in the first bucket whose bound it keeps, and in the sum.

    It is called several times on each request; as a method it took half as long again.
    """
    start = BY_NAME[metric.name].start
    bounds = metric.buckets
    total = start + len(bounds) + 1

    def observe(value: float) -> None:
        numbers[start + bisect_left(bounds, value)] += 1.0
        numbers[total] += value

    return observe
